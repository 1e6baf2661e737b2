/* What `troupe doctor` finds: facts, and findings about what is wrong or worth knowing. Gathering
 * changes nothing on the machine and initialises neither MPI nor CUDA. */
#ifndef TROUPE_LAUNCH_DOCTOR_H
#define TROUPE_LAUNCH_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/settings.h"
#include "base/text.h"

struct doctor_fact {
    const char *name;
    char *value;
};

struct doctor_finding {
    bool wrong; /* else worth knowing */
    const char *topic;
    char *what;
    const char *remedy;
};

struct doctor {
    struct doctor_fact *facts;
    size_t facts_count;
    struct doctor_finding *findings;
    size_t findings_count;
    bool broken; /* memory ran out: the lists are not whole */
};

void doctor_fact(struct doctor *doctor, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void doctor_finding(struct doctor *doctor, bool wrong, const char *topic, const char *remedy,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Fills both lists; doctor is all zero before. */
void doctor_look(struct doctor *doctor);

bool doctor_anything_wrong(const struct doctor *doctor);

void doctor_free(struct doctor *doctor);

/* The parts of doctor_look that fill a file of their own. */
void doctor_look_at_mpi(struct doctor *doctor);
void doctor_look_at_gpus(struct doctor *doctor);
void doctor_look_at_driver(struct doctor *doctor, size_t gpus);
void doctor_look_at_mps(struct doctor *doctor, size_t gpus);
void doctor_look_at_settings(struct doctor *doctor);

/* "environment", "default", or "Troupe" where Troupe sets it for Open MPI. */
const char *doctor_setting_origin(const struct settings_row *row);

/* The table of settings, as lines and as an array. */
void doctor_settings_print(void);
json_t *doctor_settings_json(void);

/* Runs a program of the system and appends what it prints; its complaints are left out.
 *
 * Returns     its status; 127 when it is not there; -1 when it could not be run */
int doctor_output_of(char *const *argv, struct text *output);

#endif
