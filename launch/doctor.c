/* The machine itself: CPUs, memory that ranks share, names, scheduler, settings. */
#include "doctor.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "topo/cpus.h"
#include "troupe/troupe.h"

enum {
    HOST_SIZE = 256,
    SHM_LEAST_MIB = 65,      /* more than Docker's default of 64, which several ranks outgrow */
    SEGMENT_LEAST_MIB = 1024 /* an arena of a small job */
};

/* ---- the lists -------------------------------------------------------------------------- */

static char *formatted(struct doctor *doctor, const char *format, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, format, arguments) < 0) {
        doctor->broken = true;
        return NULL;
    }
    return text;
}

void doctor_fact(struct doctor *doctor, const char *name, const char *format, ...)
{
    struct doctor_fact *facts =
        realloc(doctor->facts, (doctor->facts_count + 1) * sizeof *doctor->facts);
    va_list arguments;

    if (facts == NULL) {
        doctor->broken = true;
        return;
    }
    doctor->facts = facts;
    va_start(arguments, format);
    facts[doctor->facts_count] = (struct doctor_fact){ name, formatted(doctor, format, arguments) };
    va_end(arguments);
    doctor->facts_count += facts[doctor->facts_count].value != NULL;
}

void doctor_finding(struct doctor *doctor, bool wrong, const char *topic, const char *remedy,
                    const char *format, ...)
{
    struct doctor_finding *findings =
        realloc(doctor->findings, (doctor->findings_count + 1) * sizeof *doctor->findings);
    va_list arguments;
    char *what;

    if (findings == NULL) {
        doctor->broken = true;
        return;
    }
    doctor->findings = findings;
    va_start(arguments, format);
    what = formatted(doctor, format, arguments);
    va_end(arguments);
    if (what != NULL)
        findings[doctor->findings_count++] = (struct doctor_finding){ wrong, topic, what, remedy };
}

bool doctor_anything_wrong(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->findings_count; i++)
        if (doctor->findings[i].wrong)
            return true;
    return false;
}

void doctor_free(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->facts_count; i++)
        free(doctor->facts[i].value);
    for (size_t i = 0; i < doctor->findings_count; i++)
        free(doctor->findings[i].what);
    free(doctor->facts);
    free(doctor->findings);
    memset(doctor, 0, sizeof *doctor);
}

/* ---- the machine ------------------------------------------------------------------------ */

static void look_at_system(struct doctor *doctor)
{
    struct cpus cpus = { 0 };
    struct text list = { 0 };
    struct utsname name;

    doctor_fact(doctor, "troupe", "%s", troupe_version());
    if (uname(&name) == 0)
        doctor_fact(doctor, "system", "%s %s %s", name.sysname, name.release, name.machine);
    if (cpus_of_process(0, &cpus) == TROUPE_OK) {
        cpus_append_list(&list, &cpus);
        doctor_fact(doctor, "cpus", "%zu may be used: %s", cpus.count,
                    list.data != NULL ? list.data : "");
    } else {
        doctor_finding(doctor, true, "cpus", "allow sched_getaffinity in the container's profile",
                       "%s", troupe_last_error());
    }
    text_free(&list);
    cpus_free(&cpus);
}

/* mpirun and its daemons find one another by host name. */
static void look_at_host_name(struct doctor *doctor)
{
    char host[HOST_SIZE] = "";
    struct addrinfo *found = NULL;
    int error;

    if (gethostname(host, sizeof host - 1) != 0)
        return;
    doctor_fact(doctor, "host", "%s", host);
    error = getaddrinfo(host, NULL, NULL, &found);
    if (error != 0)
        doctor_finding(doctor, true, "host", "add a line for it to /etc/hosts",
                       "the host name %s has no address: %s", host, gai_strerror(error));
    else
        freeaddrinfo(found);
}

static void look_at_shm(struct doctor *doctor)
{
    struct statvfs shm;
    unsigned long mib;

    if (statvfs("/dev/shm", &shm) != 0) {
        doctor_finding(doctor, true, "shm", "mount a tmpfs there",
                       "/dev/shm cannot be looked at: %s", strerror(errno));
        return;
    }
    mib = (unsigned long)(shm.f_bavail * shm.f_frsize >> 20);
    doctor_fact(doctor, "shm", "%lu MiB free in /dev/shm", mib);
    if (mib < SHM_LEAST_MIB)
        doctor_finding(doctor, true, "shm",
                       "give the container more: docker run --shm-size=1g; or free what is there",
                       "/dev/shm has %lu MiB free: Open MPI's own segments may not fit", mib);
}

/* The arena is a System V segment. */
static void look_at_segments(struct doctor *doctor)
{
    FILE *file = fopen("/proc/sys/kernel/shmmax", "re");
    unsigned long long most = 0;

    if (file == NULL)
        return;
    if (fscanf(file, "%llu", &most) == 1 && most >> 20 < SEGMENT_LEAST_MIB)
        doctor_finding(doctor, true, "segments",
                       "as root: sysctl kernel.shmmax=18446744073692774399",
                       "a shared segment may have at most %llu MiB (kernel.shmmax)", most >> 20);
    fclose(file);
}

/* Open MPI copies between ranks of a node by process_vm_readv; Docker's default profile forbids
 * it, and Open MPI then fails or falls back by version. */
static void look_at_copying(struct doctor *doctor)
{
    char from = 1, to = 0;
    struct iovec local = { &to, 1 }, remote = { &from, 1 };

    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 && errno == EPERM)
        doctor_finding(doctor, false, "copying",
                       "export OMPI_MCA_btl_vader_single_copy_mechanism=none, or run the container "
                       "with --cap-add=SYS_PTRACE",
                       "processes may not read one another's memory (process_vm_readv)");
}

/* Slurm is installed, but this is no job of it. False when it is not installed. */
static bool look_at_slurm(struct doctor *doctor)
{
    char program[] = "srun", list[] = "--mpi=list";
    char *argv[] = { program, list, NULL };
    struct text output = { 0 };
    int status = doctor_output_of(argv, &output);

    if (status == 127) {
        text_free(&output);
        return false;
    }
    doctor_fact(doctor, "scheduler", "Slurm is installed; this is no job of it");
    if (status == 0 && output.data != NULL && strstr(output.data, "pmix") == NULL)
        doctor_finding(doctor, false, "scheduler",
                       "start ranks by mpirun or troupe run inside sbatch, or install Slurm's PMIx "
                       "plugin",
                       "srun has no PMIx: srun --mpi=list does not name it, so srun cannot start "
                       "Open MPI's ranks");
    text_free(&output);
    return true;
}

static void look_at_scheduler(struct doctor *doctor)
{
    static const char *const schedulers[][2] = {
        { "SLURM_JOB_ID", "Slurm" },
        { "PBS_JOBID", "PBS" },
        { "LSB_JOBID", "LSF" },
        { "FLUX_JOB_ID", "Flux" },
    };

    for (size_t i = 0; i < sizeof schedulers / sizeof *schedulers; i++) {
        const char *job = getenv(schedulers[i][0]);

        if (job != NULL) {
            doctor_fact(doctor, "scheduler", "%s, job %s", schedulers[i][1], job);
            return;
        }
    }
    if (!look_at_slurm(doctor))
        doctor_fact(doctor, "scheduler", "none: this is no job of one");
}

void doctor_look(struct doctor *doctor)
{
    look_at_system(doctor);
    look_at_host_name(doctor);
    look_at_shm(doctor);
    look_at_segments(doctor);
    look_at_copying(doctor);
    doctor_look_at_mpi(doctor);
    doctor_look_at_gpus(doctor);
    look_at_scheduler(doctor);
    doctor_look_at_settings(doctor);
}
