/* GPUs: what is there, what the driver lets us use, and what the environment asks of it. */
#include <stdlib.h>

#include "doctor.h"
#include "topo/mask.h"
#include "topo/place.h"
#include "topo/trial.h"
#include "troupe/troupe.h"

enum { VERSION_SIZE = 32 };

static void look_at_list(struct doctor *doctor, const struct machine *machine)
{
    size_t lost = 0;

    for (size_t i = 0; i < machine->gpus_count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[i];
        struct text numa = { 0 };

        cpus_append_list(&numa, &gpu->numa);
        doctor_fact(doctor, "gpu", "%d: %s%s%s, %s, NUMA %s", gpu->index, gpu->pci,
                    gpu->name != NULL ? " " : "", gpu->name != NULL ? gpu->name : "",
                    gpu->uuid != NULL ? gpu->uuid : "UUID unknown",
                    numa.data != NULL ? numa.data : "unknown");
        text_free(&numa);
        lost += !gpu->located;
    }
    for (size_t i = 0; i < machine->denied_count; i++)
        doctor_finding(doctor, true, "gpu",
                       "ask for it in the job (Slurm: --gpus), or give the container the device",
                       "GPU %s is there, but this process may not open it or MIG mode has no "
                       "instance on it",
                       machine->denied[i].pci);
    if (lost > 0)
        doctor_finding(doctor, false, "gpu",
                       "the firmware leaves numa_node at -1; a BIOS update or setting may mend it",
                       "of %zu GPUs it is not known where they sit: every core counts as near",
                       lost);
}

static void look_at_mask(struct doctor *doctor, const struct machine *machine)
{
    struct mask_given given = { getenv(MASK_VARIABLE), getenv(MASK_ORDER_VARIABLE), false };
    struct mask_pool pool = { 0 };

    if (given.value == NULL)
        return;
    doctor_fact(doctor, "mask", MASK_VARIABLE "=%s", given.value);
    if (machine->gpus_count + machine->denied_count == 0)
        return;
    if (mask_read(machine, &given, &pool) != TROUPE_OK) {
        doctor_finding(doctor, true, "mask", "name each GPU once, by number or UUID: nvidia-smi -L",
                       "%s", troupe_last_error());
        return;
    }
    if (pool.note != NULL)
        doctor_finding(doctor, false, "mask", "write plain numbers or UUIDs", "%s", pool.note);
    mask_pool_free(&pool);
}

void doctor_look_at_gpus(struct doctor *doctor)
{
    struct topo_options options;
    struct machine machine;
    char version[VERSION_SIZE];

    machine_library_version(version, sizeof version);
    doctor_fact(doctor, "hwloc", "interface %s", version);
    if (topo_options_read(&options) != TROUPE_OK) {
        doctor_finding(doctor, true, "settings", "mend or unset the variable", "%s",
                       troupe_last_error());
        return;
    }
    if (topology_try(options.topology) != TROUPE_OK ||
        machine_load(options.topology, &machine) != TROUPE_OK) {
        doctor_finding(doctor, true, "machine", "unset TROUPE_TOPOLOGY, or mount /sys", "%s",
                       troupe_last_error());
        return;
    }
    doctor_fact(doctor, "cores", "%zu on %zu NUMA nodes", machine.cores_count, machine.numa_count);
    if (machine.gpus_count + machine.denied_count == 0)
        doctor_fact(doctor, "gpu", "none: ranks compute on CPUs");
    look_at_list(doctor, &machine);
    if (options.topology == NULL)
        doctor_look_at_driver(doctor, machine.gpus_count);
    doctor_look_at_mps(doctor, machine.gpus_count);
    look_at_mask(doctor, &machine);
    machine_free(&machine);
}
