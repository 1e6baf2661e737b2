/* Frames between leaders: whole, in order, and past the dead. */
#include "fabric_cases.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "troupe/troupe.h"

#define UNREAD_FRAMES 100
#define FRAMES_TO_THE_DEAD 5000
#define FRAMES_PAST_THE_DEAD 1000

/* What a sender's next frame is follows from its number alone, so a receiver can tell it whole. */
struct stream {
    uint64_t state;
    uint64_t sequence;
};

static void stream_start(struct stream *stream, int sender)
{
    stream->state = 0x9e3779b97f4a7c15u * (uint64_t)(sender + 1);
    stream->sequence = 0;
}

static uint64_t stream_random(struct stream *stream)
{
    stream->state ^= stream->state << 13;
    stream->state ^= stream->state >> 7;
    stream->state ^= stream->state << 17;
    return stream->state;
}

static size_t stream_next(struct stream *stream, uint64_t *frame)
{
    size_t bytes = stream_random(stream) % (FABRIC_FRAME_MAX + 1);

    for (size_t i = 0; i * sizeof *frame < bytes; i++)
        frame[i] = stream_random(stream);
    stream->sequence++;
    return bytes;
}

#define FRAME_WORDS (FABRIC_FRAME_MAX / sizeof(uint64_t))

/* Takes what has arrived; returns whether there was something. */
static bool stream_take(struct stream *streams)
{
    uint64_t frame[FRAME_WORDS], wanted[FRAME_WORDS];
    size_t bytes = 0, wanted_bytes;
    int rank = -1, node, result = fabric_receive(&rank, frame, &bytes);

    if (result == TROUPE_EMPTY)
        return false;
    expect_result(result, TROUPE_OK, "fabric_receive");
    expect(rank >= 0 && rank < place.size, "the sender, not %d", rank);
    node = fabric_node_of(rank);
    expect(fabric_leader_of(node) == rank, "a leader's frame, not rank %d's", rank);
    wanted_bytes = stream_next(&streams[node], wanted);
    expect(bytes == wanted_bytes && memcmp(frame, wanted, bytes) == 0,
           "frame %lu of node %d arrives whole and in its turn",
           (unsigned long)streams[node].sequence, node);
    return true;
}

/* Each leader sends `count` frames to every other and receives theirs, both at once. */
static void streams_run(uint64_t count)
{
    struct stream *incoming = calloc((size_t)place.nodes, sizeof *incoming), outgoing;
    uint64_t sent = 0, received = 0, others = (uint64_t)place.nodes - 1;
    uint64_t frame[FRAME_WORDS];
    size_t bytes;
    int to = 0, result;

    expect(incoming != NULL, "memory");
    for (int i = 0; i < place.nodes; i++)
        stream_start(&incoming[i], i);
    stream_start(&outgoing, place.node);
    bytes = stream_next(&outgoing, frame);
    while (sent < count || received < count * others) {
        if (sent < count && to != place.node) {
            result = fabric_send(fabric_leader_of(to), frame, bytes);
            expect(result == TROUPE_OK || result == TROUPE_FULL, "fabric_send");
        } else {
            result = TROUPE_OK;
        }
        if (sent < count && result == TROUPE_OK && ++to == place.nodes) {
            to = 0;
            sent++;
            bytes = stream_next(&outgoing, frame);
        }
        if (stream_take(incoming))
            received++;
    }
    while (fabric_in_flight() > 0)
        stream_take(incoming);
    free(incoming);
}

void case_frames(const char *count)
{
    uint64_t frame[FRAME_WORDS] = { 0 };
    size_t bytes = 0;
    long frames = 0;
    int node;

    expect(text_to_long(count, 1, 1000000000, &frames), "a number of frames");
    world_start();
    expect(place.nodes == nodes_wanted(), "%d nodes", nodes_wanted());
    expect_result(fabric_send(place.size, frame, 1), TROUPE_BAD_ARGUMENT, "to a rank beyond");
    expect_result(fabric_send(-1, frame, 1), TROUPE_BAD_ARGUMENT, "to rank -1");
    expect_result(fabric_send(0, frame, FABRIC_FRAME_MAX + 1), TROUPE_BAD_ARGUMENT, "too long");
    if (place.local_rank == 0) {
        streams_run((uint64_t)frames);
        expect_result(fabric_receive(&node, frame, &bytes), TROUPE_EMPTY, "and no frame more");
    }
    fabric_stop(true);
}

/* Frames that nobody takes hold nothing up at the end. */
void case_unread(const char *unused)
{
    unsigned char frame[FABRIC_FRAME_MAX] = { 0 };
    size_t bytes;
    int node;

    (void)unused;
    world_start();
    if (place.local_rank == 0) {
        for (int i = 0; i < UNREAD_FRAMES; i++)
            expect_result(
                fabric_send(fabric_leader_of((place.node + 1) % place.nodes), frame, sizeof frame),
                TROUPE_OK, "fabric_send");
        fabric_receive(&node, frame, &bytes); /* some arrive in posted receives, some nowhere */
    }
    fabric_stop(true);
}

/* ---- a dead peer ------------------------------------------------------------------------ */

static void frame_await(int node, void *content, size_t bytes)
{
    uint64_t frame[FRAME_WORDS];
    size_t received = 0;
    int from = -1, result;

    do
        result = fabric_receive(&from, frame, &received);
    while (result == TROUPE_EMPTY);
    expect_result(result, TROUPE_OK, "fabric_receive");
    expect(from == node && received == bytes, "the frame that node %d was to send", node);
    memcpy(content, frame, bytes);
}

static int process_open(pid_t pid)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0);

    expect(process >= 0, "pidfd_open");
    return process;
}

static bool process_ended(int process, int timeout_ms)
{
    struct pollfd end = { .fd = process, .events = POLLIN };

    return poll(&end, 1, timeout_ms) == 1;
}

/* Node 1: says who it is and dies when it is told to. */
static void victim_run(void)
{
    pid_t self = getpid(), word;

    expect_result(fabric_send(0, &self, sizeof self), TROUPE_OK, "fabric_send");
    frame_await(0, &word, sizeof word);
    raise(SIGKILL);
}

/* Nodes 0 and 2 go on exchanging frames. */
static void survivors_run(int other)
{
    struct stream streams[3], outgoing;
    uint64_t frame[FRAME_WORDS];
    size_t bytes;
    int received = 0, result;

    for (int i = 0; i < 3; i++)
        stream_start(&streams[i], i);
    stream_start(&outgoing, place.node);
    for (int i = 0; i < FRAMES_PAST_THE_DEAD; i++) {
        bytes = stream_next(&outgoing, frame);
        while ((result = fabric_send(other, frame, bytes)) == TROUPE_FULL)
            received += stream_take(streams);
        expect_result(result, TROUPE_OK, "fabric_send to a survivor");
    }
    while (received < FRAMES_PAST_THE_DEAD)
        received += stream_take(streams);
}

/* Both others have said who they are, and so have left the start: a death in the middle of it is no
 * part of this case. Returns node 1. */
static pid_t others_await(void)
{
    uint64_t frame[FRAME_WORDS];
    pid_t pids[3] = { 0 };
    size_t bytes;
    int node;

    while (pids[1] == 0 || pids[2] == 0)
        if (fabric_receive(&node, frame, &bytes) == TROUPE_OK)
            memcpy(&pids[node], frame, sizeof *pids);
    return pids[1];
}

/* Node 0: kills node 1, sees it gone, and sends it frames all the same: none of them may end the
 * sender, hold it up or disturb what it has with node 2. */
static void killer_run(void)
{
    static const char told[] = "the survivors go on\n";
    uint64_t frame[FRAME_WORDS] = { 0 };
    pid_t victim = others_await(), self = getpid();
    int process = process_open(victim), result;

    expect_result(fabric_send(1, &victim, sizeof victim), TROUPE_OK, "fabric_send");
    expect(process_ended(process, -1), "node 1 dies");
    for (int i = 0; i < FRAMES_TO_THE_DEAD; i++) {
        result = fabric_send(1, frame, sizeof frame);
        expect(result == TROUPE_OK || result == TROUPE_FULL || result == TROUPE_LOST,
               "a frame to the dead: %s", troupe_result_name(result));
    }
    expect_result(fabric_send(2, &self, sizeof self), TROUPE_OK, "fabric_send");
    survivors_run(2);
    fabric_rank_lost(1);
    expect(fabric_in_flight() == 0, "nothing is in flight any more");
    expect_result(fabric_send(1, frame, sizeof frame), TROUPE_LOST, "to a rank given up");
    expect(write(STDOUT_FILENO, told, strlen(told)) > 0, "a line");
}

/* Node 2: stays until node 0 has all its frames, and so has left. */
static void witness_run(void)
{
    uint64_t frame[FRAME_WORDS];
    size_t bytes;
    pid_t killer, self = getpid();
    int process, node;

    expect_result(fabric_send(0, &self, sizeof self), TROUPE_OK, "fabric_send");
    frame_await(0, &killer, sizeof killer);
    process = process_open(killer);
    survivors_run(0);
    while (!process_ended(process, 0))
        fabric_receive(&node, frame, &bytes);
}

void case_dead_peer(const char *unused)
{
    (void)unused;
    world_start();
    expect(place.nodes == 3 && place.size == 3, "three nodes of one rank");
    if (place.node == 0)
        killer_run();
    else if (place.node == 1)
        victim_run();
    else
        witness_run();
    fabric_stop(false);
    _exit(0);
}
