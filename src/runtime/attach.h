/* The end of a world that troupe_attach made. */
#ifndef TROUPE_RUNTIME_ATTACH_H
#define TROUPE_RUNTIME_ATTACH_H

/* Collective over the ranks. Returns status. */
int attach_end(int status);

#endif
