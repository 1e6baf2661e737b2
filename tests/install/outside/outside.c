/* A program of somebody else's, valid as C11, C++17 and CUDA: it knows the installed copy alone.
 * Two processes each put a message, whose bytes are added up. */
#include <stdio.h>
#include <troupe/troupe.h>

static int sender(const void *argument, size_t bytes)
{
    troupe_queue queue;

    if (bytes != sizeof queue)
        return 1;
    memcpy(&queue, argument, sizeof queue);
    return troupe_queue_put(queue, "four", 4, TROUPE_FOREVER) == TROUPE_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    troupe_queue queue;
    troupe_process crew[2];
    size_t size, sum = 0;
    char message[8];
    int i;

    if (troupe_init(&argc, &argv) != TROUPE_OK || troupe_queue_create(NULL, &queue) != TROUPE_OK) {
        fprintf(stderr, "outside: %s\n", troupe_last_error());
        return troupe_finalize(1);
    }
    for (i = 0; i < 2; i++)
        if (troupe_process_start(sender, &queue, sizeof queue, NULL, &crew[i]) != TROUPE_OK)
            return troupe_finalize(1);
    for (i = 0; i < 2; i++)
        troupe_process_join(crew[i], TROUPE_FOREVER);
    while (troupe_queue_get(queue, message, sizeof message, &size, TROUPE_NO_WAIT) == TROUPE_OK)
        sum += size;
    printf("outside: troupe %s moved %d bytes\n", troupe_version(), (int)sum);
    return troupe_finalize(sum == 8 ? 0 : 1);
}
