/* One line at a time: a name, then key=value. The first line that is wrong ends the reading. */
#include "job/hostfile.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

static const char blanks[] = " \t\r\n\f\v";

/* ---- the list ----------------------------------------------------------------------------- */

static int host_add(struct hostfile *hostfile, const char *name, int slots)
{
    struct hostfile_host *hosts;

    for (size_t i = 0; i < hostfile->count; i++) {
        struct hostfile_host *host = &hostfile->hosts[i];

        if (strcmp(host->name, name) != 0)
            continue;
        if (slots > INT_MAX - host->slots)
            return fail(TROUPE_BAD_ARGUMENT, "%s has more than %d slots in all; write fewer", name,
                        INT_MAX);
        host->slots += slots;
        return TROUPE_OK;
    }
    hosts = realloc(hostfile->hosts, (hostfile->count + 1) * sizeof *hosts);
    if (hosts == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of hosts");
    hostfile->hosts = hosts;
    hosts[hostfile->count] = (struct hostfile_host){ strdup(name), slots };
    if (hosts[hostfile->count].name == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a list of hosts");
    hostfile->count++;
    return TROUPE_OK;
}

/* The name behind "user@", or NULL when it cannot be a host's: letters, digits, and the marks that
 * names and addresses have. */
static const char *host_name(const char *word)
{
    const char *at = strrchr(word, '@'), *name = at != NULL ? at + 1 : word;

    if (*name == '\0' || *name == '-')
        return NULL;
    for (const char *letter = name; *letter != '\0'; letter++)
        if (!isalnum((unsigned char)*letter) && strchr(".-_:%", *letter) == NULL)
            return NULL;
    return name;
}

/* "node1:4", as MPICH's files have it. Open MPI takes it for a name, which nobody then resolves. An
 * IPv6 address has more colons. */
static bool is_other_form(const char *name)
{
    const char *colon = strchr(name, ':');
    long slots;

    return colon != NULL && strchr(colon + 1, ':') == NULL &&
           text_to_long(colon + 1, 1, INT_MAX, &slots);
}

/* ---- a file ------------------------------------------------------------------------------- */

/* Keys that Open MPI knows and that change nothing here. */
static bool is_known_key(const char *key)
{
    static const char *const known[] = { "max-slots", "max_slots", "slots-max", "slots_max",
                                         "username",  "user",      "rank" };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

static bool counts_slots(const char *key)
{
    return strcmp(key, "slots") == 0 || strcmp(key, "count") == 0 || strcmp(key, "cpus") == 0;
}

static int key_read(const char *where, char *word, int *slots)
{
    char *value = strchr(word, '=');
    long number;

    if (value == NULL || value[1] == '\0')
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s is no setting of a host; write: name slots=4",
                    where, word);
    *value++ = '\0';
    if (counts_slots(word)) {
        if (!text_to_long(value, 1, INT_MAX, &number))
            return fail(TROUPE_BAD_ARGUMENT, "%s: %s=%s is not a number of slots; write slots=4",
                        where, word, value);
        *slots = (int)number;
        return TROUPE_OK;
    }
    if (!is_known_key(word))
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s= is unknown; write: name slots=4", where, word);
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

static int line_read(const char *where, char *line, struct hostfile *hostfile)
{
    char *rest = NULL, *word;
    const char *name;
    int slots = 0, result = TROUPE_OK;

    line[strcspn(line, "#")] = '\0';
    equals_join(line);
    word = strtok_r(line, blanks, &rest);
    if (word == NULL)
        return TROUPE_OK;
    name = host_name(word);
    if (name == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s is no name of a host; write: name slots=4", where,
                    word);
    if (is_other_form(name))
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s is another launcher's form; write: %.*s slots=%s",
                    where, name, (int)strcspn(name, ":"), name, strchr(name, ':') + 1);
    while (result == TROUPE_OK && (word = strtok_r(NULL, blanks, &rest)) != NULL)
        result = key_read(where, word, &slots);
    return result == TROUPE_OK ? host_add(hostfile, name, slots) : result;
}

static int lines_read(const char *path, FILE *file, struct hostfile *hostfile)
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
            result = fail(TROUPE_NO_MEMORY, "no memory for a list of hosts");
        else if (strlen(line) != (size_t)size)
            result = fail(TROUPE_BAD_ARGUMENT, "%s: a zero byte; a host file is text", where.data);
        else
            result = line_read(where.data, line, hostfile);
        text_free(&where);
    }
    if (result == TROUPE_OK && ferror(file))
        result = fail_errno(TROUPE_NOT_FOUND, "%s: this host file cannot be read", path);
    free(line);
    return result;
}

int hostfile_read(const char *path, struct hostfile *hostfile)
{
    struct hostfile read = { 0 };
    FILE *file = fopen(path, "re");
    int result;

    if (file == NULL)
        return fail_errno(TROUPE_NOT_FOUND, "%s: this host file cannot be read", path);
    result = lines_read(path, file, &read);
    fclose(file);
    if (result == TROUPE_OK && read.count == 0)
        result =
            fail(TROUPE_BAD_ARGUMENT, "%s: names no host; write lines like: node1 slots=4", path);
    if (result == TROUPE_OK)
        *hostfile = read;
    else
        hostfile_free(&read);
    return result;
}

/* ---- a list ------------------------------------------------------------------------------- */

static int entry_read(char *entry, struct hostfile *hostfile)
{
    char *colon = strrchr(entry, ':');
    const char *name;
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
    name = host_name(entry);
    if (name == NULL)
        return fail(TROUPE_BAD_ARGUMENT, "--host: '%s' is no name of a host; write node1,node2:4",
                    entry);
    return host_add(hostfile, name, (int)slots);
}

int hostfile_read_list(const char *list, struct hostfile *hostfile)
{
    struct hostfile read = { 0 };
    char *copy = strdup(list), *rest = copy, *entry;
    int result = copy != NULL ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "no memory for a list of hosts");

    while (result == TROUPE_OK && (entry = strsep(&rest, ",")) != NULL)
        result = entry_read(entry, &read);
    free(copy);
    if (result == TROUPE_OK)
        *hostfile = read;
    else
        hostfile_free(&read);
    return result;
}

/* ---- what is made of them ----------------------------------------------------------------- */

int hostfile_slots(const struct hostfile *hostfile)
{
    long slots = 0;

    for (size_t i = 0; i < hostfile->count; i++) {
        if (hostfile->hosts[i].slots == 0)
            return 0;
        slots += hostfile->hosts[i].slots;
    }
    return slots < INT_MAX ? (int)slots : INT_MAX;
}

void hostfile_deal(const struct hostfile *hostfile, int ranks, int unsaid, int *counts)
{
    int hosts = (int)hostfile->count;

    for (int i = 0; i < hosts; i++) {
        int slots = hostfile->hosts[i].slots > 0 ? hostfile->hosts[i].slots : unsaid;

        counts[i] = ranks < slots ? ranks : slots;
        ranks -= counts[i];
    }
    for (int i = 0; i < hosts; i++)
        counts[i] += ranks / hosts + (i < ranks % hosts);
}

void hostfile_free(struct hostfile *hostfile)
{
    for (size_t i = 0; i < hostfile->count; i++)
        free(hostfile->hosts[i].name);
    free(hostfile->hosts);
    *hostfile = (struct hostfile){ 0 };
}
