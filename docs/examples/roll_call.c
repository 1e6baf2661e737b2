/* The roll call: every rank says where it is and what it has. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <troupe/troupe.h>

struct presence {
    int rank, pid;
    char host[65];
    char cores[128];
    char gpu[128];
};

/* Writes the cores this thread may run on as a list, "0-3,8". */
static void cores_list(char *text, size_t capacity)
{
    cpu_set_t allowed;
    size_t used = 0;

    text[0] = '\0';
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    for (int core = 0; core < CPU_SETSIZE && used + 24 < capacity; core++) {
        int last = core;

        if (!CPU_ISSET(core, &allowed))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &allowed))
            last++;
        used += (size_t)snprintf(text + used, capacity - used, last > core ? "%s%d-%d" : "%s%d",
                                 used > 0 ? "," : "", core, last);
        core = last;
    }
}

static int present(const void *argument, size_t bytes)
{
    troupe_queue roll = *(const troupe_queue *)argument;
    struct presence self = { .rank = troupe_rank(), .pid = (int)getpid() };
    const char *gpu = getenv("TROUPE_PLACED_GPU");

    (void)bytes;
    gethostname(self.host, sizeof self.host - 1);
    cores_list(self.cores, sizeof self.cores);
    snprintf(self.gpu, sizeof self.gpu, "%s", gpu != NULL ? gpu : "none");
    return troupe_queue_put(roll, &self, sizeof self, TROUPE_FOREVER) == TROUPE_OK ? 0 : 1;
}

static int by_rank(const void *left, const void *right)
{
    return ((const struct presence *)left)->rank - ((const struct presence *)right)->rank;
}

int main(int argc, char **argv)
{
    struct presence *all;
    troupe_queue roll;
    int count = 0, failed = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK || troupe_queue_create(NULL, &roll) != TROUPE_OK)
        return troupe_finalize(1);
    all = calloc((size_t)troupe_world_size(), sizeof *all);
    for (int rank = 0; all != NULL && rank < troupe_world_size(); rank++) {
        troupe_process_options options = { .where = TROUPE_ON_RANK, .place = rank };
        troupe_process process;

        if (troupe_process_start(present, &roll, sizeof roll, &options, &process) != TROUPE_OK ||
            troupe_process_join(process, TROUPE_FOREVER) != TROUPE_OK)
            failed = 1;
        else if (troupe_queue_get(roll, &all[count], sizeof *all, NULL, TROUPE_NO_WAIT) ==
                 TROUPE_OK)
            count++;
    }
    qsort(all, (size_t)count, sizeof *all, by_rank);
    printf("rank  host              pid      cores     GPU\n");
    for (int i = 0; i < count; i++)
        printf("%4d  %-16s  %-7d  %-8s  %s\n", all[i].rank, all[i].host, all[i].pid, all[i].cores,
               all[i].gpu);
    printf("%d of %d ranks are present\n", count, troupe_world_size());
    failed |= count < troupe_world_size();
    free(all);
    return troupe_finalize(failed);
}
