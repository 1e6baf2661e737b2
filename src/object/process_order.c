#include "object/process_order.h"

#include "base/error.h"
#include "core/world.h"
#include "object/process.h"
#include "object/process_gpus.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes -------------------------------------------------------------------------------- */

size_t order_bytes(const struct process_order *head)
{
    return head->argument_bytes + gpus_text_size(head->gpus) + head->setting_bytes;
}

static unsigned char *put(unsigned char *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

void order_write(const struct order *order, unsigned char *bytes)
{
    bytes = put(bytes, order->argument, order->head.argument_bytes);
    bytes = put(bytes, order->gpus_text, gpus_text_size(order->head.gpus));
    put(bytes, order->setting, order->head.setting_bytes);
}

void order_view(struct order *order, const unsigned char *bytes)
{
    order->argument = order->head.argument_bytes > 0 ? bytes : NULL;
    order->gpus_text = (const char *)bytes + order->head.argument_bytes;
    order->setting = order->gpus_text + gpus_text_size(order->head.gpus);
}

/* ---- options ------------------------------------------------------------------------------ */

static int place_check(const troupe_process_options *options)
{
    int most = options->where == TROUPE_ON_RANK ? world_here.size : world_here.nodes;

    if (options->where < TROUPE_ANYWHERE || options->where > TROUPE_ON_NODE)
        return fail(TROUPE_BAD_ARGUMENT,
                    "where is %d; use TROUPE_ANYWHERE, TROUPE_ON_RANK or TROUPE_ON_NODE",
                    options->where);
    if (options->where != TROUPE_ANYWHERE && (options->place < 0 || options->place >= most))
        return fail(TROUPE_BAD_ARGUMENT, "place %d is no %s of this world; it has 0 to %d",
                    options->place, options->where == TROUPE_ON_RANK ? "rank" : "node", most - 1);
    return TROUPE_OK;
}

static int place_fits(const troupe_process_options *options, int method)
{
    if (options->where == TROUPE_ON_RANK &&
        (method == TROUPE_METHOD_SPAWN || options->when_busy == TROUPE_BUSY_SPAWN))
        return fail(TROUPE_BAD_ARGUMENT, "a fresh process cannot run on a rank; use "
                                         "TROUPE_ON_NODE, or another method");
    if (method == TROUPE_METHOD_FORK &&
        (options->where == TROUPE_ON_RANK ||
         (options->where == TROUPE_ON_NODE && options->place != world_here.node)))
        return fail(TROUPE_BAD_ARGUMENT,
                    "a fork runs beside its caller, on node %d; leave `where` out, or use another "
                    "method",
                    world_here.node);
    return TROUPE_OK;
}

/* Options that only some methods can keep. A rank outlives its target, and a fork has its caller's
 * directory and environment. */
static int method_fits(const troupe_process_options *options, int method)
{
    if ((options->cpu_seconds != 0 || options->memory_bytes != 0) && method != TROUPE_METHOD_FORK &&
        method != TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT, "cpu_seconds and memory_bytes limit a process of its own; "
                                         "use TROUPE_METHOD_FORK or _SPAWN with them");
    if ((options->directory != NULL || options->environment != NULL) &&
        method != TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT, "directory and environment are a fresh process's; use "
                                         "TROUPE_METHOD_SPAWN with them");
    if (options->when_busy != TROUPE_BUSY_DEFAULT &&
        (method == TROUPE_METHOD_FORK || method == TROUPE_METHOD_SPAWN))
        return fail(TROUPE_BAD_ARGUMENT, "when_busy is about ranks, and a process by fork or spawn "
                                         "needs none; leave it out");
    return TROUPE_OK;
}

int order_options_check(const troupe_process_options *options, int *method)
{
    int chosen =
            options->method != TROUPE_METHOD_DEFAULT ? options->method : troupe_get_start_method(),
        result = place_check(options);

    if (options->method < TROUPE_METHOD_DEFAULT || options->method > TROUPE_METHOD_SPAWN)
        return fail(TROUPE_BAD_ARGUMENT,
                    "method %d is none; use TROUPE_METHOD_DEFAULT, _RANK, _FORK or _SPAWN",
                    options->method);
    if (options->when_busy < TROUPE_BUSY_DEFAULT || options->when_busy > TROUPE_BUSY_ERROR)
        return fail(TROUPE_BAD_ARGUMENT,
                    "when_busy is %d; use TROUPE_BUSY_DEFAULT, _SPAWN, _WAIT or _ERROR",
                    options->when_busy);
    if (options->name != NULL && strlen(options->name) >= TROUPE_NAME_SIZE)
        return fail(TROUPE_BAD_ARGUMENT, "the name \"%s\" has %zu bytes; use at most %d",
                    options->name, strlen(options->name), TROUPE_NAME_SIZE - 1);
    if (result == TROUPE_OK)
        result =
            options->method == TROUPE_METHOD_DEFAULT ? process_start_method_check() : TROUPE_OK;
    if (result == TROUPE_OK)
        result = place_fits(options, chosen);
    if (result == TROUPE_OK)
        result = method_fits(options, chosen);
    if (result == TROUPE_OK)
        *method = chosen;
    return result;
}

/* ---- directory and environment ------------------------------------------------------------ */

static int lines_check(const char *const *lines)
{
    for (; lines != NULL && *lines != NULL; lines++)
        if (**lines == '\0' || **lines == '=')
            return fail(TROUPE_BAD_ARGUMENT,
                        "\"%s\" is no line of an environment; write NAME=value", *lines);
    return TROUPE_OK;
}

int order_setting_make(const troupe_process_options *options, char **setting, uint64_t *bytes)
{
    const char *directory = options->directory != NULL ? options->directory : "";
    size_t size = strlen(directory) + 1;
    unsigned char *at;
    int result = lines_check(options->environment);

    *setting = NULL;
    *bytes = 0;
    if (result != TROUPE_OK || (options->directory == NULL && options->environment == NULL))
        return result;
    for (const char *const *line = options->environment; line != NULL && *line != NULL; line++)
        size += strlen(*line) + 1;
    *setting = malloc(size);
    if (*setting == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for an environment of %zu bytes", size);
    at = put((unsigned char *)*setting, directory, strlen(directory) + 1);
    for (const char *const *line = options->environment; line != NULL && *line != NULL; line++)
        at = put(at, *line, strlen(*line) + 1);
    *bytes = size;
    return TROUPE_OK;
}
