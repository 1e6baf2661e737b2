#include "launch/map/text/path.h"

static troupe_bytes last(troupe_bytes path)
{
    const char *slash = path.size > 0 ? memrchr(path.data, '/', path.size) : NULL;
    const char *begin = path.data;

    if (slash == NULL)
        return path;
    return troupe_bytes_of(slash + 1, path.size - (size_t)(slash + 1 - begin));
}

static troupe_bytes stem(troupe_bytes path)
{
    troupe_bytes name = last(path);
    const char *dot = name.size > 0 ? memrchr(name.data, '.', name.size) : NULL;

    if (dot != NULL)
        path.size = (size_t)(dot - (const char *)path.data);
    return path;
}

static size_t without_slashes(const char *bytes, size_t size)
{
    while (size > 0 && bytes[size - 1] == '/')
        size--;
    return size;
}

static troupe_bytes folder(troupe_bytes path)
{
    const char *bytes = path.data;
    size_t size = without_slashes(bytes, path.size);

    if (size == 0)
        return troupe_text(path.size > 0 ? "/" : ".");
    while (size > 0 && bytes[size - 1] != '/')
        size--;
    if (size == 0)
        return troupe_text(".");
    size = without_slashes(bytes, size);
    return size > 0 ? troupe_bytes_of(bytes, size) : troupe_text("/");
}

troupe_bytes path_part(troupe_bytes path, enum path_part part)
{
    switch (part) {
    case PATH_STEM:
        return stem(path);
    case PATH_LAST:
        return last(path);
    case PATH_FOLDER:
        return folder(path);
    case PATH_LAST_STEM:
        return stem(last(path));
    case PATH_WHOLE:
        break;
    }
    return path;
}
