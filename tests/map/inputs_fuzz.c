/* Lists of any bytes, for libFuzzer; the corpus in tests/data is replayed as a test.
 *
 * The first byte says what ends an input and whether there are columns. Whatever the others are:
 * the inputs, put together again, are the file; the columns, put together again, are the input;
 * there are as many as was said before; and only a zero byte in a line ends it early. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "launch/map/text/inputs.h"

static const char column_separator[] = "::";

/* Checks an input against the bytes of the file that it begins at; returns its end. */
static const char *input_check(const struct map_input *input, const char *from, const char *end,
                               bool has_columns)
{
    const char *at = from;

    insist((size_t)(end - from) >= input->size, "more than the file has");
    insist(memcmp(from, input->bytes, input->size) == 0, "other bytes");
    insist(input->bytes[input->size] == '\0', "no zero behind it");
    insist(input->column_count >= 1 && (has_columns || input->column_count == 1), "columns");
    for (size_t i = 0; i < input->column_count; i++) {
        insist(memcmp(at, input->columns[i].data, input->columns[i].size) == 0, "another column");
        at += input->columns[i].size;
        if (i + 1 < input->column_count) {
            insist(memcmp(at, column_separator, strlen(column_separator)) == 0, "no separator");
            at += strlen(column_separator);
        }
    }
    insist(at == from + input->size, "the columns are not all");
    return at;
}

static void list_check(struct inputs *inputs, const char *from, const char *end, char separator,
                       bool has_columns)
{
    struct map_input input = { 0 };
    uint64_t total = 0, count = 0;
    int result;

    insist(inputs_total(inputs, &total), "a file has a total");
    while ((result = inputs_next(inputs, &input, TROUPE_FOREVER)) == 1) {
        from = input_check(&input, from, end, has_columns);
        insist(from == end || *from == separator, "cut elsewhere");
        from += from < end;
        insist(input.seq == ++count, "another number");
    }
    if (result == 0)
        insist(from == end && count == total, "not all of the file");
    else
        insist(result == TROUPE_BAD_ARGUMENT && separator != '\0' &&
                   memchr(from, '\0', (size_t)(end - from)) != NULL,
               "ended early");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inputs_options options = { 0 };
    struct inputs *inputs;
    char path[64];
    int file;

    if (size == 0)
        return 0;
    file = memfd_create("list", MFD_CLOEXEC);
    insist(file >= 0 && write(file, data + 1, size - 1) == (ssize_t)(size - 1), "no file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    options.file = path;
    options.null_separated = (data[0] & 1) != 0;
    options.column_separator = (data[0] & 2) != 0 ? column_separator : NULL;
    insist(inputs_open(&options, &inputs) == TROUPE_OK, "no list");
    list_check(inputs, (const char *)data + 1, (const char *)data + size,
               options.null_separated ? '\0' : '\n', options.column_separator != NULL);
    inputs_close(inputs);
    close(file);
    return 0;
}
