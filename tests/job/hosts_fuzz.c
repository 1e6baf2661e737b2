/* Host files, lists and Slurm's nodelists of any bytes, for libFuzzer; the corpus in
 * tests/data/hosts-corpus is replayed as a test. The first byte says what the others are.
 *
 * Whatever the bytes are: reading ends with hosts or one sentence; no host stands twice; and the
 * list that mpirun is given in their place reads back as the same hosts. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "job/nodelist.h"
#include "troupe/troupe.h"

enum { FORM_LIST = 3, FORM_NODELIST, FORMS, TWICE_MOST = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "hosts_fuzz: %s (%s)\n", what, troupe_last_error());
    abort();
}

static int stream_read(const uint8_t *data, size_t size, enum hostfile_form form,
                       struct hostfile *hosts)
{
    FILE *file = fmemopen((void *)data, size, "r");
    int result;

    insist(file != NULL, "no stream");
    result = hostfile_read_stream("fuzzed", file, form, hosts);
    fclose(file);
    return result;
}

/* A zero byte parts the nodes from the tasks. */
static int nodelist_both(const char *text, size_t size, struct hostfile *hosts)
{
    size_t nodes = strlen(text);
    int result = nodelist_read("NODES", text, hosts);

    if (result == TROUPE_OK && nodes < size)
        result = nodelist_slots("TASKS", text + nodes + 1, hosts);
    return result;
}

static int read_any(unsigned form, const uint8_t *data, size_t size, struct hostfile *hosts)
{
    char *text;
    int result;

    if (form < FORM_LIST)
        return size > 0 ? stream_read(data, size, (enum hostfile_form)form, hosts) : TROUPE_EMPTY;
    text = calloc(1, size + 1);
    insist(text != NULL, "no memory");
    memcpy(text, data, size);
    result = form == FORM_LIST ? hostfile_read_list(text, hosts) : nodelist_both(text, size, hosts);
    free(text);
    return result;
}

static void hosts_check(const struct hostfile *hosts)
{
    struct hostfile again = { 0 };
    struct text list = { 0 };

    for (size_t i = 0; i < hosts->count && i < TWICE_MOST; i++) {
        insist(hosts->hosts[i].slots >= 0 && *hosts->hosts[i].name != '\0', "no host");
        for (size_t j = 0; j < i; j++)
            insist(strcmp(hosts->hosts[i].name, hosts->hosts[j].name) != 0, "a host twice");
    }
    if (hostfile_write(hosts, &list) == TROUPE_OK) {
        insist(hostfile_read_list(list.data, &again) == TROUPE_OK, "a written list is refused");
        insist(again.count == hosts->count, "a written list has other hosts");
        for (size_t i = 0; i < again.count; i++)
            insist(again.hosts[i].slots == hosts->hosts[i].slots, "other slots");
    }
    text_free(&list);
    hostfile_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostfile hosts = { 0 };

    if (size == 0)
        return 0;
    if (read_any(data[0] % FORMS, data + 1, size - 1, &hosts) == TROUPE_OK && hosts.count > 0)
        hosts_check(&hosts);
    hostfile_free(&hosts);
    return 0;
}
