/* Open MPI as its own programs describe it: mpirun --version and ompi_info. No MPI is linked or
 * initialised, so that a broken one can be told of. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

enum { OUTPUT_PIECE = 4096, MAJOR_WITHOUT_FAULT = 5 };

extern char **environ;

int doctor_output_of(char *const *argv, struct text *output)
{
    posix_spawn_file_actions_t actions;
    char piece[OUTPUT_PIECE];
    int ends[2], status = -1, error;
    ssize_t size;
    pid_t child;

    if (pipe(ends) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
    error = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (error == 0 && ((size = read(ends[0], piece, sizeof piece)) > 0 || errno == EINTR))
        if (size > 0)
            text_append_bytes(output, piece, (size_t)size);
        else if (size == 0)
            break;
    close(ends[0]);
    if (error != 0)
        return error == ENOENT ? 127 : -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Lists the components of a framework out of ompi_info's lines "mca:osc:rdma:version:…". */
static bool components_of(const char *info, const char *framework, struct text *names)
{
    struct text start = { 0 }, last = { 0 };
    bool rdma = false;

    text_append(&start, "mca:%s:", framework);
    for (const char *line = info; line != NULL && start.data != NULL; line = strchr(line, '\n')) {
        size_t size;

        line += *line == '\n';
        if (strncmp(line, start.data, start.size) != 0)
            continue;
        line += start.size;
        size = strcspn(line, ":\n");
        if (last.data != NULL && last.size == size && strncmp(line, last.data, size) == 0)
            continue;
        last.size = 0;
        text_append_bytes(&last, line, size);
        text_append(names, "%s%.*s", names->size > 0 ? " " : "", (int)size, line);
        rdma |= size == strlen("rdma") && strncmp(line, "rdma", size) == 0;
    }
    text_free(&start);
    text_free(&last);
    return rdma;
}

/* One rank's compare-and-swap through osc/rdma on its own node crashes before Open MPI 5. */
static void look_at_one_sided(struct doctor *doctor, bool rdma, int major)
{
    const char *chosen = getenv("OMPI_MCA_osc");

    if (!rdma || major >= MAJOR_WITHOUT_FAULT)
        return;
    if (chosen != NULL && strcmp(chosen, "^rdma") != 0 && strstr(chosen, "rdma") != NULL &&
        *chosen != '^')
        doctor_finding(doctor, true, "one-sided", "unset OMPI_MCA_osc, or set it to ^rdma",
                       "OMPI_MCA_osc=%s chooses osc/rdma, whose 64-bit compare-and-swap crashes on "
                       "one node",
                       chosen);
    else if (chosen == NULL)
        doctor_finding(doctor, false, "one-sided",
                       "nothing for Troupe, which turns it off; for other programs export "
                       "OMPI_MCA_osc=^rdma",
                       "this Open MPI's osc/rdma crashes in 64-bit compare-and-swap on one node");
}

/* Between hosts UCX alone reads under the thread level that Troupe needs. */
static void look_at_remote_read(struct doctor *doctor, bool ucx)
{
    const char *word = getenv("TROUPE_REMOTE_READ");

    if (word == NULL || *word == '\0' || strcmp(word, "auto") == 0 || strcmp(word, "message") == 0)
        return;
    if (strcmp(word, "get") != 0)
        doctor_finding(doctor, true, "remote-read", "write auto, message or get, or unset it",
                       "TROUPE_REMOTE_READ=%s is no way to read", word);
    else if (!ucx)
        doctor_finding(doctor, true, "remote-read",
                       "unset it, or install Open MPI's component osc/ucx on every host",
                       "TROUPE_REMOTE_READ=get, and this Open MPI has no osc/ucx to read other "
                       "hosts' memory with");
}

static void look_at_components(struct doctor *doctor, int major)
{
    static const char *const frameworks[] = { "pml", "btl", "osc" };
    char program[] = "ompi_info", parsable[] = "--parsable";
    char *argv[] = { program, parsable, NULL };
    struct text info = { 0 };
    bool rdma = false, ucx = false;

    if (doctor_output_of(argv, &info) == 0 && info.data != NULL)
        for (size_t i = 0; i < sizeof frameworks / sizeof *frameworks; i++) {
            struct text names = { 0 };

            rdma = components_of(info.data, frameworks[i], &names);
            ucx = names.data != NULL && strstr(names.data, "ucx") != NULL; /* osc is the last */
            doctor_fact(doctor, frameworks[i], "%s", names.data != NULL ? names.data : "none");
            text_free(&names);
        }
    text_free(&info);
    look_at_one_sided(doctor, rdma, major);
    look_at_remote_read(doctor, ucx);
}

void doctor_look_at_mpi(struct doctor *doctor)
{
    char program[] = "mpirun", version[] = "--version";
    char *argv[] = { program, version, NULL };
    struct text output = { 0 };
    int status = doctor_output_of(argv, &output), major = 0;

    if (output.data != NULL)
        output.data[strcspn(output.data, "\n")] = '\0';
    if (status == 127)
        doctor_finding(doctor, true, "mpi",
                       "install it: apt-get install openmpi-bin, or load its module",
                       "there is no mpirun in PATH");
    else if (status != 0 || output.data == NULL)
        doctor_finding(doctor, true, "mpi", "run mpirun --version and mend what it says",
                       "mpirun --version fails with status %d", status);
    else if (sscanf(output.data, "mpirun (Open MPI) %d", &major) != 1)
        doctor_finding(doctor, true, "mpi", "put Open MPI's mpirun first in PATH",
                       "mpirun is not Open MPI's: %s", output.data);
    else
        doctor_fact(doctor, "mpi", "%s", output.data);
    text_free(&output);
    if (major == 0)
        return;
    look_at_components(doctor, major);
    if (geteuid() == 0)
        doctor_finding(doctor, false, "root",
                       "nothing for troupe run; a plain mpirun wants --allow-run-as-root",
                       "you are root, and mpirun refuses root unless told");
}
