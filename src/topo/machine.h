/* The machine as a plan needs it: cores with their PUs and NUMA node, and NVIDIA GPUs with where
 * they sit. Plain data: no type of hwloc's leaves this room.
 *
 * What always holds: cores stand in hwloc's logical order and have at least one PU; only PUs that
 * the machine's control groups allow are in it; GPUs stand in PCI order (domain, bus, device,
 * function), which is CUDA's own with CUDA_DEVICE_ORDER=PCI_BUS_ID; other vendors' display
 * adapters, NVSwitches and GPUs that may not be opened are no GPUs of this list. */
#ifndef TROUPE_TOPO_MACHINE_H
#define TROUPE_TOPO_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "topo/cpus.h"

#define MACHINE_PCI_SIZE 24

struct machine_numa {
    int os_index;
    struct cpus pus; /* of its cores, allowed or not */
};

struct machine_core {
    size_t numa;    /* position in machine.numa */
    size_t package; /* logical number */
    struct cpus pus;
};

struct machine_gpu {
    unsigned domain, bus, device, function;
    char pci[MACHINE_PCI_SIZE]; /* "0000:1b:00.0" */
    int index;                  /* CUDA's number of the GPU in PCI order; MIG instances share it */
    char *uuid;                 /* "GPU-…" or "MIG-…"; NULL when nothing tells */
    char *name;                 /* NULL when nothing tells */
    bool instance;              /* a MIG instance */
    bool located;               /* it is known where it sits */
    struct cpus near;           /* PUs as near as can be, allowed or not; empty unless located */
    struct cpus numa;           /* OS numbers of the NUMA nodes of those PUs */
    size_t near_numa;           /* position in machine.numa of the first, for distances */
    size_t package;             /* MACHINE_NO_PACKAGE when it belongs to none or to several */
};

#define MACHINE_NO_PACKAGE ((size_t)-1)

struct machine {
    char *name;
    struct machine_numa *numa; /* those with cores, allowed or not, in order of their first core */
    size_t numa_count;
    struct machine_core *cores;
    size_t cores_count;
    struct machine_gpu *gpus;
    size_t gpus_count;
    struct machine_gpu *denied; /* present, but a control group or file mode keeps us out */
    size_t denied_count;
    unsigned *slit; /* [numa_count * numa_count] the firmware's distances, 10 is local; or NULL */
};

/* Loads a machine.
 *
 * xml         an hwloc topology file; NULL: the machine we run on
 * machine     freed by machine_free
 * Returns     TROUPE_OK
 *             TROUPE_NOT_FOUND     the file cannot be opened
 *             TROUPE_BAD_ARGUMENT  the file is not a topology
 *             TROUPE_SYSTEM        hwloc failed, or found no core
 *             TROUPE_NO_MEMORY */
int machine_load(const char *xml, struct machine *machine);

/* Leaves only the PUs in cpus, and the cores that keep one. When that would leave none (the file
 * of another machine), the machine stays as it is and false is returned. */
bool machine_restrict(struct machine *machine, const struct cpus *cpus);

void machine_free(struct machine *machine);

/* How far a core is from a GPU: 0 beside it, or when it is not known where the GPU sits; then
 * MACHINE_SAME_PACKAGE and MACHINE_OTHER_PACKAGE, each plus the firmware's distance if known. */
unsigned machine_distance(const struct machine *machine, size_t core, size_t gpu);

#define MACHINE_SAME_PACKAGE 100U
#define MACHINE_OTHER_PACKAGE 200U
#define MACHINE_FARTHEST 299U

/* "none", or name and PCI address of each: "NVIDIA H200 0000:1b:00.0"; gpus are positions in
 * machine.gpus. Freed by the caller. Returns TROUPE_OK or TROUPE_NO_MEMORY. */
int machine_gpus_text(const struct machine *machine, const size_t *gpus, size_t count, char **text);

/* Whether sysfs shows a PCI device of NVIDIA's that displays or computes. Costs microseconds. */
bool machine_has_nvidia(void);

/* The version of the programming interface of the hwloc that runs, "2.8.0" for hwloc 2.9, into
 * version[size]. */
void machine_library_version(char *version, size_t size);

/* All allowed PUs. Returns TROUPE_OK or TROUPE_NO_MEMORY. */
int machine_cpus(const struct machine *machine, struct cpus *cpus);

#endif
