/* One function for each kind of entry: a number, a GPU's UUID or the start of one, a MIG
 * instance's UUID; then the rules of the whole list. */
#include "topo/mask.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char blanks[] = " \t\n\v\f\r"; /* what strtoul skips */
static const char gpu_prefix[] = "GPU-";
static const char instance_prefix[] = "MIG-";

/* One entry of the list: where it stands, without the blanks around it. */
struct entry {
    const char *text;
    size_t size;
    size_t number; /* from 1, for people */
};

/* What reading works on. */
struct reader {
    const struct machine *machine;
    const struct mask_given *given;
    struct mask_pool pool;
    size_t *entry_of; /* [pool.count] the entry that named the GPU */
    bool indexed;     /* an entry was a number */
    struct text note;
};

#define MASK_ELSEWHERE ((size_t)-1)
#define MASK_ENTRY_SHOWN 64

/* Records what is wrong with an entry. A mask may be as long as the environment: it is cut. */
static int entry_fail(const struct reader *reader, const struct entry *entry, const char *wrong)
{
    int shown = entry->size < MASK_ENTRY_SHOWN ? (int)entry->size : MASK_ENTRY_SHOWN;

    return fail(TROUPE_BAD_ARGUMENT,
                MASK_VARIABLE "=%.96s: entry %zu '%.*s' %s; CUDA would stop there in silence",
                reader->given->value, entry->number, shown, entry->text, wrong);
}

static bool starts_with(const struct entry *entry, const char *prefix)
{
    return entry->size >= strlen(prefix) && strncmp(entry->text, prefix, strlen(prefix)) == 0;
}

/* ---- entries ---------------------------------------------------------------------------- */

static int index_unknown(const struct reader *reader, const struct entry *entry)
{
    struct text text = { 0 };
    int result;

    if (reader->machine->gpus_count == 0)
        text_append(&text, "is denied: this process may open none of the machine's %zu GPUs",
                    reader->machine->denied_count);
    else
        text_append(&text, "is no GPU of %s, which has 0 to %d; leave it out",
                    reader->machine->name,
                    reader->machine->gpus[reader->machine->gpus_count - 1].index);
    result = entry_fail(reader, entry, text.data != NULL ? text.data : "is unknown");
    text_free(&text);
    return result;
}

/* A number, as CUDA reads it: up to the first character that is no digit. */
static int index_read(struct reader *reader, const struct entry *entry, size_t *gpu)
{
    char *end;
    unsigned long index;

    errno = 0;
    index = strtoul(entry->text, &end, 10);
    if (end < entry->text + entry->size)
        text_append(
            &reader->note, "%s" MASK_VARIABLE " entry %zu '%.*s' is read as %lu, as CUDA does",
            reader->note.size > 0 ? "; " : "", entry->number, (int)entry->size, entry->text, index);
    reader->indexed = true;
    for (*gpu = 0; errno == 0 && *gpu < reader->machine->gpus_count; (*gpu)++)
        if ((unsigned long)reader->machine->gpus[*gpu].index == index)
            return TROUPE_OK;
    return index_unknown(reader, entry);
}

/* How many GPUs of a list have a UUID that starts with the entry; the last of them is *found. */
static size_t uuid_count(const struct machine_gpu *gpus, size_t count, const struct entry *entry,
                         bool whole, size_t *found)
{
    size_t matches = 0;

    for (size_t i = 0; i < count; i++) {
        const char *uuid = gpus[i].uuid;

        if (uuid == NULL || strncmp(uuid, entry->text, entry->size) != 0 ||
            (whole && uuid[entry->size] != '\0'))
            continue;
        *found = i;
        matches++;
    }
    return matches;
}

static bool uuids_known(const struct machine *machine)
{
    for (size_t i = 0; i < machine->gpus_count; i++)
        if (machine->gpus[i].uuid == NULL)
            return false;
    return true;
}

/* A UUID. One of a GPU may be cut as long as it stays unique; one of a MIG instance may not. */
static int uuid_read(const struct reader *reader, const struct entry *entry, bool whole,
                     size_t *gpu)
{
    const struct machine *machine = reader->machine;
    size_t matches = uuid_count(machine->gpus, machine->gpus_count, entry, whole, gpu), denied;

    if (entry->size == strlen(gpu_prefix))
        return entry_fail(reader, entry, "names no UUID; nvidia-smi -L lists them");
    if (matches == 1)
        return TROUPE_OK;
    if (matches > 1)
        return entry_fail(reader, entry, "fits several GPUs; write more of its digits");
    if (uuid_count(machine->denied, machine->denied_count, entry, whole, &denied) > 0)
        return entry_fail(reader, entry, "is a GPU that this process may not open");
    if (!uuids_known(machine))
        return entry_fail(reader, entry,
                          "cannot be checked: the driver tells no UUIDs; "
                          "name GPUs by number");
    if (reader->given->several_nodes) {
        *gpu = MASK_ELSEWHERE;
        return TROUPE_OK;
    }
    return entry_fail(reader, entry,
                      whole ? "is no MIG instance here; nvidia-smi -L lists whole names"
                            : "is no GPU of this machine; nvidia-smi -L lists them");
}

static int entry_read(struct reader *reader, const struct entry *entry, size_t *gpu)
{
    if (entry->size == 0)
        return entry_fail(reader, entry, "is empty; take the comma away");
    if (starts_with(entry, gpu_prefix))
        return uuid_read(reader, entry, false, gpu);
    if (starts_with(entry, instance_prefix))
        return uuid_read(reader, entry, true, gpu);
    if (isdigit((unsigned char)entry->text[0]) ||
        (entry->text[0] == '+' && isdigit((unsigned char)entry->text[1])))
        return index_read(reader, entry, gpu);
    if (entry->text[0] == '-')
        return entry_fail(reader, entry, "is below 0; write -1 alone to hide all GPUs");
    return entry_fail(reader, entry,
                      "is neither a number nor a GPU- or MIG- UUID; unset the variable to see all");
}

/* ---- the list --------------------------------------------------------------------------- */

static int gpu_take(struct reader *reader, const struct entry *entry, size_t gpu)
{
    struct mask_pool *pool = &reader->pool;

    for (size_t i = 0; i < pool->count; i++)
        if (pool->gpus[i] == gpu)
            return fail(TROUPE_BAD_ARGUMENT,
                        MASK_VARIABLE "=%.96s: entries %zu and %zu are the same GPU %s; CUDA would "
                                      "show none in silence: name it once",
                        reader->given->value, reader->entry_of[i], entry->number,
                        reader->machine->gpus[gpu].pci);
    reader->entry_of[pool->count] = entry->number;
    pool->gpus[pool->count++] = gpu;
    return TROUPE_OK;
}

/* The entry that starts at text; *next is where the one behind it does, or NULL. */
static struct entry entry_at(const char *text, size_t number, const char **next)
{
    size_t size = strcspn(text, ",");
    struct entry entry = { text, size, number };

    *next = text[size] == ',' ? text + size + 1 : NULL;
    while (entry.size > 0 && strchr(blanks, entry.text[0]) != NULL) {
        entry.text++;
        entry.size--;
    }
    while (entry.size > 0 && strchr(blanks, entry.text[entry.size - 1]) != NULL)
        entry.size--;
    return entry;
}

static int list_read(struct reader *reader)
{
    const char *at = reader->given->value;
    int result = TROUPE_OK;

    for (size_t number = 1; at != NULL && result == TROUPE_OK; number++) {
        struct entry entry = entry_at(at, number, &at);
        size_t gpu = MASK_ELSEWHERE;

        result = entry_read(reader, &entry, &gpu);
        if (result == TROUPE_OK && gpu == MASK_ELSEWHERE)
            reader->pool.elsewhere++;
        else if (result == TROUPE_OK)
            result = gpu_take(reader, &entry, gpu);
    }
    return result;
}

/* Masks that hide every GPU on purpose: the empty one, -1 as many write it, and Slurm's word for a
 * job without GPUs. */
static bool hides_all(const char *value)
{
    return *value == '\0' || strcmp(value, "-1") == 0 || strcmp(value, "NoDevFiles") == 0;
}

/* CUDA numbers the fastest GPU 0 unless told otherwise, and only CUDA knows which that is. Among
 * equal GPUs the numbers are those of the PCI order. */
static void order_note(struct reader *reader)
{
    const struct machine_gpu *gpus = reader->machine->gpus;
    const char *order = reader->given->order, *first = NULL;

    if (!reader->indexed || (order != NULL && strcmp(order, MASK_ORDER_PCI) == 0))
        return;
    for (size_t i = 0; i < reader->machine->gpus_count; i++) {
        if (gpus[i].name == NULL || gpus[i].instance)
            continue;
        if (first == NULL)
            first = gpus[i].name;
        if (strcmp(gpus[i].name, first) == 0)
            continue;
        text_append(&reader->note,
                    "%sthe GPUs differ (%s, %s), so CUDA may number them by speed; Troupe counts "
                    "in PCI order: set " MASK_ORDER_VARIABLE "=" MASK_ORDER_PCI,
                    reader->note.size > 0 ? "; " : "", first, gpus[i].name);
        return;
    }
}

static void pool_fill(struct mask_pool *pool, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pool->gpus[pool->count++] = i;
}

int mask_read(const struct machine *machine, const struct mask_given *given, struct mask_pool *pool)
{
    struct reader reader = { .machine = machine, .given = given };
    int result = TROUPE_OK;

    reader.pool.gpus = calloc(machine->gpus_count + 1, sizeof *reader.pool.gpus);
    reader.entry_of = calloc(machine->gpus_count + 1, sizeof *reader.entry_of);
    if (reader.pool.gpus == NULL || reader.entry_of == NULL)
        result =
            fail(TROUPE_NO_MEMORY, "topo: no memory for a mask of %zu GPUs", machine->gpus_count);
    else if (given->value == NULL)
        pool_fill(&reader.pool, machine->gpus_count);
    else if (!hides_all(given->value))
        result = list_read(&reader);
    if (result == TROUPE_OK)
        order_note(&reader);
    free(reader.entry_of);
    reader.pool.note = reader.note.data;
    if (result == TROUPE_OK)
        *pool = reader.pool;
    else
        mask_pool_free(&reader.pool);
    return result;
}

void mask_pool_free(struct mask_pool *pool)
{
    free(pool->gpus);
    free(pool->note);
    memset(pool, 0, sizeof *pool);
}

/* ---- writing ---------------------------------------------------------------------------- */

static bool list_has(const size_t *list, size_t count, size_t gpu)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == gpu)
            return true;
    return false;
}

/* What the rank is to see, in order. A process can use one MIG instance, never several. */
static size_t list_wanted(const struct machine *machine, const struct mask_pool *pool,
                          const struct plan *plan, enum plan_mode mode, size_t local_rank,
                          size_t *list)
{
    const struct plan_rank *rank = &plan->ranks[local_rank];
    size_t count = 0;

    if (mode == PLAN_ORDERED) {
        memcpy(list, plan->order, plan->order_count * sizeof *list);
        return plan->order_count;
    }
    for (size_t i = 0; i < rank->gpus_count; i++)
        list[count++] = rank->gpus[i];
    for (size_t i = 0; mode == PLAN_PEER && i < pool->count; i++)
        if (!machine->gpus[pool->gpus[i]].instance && !machine->gpus[list[0]].instance &&
            !list_has(list, rank->gpus_count, pool->gpus[i]))
            list[count++] = pool->gpus[i];
    return count;
}

static void list_append(struct text *text, const struct machine *machine, const size_t *list,
                        size_t count, bool by_uuid)
{
    text_append(text, "%s", "");
    for (size_t i = 0; i < count; i++) {
        text_append(text, "%s", i > 0 ? "," : "");
        if (by_uuid)
            text_append(text, "%s", machine->gpus[list[i]].uuid);
        else
            text_append(text, "%d", machine->gpus[list[i]].index);
    }
}

int mask_write_list(const struct machine *machine, const size_t *list, size_t count, char **value,
                    const char **order)
{
    struct text text = { 0 };
    bool by_uuid = true;

    for (size_t i = 0; i < count; i++)
        by_uuid = by_uuid && machine->gpus[list[i]].uuid != NULL;
    list_append(&text, machine, list, count, by_uuid);
    if (text.broken)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a mask of %zu GPUs", count);
    *value = text.data;
    *order = by_uuid ? NULL : MASK_ORDER_PCI;
    return TROUPE_OK;
}

int mask_write(const struct machine *machine, const struct mask_given *given,
               const struct mask_pool *pool, const struct plan *plan, enum plan_mode mode,
               size_t local_rank, char **value, const char **order)
{
    size_t *list = calloc(pool->count + 1, sizeof *list), count;
    int result = TROUPE_OK;

    if (list == NULL)
        return fail(TROUPE_NO_MEMORY, "topo: no memory for a mask of %zu GPUs", pool->count);
    count = list_wanted(machine, pool, plan, mode, local_rank, list);
    *value = NULL;
    *order = NULL;
    if (given->value == NULL || pool->elsewhere > 0 || count != pool->count ||
        memcmp(list, pool->gpus, count * sizeof *list) != 0)
        result = mask_write_list(machine, list, count, value, order);
    free(list);
    return result;
}
