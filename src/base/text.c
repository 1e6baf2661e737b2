#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_to_long(const char *text, long least, long most, long *value)
{
    char *end;
    long read;

    if (text == NULL || !(isdigit((unsigned char)*text) || *text == '-'))
        return false;
    errno = 0;
    read = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || read < least || read > most)
        return false;
    *value = read;
    return true;
}

bool text_to_bytes(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *unit;
    char *end;
    double read, factor = 1;

    if (text == NULL || !isdigit((unsigned char)*text))
        return false;
    read = strtod(text, &end);
    unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit != NULL) {
        for (const char *u = units; u <= unit; u++)
            factor *= 1024;
        end++;
        if (strncmp(end, "iB", 2) == 0)
            end += 2;
        else if (*end == 'B')
            end++;
    }
    if (*end != '\0' || !(read * factor < 9.0e18))
        return false;
    *bytes = (uint64_t)(read * factor);
    return true;
}

static bool text_reserve(struct text *text, size_t more)
{
    size_t needed = text->size + more + 1, capacity = text->capacity;
    char *data;

    if (text->broken)
        return false;
    if (needed <= capacity)
        return true;
    while (capacity < needed)
        capacity = capacity < 64 ? 64 : capacity * 2;
    data = realloc(text->data, capacity);
    if (data == NULL) {
        text->broken = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_append_bytes(struct text *text, const void *bytes, size_t size)
{
    if (!text_reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_append(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !text_reserve(text, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)length;
}

void text_free(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}
