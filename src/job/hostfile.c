/* Reading, one line at a time. The first line that is wrong ends it. */
#include "job/hostfile.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

static const char blanks[] = " \t\r\n\f\v";

/* Cuts the number of slots off "node1:4". An IPv6 address has more colons, and none. */
static int hydra_cut(const char *where, char *name, int *slots)
{
    char *colon = strchr(name, ':');
    long number;

    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return TROUPE_OK;
    if (!text_to_long(colon + 1, 1, INT_MAX, &number))
        return fail(TROUPE_BAD_ARGUMENT,
                    "%s: %s: what follows the colon is no number of slots; write: %.*s:4", where,
                    name, (int)(colon - name), name);
    *slots = (int)number;
    *colon = '\0';
    return TROUPE_OK;
}

/* ---- a file ------------------------------------------------------------------------------- */

/* What a line says of its host. */
struct line {
    int slots, most; /* 0: not said */
    bool is_foreign;
};

static bool is_one_of(const char *key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

enum key { KEY_UNKNOWN, KEY_SLOTS, KEY_MOST, KEY_IGNORED, KEY_FOREIGN };

static enum key key_of(const char *word)
{
    static const char *const slots[] = { "slots", "count", "cpus" };
    static const char *const most[] = { "max-slots", "max_slots", "slots-max", "slots_max" };
    static const char *const ignored[] = { "username", "user", "rank" };
    static const char *const foreign[] = { "binding", "ifname", "map" }; /* Hydra's */

    if (is_one_of(word, slots, sizeof slots / sizeof *slots))
        return KEY_SLOTS;
    if (is_one_of(word, most, sizeof most / sizeof *most))
        return KEY_MOST;
    if (is_one_of(word, ignored, sizeof ignored / sizeof *ignored))
        return KEY_IGNORED;
    return is_one_of(word, foreign, sizeof foreign / sizeof *foreign) ? KEY_FOREIGN : KEY_UNKNOWN;
}

static int key_read(const char *where, char *word, struct line *line)
{
    char *value = strchr(word, '=');
    long number = 0;
    enum key key;

    if (value == NULL || value[1] == '\0')
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s is no setting of a host; write: name slots=4",
                    where, word);
    *value++ = '\0';
    key = key_of(word);
    if (key == KEY_UNKNOWN)
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s= is unknown; write: name slots=4", where, word);
    if ((key == KEY_SLOTS || key == KEY_MOST) && !text_to_long(value, 1, INT_MAX, &number))
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s=%s is not a number of slots; write %s=4", where,
                    word, value, word);
    if (key == KEY_SLOTS)
        line->slots = (int)number;
    else if (key == KEY_MOST)
        line->most = (int)number;
    line->is_foreign |= key == KEY_FOREIGN;
    return TROUPE_OK;
}

/* Joins the blanks around '=', which Open MPI allows: "slots = 4" becomes "slots=4". */
static void equals_join(char *line)
{
    char *to = line;

    for (const char *from = line; *from != '\0';) {
        size_t gap = strspn(from, blanks);

        if (gap > 0 && (from[gap] == '=' || (to > line && to[-1] == '=')))
            from += gap;
        else
            *to++ = *from++;
    }
    *to = '\0';
}

/* The words behind the name, rest being strtok's. */
static int keys_read(const char *where, char **rest, struct line *line)
{
    int result = TROUPE_OK;
    char *word;

    while (result == TROUPE_OK && (word = strtok_r(NULL, blanks, rest)) != NULL)
        result = key_read(where, word, line);
    if (result == TROUPE_OK && line->most > 0 && line->slots > line->most)
        result = fail(TROUPE_BAD_ARGUMENT, "%s: slots=%d is more than max-slots=%d; write fewer",
                      where, line->slots, line->most);
    return result;
}

static int any_read(const char *where, char *text, struct hostfile *hostfile)
{
    struct line line = { 0 };
    char *rest = NULL, *word;
    int result;

    equals_join(text);
    word = strtok_r(text, blanks, &rest);
    if (word == NULL)
        return TROUPE_OK;
    result = hydra_cut(where, word, &line.slots);
    line.is_foreign = line.slots > 0;
    if (result == TROUPE_OK)
        result = keys_read(where, &rest, &line);
    hostfile->is_foreign |= line.is_foreign;
    return result == TROUPE_OK ? hostfile_add(where, word, line.slots, hostfile) : result;
}

/* A name, and nothing more. */
static int plain_read(const char *where, char *text, struct hostfile *hostfile)
{
    char *rest = NULL, *word = strtok_r(text, blanks, &rest);

    if (word == NULL)
        return TROUPE_OK;
    if (strtok_r(NULL, blanks, &rest) != NULL)
        return fail(TROUPE_BAD_ARGUMENT, "%s: more than a name, %s, stands on the line", where,
                    word);
    return hostfile_add(where, word, 1, hostfile);
}

static int sge_read(const char *where, char *text, struct hostfile *hostfile)
{
    char *rest = NULL, *word = strtok_r(text, blanks, &rest), *number;
    long slots;

    if (word == NULL)
        return TROUPE_OK;
    number = strtok_r(NULL, blanks, &rest);
    if (number == NULL || !text_to_long(number, 1, INT_MAX, &slots))
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s is followed by '%s' and not by a number of slots",
                    where, word, number != NULL ? number : "");
    return hostfile_add(where, word, (int)slots, hostfile);
}

static int line_read(const char *where, char *text, enum hostfile_form form,
                     struct hostfile *hostfile)
{
    text[strcspn(text, "#")] = '\0';
    switch (form) {
    case HOSTFILE_PLAIN:
        return plain_read(where, text, hostfile);
    case HOSTFILE_SGE:
        return sge_read(where, text, hostfile);
    case HOSTFILE_ANY:
        break;
    }
    return any_read(where, text, hostfile);
}

static int lines_read(const char *path, FILE *file, enum hostfile_form form,
                      struct hostfile *hostfile)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int result = TROUPE_OK;

    for (unsigned long number = 1;
         result == TROUPE_OK && (size = getline(&line, &capacity, file)) >= 0; number++) {
        struct text where = { 0 };

        text_append(&where, "%s:%lu", path, number);
        if (where.broken)
            result = hostfile_no_memory();
        else if (strlen(line) != (size_t)size)
            result = fail(TROUPE_BAD_ARGUMENT, "%s: a zero byte; a host file is text", where.data);
        else
            result = line_read(where.data, line, form, hostfile);
        text_free(&where);
    }
    if (result == TROUPE_OK && ferror(file))
        result = fail_errno(TROUPE_NOT_FOUND, "%s: this host file cannot be read", path);
    free(line);
    return result;
}

/* A line without a number is a slot, unless it is all that is said of its host. */
static int unsaid_count(const char *path, struct hostfile *hostfile)
{
    for (size_t i = 0; i < hostfile->count; i++) {
        struct hostfile_host *host = &hostfile->hosts[i];

        if (host->lines == 1)
            continue;
        if (host->unsaid > INT_MAX - host->slots)
            return fail(TROUPE_BAD_ARGUMENT, "%s: %s has more than %d slots in all; write fewer",
                        path, host->name, INT_MAX);
        host->slots += host->unsaid;
    }
    return TROUPE_OK;
}

int hostfile_read_stream(const char *name, FILE *file, enum hostfile_form form,
                         struct hostfile *hostfile)
{
    struct hostfile read = { 0 };
    int result = lines_read(name, file, form, &read);

    if (result == TROUPE_OK)
        result = unsaid_count(name, &read);
    if (result == TROUPE_OK && read.count == 0)
        result =
            fail(TROUPE_BAD_ARGUMENT, "%s: names no host; write lines like: node1 slots=4", name);
    if (result == TROUPE_OK)
        *hostfile = read;
    else
        hostfile_free(&read);
    return result;
}

int hostfile_read_form(const char *path, enum hostfile_form form, struct hostfile *hostfile)
{
    FILE *file = fopen(path, "re");
    int result;

    if (file == NULL)
        return fail_errno(TROUPE_NOT_FOUND, "%s: this host file cannot be read", path);
    result = hostfile_read_stream(path, file, form, hostfile);
    fclose(file);
    return result;
}

int hostfile_read(const char *path, struct hostfile *hostfile)
{
    return hostfile_read_form(path, HOSTFILE_ANY, hostfile);
}

/* ---- a list ------------------------------------------------------------------------------- */

static int entry_read(char *entry, struct hostfile *hostfile)
{
    char *colon = strrchr(entry, ':');
    long slots = 1;

    /* An address of version 6 has several colons, and no number of slots. */
    if (colon != NULL && strchr(entry, ':') == colon) {
        *colon = '\0';
        if (strcmp(colon + 1, "*") == 0)
            slots = 0;
        else if (!text_to_long(colon + 1, 1, INT_MAX, &slots))
            return fail(TROUPE_BAD_ARGUMENT,
                        "--host %s:%s: not a number of slots; write --host %s:4", entry, colon + 1,
                        entry);
    }
    return hostfile_add("--host", entry, (int)slots, hostfile);
}

int hostfile_read_list(const char *list, struct hostfile *hostfile)
{
    struct hostfile read = { 0 };
    char *copy = strdup(list), *rest = copy, *entry;
    int result = copy != NULL ? TROUPE_OK : hostfile_no_memory();

    while (result == TROUPE_OK && (entry = strsep(&rest, ",")) != NULL)
        result = entry_read(entry, &read);
    free(copy);
    if (result == TROUPE_OK)
        *hostfile = read;
    else
        hostfile_free(&read);
    return result;
}
