/* The settings Open MPI is given through its environment before it starts, with the reason of each.
 *
 * What the user set stands: nothing is overwritten. Another MPI ignores all of them.
 * docs/environment.md lists them for people. */
#include "fabric/fabric_private.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/networks.h"
#include "base/text.h"

#define SIMULATED_NODES "TROUPE_SIMULATED_NODES"

/* Open MPI's first versions in which osc/rdma is sound, and in which MPI tells of the dead. */
#define MAJOR_WITHOUT_FAULT 5
#define MAJOR_TELLS_FAILURES 5

/* Yama's ptrace_scope from which not even a process that allowed it may be read. Below it Open MPI
 * asks for what it needs by itself. */
#define PTRACE_SCOPE_ADMIN_ONLY '2'

static void setting(const char *name, const char *value)
{
    setenv(name, value, 0);
}

/* Whether one rank may copy from another's memory (cross-memory attach). A seccomp filter, as
 * containers have it, refuses the call whatever its arguments, so reading our own memory tells. */
static bool cross_memory_attach_permitted(void)
{
    char source = 1, copy = 0, scope = '0';
    struct iovec from = { &source, 1 }, to = { &copy, 1 };
    int file = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

    if (file >= 0) {
        if (read(file, &scope, 1) != 1)
            scope = '0';
        close(file);
    }
    return scope < PTRACE_SCOPE_ADMIN_ONLY && process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

/* Whether the launcher put more ranks on this host than it has processors. */
static bool ranks_exceed_processors(void)
{
    long ranks;

    return text_to_long(getenv("OMPI_COMM_WORLD_LOCAL_SIZE"), 1, INT32_MAX, &ranks) &&
           ranks > sysconf(_SC_NPROCESSORS_ONLN);
}

static bool folder_holds_something(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry = NULL;

    if (folder == NULL)
        return false;
    do
        entry = readdir(folder);
    while (entry != NULL && entry->d_name[0] == '.');
    closedir(folder);
    return entry != NULL;
}

/* InfiniBand, RoCE, Omni-Path, EFA and their like are all in the first folder; then Slingshot, then
 * Aries. */
bool fabric_has_fast_network(void)
{
    return folder_holds_something("/sys/class/infiniband") ||
           folder_holds_something("/sys/class/cxi") || access("/dev/kgni0", F_OK) == 0;
}

int fabric_simulated_nodes(int *nodes)
{
    const char *text = getenv(SIMULATED_NODES);
    long value = 1;

    if (text != NULL && *text != '\0' && !text_to_long(text, 1, INT32_MAX, &value))
        return fail(TROUPE_LAUNCH,
                    SIMULATED_NODES "=%s is not a number of nodes; write " SIMULATED_NODES "=2",
                    text);
    *nodes = (int)value;
    return TROUPE_OK;
}

/* The parameter file that belongs to the MPI we are linked with: PREFIX/lib/libmpi.so has
 * PREFIX/etc/openmpi-mca-params.conf. */
static void networks_choose(void)
{
    struct text list = { 0 }, conf = { 0 };
    Dl_info library;
    const char *end;

    if (dladdr((const void *)(uintptr_t)MPI_Init, &library) != 0 &&
        (end = strstr(library.dli_fname, "/lib/")) != NULL)
        text_append(&conf, "%.*s/etc/openmpi-mca-params.conf", (int)(end - library.dli_fname),
                    library.dli_fname);
    if (networks_to_avoid("btl_tcp_if_", conf.data, &list))
        setting("OMPI_MCA_btl_tcp_if_exclude", list.data);
    text_free(&list);
    text_free(&conf);
}

/* The first number of Open MPI's version; 0 of another MPI. May be asked before MPI_Init. */
static int open_mpi_major(void)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length, major;

    if (MPI_Get_library_version(version, &length) != MPI_SUCCESS ||
        sscanf(version, "Open MPI v%d", &major) != 1)
        return 0;
    return major;
}

/* Whether the launcher says that all ranks are on this host. */
static bool is_one_host(void)
{
    long ranks, here;

    return text_to_long(getenv("OMPI_COMM_WORLD_SIZE"), 1, INT32_MAX, &ranks) &&
           text_to_long(getenv("OMPI_COMM_WORLD_LOCAL_SIZE"), 1, INT32_MAX, &here) && ranks == here;
}

/* From Open MPI 5 on a rank aborts when a connection is closed at its other end, as by a death,
 * unless it has asked to be told of failures; of the senders of messages only ob1 can tell. */
static void closed_connections_survive(bool is_one_node)
{
    const char *sender = getenv("OMPI_MCA_pml");

    if (is_one_node || sender == NULL || strcmp(sender, "ob1") != 0)
        return;
    setting("OMPI_MCA_mpi_ft_enable", "1");
    setting("OMPI_MCA_btl_base_warn_peer_error", "0"); /* Troupe says who was lost */
}

bool fabric_tells_failures(void)
{
    const char *value = getenv("OMPI_MCA_mpi_ft_enable");

    return open_mpi_major() >= MAJOR_TELLS_FAILURES && value != NULL && *value != '\0' &&
           strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

/* Who sends messages, and how. Returns the number of simulated nodes. */
static int transports_choose(int major)
{
    int nodes = 1;

    /* What Open MPI chooses there by itself, after the libraries of two absent networks have waited
     * 0.1 s each for their device. */
    if (!fabric_has_fast_network())
        setting("OMPI_MCA_pml", "ob1");
    /* Without a device osc/ucx of 5 says at each window that it could not be used. */
    if (!fabric_has_fast_network() && major >= MAJOR_WITHOUT_FAULT)
        setting("OMPI_MCA_opal_common_ucx_verbose", "-1");
    if (!cross_memory_attach_permitted()) {
        setting("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
        setting("OMPI_MCA_smsc", "^cma"); /* its name from Open MPI 5 on */
    }
    /* As between hosts: by TCP, and so that a rank killed while it sends cannot wedge a receive
     * queue that others of this host share. */
    if (fabric_simulated_nodes(&nodes) == TROUPE_OK && nodes > 1) {
        setting("OMPI_MCA_pml", "ob1");
        setting("OMPI_MCA_btl", "self,tcp");
        setting("OMPI_MCA_btl_tcp_if_include", "lo");
    }
    return nodes;
}

void fabric_settings_apply(void)
{
    int running = 0, nodes, major = open_mpi_major();

    if (MPI_Initialized(&running) != MPI_SUCCESS || running)
        return;
    /* Segments without a file: nothing stays behind after a SIGKILL, a small /dev/shm does not
     * matter, and a process without MPI attaches by the id. */
    setting("OMPI_MCA_shmem", "sysv");
    /* Before 5 osc/rdma crashes in 64-bit compare-and-swap on one node. Naming only it also lifts
     * the ban of ucx that some distributions ship, without which no one-sided component takes
     * MPI_THREAD_MULTIPLE. From 5 on it is sound, and the only one over TCP. */
    if (major < MAJOR_WITHOUT_FAULT)
        setting("OMPI_MCA_osc", "^rdma");
    setting("OMPI_MCA_btl_base_warn_component_unused", "0");
    nodes = transports_choose(major);
    /* What mpirun does when it knows; a host file that promises more slots than processors, or
     * another launcher, hides it. */
    if (ranks_exceed_processors())
        setting("OMPI_MCA_mpi_yield_when_idle", "1");
    if (major >= MAJOR_TELLS_FAILURES)
        closed_connections_survive(is_one_host() && nodes == 1);
    networks_choose();
}
