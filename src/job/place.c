/* One row for each launcher, in the order of trust: what identifies it and where it keeps its
 * numbers. The first row whose first variable is set decides; under srun --mpi=pmix the PMIx row
 * comes before Slurm's and only says that this is a rank, the numbers come from both. */
#include "job/place.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

struct source {
    enum job_launcher launcher;
    const char *rank, *size, *local_rank, *local_size;
};

static const struct source sources[] = {
    { JOB_LAUNCHER_MPIRUN, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
      "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE" },
    { JOB_LAUNCHER_SLURM, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", NULL },
    { JOB_LAUNCHER_FLUX, "FLUX_TASK_RANK", "FLUX_JOB_SIZE", "FLUX_TASK_LOCAL_ID", NULL },
    { JOB_LAUNCHER_PALS, "PALS_RANKID", NULL, "PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE" },
    { JOB_LAUNCHER_HYDRA, "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS" },
    { JOB_LAUNCHER_PMIX, "PMIX_RANK", NULL, NULL, NULL },
};

static int number_read(const char *name, int *number)
{
    const char *text = name != NULL ? getenv(name) : NULL;
    long value;

    if (text == NULL)
        return TROUPE_OK;
    if (!text_to_long(text, 0, INT_MAX, &value))
        return fail(TROUPE_BAD_ARGUMENT,
                    "the launcher's variable %s=%s is not a number; unset it when no launcher "
                    "started this process",
                    name, text);
    *number = (int)value;
    return TROUPE_OK;
}

static int source_read(const struct source *source, struct job_place *place)
{
    int result = number_read(source->rank, &place->rank);

    if (result == TROUPE_OK)
        result = number_read(source->size, &place->size);
    if (result == TROUPE_OK)
        result = number_read(source->local_rank, &place->local_rank);
    if (result == TROUPE_OK)
        result = number_read(source->local_size, &place->local_size);
    return result;
}

/* srun numbers its tasks on a node as "2" or "4(x2),3": the first number is only this node's when
 * all nodes have as many. */
static void slurm_local_size_read(struct job_place *place)
{
    const char *text = getenv("SLURM_STEP_TASKS_PER_NODE");
    char *end;
    long value;

    if (text == NULL || strchr(text, ',') != NULL)
        return;
    value = strtol(text, &end, 10);
    if (end != text && (*end == '\0' || *end == '(') && value > 0 && value < INT_MAX)
        place->local_size = (int)value;
}

int job_place_detect(struct job_place *place)
{
    struct job_place found = { JOB_LAUNCHER_NONE, false, -1, -1, -1, -1 };
    int result;

    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const struct source *source = &sources[i];

        if (getenv(source->rank) == NULL &&
            (source->local_rank == NULL || getenv(source->local_rank) == NULL))
            continue;
        found.launcher = source->launcher;
        result = source_read(source, &found);
        if (result != TROUPE_OK)
            return result;
        break;
    }
    if (found.launcher == JOB_LAUNCHER_SLURM)
        slurm_local_size_read(&found);
    found.is_rank = getenv("OMPI_COMM_WORLD_RANK") != NULL || getenv("PMIX_RANK") != NULL;
    *place = found;
    return TROUPE_OK;
}

const char *job_launcher_name(enum job_launcher launcher)
{
    switch (launcher) {
    case JOB_LAUNCHER_MPIRUN:
        return "mpirun";
    case JOB_LAUNCHER_SLURM:
        return "srun";
    case JOB_LAUNCHER_FLUX:
        return "flux";
    case JOB_LAUNCHER_PALS:
        return "PALS";
    case JOB_LAUNCHER_HYDRA:
        return "mpiexec";
    case JOB_LAUNCHER_PMIX:
        return "PMIx";
    case JOB_LAUNCHER_NONE:
        break;
    }
    return "none";
}
