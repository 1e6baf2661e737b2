/* Sets of CPUs as sorted arrays: a plan handles a few hundred numbers, and lists are what people,
 * the kernel and JSON want to see. */
#include "topo/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Where the kernel's mask starts, and where the search for its size gives up: Linux's own largest
 * NR_CPUS is 8192. */
#define CPUS_FIRST_MASK 1024
#define CPUS_LARGEST_MASK (1 << 20)

/* The position of id, or where it would stand. */
static size_t cpus_position(const struct cpus *cpus, int id)
{
    size_t low = 0, high = cpus->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cpus->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int cpus_reserve(struct cpus *cpus, size_t needed)
{
    size_t capacity = cpus->capacity > 0 ? cpus->capacity : 16;
    int *ids;

    if (needed <= cpus->capacity)
        return TROUPE_OK;
    while (capacity < needed)
        capacity *= 2;
    ids = realloc(cpus->ids, capacity * sizeof *ids);
    if (ids == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a set of %zu CPUs", needed);
    cpus->ids = ids;
    cpus->capacity = capacity;
    return TROUPE_OK;
}

int cpus_add(struct cpus *cpus, int id)
{
    size_t position = cpus_position(cpus, id);
    int result;

    if (position < cpus->count && cpus->ids[position] == id)
        return TROUPE_OK;
    result = cpus_reserve(cpus, cpus->count + 1);
    if (result != TROUPE_OK)
        return result;
    memmove(cpus->ids + position + 1, cpus->ids + position,
            (cpus->count - position) * sizeof *cpus->ids);
    cpus->ids[position] = id;
    cpus->count++;
    return TROUPE_OK;
}

int cpus_add_all(struct cpus *cpus, const struct cpus *other)
{
    int result = TROUPE_OK;

    for (size_t i = 0; i < other->count && result == TROUPE_OK; i++)
        result = cpus_add(cpus, other->ids[i]);
    return result;
}

bool cpus_contains(const struct cpus *cpus, int id)
{
    size_t position = cpus_position(cpus, id);

    return position < cpus->count && cpus->ids[position] == id;
}

bool cpus_meet(const struct cpus *cpus, const struct cpus *other)
{
    for (size_t i = 0; i < other->count; i++)
        if (cpus_contains(cpus, other->ids[i]))
            return true;
    return false;
}

bool cpus_contains_all(const struct cpus *cpus, const struct cpus *other)
{
    for (size_t i = 0; i < other->count; i++)
        if (!cpus_contains(cpus, other->ids[i]))
            return false;
    return true;
}

void cpus_free(struct cpus *cpus)
{
    free(cpus->ids);
    memset(cpus, 0, sizeof *cpus);
}

void cpus_append_list(struct text *text, const struct cpus *cpus)
{
    for (size_t first = 0, last; first < cpus->count; first = last + 1) {
        last = first;
        while (last + 1 < cpus->count && cpus->ids[last + 1] == cpus->ids[last] + 1)
            last++;
        text_append(text, "%s%d", first > 0 ? "," : "", cpus->ids[first]);
        if (last > first)
            text_append(text, "-%d", cpus->ids[last]);
    }
}

char *cpus_list(const struct cpus *cpus)
{
    struct text text = { 0 };

    text_append(&text, "%s", "");
    cpus_append_list(&text, cpus);
    if (text.broken)
        text_free(&text);
    return text.data;
}

/* Reads "7" or "0-3" and moves *at behind it. */
static bool cpus_read_range(const char **at, long *first, long *last)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    *first = *last = strtol(*at, &end, 10);
    if (*end == '-') {
        if (end[1] < '0' || end[1] > '9')
            return false;
        *last = strtol(end + 1, &end, 10);
    }
    *at = end;
    return *last >= *first && *last < CPUS_LARGEST_MASK;
}

int cpus_read_list(const char *text, struct cpus *cpus)
{
    struct cpus read = { 0 };
    const char *at = text;
    long first, last;
    int result = TROUPE_OK;

    while (*at != '\0' && *at != '\n' && result == TROUPE_OK) {
        if (!cpus_read_range(&at, &first, &last) || (*at == ',' && at[1] == '\0')) {
            result =
                fail(TROUPE_BAD_ARGUMENT, "topo: '%s' is not a list of numbers; write 0-3,8", text);
            break;
        }
        for (long id = first; id <= last && result == TROUPE_OK; id++)
            result = cpus_add(&read, (int)id);
        if (*at == ',')
            at++;
        else if (*at != '\0' && *at != '\n')
            result =
                fail(TROUPE_BAD_ARGUMENT, "topo: '%s' is not a list of numbers; write 0-3,8", text);
    }
    if (result == TROUPE_OK)
        result = cpus_add_all(cpus, &read);
    cpus_free(&read);
    return result;
}

int cpus_of_process(pid_t pid, struct cpus *cpus)
{
    /* The kernel refuses a mask smaller than its own; how large that is only trying tells. */
    for (int bits = CPUS_FIRST_MASK; bits <= CPUS_LARGEST_MASK; bits *= 2) {
        size_t bytes = CPU_ALLOC_SIZE(bits);
        cpu_set_t *mask = CPU_ALLOC(bits);
        int result = TROUPE_OK;

        if (mask == NULL)
            return fail(TROUPE_NO_MEMORY, "topo: no memory for a mask of %d CPUs", bits);
        CPU_ZERO_S(bytes, mask);
        if (sched_getaffinity(pid, bytes, mask) == 0) {
            for (int id = 0; id < bits && result == TROUPE_OK; id++)
                if (CPU_ISSET_S(id, bytes, mask))
                    result = cpus_add(cpus, id);
            CPU_FREE(mask);
            return result;
        }
        CPU_FREE(mask);
        if (errno != EINVAL)
            break;
    }
    return fail_errno(TROUPE_SYSTEM, "topo: cannot read the CPUs of process %d", (int)pid);
}

int cpus_bind(const struct cpus *cpus)
{
    int bits = cpus->count > 0 ? cpus->ids[cpus->count - 1] + 1 : 1;
    size_t bytes = CPU_ALLOC_SIZE(bits);
    cpu_set_t *mask = CPU_ALLOC(bits);
    int result = TROUPE_OK;

    if (mask == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a mask of %d CPUs", bits);
    CPU_ZERO_S(bytes, mask);
    for (size_t i = 0; i < cpus->count; i++)
        CPU_SET_S(cpus->ids[i], bytes, mask);
    if (sched_setaffinity(0, bytes, mask) != 0)
        result = fail_errno(TROUPE_SYSTEM, "topo: cannot bind to CPUs %d to %d",
                            cpus->count > 0 ? cpus->ids[0] : -1, bits - 1);
    CPU_FREE(mask);
    return result;
}

int cpus_own_count(void)
{
    struct cpus cpus = { 0 };
    int count = cpus_of_process(0, &cpus) == TROUPE_OK ? (int)cpus.count : 0;

    cpus_free(&cpus);
    return count > 0 ? count : 1;
}
