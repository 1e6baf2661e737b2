/* Ten processes fill one global list, which the parent prints.
 *
 * usage: list [processes]
 *
 * Process i appends i. Whoever comes first is first in the list, so the order is any; each number
 * is there once. */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

#define POOL_SIZE 10

struct task {
    troupe_list list;
    int pool_id;
};

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;

    (void)bytes;
    return troupe_list_append(task->list, troupe_bytes_of(&task->pool_id, sizeof(int))) == TROUPE_OK
               ? 0
               : 1;
}

static void list_print(troupe_list list)
{
    troupe_cursor cursor = { { 0 } };
    const char *separator = "";
    int item;

    printf("[");
    while (troupe_list_next(list, &cursor, &item, sizeof item, NULL) == TROUPE_OK) {
        printf("%s%d", separator, item);
        separator = ", ";
    }
    printf("]\n");
}

int main(int argc, char **argv)
{
    int pool_size = argc > 1 ? atoi(argv[1]) : POOL_SIZE, failed = 0;
    troupe_process *crew = calloc(pool_size > 0 ? (size_t)pool_size : 1, sizeof *crew);
    troupe_list list;

    if (crew == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_list_create(NULL, &list) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < pool_size; i++) {
        struct task task = { list, i };

        failed |= troupe_process_start(runner, &task, sizeof task, NULL, &crew[i]) != TROUPE_OK;
    }
    for (int i = 0; i < pool_size; i++)
        failed |= troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    puts("############");
    list_print(list);
    free(crew);
    return troupe_finalize(failed);
}
