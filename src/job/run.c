#include "job/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/networks.h"
#include "job/control.h"
#include "job/launcher_only.h"
#include "job/place.h"

extern char **environ;

/* ---- programs ------------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Looks through PATH. An entry that is there but cannot be run is remembered as EACCES. */
static int path_search(const char *name, struct text *path)
{
    const char *from = getenv("PATH");
    int reason = ENOENT;

    for (; from != NULL; from = strchr(from, ':') != NULL ? strchr(from, ':') + 1 : NULL) {
        struct text tried = { 0 };
        int length = (int)strcspn(from, ":");

        text_append(&tried, "%.*s%s%s", length > 0 ? length : 1, length > 0 ? from : ".", "/",
                    name);
        if (!tried.broken && is_program(tried.data)) {
            text_append(path, "%s", tried.data);
            text_free(&tried);
            return 0;
        }
        if (!tried.broken && access(tried.data, F_OK) == 0)
            reason = EACCES;
        text_free(&tried);
    }
    return reason;
}

int job_program_find(const char *name, struct text *path, int *status)
{
    struct stat found;
    int reason = 0;

    if (strchr(name, '/') == NULL)
        reason = path_search(name, path);
    else if (stat(name, &found) != 0)
        reason = errno;
    else if (!is_program(name))
        reason = EACCES;
    else
        text_append(path, "%s", name);
    if (reason == 0)
        return path->broken ? fail(TROUPE_NO_MEMORY, "out of memory") : TROUPE_OK;
    if (reason != EACCES) {
        *status = JOB_STATUS_NOT_FOUND;
        if (strchr(name, '/') == NULL)
            return fail(TROUPE_NOT_FOUND,
                        "there is no program %s in PATH; write ./%s for one in this folder", name,
                        name);
        return fail(TROUPE_NOT_FOUND, "cannot run %s: %s", name, strerror(reason));
    }
    *status = JOB_STATUS_NOT_EXECUTABLE;
    return fail(TROUPE_BAD_ARGUMENT,
                "cannot run %s: it is not an executable file; chmod +x it, or name its interpreter "
                "first",
                name);
}

static int mpirun_find(struct text *path, int *status)
{
    const char *chosen = getenv("TROUPE_MPIRUN");
    int ignored;

    *status = JOB_STATUS_LAUNCHER_FAILED;
    if (chosen != NULL && *chosen != '\0') {
        if (job_program_find(chosen, path, &ignored) == TROUPE_OK)
            return TROUPE_OK;
        return fail(TROUPE_LAUNCH,
                    "TROUPE_MPIRUN=%s is no program; name Open MPI's mpirun, or unset it", chosen);
    }
    if (job_program_find("mpirun", path, &ignored) == TROUPE_OK)
        return TROUPE_OK;
    return fail(TROUPE_LAUNCH, "there is no mpirun in PATH; install Open MPI (Debian, Ubuntu: "
                               "apt-get install openmpi-bin) or name it in TROUPE_MPIRUN");
}

/* ---- environment ---------------------------------------------------------------------------- */

/* Reading another process's memory may be forbidden, as in Docker; Open MPI tries it only when the
 * first large message comes, and then ends the job. Reading one's own meets the same filter. */
static bool memory_reading_blocked(void)
{
    char from = 1, to = 0;
    struct iovec local = { &to, 1 }, remote = { &from, 1 };

    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1;
}

/* Whether mpirun starts ranks by PRRTE, as from Open MPI 5 on: its prterun lies beside it. Before,
 * it was a link to orterun. */
static bool is_prrte(const char *mpirun)
{
    struct text prterun = { 0 };
    char *real = realpath(mpirun, NULL), *name = real != NULL ? strrchr(real, '/') : NULL;
    bool found = false;

    if (name != NULL && strcmp(name, "/orterun") != 0) {
        text_append(&prterun, "%.*s/prterun", (int)(name - real), real);
        found = !prterun.broken && is_program(prterun.data);
    }
    text_free(&prterun);
    free(real);
    return found;
}

/* Why each is needed is told in docs/run.md. */
static void safe_settings_add(const char *mpirun, struct words *environment)
{
    words_set_default(environment, "OMPI_MCA_shmem", "sysv");
    if (!is_prrte(mpirun))
        words_set_default(environment, "OMPI_MCA_osc", "^rdma");
    words_set_default(environment, "OMPI_MCA_btl_base_warn_component_unused", "0");
    words_set_default(environment, "OMPI_MCA_mca_base_component_show_load_errors", "0");
    if (memory_reading_blocked()) {
        words_set_default(environment, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
        words_set_default(environment, "OMPI_MCA_smsc", "^cma"); /* its name from 5 on */
    }
}

/* A parameter of mpirun's own, in both its names: PRRTE, which is mpirun from Open MPI 5 on, has a
 * prefix of its own and takes what the user set for the other. */
static void launcher_set_default(struct words *environment, const char *name, const char *value)
{
    static const char *const prefixes[] = { "OMPI_MCA_", "PRTE_MCA_" };
    struct text full[2] = { { 0 }, { 0 } };

    for (int i = 0; i < 2; i++)
        text_append(&full[i], "%s%s", prefixes[i], name);
    if (full[0].broken || full[1].broken)
        environment->broken = true;
    else if (words_value(environment, full[0].data) == NULL) {
        words_set_default(environment, full[1].data, value);
        words_set(environment, full[0].data, value);
    }
    text_free(&full[0]);
    text_free(&full[1]);
}

/* Open MPI's daemons have a connection to each other that is silent for hours. A host that is gone,
 * or cut off, is noticed on it after three silent seconds and five probes: without these, after
 * eight minutes. A host that only stands still answers: its kernel does. */
static void silence_notice(struct words *environment)
{
    launcher_set_default(environment, "oob_tcp_keepalive_time", "3");
    launcher_set_default(environment, "oob_tcp_keepalive_intvl", "1");
    launcher_set_default(environment, "oob_tcp_keepalive_probes", "5");
}

/* Open MPI's daemons speak to each other before any rank of ours runs; the ranks see to themselves
 * (fabric/settings.c). */
static void networks_choose(struct words *environment)
{
    struct text list = { 0 };

    if (networks_to_avoid("oob_tcp_if_", NULL, &list))
        words_set_default(environment, "OMPI_MCA_oob_tcp_if_exclude", list.data);
    text_free(&list);
}

/* A run inside a rank starts a world of its own: what the outer launcher said is not for it. */
static void outer_world_remove(struct words *environment)
{
    static const char *const prefixes[] = { "OMPI_", "PMIX_", "PMI_", "PRTE_", "ORTE_" };
    struct job_place place;

    if (job_place_detect(&place) == TROUPE_OK && !place.is_rank)
        return;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        words_unset_prefix(environment, prefixes[i]);
}

/* In Slurm, mpirun starts its daemons by srun, as a step of one task on each other host. srun reads
 * these, and what the job asked for each task would be all that a daemon gets, and with it the
 * ranks of its host. */
static void slurm_step_prepare(const struct job_run *run, struct words *environment)
{
    static const char *const shares[] = { "SLURM_GPUS_PER_TASK=", "SLURM_TRES_PER_TASK=",
                                          "SLURM_GPU_BIND=", "SLURM_NTASKS_PER_GPU=" };
    struct text wish = { 0 };

    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        words_unset_prefix(environment, shares[i]);
    if (run->gpus_elsewhere == 0)
        return;
    text_append(&wish, "--gpus=%d", run->gpus_elsewhere);
    launcher_set_default(environment, "plm_slurm_args", wish.broken ? "" : wish.data);
    text_free(&wish);
}

static void environment_build(const struct job_run *run, const char *mpirun, const char *session,
                              struct words *environment)
{
    words_append_all(environment, environ);
    outer_world_remove(environment);
    slurm_step_prepare(run, environment);
    words_unset_prefix(environment, CONTROL_ENVIRONMENT "=");
    words_unset_prefix(environment, "TROUPE_PLACED=");
    safe_settings_add(mpirun, environment);
    words_set_default(environment, "TROUPE_BIND", "core");
    if (geteuid() == 0) {
        words_set(environment, "OMPI_ALLOW_RUN_AS_ROOT", "1");
        words_set(environment, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    silence_notice(environment);
    networks_choose(environment);
    for (char *const *setting = run->settings; setting != NULL && *setting != NULL; setting++) {
        char *name = strndup(*setting, strcspn(*setting, "="));

        if (name != NULL)
            words_set(environment, name, strchr(*setting, '=') + 1);
        environment->broken = environment->broken || name == NULL;
        free(name);
    }
    launcher_only_set(run, session, environment);
}

/* ---- the command line ----------------------------------------------------------------------- */

static bool mentions(char *const *arguments, const char *option)
{
    for (; arguments != NULL && *arguments != NULL; arguments++)
        if (strcmp(*arguments + strspn(*arguments, "-"), option) == 0)
            return true;
    return false;
}

/* What of Troupe's own a rank on another host is to find as it is here: all but what is true of
 * this host or of this process alone. */
static bool is_forwarded(const char *pair)
{
    static const char *const kept[] = {
        "TROUPE_SUPERVISOR=", "TROUPE_PLACED",   "TROUPE_FRESH=",        "TROUPE_TOPOLOGY=",
        "TROUPE_MPIRUN=",     "TROUPE_WORKERS=", "TROUPE_CUDA_LIBRARY=", "TROUPE_LAUNCHER_"
    };

    if (strncmp(pair, "TROUPE_", strlen("TROUPE_")) != 0)
        return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strncmp(pair, kept[i], strlen(kept[i])) == 0)
            return false;
    return true;
}

static bool is_setting(const struct job_run *run, const char *pair)
{
    size_t length = strcspn(pair, "=") + 1;

    for (char *const *setting = run->settings; setting != NULL && *setting != NULL; setting++)
        if (strncmp(*setting, pair, length) == 0)
            return true;
    return false;
}

/* Other hosts get the environment only by name. */
static void environment_forward(const struct job_run *run, const struct words *environment,
                                struct words *arguments)
{
    if (run->hosts == NULL && run->hostfile == NULL)
        return;
    for (size_t i = 0; i < environment->count; i++)
        if (is_forwarded(environment->data[i]) && !is_setting(run, environment->data[i])) {
            words_append(arguments, "-x");
            words_append(arguments, environment->data[i]);
        }
    for (char *const *setting = run->settings; setting != NULL && *setting != NULL; setting++) {
        words_append(arguments, "-x");
        words_append(arguments, *setting);
    }
}

static void arguments_build(const struct job_run *run, const char *mpirun, const char *program,
                            const struct words *environment, struct words *arguments)
{
    struct text count = { 0 }, mapping = { 0 };

    text_append(&count, "%d", run->ranks);
    words_append(arguments, mpirun);
    words_append(arguments, "--oversubscribe");
    if (!mentions(run->mpirun_arguments, "bind-to")) {
        words_append(arguments, "--bind-to");
        words_append(arguments, "none");
    }
    if (run->hosts != NULL) {
        words_append(arguments, "--host");
        words_append(arguments, run->hosts);
    }
    if (run->hostfile != NULL) {
        words_append(arguments, "--hostfile");
        words_append(arguments, run->hostfile);
    }
    if (run->per_node > 0 &&
        (run->hosts != NULL || run->hostfile != NULL || run->hosts_are_known)) {
        text_append(&mapping, "ppr:%d:node", run->per_node);
        words_append(arguments, "--map-by");
        words_append(arguments, mapping.broken ? "" : mapping.data);
    }
    environment_forward(run, environment, arguments);
    words_append_all(arguments, run->mpirun_arguments);
    words_append(arguments, "-n");
    words_append(arguments, count.broken ? "" : count.data);
    arguments->broken = arguments->broken || count.broken || mapping.broken;
    words_append_all(arguments, run->prefix);
    words_append(arguments, program);
    words_append_all(arguments, run->command + 1);
    text_free(&count);
    text_free(&mapping);
}

int job_line_build(const struct job_run *run, const char *session, struct job_line *line,
                   int *status)
{
    struct job_line built = { 0 };
    struct text mpirun = { 0 }, program = { 0 };
    int result = job_program_find(run->command[0], &program, status);

    if (result == TROUPE_OK)
        result = mpirun_find(&mpirun, status);
    if (result == TROUPE_OK) {
        environment_build(run, mpirun.data, session, &built.environment);
        arguments_build(run, mpirun.data, program.data, &built.environment, &built.arguments);
        if (built.arguments.broken || built.environment.broken) {
            *status = JOB_STATUS_LAUNCHER_FAILED;
            result = fail(TROUPE_NO_MEMORY, "out of memory");
        }
    }
    text_free(&mpirun);
    text_free(&program);
    if (result == TROUPE_OK)
        *line = built;
    else
        job_line_free(&built);
    return result;
}

void job_line_free(struct job_line *line)
{
    words_free(&line->arguments);
    words_free(&line->environment);
}
