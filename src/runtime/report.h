/* What a rank tells its keeper through a pipe once the world stands, or why it does not. */
#ifndef TROUPE_RUNTIME_REPORT_H
#define TROUPE_RUNTIME_REPORT_H

#include <sys/types.h>

#include "fabric/fabric.h"

#define REPORT_SENTENCE 256

struct report {
    int result; /* TROUPE_OK, or why the world could not start */
    struct fabric_place place;
    pid_t parent; /* its pid; 0 when it is on another host */
    char address[FABRIC_ADDRESS_SIZE];
    char sentence[REPORT_SENTENCE];
};

/* Sends it whole. */
void report_send(int descriptor, const struct report *report);

/* Waits for it; false when the other side ended without one. */
bool report_receive(int descriptor, struct report *report);

#endif
