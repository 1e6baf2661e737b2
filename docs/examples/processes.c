/* Ten processes, each with its number.
 *
 * Prints WeThinkIn 0 to WeThinkIn 9, one line each, in the order in which the processes come to
 * it. */
#include <stdio.h>
#include <troupe/troupe.h>

#define POOL_SIZE 10

static int runner(const void *argument, size_t bytes)
{
    int pool_id = *(const int *)argument;

    (void)bytes;
    printf("WeThinkIn %d\n", pool_id);
    return 0;
}

int main(int argc, char **argv)
{
    troupe_process crew[POOL_SIZE];
    int started = 0;

    if (troupe_init(&argc, &argv) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < POOL_SIZE; i++)
        if (troupe_process_start(runner, &i, sizeof i, NULL, &crew[started]) == TROUPE_OK)
            started++;
    for (int i = 0; i < started; i++)
        troupe_process_join(crew[i], TROUPE_FOREVER);
    if (started < POOL_SIZE)
        fprintf(stderr, "%s\n", troupe_last_error());
    return troupe_finalize(started == POOL_SIZE ? 0 : 1);
}
