#include "launch/map/text/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char mark[] = ":::", mark_in_step[] = ":::+";

bool sources_mark(const char *word)
{
    return strcmp(word, mark) == 0 || strcmp(word, mark_in_step) == 0;
}

static void source_begin(struct sources *sources, const char *word)
{
    /* There is nothing that the first source could go in step with. */
    if (sources->group_count == 0 || strcmp(word, mark) == 0)
        sources->groups[sources->group_count++].count = SIZE_MAX;
    sources->sources[sources->count++].group = sources->group_count - 1;
}

static int combinations_count(struct sources *sources)
{
    sources->total = 1;
    for (size_t i = 0; i < sources->count; i++) {
        struct group *group = &sources->groups[sources->sources[i].group];

        if (sources->sources[i].count < group->count)
            group->count = sources->sources[i].count;
    }
    for (size_t i = 0; i < sources->group_count; i++)
        if (__builtin_mul_overflow(sources->total, sources->groups[i].count, &sources->total))
            return fail(TROUPE_BAD_ARGUMENT,
                        "the combinations of %zu ::: lists are more than can be counted; take "
                        "some away",
                        sources->group_count);
    return TROUPE_OK;
}

int sources_read(char *const *words, size_t count, struct sources *sources)
{
    size_t marks = 0;

    if (count == 0 || !sources_mark(words[0]))
        return fail(TROUPE_BAD_ARGUMENT, "inputs on the command line begin with :::");
    for (size_t i = 0; i < count; i++)
        marks += sources_mark(words[i]);
    sources->sources = calloc(marks, sizeof *sources->sources);
    sources->groups = calloc(marks, sizeof *sources->groups);
    if (sources->sources == NULL || sources->groups == NULL)
        return fail(TROUPE_NO_MEMORY, "out of memory for %zu ::: lists", marks);
    for (size_t i = 0; i < count; i++) {
        if (sources_mark(words[i])) {
            source_begin(sources, words[i]);
            sources->sources[sources->count - 1].values = words + i + 1;
        } else {
            sources->sources[sources->count - 1].count++;
        }
    }
    return combinations_count(sources);
}

void sources_columns(const struct sources *sources, uint64_t index, troupe_bytes *columns)
{
    for (size_t i = sources->count; i-- > 0;) {
        const struct source *source = &sources->sources[i];
        size_t size = sources->groups[source->group].count;

        columns[i] = troupe_text(source->values[index % size]);
        if (i == 0 || sources->sources[i - 1].group != source->group)
            index /= size;
    }
}

void sources_free(struct sources *sources)
{
    free(sources->sources);
    free(sources->groups);
    memset(sources, 0, sizeof *sources);
}
