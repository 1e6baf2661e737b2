/* The timeline as a picture: SVG, for light and dark pages, in colours that people who see red and
 * green alike can tell apart (Okabe and Ito's). */
#ifndef TROUPE_LAUNCH_MAP_REPORT_PICTURE_H
#define TROUPE_LAUNCH_MAP_REPORT_PICTURE_H

#include "launch/map/report/bars.h"
#include "launch/map/report/sink.h"
#include "launch/map/report/timeline.h"

/* Draws settled bars. Returns TROUPE_OK, TROUPE_SYSTEM, TROUPE_NO_MEMORY. */
int picture_write(const struct bars *bars, const struct timeline_options *options,
                  struct sink *sink);

#endif
