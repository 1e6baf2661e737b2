/* Counts the words of a text: each process takes its lines, and all add to one dict.
 *
 * usage: words FILE [processes]
 *
 * Process i of n reads the lines i, i + n, i + 2n … and adds 1 for each word. In Python,
 * `d[word] += 1` on a shared dict is a get and a set, and loses what others count in between;
 * troupe_dict_add loses nothing. The file must be readable on every node. A word is letters, in
 * lower case. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/troupe.h>

enum { PATH_SIZE = 1024, WORD_SIZE = 64, PROCESSES = 4 };

struct task {
    troupe_dict words;
    long number, processes;
    char path[PATH_SIZE];
};

/* Reads the next word from a place in a line; moves the place behind it. 0: there is none. */
static size_t word_take(const char **place, char word[WORD_SIZE])
{
    size_t size = 0;

    while (**place != '\0' && !isalpha((unsigned char)**place))
        (*place)++;
    for (; isalpha((unsigned char)**place); (*place)++)
        if (size < WORD_SIZE)
            word[size++] = (char)tolower((unsigned char)**place);
    return size;
}

static int line_count(troupe_dict words, const char *line)
{
    char word[WORD_SIZE];
    size_t size;
    int result = TROUPE_OK;

    while (result == TROUPE_OK && (size = word_take(&line, word)) > 0)
        result = troupe_dict_add(words, troupe_bytes_of(word, size), 1, NULL);
    return result;
}

static int runner(const void *argument, size_t bytes)
{
    const struct task *task = argument;
    FILE *file = fopen(task->path, "r");
    char *line = NULL;
    size_t capacity = 0;
    int result = TROUPE_OK;

    (void)bytes;
    if (file == NULL) {
        perror(task->path);
        return 1;
    }
    for (long i = 0; result == TROUPE_OK && getline(&line, &capacity, file) >= 0; i++)
        if (i % task->processes == task->number)
            result = line_count(task->words, line);
    free(line);
    fclose(file);
    return result == TROUPE_OK ? 0 : 1;
}

static void words_print(troupe_dict words)
{
    troupe_cursor cursor = { { 0 } };
    char word[WORD_SIZE];
    int64_t count;
    size_t size;

    while (troupe_dict_next(words, &cursor, word, sizeof word, &size, &count, sizeof count, NULL) ==
           TROUPE_OK)
        printf("%lld %.*s\n", (long long)count, (int)size, word);
}

/* Whether the process counted all its lines. */
static int is_done(troupe_process process)
{
    troupe_process_status status;

    return troupe_process_join(process, TROUPE_FOREVER) == TROUPE_OK &&
           troupe_process_status_get(process, &status) == TROUPE_OK &&
           status.state == TROUPE_STATE_DONE && status.exit_code == 0;
}

int main(int argc, char **argv)
{
    struct task task = { .processes = argc > 2 ? atol(argv[2]) : PROCESSES };
    troupe_process *crew;
    int failed = 0;

    if (argc < 2 || task.processes < 1 ||
        snprintf(task.path, sizeof task.path, "%s", argv[1]) >= (int)sizeof task.path) {
        fprintf(stderr, "usage: words FILE [processes]\n");
        return 2;
    }
    crew = calloc((size_t)task.processes, sizeof *crew);
    if (crew == NULL || troupe_init(&argc, &argv) != TROUPE_OK ||
        troupe_dict_create(NULL, &task.words) != TROUPE_OK)
        return troupe_finalize(1);
    for (task.number = 0; task.number < task.processes; task.number++)
        failed |=
            troupe_process_start(runner, &task, sizeof task, NULL, &crew[task.number]) != TROUPE_OK;
    for (long i = 0; i < task.processes; i++)
        failed |= !is_done(crew[i]);
    words_print(task.words);
    free(crew);
    return troupe_finalize(failed);
}
