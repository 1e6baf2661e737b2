#include "tally.h"

#include <mpi.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/mail.h"

/* What core/post.c and fabric/frames.c send: one tag for frames, others for bulk; a frame's first
 * byte says whether it holds messages or an acknowledgement. */
enum { FRAME_TAG = 1, FRAME_WHOLE = 1, FRAME_CREDIT = 3 };

struct counts {
    atomic_ulong messages, bytes, credits, beats;
    atomic_bool is_open;
};

static struct counts *counts;

int tally_open(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *memory = MAP_FAILED;

    if (file >= 0 && ftruncate(file, sizeof *counts) == 0)
        memory = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        perror(path);
    else
        counts = memory;
    if (file >= 0)
        close(file);
    return counts != NULL ? 0 : -1;
}

struct tally tally_read(void)
{
    return (struct tally){ atomic_load(&counts->messages), atomic_load(&counts->bytes),
                           atomic_load(&counts->credits), atomic_load(&counts->beats) };
}

struct tally tally_between(struct tally before, struct tally after)
{
    return (struct tally){ after.messages - before.messages, after.bytes - before.bytes,
                           after.credits - before.credits, after.beats - before.beats };
}

void tally_gate_open(void)
{
    atomic_store(&counts->is_open, true);
}

void tally_gate_pass(void)
{
    while (!atomic_load(&counts->is_open))
        usleep(10000);
}

int MPI_Isend(const void *data, int count, MPI_Datatype type, int rank, int tag, MPI_Comm world,
              MPI_Request *request)
{
    const unsigned char *frame = data;

    if (counts != NULL && tag == FRAME_TAG && frame[0] == FRAME_CREDIT) {
        atomic_fetch_add(&counts->credits, 1);
    } else if (counts != NULL && tag == FRAME_TAG && frame[0] == FRAME_WHOLE &&
               count == 1 + (int)MAIL_HEAD_BYTES && frame[1] == MAIL_BEAT) {
        atomic_fetch_add(&counts->beats, 1);
    } else if (counts != NULL) {
        atomic_fetch_add(&counts->messages, 1);
        atomic_fetch_add(&counts->bytes, (unsigned long)count);
    }
    return PMPI_Isend(data, count, type, rank, tag, world, request);
}
