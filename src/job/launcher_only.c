#include "job/launcher_only.h"

#include <stdlib.h>
#include <string.h>

#define NAMES "TROUPE_LAUNCHER_ONLY"
#define COMPONENTS "HWLOC_COMPONENTS"
#define FOLDER "TROUPE_LAUNCHER_TMPDIR"

/* A batch system's allocation may hold other hosts, to which mpirun goes by itself. */
static bool is_allocated(const struct words *environment)
{
    static const char *const allocations[] = { "SLURM_JOB_ID", "PBS_NODEFILE", "LSB_JOBID",
                                               "PE_HOSTFILE" };

    for (size_t i = 0; i < sizeof allocations / sizeof *allocations; i++)
        if (words_value(environment, allocations[i]) != NULL)
            return true;
    return false;
}

static bool names_hosts(const struct job_run *run)
{
    return run->hosts != NULL || run->hostfile != NULL;
}

/* Arguments and parameters of the user's may name devices or other hosts. */
static bool maps_plainly(const struct job_run *run, const struct words *environment)
{
    static const char *const parameters[] = { "OMPI_MCA_rmaps", "OMPI_MCA_orte_default_hostfile",
                                              "PRTE_MCA_rmaps", "PRTE_MCA_prte_default_hostfile" };

    if (run->mpirun_arguments != NULL && run->mpirun_arguments[0] != NULL)
        return false;
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (words_has_prefix(environment, parameters[i]))
            return false;
    return true;
}

static void folder_set(const struct job_run *run, const char *session, struct words *environment)
{
    const char *before = words_value(environment, "TMPDIR");
    char *kept = strdup(before != NULL ? before : "");

    words_unset_prefix(environment, FOLDER "=");
    environment->broken = environment->broken || kept == NULL;
    if (kept != NULL && session != NULL && !is_allocated(environment)) {
        if (!names_hosts(run)) {
            words_set_default(environment, "OMPI_MCA_orte_tmpdir_base", session);
            words_set_default(environment, "PRTE_MCA_prte_tmpdir_base", session); /* from 5 on */
        } else {
            words_set(environment, FOLDER, kept);
            words_set(environment, "TMPDIR", session);
        }
    }
    free(kept);
}

void launcher_only_set(const struct job_run *run, const char *session, struct words *environment)
{
    folder_set(run, session, environment);
    words_unset_prefix(environment, NAMES "=");
    if (words_value(environment, COMPONENTS) != NULL || is_allocated(environment) ||
        names_hosts(run) || !maps_plainly(run, environment))
        return;
    words_set(environment, COMPONENTS, "-linuxio,-pci,-opencl,-gl,-cuda,-nvml,-rsmi,-levelzero");
    words_set(environment, NAMES, COMPONENTS);
}

void launcher_only_forget(void)
{
    const char *names = getenv(NAMES), *folder = getenv(FOLDER);

    if (names != NULL && strcmp(names, COMPONENTS) == 0)
        unsetenv(COMPONENTS);
    unsetenv(NAMES);
    if (folder != NULL && *folder != '\0')
        setenv("TMPDIR", folder, 1);
    else if (folder != NULL)
        unsetenv("TMPDIR");
    unsetenv(FOLDER);
}
