/* SPMD programs: every rank runs the user's main, there is no keeper. A rank's death is then the
 * launcher's affair, which ends the job. */
#include "runtime/attach.h"

#include "base/error.h"
#include "base/log.h"
#include "job/stdio.h"
#include "runtime/runtime.h"

static struct start start;

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
        result = topo_place_compute(start.job.local_rank, start.job.local_size, NULL, &start.place);
    if (result == TROUPE_OK)
        result = topo_place_apply(&start.place);
    if (result == TROUPE_OK) {
        runtime_register();
        fabric_settings_apply();
        result = rank_world_make(&start, WORLD_SPMD, &report, &segment, &actor);
    }
    if (result == TROUPE_OK)
        result = rank_service_start();
    if (result != TROUPE_OK)
        log_error("%s", troupe_last_error());
    return result;
}

int attach_end(int status)
{
    job_stdio_sync();
    fabric_barrier();
    rank_service_end();
    world_leave();
    fabric_stop(true);
    topo_place_free(&start.place);
    return status;
}
