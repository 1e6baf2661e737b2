#include "wire/frame.h"

#include <endian.h>
#include <string.h>

static void put(struct frame_writer *writer, uint64_t value, size_t bytes)
{
    uint64_t little = htole64(value);

    frame_put_bytes(writer, &little, bytes);
}

void frame_put_u8(struct frame_writer *writer, uint8_t value)
{
    put(writer, value, 1);
}

void frame_put_u32(struct frame_writer *writer, uint32_t value)
{
    put(writer, value, 4);
}

void frame_put_u64(struct frame_writer *writer, uint64_t value)
{
    put(writer, value, 8);
}

void frame_put_bytes(struct frame_writer *writer, const void *bytes, size_t size)
{
    if (writer->broken || size > writer->capacity - writer->size) {
        writer->broken = true;
        return;
    }
    if (size > 0)
        memcpy(writer->data + writer->size, bytes, size);
    writer->size += size;
}

static uint64_t get(struct frame_reader *reader, size_t bytes)
{
    const void *from = frame_get_bytes(reader, bytes);
    uint64_t little = 0;

    if (from != NULL)
        memcpy(&little, from, bytes);
    return le64toh(little);
}

uint8_t frame_get_u8(struct frame_reader *reader)
{
    return (uint8_t)get(reader, 1);
}

uint32_t frame_get_u32(struct frame_reader *reader)
{
    return (uint32_t)get(reader, 4);
}

uint64_t frame_get_u64(struct frame_reader *reader)
{
    return get(reader, 8);
}

const void *frame_get_bytes(struct frame_reader *reader, size_t size)
{
    const void *bytes;

    if (reader->broken || size > reader->size - reader->at) {
        reader->broken = true;
        return NULL;
    }
    bytes = reader->data + reader->at;
    reader->at += size;
    return bytes;
}
