/* Writing and reading the bytes of a frame, little-endian, with every bound checked.
 *
 * A writer or reader that would pass the end is marked broken and does nothing more, so a frame is
 * composed or taken apart without looking at each step, and judged once at the end. Numbers are
 * inline: a frame has a score of them, and a round trip four frames' work. */
#ifndef TROUPE_WIRE_FRAME_H
#define TROUPE_WIRE_FRAME_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct frame_writer {
    unsigned char *data;
    size_t capacity;
    size_t size;
    bool broken;
};

struct frame_reader {
    const unsigned char *data;
    size_t size;
    size_t at;
    bool broken;
};

/* The place of the next size bytes, NULL once broken. */
static inline unsigned char *frame_write(struct frame_writer *writer, size_t size)
{
    unsigned char *place = writer->data + writer->size;

    writer->broken |= size > writer->capacity - writer->size;
    if (writer->broken)
        return NULL;
    writer->size += size;
    return place;
}

static inline const unsigned char *frame_read(struct frame_reader *reader, size_t size)
{
    const unsigned char *place = reader->data + reader->at;

    reader->broken |= size > reader->size - reader->at;
    if (reader->broken)
        return NULL;
    reader->at += size;
    return place;
}

static inline void frame_put_u8(struct frame_writer *writer, uint8_t value)
{
    unsigned char *place = frame_write(writer, sizeof value);

    if (place != NULL)
        *place = value;
}

static inline void frame_put_u32(struct frame_writer *writer, uint32_t value)
{
    unsigned char *place = frame_write(writer, sizeof value);
    uint32_t little = htole32(value);

    if (place != NULL)
        memcpy(place, &little, sizeof little);
}

static inline void frame_put_u64(struct frame_writer *writer, uint64_t value)
{
    unsigned char *place = frame_write(writer, sizeof value);
    uint64_t little = htole64(value);

    if (place != NULL)
        memcpy(place, &little, sizeof little);
}

void frame_put_bytes(struct frame_writer *writer, const void *bytes, size_t size);

/* Each returns 0, or NULL, once broken. */
static inline uint8_t frame_get_u8(struct frame_reader *reader)
{
    const unsigned char *place = frame_read(reader, sizeof(uint8_t));

    return place != NULL ? *place : 0;
}

static inline uint32_t frame_get_u32(struct frame_reader *reader)
{
    const unsigned char *place = frame_read(reader, sizeof(uint32_t));
    uint32_t little = 0;

    if (place != NULL)
        memcpy(&little, place, sizeof little);
    return le32toh(little);
}

static inline uint64_t frame_get_u64(struct frame_reader *reader)
{
    const unsigned char *place = frame_read(reader, sizeof(uint64_t));
    uint64_t little = 0;

    if (place != NULL)
        memcpy(&little, place, sizeof little);
    return le64toh(little);
}

/* The next size bytes, in place: valid as long as the frame. */
const void *frame_get_bytes(struct frame_reader *reader, size_t size);

static inline size_t frame_left(const struct frame_reader *reader)
{
    return reader->broken ? 0 : reader->size - reader->at;
}

#endif
