/* Whether the kernel killed for want of memory. A process that it ended only has a SIGKILL to show;
 * its count of such kills tells more. */
#ifndef TROUPE_CORE_OOM_H
#define TROUPE_CORE_OOM_H

#include <stdbool.h>

#define OOM_NOTE ", probably by the kernel for want of memory (OOM)"

/* Notes the count as it is now. */
void oom_watch(void);

/* Whether it has grown since, or had at another call a moment ago: then a SIGKILL that nobody sent
 * was probably the kernel's. False in a process that does not watch. */
bool oom_struck(void);

#endif
