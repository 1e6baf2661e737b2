/* What the figures were measured on, in general words: enough to tell two machines apart in a
 * collection of reports, nothing that names one. */
#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "troupe/troupe.h"

enum { LIMIT_S = 30, MB = 1024 * 1024, CPUS_AT_LEAST = 1 };

/* The first line that a program prints; NULL in the report when it cannot run. */
static json_t *answer_json(const char *const *arguments)
{
    struct child child;
    json_t *answer = NULL;

    if (child_run(arguments, LIMIT_S, &child) == 0 && child.status == 0 &&
        child.output.data != NULL)
        answer = json_stringn(child.output.data, strcspn(child.output.data, "\n"));
    child_free(&child);
    return answer != NULL ? answer : json_null();
}

static json_t *cpu_json(void)
{
    static const char key[] = "model name";
    FILE *file = fopen("/proc/cpuinfo", "re");
    json_t *model = NULL;
    char line[256];

    if (file == NULL)
        return json_null();
    while (model == NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strstr(line, ": ");

        if (strncmp(line, key, strlen(key)) == 0 && colon != NULL)
            model = json_stringn(colon + 2, strcspn(colon + 2, "\n"));
    }
    fclose(file);
    return model != NULL ? model : json_null();
}

/* Processors that this process may use. */
static int cores_usable(void)
{
    cpu_set_t usable;

    if (sched_getaffinity(0, sizeof usable, &usable) != 0)
        return CPUS_AT_LEAST;
    return CPU_COUNT(&usable);
}

json_t *bench_machine_json(const struct bench_places *places)
{
    const char *const mpi[] = { places->mpi.data, "version", NULL };
    const char *const python[] = { "python3", "--version", NULL };
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / MB;
    struct utsname system;
    char date[32];
    time_t now = time(NULL);
    struct tm utc;

    uname(&system);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:I, s:o, s:o}", "date", date, "troupe",
                     troupe_version(), "kernel", system.release, "cpu", cpu_json(), "cores",
                     cores_usable(), "memory_mb", (json_int_t)memory, "mpi", answer_json(mpi),
                     "python", answer_json(python));
}
