/* From hwloc to plain data. hwloc's components that would initialise CUDA, OpenCL or X stay off:
 * looking at a machine must change nothing, and CUDA does not survive the fork that may follow. */
#include "topo/machine.h"

#include <dirent.h>
#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "topo/gpu.h"

#define MACHINE_PATH 512
#define MACHINE_HOST 256
#define SLIT_MOST                                                                                  \
    (MACHINE_FARTHEST -                                                                            \
     MACHINE_OTHER_PACKAGE) /* so that the firmware's distance orders within a  \
                                                  level, never across */
#define SLIT_LOCAL 10U

/* ---- loading a topology ----------------------------------------------------------------- */

/* Sets a variable for the length of hwloc_topology_init or _load, unless the user set it. */
static bool variable_lend(const char *name, const char *value)
{
    return getenv(name) == NULL && setenv(name, value, 1) == 0;
}

/* hwloc opens all its plugins at the first use, GL and OpenCL among them: 4 ms that the machine
 * we run on does not need, for what it is asked comes from the built-in Linux component. */
static int topology_new(bool live, hwloc_topology_t *topology)
{
    static const char plugins[] = "HWLOC_PLUGINS_PATH";
    bool lent = live && variable_lend(plugins, "/nonexistent");
    int result = hwloc_topology_init(topology);

    if (lent)
        unsetenv(plugins);
    return result == 0 ? TROUPE_OK : fail(TROUPE_SYSTEM, "topo: hwloc cannot be initialised");
}

/* Returns 0 or -1 as hwloc_topology_load does, without its words about a file: ours are one
 * line. */
static int topology_load_quietly(hwloc_topology_t topology, const char *xml)
{
    static const char hide[] = "HWLOC_HIDE_ERRORS";
    bool lent = xml != NULL && variable_lend(hide, "2");
    int result = xml != NULL ? hwloc_topology_set_xml(topology, xml) : 0;

    if (result == 0)
        result = hwloc_topology_load(topology);
    if (lent)
        unsetenv(hide);
    return result;
}

static void topology_configure(hwloc_topology_t topology, bool io)
{
    static const char *const off[] = { "cuda", "opencl", "nvml", "gl", "rsmi", "levelzero" };

    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        hwloc_topology_set_components(topology, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, off[i]);
    hwloc_topology_set_all_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc_topology_set_type_filter(topology, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (io) {
        hwloc_topology_set_type_filter(topology, HWLOC_OBJ_PCI_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL);
        hwloc_topology_set_type_filter(topology, HWLOC_OBJ_OS_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL);
    }
    /* A GPU beside a socket that we may not use is still beside it: keep what is not allowed, and
     * leave it out of the cores ourselves. */
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
}

static int topology_load(const char *xml, hwloc_topology_t *topology)
{
    int result;

    if (xml != NULL && access(xml, R_OK) != 0)
        return fail_errno(TROUPE_NOT_FOUND, "%s: this topology file cannot be read", xml);
    result = topology_new(xml == NULL, topology);
    if (result != TROUPE_OK)
        return result;
    topology_configure(*topology, xml != NULL || machine_has_nvidia());
    if (topology_load_quietly(*topology, xml) != 0)
        result = xml != NULL ? TROUPE_BAD_ARGUMENT : TROUPE_SYSTEM;
    if (result == TROUPE_OK)
        return TROUPE_OK;
    hwloc_topology_destroy(*topology);
    return xml != NULL
               ? fail(
                     result,
                     "%s: not an hwloc topology of version 1 or 2; write one with: lstopo FILE.xml",
                     xml)
               : fail(result, "topo: hwloc cannot read this machine; set TROUPE_BIND=none");
}

/* ---- cores and NUMA nodes --------------------------------------------------------------- */

/* The NUMA node whose memory a core calls its own. Several can hold it: memory of a GPU or of the
 * package itself is a node too, without CPUs of its own. The smallest is the nearest, and the
 * firmware numbers the nodes with CPUs first. */
static hwloc_obj_t core_home(hwloc_topology_t topology, hwloc_obj_t core)
{
    hwloc_obj_t node = NULL, best = NULL;

    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != NULL) {
        int size, least;

        if (!hwloc_bitmap_isincluded(core->cpuset, node->cpuset))
            continue;
        size = hwloc_bitmap_weight(node->cpuset);
        least = best != NULL ? hwloc_bitmap_weight(best->cpuset) : 0;
        if (best == NULL || size < least || (size == least && node->os_index < best->os_index))
            best = node;
    }
    return best;
}

/* The position of a node in the machine's list, appended when it is new. */
static int numa_position(struct machine *machine, int os_index, size_t *position)
{
    struct machine_numa *numa;

    for (*position = 0; *position < machine->numa_count; (*position)++)
        if (machine->numa[*position].os_index == os_index)
            return TROUPE_OK;
    numa = realloc(machine->numa, (machine->numa_count + 1) * sizeof *numa);
    if (numa == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for %zu NUMA nodes",
                    machine->numa_count + 1);
    machine->numa = numa;
    numa[machine->numa_count++] = (struct machine_numa){ .os_index = os_index };
    return TROUPE_OK;
}

static int core_add(hwloc_topology_t topology, hwloc_obj_t object, struct machine *machine)
{
    hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(topology);
    struct machine_core *core = &machine->cores[machine->cores_count];
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, object);
    hwloc_obj_t home = core_home(topology, object);
    int result = numa_position(machine, home != NULL ? (int)home->os_index : 0, &core->numa), id;

    if (result != TROUPE_OK)
        return result;
    core->package = package != NULL ? package->logical_index : 0;
    hwloc_bitmap_foreach_begin(id, object->cpuset) result =
        result == TROUPE_OK ? cpus_add(&machine->numa[core->numa].pus, id) : result;
    if (result == TROUPE_OK && hwloc_bitmap_isset(allowed, (unsigned)id))
        result = cpus_add(&core->pus, id);
    hwloc_bitmap_foreach_end();
    machine->cores_count += core->pus.count > 0;
    return result;
}

/* Some virtual machines and boards show no cores, only PUs: each is then a core. */
static int cores_read(hwloc_topology_t topology, const char *xml, struct machine *machine)
{
    int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    hwloc_obj_type_t type = count > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    hwloc_obj_t object = NULL;
    int result = TROUPE_OK;

    count = hwloc_get_nbobjs_by_type(topology, type);
    machine->cores = calloc((size_t)(count > 0 ? count : 1), sizeof *machine->cores);
    if (machine->cores == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for %d cores", count);
    while (result == TROUPE_OK &&
           (object = hwloc_get_next_obj_by_type(topology, type, object)) != NULL)
        result = core_add(topology, object, machine);
    if (result == TROUPE_OK && machine->cores_count == 0)
        result = fail(TROUPE_SYSTEM, "%s: no core that may be used; write %s",
                      xml != NULL ? xml : "topo",
                      xml != NULL ? "the file anew with: lstopo FILE.xml" : "TROUPE_BIND=none");
    return result;
}

/* ---- the firmware's distances ----------------------------------------------------------- */

static void slit_copy(const struct hwloc_distances_s *distances, struct machine *machine)
{
    size_t count = distances->nbobjs;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            size_t from, to;

            for (from = 0; from < machine->numa_count; from++)
                if (machine->numa[from].os_index == (int)distances->objs[i]->os_index)
                    break;
            for (to = 0; to < machine->numa_count; to++)
                if (machine->numa[to].os_index == (int)distances->objs[j]->os_index)
                    break;
            if (from < machine->numa_count && to < machine->numa_count)
                machine->slit[from * machine->numa_count + to] =
                    (unsigned)distances->values[i * count + j];
        }
}

static int slit_read(hwloc_topology_t topology, struct machine *machine)
{
    struct hwloc_distances_s *distances = NULL;
    unsigned count = 1;

    if (machine->numa_count < 2 ||
        hwloc_distances_get_by_name(topology, "NUMALatency", &count, &distances, 0) != 0 ||
        count == 0)
        return TROUPE_OK;
    machine->slit = calloc(machine->numa_count * machine->numa_count, sizeof *machine->slit);
    if (machine->slit != NULL)
        slit_copy(distances, machine);
    hwloc_distances_release(topology, distances);
    return machine->slit != NULL
               ? TROUPE_OK
               : fail(TROUPE_NO_MEMORY, "topo: no memory for the distances of %zu NUMA nodes",
                      machine->numa_count);
}

/* ---- the machine ------------------------------------------------------------------------ */

static int name_read(hwloc_topology_t topology, bool live, struct machine *machine)
{
    const char *name = hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), "HostName");
    char host[MACHINE_HOST] = "localhost";

    if (live) {
        gethostname(host, sizeof host - 1);
        name = host;
    }
    machine->name = strdup(name != NULL ? name : "machine");
    return machine->name != NULL ? TROUPE_OK
                                 : fail(TROUPE_NO_MEMORY, "topo: no memory for a host name");
}

int machine_load(const char *xml, struct machine *machine)
{
    struct machine loaded = { 0 };
    hwloc_topology_t topology;
    int result = topology_load(xml, &topology);

    if (result != TROUPE_OK)
        return result;
    result = name_read(topology, xml == NULL, &loaded);
    if (result == TROUPE_OK)
        result = cores_read(topology, xml, &loaded);
    if (result == TROUPE_OK)
        result = slit_read(topology, &loaded);
    if (result == TROUPE_OK)
        result = gpu_find_all(topology, xml == NULL, &loaded);
    hwloc_topology_destroy(topology);
    if (result == TROUPE_OK)
        *machine = loaded;
    else
        machine_free(&loaded);
    return result;
}

static size_t pus_kept(const struct cpus *pus, const struct cpus *cpus)
{
    size_t kept = 0;

    for (size_t i = 0; i < pus->count; i++)
        kept += cpus_contains(cpus, pus->ids[i]);
    return kept;
}

bool machine_restrict(struct machine *machine, const struct cpus *cpus)
{
    size_t kept = 0;

    for (size_t i = 0; i < machine->cores_count; i++)
        kept += pus_kept(&machine->cores[i].pus, cpus);
    if (kept == 0)
        return false;
    kept = 0;
    for (size_t i = 0; i < machine->cores_count; i++) {
        struct machine_core core = machine->cores[i];
        size_t left = 0;

        for (size_t j = 0; j < core.pus.count; j++)
            if (cpus_contains(cpus, core.pus.ids[j]))
                core.pus.ids[left++] = core.pus.ids[j];
        core.pus.count = left;
        if (left > 0)
            machine->cores[kept++] = core;
        else
            cpus_free(&core.pus);
    }
    machine->cores_count = kept;
    return true;
}

static void gpus_free(struct machine_gpu *gpus, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gpu_free(&gpus[i]);
    free(gpus);
}

void machine_free(struct machine *machine)
{
    for (size_t i = 0; i < machine->cores_count; i++)
        cpus_free(&machine->cores[i].pus);
    for (size_t i = 0; i < machine->numa_count; i++)
        cpus_free(&machine->numa[i].pus);
    gpus_free(machine->gpus, machine->gpus_count);
    gpus_free(machine->denied, machine->denied_count);
    free(machine->cores);
    free(machine->numa);
    free(machine->slit);
    free(machine->name);
    memset(machine, 0, sizeof *machine);
}

unsigned machine_distance(const struct machine *machine, size_t core, size_t gpu)
{
    const struct machine_core *from = &machine->cores[core];
    const struct machine_gpu *to = &machine->gpus[gpu];
    unsigned level, slit = 0;

    if (!to->located || cpus_contains(&to->near, from->pus.ids[0]))
        return 0;
    level = to->package == from->package ? MACHINE_SAME_PACKAGE : MACHINE_OTHER_PACKAGE;
    if (machine->slit != NULL && to->numa.count > 0)
        slit = machine->slit[from->numa * machine->numa_count + to->near_numa];
    slit = slit > SLIT_LOCAL ? slit - SLIT_LOCAL : 0;
    return level + (slit < SLIT_MOST ? slit : SLIT_MOST);
}

void machine_library_version(char *version, size_t size)
{
    unsigned running = hwloc_get_api_version();

    snprintf(version, size, "%u.%u.%u", running >> 16, running >> 8 & 0xff, running & 0xff);
}

int machine_gpus_text(const struct machine *machine, const size_t *gpus, size_t count, char **text)
{
    struct text made = { 0 };

    if (count == 0)
        text_append(&made, "none");
    for (size_t i = 0; i < count; i++) {
        const struct machine_gpu *gpu = &machine->gpus[gpus[i]];

        text_append(&made, "%s%s%s%s", i > 0 ? ", " : "", gpu->name != NULL ? gpu->name : "",
                    gpu->name != NULL ? " " : "", gpu->pci);
    }
    if (made.broken) {
        text_free(&made);
        return fail(TROUPE_NO_MEMORY, "topo: no memory for the names of %zu GPUs", count);
    }
    *text = made.data;
    return TROUPE_OK;
}

int machine_cpus(const struct machine *machine, struct cpus *cpus)
{
    int result = TROUPE_OK;

    for (size_t i = 0; i < machine->cores_count && result == TROUPE_OK; i++)
        result = cpus_add_all(cpus, &machine->cores[i].pus);
    return result;
}

bool machine_has_nvidia(void)
{
    static const char folder[] = "/sys/bus/pci/devices";
    char path[MACHINE_PATH], alias[128];
    const struct dirent *entry;
    bool found = false;
    DIR *stream = opendir(folder);

    if (stream == NULL)
        return false;
    while (!found && (entry = readdir(stream)) != NULL) {
        FILE *file;

        if (entry->d_name[0] == '.')
            continue;
        /* One line holds both: pci:v000010DEd0000…sv…sd…bc03sc02i00 */
        snprintf(path, sizeof path, "%s/%s/modalias", folder, entry->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        found = fgets(alias, sizeof alias, file) != NULL && strstr(alias, "v000010DE") != NULL &&
                strstr(alias, "bc03") != NULL;
        fclose(file);
    }
    closedir(stream);
    return found;
}
