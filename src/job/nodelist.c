/* A name with brackets is expanded from left to right: each number of the first bracket with all
 * that follows it. Whatever is wrong is found before the first name is added, by a look at the
 * whole list that also counts, so that a short list of long ranges costs nothing. */
#include "job/nodelist.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"

enum {
    WIDTH_MAX = 18,      /* digits of a number */
    DIMENSIONS_MAX = 8,  /* brackets in a name; Slurm has 5 */
    NAME_BYTES_MAX = 255 /* as DNS has it */
};

struct list {
    const char *where, *text;
    struct hostfile *hostfile;
};

static int list_fail(const struct list *list, const char *at, const char *what)
{
    return fail(TROUPE_BAD_ARGUMENT, "%s: %s at character %zu of '%s'", list->where, what,
                (size_t)(at - list->text) + 1, list->text);
}

/* ---- a bracket ---------------------------------------------------------------------------- */

/* From first to last, each written with at least width digits. */
struct range {
    unsigned long long first, last;
    int width;
};

/* Reads digits, at most WIDTH_MAX, which fit. Returns the character behind them, or NULL. */
static const char *number_read(const char *from, unsigned long long *number)
{
    const char *at = from;

    for (*number = 0; isdigit((unsigned char)*at); at++)
        if (at - from < WIDTH_MAX)
            *number = 10 * *number + (unsigned long long)(*at - '0');
    return at > from && at - from <= WIDTH_MAX ? at : NULL;
}

/* Reads "3" or "03-17" and the comma behind it, if there is one. Returns the character behind, or
 * NULL. */
static const char *range_read(const char *from, struct range *range)
{
    const char *at = number_read(from, &range->first);

    if (at == NULL)
        return NULL;
    range->width = (int)(at - from);
    range->last = range->first;
    if (*at == '-')
        at = number_read(at + 1, &range->last);
    if (at == NULL || range->last < range->first)
        return NULL;
    if (*at == ',')
        return at[1] != ']' ? at + 1 : NULL;
    return *at == ']' ? at : NULL;
}

/* ---- the look ----------------------------------------------------------------------------- */

/* How many names a bracket makes of one; from is behind "[", *end becomes what is behind "]". */
static int bracket_count(const struct list *list, const char *from, const char **end,
                         unsigned long long *count)
{
    const char *at = from;

    *count = 0;
    do {
        const char *begin = at;
        struct range range;

        at = range_read(begin, &range);
        if (at == NULL)
            return list_fail(list, begin, "no range of numbers like 01-12");
        *count += range.last - range.first + 1;
        if (*count > HOSTFILE_HOSTS_MAX)
            return list_fail(list, begin, "more hosts than there may be");
    } while (*at != ']');
    *end = at + 1;
    return TROUPE_OK;
}

/* Looks at one name, up to its comma or the end, and adds how many it stands for. */
static int name_look(const struct list *list, const char **name, unsigned long long *total)
{
    unsigned long long names = 1, count;
    const char *at = *name;
    int dimensions = 0;

    while (*at != '\0' && *at != ',') {
        int result = TROUPE_OK;

        count = 1;
        if (*at == ']')
            return list_fail(list, at, "a bracket that was not opened");
        if (*at == '[' && ++dimensions > DIMENSIONS_MAX)
            return list_fail(list, at, "a bracket too many");
        if (*at++ == '[')
            result = bracket_count(list, at, &at, &count);
        if (result != TROUPE_OK)
            return result;
        names *= count;
        if (names > HOSTFILE_HOSTS_MAX)
            return list_fail(list, *name, "more hosts than there may be");
    }
    if (at == *name)
        return list_fail(list, at, "no name");
    *name = at;
    *total += names;
    return *total <= HOSTFILE_HOSTS_MAX ? TROUPE_OK
                                        : list_fail(list, at, "more hosts than there may be");
}

static int list_look(const struct list *list)
{
    unsigned long long total = 0;
    const char *at = list->text;

    for (;;) {
        int result = name_look(list, &at, &total);

        if (result != TROUPE_OK || *at == '\0')
            return result;
        at++;
    }
}

/* ---- the names ---------------------------------------------------------------------------- */

static void text_cut(struct text *text, size_t size)
{
    text->size = size;
    text->data[size] = '\0';
}

/* Adds all names that begin with what stands in name and go on as from says. */
static int name_expand(const struct list *list, const char *from, struct text *name)
{
    size_t plain = strcspn(from, "[,"), before;
    const char *at = from + plain;
    int result = TROUPE_OK;

    text_append_bytes(name, from, plain);
    if (name->broken)
        return hostfile_no_memory();
    if (*at != '[')
        return name->size <= NAME_BYTES_MAX
                   ? hostfile_add(list->where, name->data, 0, list->hostfile)
                   : list_fail(list, from, "a name longer than any host's");
    before = name->size;
    at++;
    while (*at != ']' && result == TROUPE_OK) {
        const char *end = strchr(at, ']') + 1;
        struct range range;

        at = range_read(at, &range);
        for (unsigned long long i = range.first; i <= range.last && result == TROUPE_OK; i++) {
            text_append(name, "%0*llu", range.width, i);
            result = name->broken ? hostfile_no_memory() : name_expand(list, end, name);
            if (result == TROUPE_OK)
                text_cut(name, before);
        }
    }
    return result;
}

int nodelist_read(const char *where, const char *text, struct hostfile *hostfile)
{
    const struct list list = { where, text, hostfile };
    int result = list_look(&list);

    while (result == TROUPE_OK) {
        struct text name = { 0 };
        unsigned depth = 0;

        result = name_expand(&list, text, &name);
        text_free(&name);
        for (; *text != '\0' && (depth > 0 || *text != ','); text++)
            depth += (*text == '[') - (*text == ']');
        if (*text++ == '\0')
            break;
    }
    return result;
}

/* ---- tasks -------------------------------------------------------------------------------- */

/* Reads "4" or "4(x2)". Returns the character behind, or NULL. */
static const char *slots_read(const char *from, int *slots, size_t *times)
{
    unsigned long long number, repeat = 1;
    const char *at = number_read(from, &number);

    if (at != NULL && strncmp(at, "(x", 2) == 0) {
        at = number_read(at + 2, &repeat);
        at = at != NULL && *at == ')' ? at + 1 : NULL;
    }
    if (at == NULL || (*at != ',' && *at != '\0') || number == 0 || number > INT_MAX ||
        repeat == 0 || repeat > HOSTFILE_HOSTS_MAX)
        return NULL;
    *slots = (int)number;
    *times = (size_t)repeat;
    return at;
}

int nodelist_slots(const char *where, const char *numbers, struct hostfile *hostfile)
{
    const struct list list = { where, numbers, hostfile };
    const char *at = numbers;
    size_t host = 0;

    for (;;) {
        const char *begin = at;
        size_t times;
        int slots;

        at = slots_read(begin, &slots, &times);
        if (at == NULL)
            return list_fail(&list, begin, "no number of tasks like 4 or 4(x2)");
        if (times > hostfile->count - host)
            return list_fail(&list, begin, "tasks for more hosts than there are");
        while (times-- > 0)
            hostfile->hosts[host++].slots = slots;
        if (*at++ == '\0')
            break;
    }
    return host == hostfile->count ? TROUPE_OK
                                   : list_fail(&list, at - 1, "hosts are left without tasks");
}
