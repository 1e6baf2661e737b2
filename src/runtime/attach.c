/* SPMD programs: every rank runs the user's main, there is no keeper. A rank's death is then the
 * launcher's affair, which ends the job. */
#include "runtime/attach.h"

#include "base/error.h"
#include "base/log.h"
#include "device/device.h"
#include "job/stdio.h"
#include "runtime/runtime.h"
#include "topo/attest.h"

static struct start start;

/* Before MPI_Init, if that is still to come. CUDA reads its mask once. */
static int place_take(void)
{
    struct topo_options options;
    char what[256];
    int result = topo_options_read(&options);

    options.several_nodes = start.job.size > start.job.local_size;
    options.own_mask = start.job.own_mask;
    if (result == TROUPE_OK)
        result =
            topo_place_compute(start.job.local_rank, start.job.local_size, &options, &start.place);
    if (result != TROUPE_OK)
        return result;
    if (start.place.cuda_visible_devices != NULL && start.job.rank == 0 &&
        device_cuda_runs(what, sizeof what))
        log_warning(
            "CUDA runs already, and the GPUs that the plan gives its rank come too late: %s; "
            "call troupe_attach before anything of CUDA's",
            what);
    return topo_place_apply(&start.place);
}

int troupe_attach(void)
{
    struct fabric_segment segment;
    struct report report;
    struct actor *actor;
    int result;

    if (world_here.role != WORLD_NONE)
        return fail(TROUPE_ALREADY, "this process is in a world already; call troupe_attach once");
    result = job_place_detect(&start.job);
    if (result == TROUPE_OK && !start.job.is_rank)
        result = fail(TROUPE_LAUNCH, "troupe_attach: no launcher started this process; run it with "
                                     "mpirun, srun or troupe run");
    if (result == TROUPE_OK)
        result = place_take();
    if (result == TROUPE_OK) {
        runtime_register();
        fabric_settings_apply();
        result = rank_world_make(&start, WORLD_SPMD, &report, &segment, &actor);
        topo_place_attest(&start.place);
    }
    if (result == TROUPE_OK)
        result = rank_service_start();
    if (result != TROUPE_OK)
        log_error("%s", troupe_last_error());
    return result;
}

int attach_end(int status)
{
    device_attest();
    job_stdio_sync();
    fabric_barrier();
    rank_service_end();
    world_leave();
    fabric_stop(true);
    topo_place_free(&start.place);
    return status;
}
