#include "wire/frame.h"

void frame_put_bytes(struct frame_writer *writer, const void *bytes, size_t size)
{
    unsigned char *place = frame_write(writer, size);

    if (place != NULL && size > 0)
        memcpy(place, bytes, size);
}

const void *frame_get_bytes(struct frame_reader *reader, size_t size)
{
    return frame_read(reader, size);
}
