/* Writing and reading the bytes of a frame, little-endian, with every bound checked.
 *
 * A writer or reader that would pass the end is marked broken and does nothing more, so a frame is
 * composed or taken apart without looking at each step, and judged once at the end. */
#ifndef TROUPE_WIRE_FRAME_H
#define TROUPE_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

void frame_put_u8(struct frame_writer *writer, uint8_t value);
void frame_put_u32(struct frame_writer *writer, uint32_t value);
void frame_put_u64(struct frame_writer *writer, uint64_t value);
void frame_put_bytes(struct frame_writer *writer, const void *bytes, size_t size);

/* Each returns 0, or NULL, once broken. */
uint8_t frame_get_u8(struct frame_reader *reader);
uint32_t frame_get_u32(struct frame_reader *reader);
uint64_t frame_get_u64(struct frame_reader *reader);

/* The next size bytes, in place: valid as long as the frame. */
const void *frame_get_bytes(struct frame_reader *reader, size_t size);

static inline size_t frame_left(const struct frame_reader *reader)
{
    return reader->broken ? 0 : reader->size - reader->at;
}

#endif
