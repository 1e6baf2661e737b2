#include "topo/attest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/log.h"

/* Variables that make somebody bind threads after us, with who does. */
static const struct {
    const char *name, *who;
} binders[] = {
    { "GOMP_CPU_AFFINITY", "the OpenMP runtime" },
    { "KMP_AFFINITY", "the OpenMP runtime" },
    { "OMP_PROC_BIND", "the OpenMP runtime" },
    { "OMPI_MCA_hwloc_base_binding_policy", "MPI_Init" },
};

/* mpirun --bind-to none leaves its policy in the environment, too. */
static bool asks_to_bind(const char *value)
{
    return value != NULL && strcmp(value, "none") != 0 && strcmp(value, "disabled") != 0 &&
           strcasecmp(value, "false") != 0;
}

static void cause_append(struct text *text)
{
    for (size_t i = 0; i < sizeof binders / sizeof *binders; i++) {
        const char *value = getenv(binders[i].name);

        if (!asks_to_bind(value))
            continue;
        text_append(text, "%s did it, by %s=%s; unset it, or set TROUPE_BIND=none", binders[i].who,
                    binders[i].name, value);
        return;
    }
    text_append(text, "MPI_Init or a library that the program loads bound it again; give mpirun "
                      "--bind-to none, or set TROUPE_BIND=none");
}

static int difference_tell(const struct cpus *now, const char *planned)
{
    struct text text = { 0 };

    text_append(&text, "this rank runs on CPUs ");
    cpus_append_list(&text, now);
    text_append(&text, ", its plan says %s: ", planned);
    cause_append(&text);
    if (text.broken) {
        text_free(&text);
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a line about CPUs");
    }
    log_warning("%s", text.data);
    fail(TROUPE_MISMATCH, "%s", text.data);
    text_free(&text);
    return TROUPE_MISMATCH;
}

int topo_place_attest(const struct topo_place *place)
{
    struct cpus now = { 0 }, planned = { 0 };
    int result;

    if (!place->here)
        return TROUPE_OK;
    result = cpus_of_process(0, &now);
    if (result == TROUPE_OK)
        result = cpus_read_list(place->cpus, &planned);
    if (result == TROUPE_OK &&
        !(cpus_contains_all(&now, &planned) && cpus_contains_all(&planned, &now)))
        result = difference_tell(&now, place->cpus);
    cpus_free(&now);
    cpus_free(&planned);
    return result;
}
