/* The hosts of a run and their slots, found by name in a tree beside the row. */
#include <ctype.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "job/hostfile.h"

/* A node of the index. Its name is the host's. */
struct place {
    const char *name;
    size_t at;
};

static int by_name(const void *left, const void *right)
{
    const struct place *one = left, *other = right;

    return strcmp(one->name, other->name);
}

int hostfile_no_memory(void)
{
    return fail(TROUPE_NO_MEMORY, "no memory for a list of hosts");
}

static int host_append(const char *where, const char *name, struct hostfile *hostfile)
{
    struct place *place = malloc(sizeof *place);
    char *copy = strdup(name);

    if (hostfile->count == hostfile->capacity && place != NULL) {
        size_t capacity = hostfile->capacity > 0 ? 2 * hostfile->capacity : 16;
        struct hostfile_host *hosts = realloc(hostfile->hosts, capacity * sizeof *hosts);

        if (hosts != NULL) {
            hostfile->hosts = hosts;
            hostfile->capacity = capacity;
        }
    }
    if (hostfile->count < HOSTFILE_HOSTS_MAX && hostfile->count < hostfile->capacity &&
        place != NULL && copy != NULL) {
        *place = (struct place){ copy, hostfile->count };
        if (tsearch(place, &hostfile->index, by_name) != NULL) {
            hostfile->hosts[hostfile->count++] = (struct hostfile_host){ .name = copy };
            return TROUPE_OK;
        }
    }
    free(place);
    free(copy);
    return hostfile->count < HOSTFILE_HOSTS_MAX
               ? hostfile_no_memory()
               : fail(TROUPE_BAD_ARGUMENT, "%s: more than %d hosts; name fewer", where,
                      HOSTFILE_HOSTS_MAX);
}

/* Finds a host, or appends it. */
static int host_find(const char *where, const char *name, struct hostfile *hostfile,
                     struct hostfile_host **host)
{
    struct place wanted = { .name = name };
    void *found = tfind(&wanted, &hostfile->index, by_name);
    int result;

    if (found != NULL) {
        const struct place *place = *(struct place **)found;

        *host = &hostfile->hosts[place->at];
        return TROUPE_OK;
    }
    result = host_append(where, name, hostfile);
    if (result == TROUPE_OK)
        *host = &hostfile->hosts[hostfile->count - 1];
    return result;
}

static int host_add(const char *where, const char *name, int slots, struct hostfile *hostfile)
{
    struct hostfile_host *host;
    int result = host_find(where, name, hostfile, &host);

    if (result != TROUPE_OK)
        return result;
    if (slots > INT_MAX - host->slots)
        return fail(TROUPE_BAD_ARGUMENT, "%s: %s has more than %d slots in all; write fewer", where,
                    name, INT_MAX);
    host->slots += slots;
    host->unsaid += slots == 0;
    host->lines++;
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

int hostfile_add(const char *where, const char *name, int slots, struct hostfile *hostfile)
{
    const char *host = host_name(name);

    if (host == NULL)
        return fail(TROUPE_BAD_ARGUMENT,
                    "%s: '%s' is no name of a host; write a name or an address", where, name);
    return host_add(where, host, slots, hostfile);
}

int hostfile_write(const struct hostfile *hostfile, struct text *list)
{
    for (size_t i = 0; i < hostfile->count; i++) {
        const struct hostfile_host *host = &hostfile->hosts[i];

        if (strchr(host->name, ':') != NULL)
            return fail(TROUPE_BAD_ARGUMENT,
                        "%s: an address with colons cannot stand in mpirun's --host; write a host "
                        "file of lines like: %s slots=4",
                        host->name, host->name);
        text_append(list, "%s%s:", i > 0 ? "," : "", host->name);
        if (host->slots > 0)
            text_append(list, "%d", host->slots);
        else
            text_append(list, "*");
    }
    return list->broken ? hostfile_no_memory() : TROUPE_OK;
}

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

bool hostfile_is_here(const char *name)
{
    char here[HOST_NAME_MAX + 1] = "";
    size_t length;

    if (strcmp(name, "localhost") == 0 || gethostname(here, sizeof here - 1) != 0)
        return true;
    length = strcspn(here, ".");
    return strncmp(name, here, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

bool hostfile_goes_elsewhere(const struct hostfile *hostfile)
{
    return hostfile->count > 1 ||
           (hostfile->count == 1 && !hostfile_is_here(hostfile->hosts[0].name));
}

void hostfile_free(struct hostfile *hostfile)
{
    for (size_t i = 0; i < hostfile->count; i++)
        free(hostfile->hosts[i].name);
    free(hostfile->hosts);
    tdestroy(hostfile->index, free);
    *hostfile = (struct hostfile){ 0 };
}
