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

/* Reads a number from 1 on at the front of *text and steps behind it; 0 when there is none. */
static long count_read(const char **text)
{
    char *end;
    long value = strtol(*text, &end, 10);

    if (end == *text || value < 1 || value > INT_MAX)
        return 0;
    *text = end;
    return value;
}

/* srun tells the tasks of its nodes as "2" or "4(x2),3": here 4 on nodes 0 and 1, 3 on node 2. */
static void slurm_local_size_read(struct job_place *place)
{
    const char *text = getenv("SLURM_STEP_TASKS_PER_NODE");
    int node = -1;
    long tasks, nodes;

    if (text == NULL || number_read("SLURM_NODEID", &node) != TROUPE_OK)
        return;
    if (node < 0 && strchr(text, ',') != NULL)
        return; /* the nodes differ, and which this is nobody says */
    while ((tasks = count_read(&text)) > 0) {
        nodes = 1;
        if (strncmp(text, "(x", 2) == 0) {
            text += 2;
            nodes = count_read(&text);
            text += *text == ')';
        }
        if (node < nodes) {
            place->local_size = (int)tasks;
            return;
        }
        node -= (int)nodes;
        if (*text != ',')
            return;
        text++;
    }
}

/* Whether a --gpu-bind gives each task its own: "verbose,single:1". */
static bool is_own_bind(const char *bind)
{
    static const char *const kinds[] = { "single", "per_task", "map", "mask", "closest" };

    if (strncmp(bind, "verbose,", strlen("verbose,")) == 0)
        bind += strlen("verbose,");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(bind, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

/* srun --gpus-per-task, and a --gpu-bind that is not the default: each task gets its own mask. Its
 * daemon tells what it did as "gpu:single:1", which counts before what anybody asked for: a step
 * inherits the options of its batch job in the environment. */
static bool slurm_masks_each_task(void)
{
    const char *done = getenv("SLURMD_TRES_BIND"),
               *gpu = done != NULL ? strstr(done, "gpu:") : NULL;
    const char *tres = getenv("SLURM_TRES_PER_TASK"), *bind = getenv("SLURM_GPU_BIND");

    if (gpu != NULL)
        return is_own_bind(gpu + strlen("gpu:"));
    return getenv("SLURM_GPUS_PER_TASK") != NULL || (tres != NULL && strstr(tres, "gpu") != NULL) ||
           (bind != NULL && is_own_bind(bind));
}

int job_place_detect(struct job_place *place)
{
    struct job_place found = { JOB_LAUNCHER_NONE, false, -1, -1, -1, -1, false };
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
    if (found.launcher == JOB_LAUNCHER_SLURM) {
        slurm_local_size_read(&found);
        found.own_mask = slurm_masks_each_task();
    }
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
