/* The meeting port of a run is one that the kernel just called free. Nobody holds it until rank 0
 * listens; a program that takes it in between makes torch say so. */
#include "torch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define ADDRESS "MASTER_ADDR"
#define PORT "MASTER_PORT"
#define HERE "127.0.0.1"

/* Ports below those that Linux hands out by itself (32768 and up). */
enum { PORT_FIRST = 20000, PORTS = 12000, NUMBER_SIZE = 16 };

void torch_mode_default(struct topo_options *options)
{
    if (getenv("TROUPE_GPU_MODE") == NULL)
        options->mode = PLAN_ORDERED;
}

static int port_find(int *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = descriptor >= 0 &&
                 bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0 &&
                 getsockname(descriptor, (struct sockaddr *)&address, &size) == 0;
    int result = found ? TROUPE_OK : fail_errno(TROUPE_SYSTEM, "--torch: no free port for " PORT);

    if (descriptor >= 0)
        close(descriptor);
    *port = ntohs(address.sin_port);
    return result;
}

static bool is_chosen(const struct words *settings, const char *name)
{
    return getenv(name) != NULL || words_value(settings, name) != NULL;
}

int torch_meeting_choose(const char *first_host, struct words *settings)
{
    char text[NUMBER_SIZE];
    int port, result;

    if (!is_chosen(settings, ADDRESS))
        words_set(settings, ADDRESS, first_host != NULL ? first_host : HERE);
    if (is_chosen(settings, PORT))
        return TROUPE_OK;
    result = port_find(&port);
    if (result == TROUPE_OK) {
        snprintf(text, sizeof text, "%d", port);
        words_set(settings, PORT, text);
    }
    return result;
}

/* ---- one rank ----------------------------------------------------------------------------- */

static int number_set(const char *name, int number, int overwrite)
{
    char text[NUMBER_SIZE];

    snprintf(text, sizeof text, "%d", number);
    return setenv(name, text, overwrite) == 0 ? TROUPE_OK
                                              : fail(TROUPE_NO_MEMORY, "no memory for %s", name);
}

/* The same number in every rank of a job: FNV-1a of its name. */
static int job_port(void)
{
    static const char *const names[] = { "PMIX_NAMESPACE", "SLURM_JOB_ID", "SLURM_STEP_ID" };
    uint32_t mark = 2166136261u;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (const char *letter = getenv(names[i]); letter != NULL && *letter != '\0'; letter++)
            mark = (mark ^ (unsigned char)*letter) * 16777619u;
    return PORT_FIRST + (int)(mark % PORTS);
}

int torch_variables_set(const struct job_place *place)
{
    bool alone = place->launcher == JOB_LAUNCHER_NONE;
    int rank = alone ? 0 : place->rank, size = alone ? 1 : place->size, result;

    if (rank < 0 || size < 0)
        return fail(TROUPE_LAUNCH,
                    "--torch: %s does not say how many ranks there are; use mpirun, "
                    "srun or troupe run",
                    job_launcher_name(place->launcher));
    if (size > place->local_size && getenv(ADDRESS) == NULL)
        return fail(TROUPE_LAUNCH,
                    "--torch: the ranks are on several nodes; export " ADDRESS
                    " with the name of rank 0's host, and pass it on (mpirun -x " ADDRESS ")");
    if (setenv(ADDRESS, HERE, 0) != 0)
        return fail(TROUPE_NO_MEMORY, "no memory for " ADDRESS);
    result = number_set(PORT, job_port(), 0);
    if (result == TROUPE_OK)
        result = number_set("RANK", rank, 1);
    if (result == TROUPE_OK)
        result = number_set("WORLD_SIZE", size, 1);
    if (result == TROUPE_OK)
        result = number_set("LOCAL_RANK", place->local_rank, 1);
    if (result == TROUPE_OK)
        result = number_set("LOCAL_WORLD_SIZE", place->local_size, 1);
    return result;
}
