/* The driver and what depends on it: the toolkit's version, MIG and compute modes, MPS. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "doctor.h"
#include "nvml/nvml.h"
#include "troupe/troupe.h"

/* NVML's number for CUDA 12.4 is 12040. */
enum { VERSION_SIZE = 32, VERSION_MAJOR = 1000, VERSION_MINOR = 10 };

/* ---- versions ------------------------------------------------------------------------------- */

/* The toolkit that programs are built with here, in NVML's number; 0 when there is none. */
static int toolkit_version(void)
{
    static char paths[][32] = { "nvcc", "/usr/local/cuda/bin/nvcc" };
    static char option[] = "--version";
    int version = 0;

    for (size_t i = 0; i < sizeof paths / sizeof *paths && version == 0; i++) {
        char *argv[] = { paths[i], option, NULL };
        struct text output = { 0 };
        const char *release;
        int major, minor;

        if (doctor_output_of(argv, &output) == 0 && output.data != NULL &&
            (release = strstr(output.data, "release ")) != NULL &&
            sscanf(release, "release %d.%d", &major, &minor) == 2)
            version = major * VERSION_MAJOR + minor * VERSION_MINOR;
        text_free(&output);
    }
    return version;
}

static int major_of(int version)
{
    return version / VERSION_MAJOR;
}

static int minor_of(int version)
{
    return version % VERSION_MAJOR / VERSION_MINOR;
}

/* A driver runs every program of its own major version, but compiles no PTX newer than itself. */
static void look_at_toolkit(struct doctor *doctor)
{
    int driver = 0, toolkit = toolkit_version();
    bool known = nvml_cuda_version(&driver);

    if (toolkit > 0)
        doctor_fact(doctor, "toolkit", "CUDA %d.%d", major_of(toolkit), minor_of(toolkit));
    if (known)
        doctor_fact(doctor, "cuda", "the driver runs CUDA up to %d.%d", major_of(driver),
                    minor_of(driver));
    if (known && toolkit > driver)
        doctor_finding(doctor, major_of(toolkit) > major_of(driver), "driver",
                       "install a newer driver, or build with an older toolkit",
                       "the driver is older than the toolkit: it runs CUDA up to %d.%d, and nvcc "
                       "is of %d.%d",
                       major_of(driver), minor_of(driver), major_of(toolkit), minor_of(toolkit));
}

/* ---- devices -------------------------------------------------------------------------------- */

static void look_at_modes(struct doctor *doctor)
{
    struct nvml_devices devices = { 0 };

    if (nvml_devices_ask(&devices) != TROUPE_OK)
        doctor->broken = true;
    for (size_t i = 0; i < devices.count; i++) {
        const struct nvml_device *device = &devices.items[i];

        if (device->mig_pending)
            doctor_finding(doctor, true, "mig",
                           "reset the GPU or restart the machine: "
                           "nvidia-smi --gpu-reset",
                           "GPU %04x:%02x:%02x.0 is half in MIG mode: a change waits for a reset",
                           device->domain, device->bus, device->device);
        else if (device->mig && device->instances_count == 0)
            doctor_finding(doctor, true, "mig",
                           "make instances: nvidia-smi mig -cgi 0 -C; or turn it off: nvidia-smi "
                           "-mig 0",
                           "GPU %04x:%02x:%02x.0 is in MIG mode without an instance: nobody can "
                           "compute on it",
                           device->domain, device->bus, device->device);
        if (device->compute == NVML_COMPUTE_PROHIBITED)
            doctor_finding(doctor, true, "gpu", "as root: nvidia-smi -c DEFAULT",
                           "GPU %04x:%02x:%02x.0 is in compute mode Prohibited", device->domain,
                           device->bus, device->device);
        if (device->compute == NVML_COMPUTE_EXCLUSIVE)
            doctor_finding(doctor, false, "gpu",
                           "give it one rank, start MPS, or as root: nvidia-smi -c DEFAULT",
                           "GPU %04x:%02x:%02x.0 is in compute mode Exclusive_Process: without MPS "
                           "a second rank on it gets an error",
                           device->domain, device->bus, device->device);
    }
    nvml_devices_free(&devices);
}

void doctor_look_at_driver(struct doctor *doctor, size_t gpus)
{
    char version[VERSION_SIZE];

    if (nvml_driver_version(version, sizeof version))
        doctor_fact(doctor, "driver", "NVIDIA %s", version);
    else if (gpus > 0)
        doctor_finding(doctor, true, "driver",
                       "install NVIDIA's driver, or start the container with --gpus all",
                       "an NVIDIA GPU is there, but its driver is not loaded or not visible");
    look_at_toolkit(doctor);
    look_at_modes(doctor);
}

/* ---- MPS ------------------------------------------------------------------------------------ */

enum mps { MPS_ABSENT, MPS_STALE, MPS_RUNNING };

/* The control daemon leaves its number beside its pipes. */
static enum mps mps_find(const char *folder)
{
    struct text path = { 0 };
    FILE *file = NULL;
    long daemon = 0;
    bool read;

    text_append(&path, "%s/nvidia-cuda-mps-control.pid", folder);
    if (!path.broken)
        file = fopen(path.data, "re");
    text_free(&path);
    if (file == NULL)
        return MPS_ABSENT;
    read = fscanf(file, "%ld", &daemon) == 1 && daemon > 0 && daemon < INT_MAX;
    fclose(file);
    return read && (kill((pid_t)daemon, 0) == 0 || errno == EPERM) ? MPS_RUNNING : MPS_STALE;
}

/* The ranks that a run on this node would have, as far as somebody said so. */
static long ranks_said(void)
{
    static const char *const names[] = { "TROUPE_WORKERS", "SLURM_NTASKS_PER_NODE" };
    long ranks = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names && ranks == 0; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL)
            text_to_long(value, 1, INT_MAX, &ranks);
    }
    return ranks;
}

void doctor_look_at_mps(struct doctor *doctor, size_t gpus)
{
    static const char *const words[] = { "not running", "not running, though its pid file is here",
                                         "running" };
    const char *chosen = getenv("CUDA_MPS_PIPE_DIRECTORY");
    const char *folder = chosen != NULL ? chosen : "/tmp/nvidia-mps";
    enum mps mps = mps_find(folder);
    long ranks = ranks_said();

    if (gpus == 0 && chosen == NULL)
        return;
    doctor_fact(doctor, "mps", "%s (%s)", words[mps], folder);
    if (mps == MPS_STALE)
        doctor_finding(
            doctor, true, "mps", "start it: nvidia-cuda-mps-control -d; or remove the folder",
            "%s is left of an MPS that has ended: CUDA fails while it tries to connect", folder);
    if (mps != MPS_RUNNING && gpus > 0 && ranks > (long)gpus)
        doctor_finding(doctor, false, "mps",
                       "start it: nvidia-cuda-mps-control -d; or take one rank for each GPU",
                       "%ld ranks would share %zu GPUs without MPS: their kernels take turns",
                       ranks, gpus);
}
