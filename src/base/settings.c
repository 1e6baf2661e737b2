#include "base/settings.h"

/* One row a variable. clang-format would give each field a line of its own. */
/* clang-format off */
const struct settings_row settings_table[] = {
    { "TROUPE_WORKERS", SETTINGS_OURS, "one rank a visible GPU, else a core",
      "ranks of a program that starts itself, and of troupe run without -n" },
    { "TROUPE_ARENA", SETTINGS_OURS, "half of the node's memory",
      "shared memory that each node reserves" },
    { "TROUPE_BIND", SETTINGS_OURS, "core under troupe run and self-start, else none",
      "what ranks are bound to: core, numa or none" },
    { "TROUPE_GPU_MODE", SETTINGS_OURS, "isolate",
      "what a rank's CUDA shows: isolate, peer or ordered" },
    { "TROUPE_GPUS_PER_RANK", SETTINGS_OURS, "all, shared out evenly",
      "GPUs of each rank" },
    { "TROUPE_TOPOLOGY", SETTINGS_OURS, "this machine",
      "an hwloc XML file to plan for" },
    { "TROUPE_MPIRUN", SETTINGS_OURS, "mpirun in PATH",
      "the mpirun of troupe run and self-start" },
    { "TROUPE_CUDA_LIBRARY", SETTINGS_OURS, "libcuda.so.1",
      "CUDA's driver, for troupe/gpu.h" },
    { "TROUPE_START_METHOD", SETTINGS_OURS, "an idle rank, else spawn",
      "what TROUPE_METHOD_DEFAULT means: rank, fork or spawn" },
    { "TROUPE_LOG", SETTINGS_OURS, "warning",
      "how much is said: error, warning, info or debug" },
    { "TROUPE_SIMULATED_NODES", SETTINGS_OURS, "1",
      "groups of one host's ranks that behave as nodes" },
    { "OMPI_MCA_shmem", SETTINGS_OPEN_MPI, "sysv",
      "shared memory without files" },
    { "OMPI_MCA_osc", SETTINGS_OPEN_MPI, "^rdma",
      "not the one-sided component that crashes on one node" },
    { "OMPI_MCA_btl_base_warn_component_unused", SETTINGS_OPEN_MPI, "0",
      "no warning about networks that are not there" },
    { "OMPI_MCA_pml", SETTINGS_OPEN_MPI, "ob1 without a fast network, else Open MPI's choice",
      "who sends messages" },
    { "OMPI_MCA_btl_vader_single_copy_mechanism", SETTINGS_OPEN_MPI,
      "none where processes may not read one another, else Open MPI's choice",
      "how large messages cross a node" },
    { "OMPI_MCA_mpi_yield_when_idle", SETTINGS_OPEN_MPI,
      "1 with more ranks than processors, else Open MPI's choice",
      "whether a rank that waits inside MPI lets others run" },
};
/* clang-format on */

const size_t settings_count = sizeof settings_table / sizeof *settings_table;
