/* The driver's files: /proc/driver/nvidia/gpus/<domain:bus:device.function>/information, one line
 * "Name: value" each. */
#include "nvml/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define NVML_LINE 256
#define NVML_PATH 1024

/* The text behind "name:" when line starts so, without blanks around it; else NULL. */
static const char *value_of(char *line, const char *name)
{
    size_t size = strlen(name);
    char *value, *end;

    if (strncmp(line, name, size) != 0 || line[size] != ':')
        return NULL;
    value = line + size + 1;
    value += strspn(value, " \t");
    end = value + strlen(value);
    while (end > value && strchr(" \t\r\n", end[-1]) != NULL)
        *--end = '\0';
    return value;
}

/* The driver writes question marks for a UUID that it has not read from the device yet. */
static char *uuid_copy(const char *value)
{
    return strchr(value, '?') == NULL ? strdup(value) : NULL;
}

static void information_read(FILE *file, struct nvml_device *device)
{
    char line[NVML_LINE];
    const char *value;
    long minor;

    while (fgets(line, sizeof line, file) != NULL) {
        if ((value = value_of(line, "Model")) != NULL && device->name == NULL)
            device->name = strdup(value);
        else if ((value = value_of(line, "GPU UUID")) != NULL && device->uuid == NULL)
            device->uuid = uuid_copy(value);
        else if ((value = value_of(line, "Device Minor")) != NULL &&
                 text_to_long(value, 0, 1 << 20, &minor))
            device->minor = (int)minor;
    }
}

static int device_read(const char *folder, const char *address, struct nvml_devices *devices)
{
    char path[NVML_PATH];
    unsigned domain, bus, number, function;
    struct nvml_device *device;
    FILE *file;

    if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &number, &function) != 4)
        return TROUPE_OK; /* "." and ".." */
    device = nvml_devices_append(devices);
    if (device == NULL)
        return fail(TROUPE_NO_MEMORY, "nvml: no memory for the device %s", address);
    device->domain = domain;
    device->bus = bus;
    device->device = number;
    snprintf(path, sizeof path, "%s/%s/information", folder, address);
    file = fopen(path, "re");
    if (file != NULL) {
        information_read(file, device);
        fclose(file);
    }
    return TROUPE_OK;
}

int nvml_proc_list(const char *root, struct nvml_devices *devices)
{
    char folder[NVML_PATH / 2];
    const struct dirent *entry;
    int result = TROUPE_OK;
    DIR *stream;

    snprintf(folder, sizeof folder, "%s/proc/driver/nvidia/gpus", root);
    stream = opendir(folder);
    if (stream == NULL)
        return TROUPE_OK;
    while (result == TROUPE_OK && (entry = readdir(stream)) != NULL)
        result = device_read(folder, entry->d_name, devices);
    closedir(stream);
    return result;
}

bool nvml_proc_has_instances(const char *root, int minor)
{
    char folder[NVML_PATH];
    const struct dirent *entry;
    bool found = false;
    DIR *stream;

    snprintf(folder, sizeof folder, "%s/proc/driver/nvidia/capabilities/gpu%d/mig", root, minor);
    stream = opendir(folder);
    if (stream == NULL)
        return false;
    while (!found && (entry = readdir(stream)) != NULL)
        found = strncmp(entry->d_name, "gi", 2) == 0;
    closedir(stream);
    return found;
}

bool nvml_proc_driver_version(const char *root, char *version, size_t size)
{
    char path[NVML_PATH], line[NVML_LINE];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/driver/nvidia/version", root);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    /* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …": the first word that
     * starts with a digit and has a point in it. */
    if (fgets(line, sizeof line, file) != NULL) {
        char *rest = line, *word;

        while (!found && (word = strsep(&rest, " \t\n")) != NULL) {
            found = *word >= '0' && *word <= '9' && strchr(word, '.') != NULL;
            if (found)
                snprintf(version, size, "%s", word);
        }
    }
    fclose(file);
    return found;
}
