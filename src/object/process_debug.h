/* TROUPE_DEBUG=arguments: addresses among the bytes of a process's argument are told of. */
#ifndef TROUPE_OBJECT_PROCESS_DEBUG_H
#define TROUPE_OBJECT_PROCESS_DEBUG_H

#include <stddef.h>

/* Warns of the first word of the argument that is an address of something in this process. Returns
 * at once unless TROUPE_DEBUG names "arguments". */
void process_argument_check(const char *name, const void *argument, size_t bytes);

#endif
