/* What the cases of fabric_test share. A rank that finds a promise broken says which and leaves
 * with status 1, which ends the job. */
#ifndef TROUPE_TESTS_FABRIC_CASES_H
#define TROUPE_TESTS_FABRIC_CASES_H

#include <stdbool.h>

#include "fabric/fabric.h"

extern const char identity[FABRIC_IDENTITY_MAX];
extern struct fabric_place place;

void expect(bool held, const char *format, ...) __attribute__((format(printf, 2, 3)));
void expect_result(int result, int wanted, const char *call);

/* The last failure's sentence contains part. */
void expect_sentence(const char *part);

/* Applies the settings and starts the floor, which must succeed. */
void world_start(void);

/* What TROUPE_SIMULATED_NODES asks for. */
int nodes_wanted(void);

/* segment_cases.c */
void case_segment(const char *argument);
void case_false_window(const char *argument);
void case_too_large(const char *argument);
void case_all_memory(const char *argument);
void case_bad_address(const char *argument);
void case_killed(const char *argument);

/* frames_cases.c */
void case_frames(const char *argument);
void case_unread(const char *argument);
void case_dead_peer(const char *argument);

#endif
