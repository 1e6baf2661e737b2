/* Ten processes fill one global dict, which the parent prints.
 *
 * usage: dict [milliseconds between two starts [processes]]
 *
 * Process i stores i under the i-th letter of "WeThinkIn!" (from the eleventh on, under its
 * number). The letter n stands at 5 and at 8, so the ten letters give nine keys, and n keeps
 * what was stored last: 8 when the processes are started apart. The order of the entries is any. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <troupe/troupe.h>

static const char letters[] = "WeThinkIn!";
#define LETTERS ((int)sizeof letters - 1)

struct task {
    troupe_dict dict;
    int pool_id;
};

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    char key[16];

    (void)bytes;
    if (task->pool_id < LETTERS)
        snprintf(key, sizeof key, "%c", letters[task->pool_id]);
    else
        snprintf(key, sizeof key, "%d", task->pool_id);
    return troupe_dict_set(task->dict, troupe_text(key),
                           troupe_bytes_of(&task->pool_id, sizeof task->pool_id)) == TROUPE_OK
               ? 0
               : 1;
}

static void dict_print(troupe_dict dict)
{
    troupe_cursor cursor = { { 0 } };
    const char *separator = "";
    char key[16];
    size_t key_size;
    int value;

    printf("{");
    while (troupe_dict_next(dict, &cursor, key, sizeof key, &key_size, &value, sizeof value,
                            NULL) == TROUPE_OK) {
        printf("%s'%.*s': %d", separator, (int)key_size, key, value);
        separator = ", ";
    }
    printf("}\n");
}

static void pause_for(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

    nanosleep(&time, NULL);
}

int main(int argc, char **argv)
{
    long pause_ms = argc > 1 ? atol(argv[1]) : 0;
    int pool_size = argc > 2 ? atoi(argv[2]) : LETTERS, failed = 0;
    troupe_process *crew = calloc(pool_size > 0 ? (size_t)pool_size : 1, sizeof *crew);
    troupe_dict dict;

    if (crew == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_dict_create(NULL, &dict) != TROUPE_OK)
        return troupe_finalize(1);
    for (int i = 0; i < pool_size; i++) {
        struct task task = { dict, i };

        failed |= troupe_process_start(runner, &task, sizeof task, NULL, &crew[i]) != TROUPE_OK;
        if (pause_ms > 0)
            pause_for(pause_ms);
    }
    for (int i = 0; i < pool_size; i++)
        failed |= troupe_process_join(crew[i], TROUPE_FOREVER) != TROUPE_OK;
    puts("############");
    dict_print(dict);
    free(crew);
    return troupe_finalize(failed);
}
