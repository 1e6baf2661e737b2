/* The parts of a path that a template may ask for, of any bytes, as GNU parallel takes them. */
#ifndef TROUPE_LAUNCH_MAP_TEXT_PATH_H
#define TROUPE_LAUNCH_MAP_TEXT_PATH_H

#include "troupe/types.h"

enum path_part {
    PATH_WHOLE,
    PATH_STEM,     /* without the extension of its last part */
    PATH_LAST,     /* what follows the last slash */
    PATH_FOLDER,   /* what dirname(1) says */
    PATH_LAST_STEM /* the last part without its extension */
};

/* A view of a part: of path's own bytes, or of "." and "/". */
troupe_bytes path_part(troupe_bytes path, enum path_part part);

#endif
