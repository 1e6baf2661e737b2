/* CUDA_VISIBLE_DEVICES as CUDA reads it: up to the first entry that is none, in its order; one
 * named twice leaves none at all. */
#include "inside.h"

#include <stdio.h>
#include <strings.h>

#define UUID_TEXT 41

static void uuid_text(int device, char text[UUID_TEXT])
{
    struct cu_uuid uuid;
    const unsigned char *b = uuid.bytes;

    standin_uuid(device, &uuid);
    snprintf(text, UUID_TEXT,
             "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             standin_mig() ? "MIG" : "GPU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
             b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* The one device whose UUID begins so, or -1. */
static int by_uuid(const char *entry, size_t size, int devices)
{
    char text[UUID_TEXT];
    int found = -1;

    for (int i = 0; i < devices; i++) {
        uuid_text(i, text);
        if (size < UUID_TEXT && strncasecmp(text, entry, size) == 0) {
            if (found >= 0)
                return -1;
            found = i;
        }
    }
    return found;
}

static int entry_read(const char *entry, size_t size, int devices)
{
    char *end;
    long number;

    if (size > 4 && (strncmp(entry, "GPU-", 4) == 0 || strncmp(entry, "MIG-", 4) == 0))
        return by_uuid(entry, size, devices);
    number = strtol(entry, &end, 10);
    return end != entry && number >= 0 && number < devices ? (int)number : -1;
}

int standin_mask(const char *mask, int devices, int *shown)
{
    int count = 0;

    for (const char *entry = mask;;) {
        size_t size = strcspn(entry, ",");
        int device = entry_read(entry, size, devices);

        if (device < 0)
            break;
        for (int i = 0; i < count; i++)
            if (shown[i] == device)
                return 0;
        shown[count++] = device;
        if (entry[size] == '\0')
            break;
        entry += size + 1;
    }
    return count;
}
