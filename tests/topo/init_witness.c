/* A profiling library, to be preloaded: it stands before MPI_Init_thread, as a tracing tool does,
 * and prints what the rank's environment and CPUs are at that moment. With INIT_WITNESS_MOVE set it
 * also moves the rank to one CPU behind Troupe's back, as a library may. */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? value : "unset";
}

/* To the first CPU that it may use. */
static void move(void)
{
    cpu_set_t may, one;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof may, &may) != 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &may))
            CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    cpu_set_t may;
    int result;

    CPU_ZERO(&may);
    sched_getaffinity(0, sizeof may, &may);
    printf("MPI_Init of %s: CUDA_VISIBLE_DEVICES=%s order=%s cpus=%d\n",
           variable("OMPI_COMM_WORLD_RANK"), variable("CUDA_VISIBLE_DEVICES"),
           variable("CUDA_DEVICE_ORDER"), CPU_COUNT(&may));
    fflush(stdout);
    result = PMPI_Init_thread(argc, argv, required, provided);
    if (getenv("INIT_WITNESS_MOVE") != NULL)
        move();
    return result;
}
