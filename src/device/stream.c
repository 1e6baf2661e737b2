/* Streams and events. */
#include "device/driver.h"

#include <inttypes.h>

#include "base/error.h"

#define STREAM_NON_BLOCKING 0x01
#define EVENT_DEFAULT 0x00

static void *pointer_of(uint64_t id)
{
    return (void *)(uintptr_t)id;
}

int troupe_gpu_stream_create(troupe_gpu gpu, troupe_gpu_stream *stream)
{
    struct scope scope;
    void *made = NULL;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    code = scope.call->stream_create(&made, STREAM_NON_BLOCKING);
    if (code != DRIVER_SUCCESS)
        return scope_close(&scope, code, "cuStreamCreate", "device %d gave no stream",
                           scope.device);
    result = owned_add(OWNED_STREAM, scope.device, (uintptr_t)made, 0);
    if (result != TROUPE_OK)
        scope.call->stream_destroy(made);
    else
        stream->id = (uintptr_t)made;
    return scope_end(&scope, result);
}

int troupe_gpu_stream_destroy(troupe_gpu gpu, troupe_gpu_stream stream)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    if (stream.id == 0)
        return scope_end(&scope, fail(TROUPE_BAD_ARGUMENT,
                                      "%s: the default stream stays; destroy "
                                      "those that were created",
                                      __func__));
    owned_remove(OWNED_STREAM, stream.id, NULL);
    return scope_close(&scope, scope.call->stream_destroy(pointer_of(stream.id)),
                       "cuStreamDestroy_v2", "stream %#" PRIx64 " of device %d", stream.id,
                       scope.device);
}

int troupe_gpu_stream_synchronize(troupe_gpu gpu, troupe_gpu_stream stream)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(&scope, scope.call->stream_synchronize(pointer_of(stream.id)),
                       "cuStreamSynchronize",
                       "what was asked of stream %#" PRIx64 " of device %d did not end well",
                       stream.id, scope.device);
}

int troupe_gpu_stream_done(troupe_gpu gpu, troupe_gpu_stream stream, int *done)
{
    struct scope scope;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    code = scope.call->stream_query(pointer_of(stream.id));
    result = scope_close(&scope, code == DRIVER_NOT_READY ? DRIVER_SUCCESS : code, "cuStreamQuery",
                         "stream %#" PRIx64 " of device %d", stream.id, scope.device);
    if (result == TROUPE_OK)
        *done = code == DRIVER_SUCCESS;
    return result;
}

int troupe_gpu_stream_wait(troupe_gpu gpu, troupe_gpu_stream stream, troupe_gpu_event event)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(
        &scope,
        scope.call->stream_wait_event(pointer_of(stream.id), pointer_of(event.id), EVENT_DEFAULT),
        "cuStreamWaitEvent", "stream %#" PRIx64 ", event %#" PRIx64 " of device %d", stream.id,
        event.id, scope.device);
}

int troupe_gpu_event_create(troupe_gpu gpu, troupe_gpu_event *event)
{
    struct scope scope;
    void *made = NULL;
    int code, result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    code = scope.call->event_create(&made, EVENT_DEFAULT);
    if (code != DRIVER_SUCCESS)
        return scope_close(&scope, code, "cuEventCreate", "device %d gave no event", scope.device);
    result = owned_add(OWNED_EVENT, scope.device, (uintptr_t)made, 0);
    if (result != TROUPE_OK)
        scope.call->event_destroy(made);
    else
        event->id = (uintptr_t)made;
    return scope_end(&scope, result);
}

int troupe_gpu_event_destroy(troupe_gpu gpu, troupe_gpu_event event)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    owned_remove(OWNED_EVENT, event.id, NULL);
    return scope_close(&scope, scope.call->event_destroy(pointer_of(event.id)), "cuEventDestroy_v2",
                       "event %#" PRIx64 " of device %d", event.id, scope.device);
}

int troupe_gpu_event_record(troupe_gpu gpu, troupe_gpu_event event, troupe_gpu_stream stream)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(&scope,
                       scope.call->event_record(pointer_of(event.id), pointer_of(stream.id)),
                       "cuEventRecord", "event %#" PRIx64 ", stream %#" PRIx64 " of device %d",
                       event.id, stream.id, scope.device);
}

int troupe_gpu_event_synchronize(troupe_gpu gpu, troupe_gpu_event event)
{
    struct scope scope;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    return scope_close(&scope, scope.call->event_synchronize(pointer_of(event.id)),
                       "cuEventSynchronize", "event %#" PRIx64 " of device %d", event.id,
                       scope.device);
}

int troupe_gpu_event_elapsed(troupe_gpu gpu, troupe_gpu_event from, troupe_gpu_event to,
                             double *milliseconds)
{
    struct scope scope;
    float elapsed = 0;
    int result = scope_open(__func__, gpu, &scope);

    if (result != TROUPE_OK)
        return result;
    result = scope_close(
        &scope, scope.call->event_elapsed_time(&elapsed, pointer_of(from.id), pointer_of(to.id)),
        "cuEventElapsedTime", "events %#" PRIx64 " and %#" PRIx64 " of device %d", from.id, to.id,
        scope.device);
    if (result == TROUPE_OK)
        *milliseconds = (double)elapsed;
    return result;
}
