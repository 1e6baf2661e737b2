#include "job/members.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "job/stdio.h"

/* ---- attaching ------------------------------------------------------------------------------ */

static void connection_close(struct members *members, struct member *member)
{
    close(member->connection);
    member->connection = -1;
    if (!member->superseded && strcmp(member->role, JOB_ROLE_PARENT) == 0)
        members->parent_ended = true;
}

struct member *members_take(struct members *members, int connection, pid_t pid)
{
    struct member *member = calloc(1, sizeof *member);

    if (member == NULL) {
        close(connection);
        return NULL;
    }
    member->connection_source = (struct source){ SOURCE_CONNECTION, member };
    member->process_source = (struct source){ SOURCE_PROCESS, member };
    member->connection = connection;
    member->pid = pid;
    member->output.pipe = -1;
    member->error.pipe = -1;
    member->process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (member->process >= 0 &&
        source_add(members->poll, member->process, &member->process_source) != 0)
        log_warning("cannot watch process %d: %s", (int)pid, strerror(errno));
    if (source_add(members->poll, connection, &member->connection_source) != 0) {
        log_error("cannot serve process %d: %s; raise ulimit -n", (int)pid, strerror(errno));
        connection_close(members, member);
    }
    member->next = members->first;
    members->first = member;
    return member;
}

static void drain_process(struct members *members, pid_t pid)
{
    for (struct member *member = members->first; member != NULL; member = member->next)
        if (member->pid == pid) {
            stream_drain(&member->output);
            stream_drain(&member->error);
        }
}

static void stream_succeed(struct stream *former, struct stream *stream)
{
    if (former->pipe >= 0 && stream->pipe >= 0)
        lines_move(&former->lines, &stream->lines);
}

static void supersede(struct members *members, struct member *member)
{
    for (struct member *former = members->first; former != NULL; former = former->next) {
        if (former == member || former->pid != member->pid || former->superseded)
            continue;
        former->superseded = true;
        members_bury(former);
        stream_succeed(&former->output, &member->output);
        stream_succeed(&former->error, &member->error);
        if (members->foreground == former)
            members->foreground = NULL;
    }
}

/* The read end, which is the stream's from here on, becomes it. */
static int pipe_open(struct members *members, struct stream *stream, struct lines_output *output,
                     const char *prefix, int read_end)
{
    if (fcntl(read_end, F_SETFL, O_NONBLOCK) == 0 &&
        stream_open(members->streams_poll, stream, read_end, output, prefix) == 0)
        return 0;
    stream->pipe = read_end;
    stream_close(stream);
    return -1;
}

static bool is_parent(const struct member *member)
{
    return strcmp(member->role, JOB_ROLE_PARENT) == 0;
}

static bool is_command(const struct member *member)
{
    return strcmp(member->role, JOB_ROLE_COMMAND) == 0;
}

/* A process whose output and error go to one place gets one pipe for both, which keeps their order.
 * Returns how many there are, -1 without descriptors. */
static int pipes_make(const struct members *members, int *read_ends, int *write_ends)
{
    int wanted = members->outputs->shared ? 1 : 2, count = 0, ends[2];

    while (count < wanted && pipe2(ends, O_CLOEXEC) == 0) {
        read_ends[count] = ends[0];
        write_ends[count++] = ends[1];
    }
    if (count == wanted)
        return count;
    while (count > 0) {
        close(read_ends[--count]);
        close(write_ends[count]);
    }
    return -1;
}

/* Reads from these ends, which are ours from here on, under the member's name. */
static int pipes_open(struct members *members, struct member *member, const int *read_ends,
                      int count)
{
    struct outputs *outputs = members->outputs;
    struct text name = { 0 }, prefix = { 0 };
    const char *tag;
    int result;

    if (is_parent(member)) {
        text_append(&name, "parent");
        text_append(&prefix, "[parent %s] ", member->host);
    } else if (member->rank < 0) {
        text_append(&name, "process-%d", (int)member->pid);
        text_append(&prefix, "[process %d %s] ", (int)member->pid, member->host);
    } else {
        text_append(&name, "rank-%d", member->rank);
        text_append(&prefix, "[%d %s] ", member->rank, member->host);
    }
    tag = members->tag_output ? prefix.data : NULL;
    result = name.broken || prefix.broken ? -1 : 0;
    for (int i = 0; i < count; i++)
        if (result != 0)
            close(read_ends[i]);
        else
            result =
                pipe_open(members, i == 0 ? &member->output : &member->error,
                          outputs_of(outputs, name.data, i == 0 ? OUTPUTS_OUTPUT : OUTPUTS_ERROR),
                          tag, read_ends[i]);
    text_free(&name);
    text_free(&prefix);
    return result;
}

static void member_introduce(struct members *members, struct member *member,
                             const struct control_message *message)
{
    memcpy(member->role, message->role, sizeof member->role);
    memcpy(member->host, message->host, sizeof member->host);
    member->rank = message->value;
    if (!members->any_attached)
        members->world = message->world;
    if (message->world != members->world)
        snprintf(member->role, sizeof member->role, "%s", JOB_ROLE_RANK);
    drain_process(members, member->pid);
}

static void without_pipes(struct members *members, struct member *member)
{
    log_error("cannot give rank %d its pipes: %s; raise ulimit -n", member->rank, strerror(errno));
    connection_close(members, member);
}

static void attach(struct members *members, struct member *member,
                   const struct control_message *message)
{
    struct control_message answer = { .version = CONTROL_VERSION, .kind = CONTROL_ATTACHED };
    int reads[CONTROL_DESCRIPTORS_MAX], descriptors[CONTROL_DESCRIPTORS_MAX], pipes, count;

    member_introduce(members, member, message);
    pipes = count = pipes_make(members, reads, descriptors);
    if (pipes < 0 || pipes_open(members, member, reads, pipes) != 0) {
        without_pipes(members, member);
        goto close_pipes;
    }
    supersede(members, member);
    if (pipes == 2)
        answer.flags |= CONTROL_ERROR_APART;
    if (is_parent(member) || (is_command(member) && member->rank == 0)) {
        members->foreground = member;
        if (members->input >= 0) {
            answer.flags |= CONTROL_INPUT;
            descriptors[count++] = members->input;
        }
    }
    members->any_attached = true;
    if (control_send(member->connection, &answer, descriptors, count) != TROUPE_OK)
        connection_close(members, member);

close_pipes:
    while (pipes > 0)
        close(descriptors[--pipes]);
}

/* What the child has written by now is read at once: its parent may go on when it has ended, and
 * write, too. */
static void follow(struct members *members, struct member *member,
                   const struct control_message *message, const int *reads, int *count)
{
    int pipes = *count < 2 ? *count : 2;

    *count -= pipes;
    reads += *count;
    member_introduce(members, member, message);
    if (pipes_open(members, member, reads, pipes) != 0) {
        without_pipes(members, member);
        return;
    }
    supersede(members, member);
    stream_drain(&member->output);
    stream_drain(&member->error);
}

static void refuse(struct members *members, struct member *member, unsigned version)
{
    struct control_message answer = { .version = CONTROL_VERSION, .kind = CONTROL_REFUSED };

    log_error("process %d speaks version %u of the supervisor's language, this is %d: build both "
              "from the same Troupe",
              (int)member->pid, version, CONTROL_VERSION);
    control_send(member->connection, &answer, NULL, 0);
    connection_close(members, member);
}

static void flushed_tell(struct members *members, struct member *member)
{
    struct control_message answer = { .version = CONTROL_VERSION, .kind = CONTROL_FLUSHED };

    if (control_send(member->connection, &answer, NULL, 0) != TROUPE_OK)
        connection_close(members, member);
}

void members_settle(struct members *members)
{
    if (!members->settling)
        return;
    members->settling = false;
    for (struct member *member = members->first; member != NULL; member = member->next) {
        if (member->settles && member->connection >= 0)
            flushed_tell(members, member);
        member->settles = false;
    }
}

static void message_serve(struct members *members, struct member *member,
                          const struct control_message *message, const int *descriptors, int *count)
{
    switch (message->kind) {
    case CONTROL_ATTACH:
        attach(members, member, message);
        break;
    case CONTROL_FOLLOW:
        follow(members, member, message, descriptors, count);
        break;
    case CONTROL_FLUSH:
        drain_process(members, member->pid);
        member->settles = message->value != 0;
        members->settling |= member->settles;
        if (!member->settles)
            flushed_tell(members, member);
        break;
    case CONTROL_STATUS:
        if (!members->status_known && is_parent(member)) {
            members->status_known = true;
            members->status = message->value;
        }
        break;
    default:
        log_warning("process %d sent something unknown (%u)", (int)member->pid, message->kind);
    }
}

pid_t members_serve(struct members *members, struct member *member)
{
    struct control_message message;
    int descriptors[CONTROL_DESCRIPTORS_MAX], count, result;

    if (member->connection < 0)
        return 0;
    result = control_receive(member->connection, 0, &message, descriptors, &count);
    if (result == TROUPE_EMPTY)
        return 0;
    if (result != TROUPE_OK) {
        connection_close(members, member);
        return 0;
    }
    if (message.version != CONTROL_VERSION)
        refuse(members, member, message.version);
    else
        message_serve(members, member, &message, descriptors, &count);
    while (count > 0)
        close(descriptors[--count]);
    return message.version == CONTROL_VERSION &&
                   (message.kind == CONTROL_ATTACH || message.kind == CONTROL_FOLLOW)
               ? member->pid
               : 0;
}

/* ---- processes ------------------------------------------------------------------------------ */

void members_bury(struct member *member)
{
    if (member->process >= 0)
        close(member->process);
    member->process = -1;
}

static int process_signal(const struct member *member, int signal_number)
{
    return member->process >= 0 && !member->superseded &&
           syscall(SYS_pidfd_send_signal, member->process, signal_number, NULL, 0) == 0;
}

/* A command's whole process group, as a terminal and mpirun do it: a shell that waits for a child
 * would otherwise take no notice of a SIGINT. mpirun makes every rank the leader of a group. */
static int group_signal(const struct member *member, int signal_number)
{
    if (member->process < 0 || member->superseded || getpgid(member->pid) != member->pid)
        return process_signal(member, signal_number);
    return kill(-member->pid, signal_number) == 0;
}

int members_signal(struct members *members, int signal_number)
{
    int sent = 0;

    for (const struct member *member = members->first; member != NULL; member = member->next)
        if (is_parent(member))
            sent += process_signal(member, signal_number);
    if (sent > 0)
        return sent;
    for (const struct member *member = members->first; member != NULL; member = member->next)
        if (is_command(member))
            sent += group_signal(member, signal_number);
    return sent;
}

/* ---- prompts -------------------------------------------------------------------------------- */

uint64_t members_prompt(struct members *members)
{
    struct member *member = members->foreground;
    uint64_t output, error;

    if (member == NULL)
        return CLOCK_FOREVER;
    output = stream_prompt(&member->output, member->pid);
    error = stream_prompt(&member->error, member->pid);
    return output < error ? output : error;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void stream_cut(struct stream *stream)
{
    if (stream->pipe >= 0 && stream->lines.output->broken)
        stream_close(stream);
}

void members_cut_broken(struct members *members)
{
    for (struct member *member = members->first; member != NULL; member = member->next) {
        stream_cut(&member->output);
        stream_cut(&member->error);
    }
}

static bool has_ended(const struct member *member)
{
    return member->connection < 0 && member->process < 0 && member->output.pipe < 0 &&
           member->error.pipe < 0;
}

void members_sweep(struct members *members)
{
    struct member **place = &members->first;

    while (*place != NULL) {
        struct member *member = *place;

        if (!has_ended(member)) {
            place = &member->next;
            continue;
        }
        if (members->foreground == member)
            members->foreground = NULL;
        *place = member->next;
        free(member);
    }
}

void members_finish(struct members *members)
{
    for (struct member *member = members->first; member != NULL; member = member->next) {
        if (member->connection >= 0)
            members_serve(members, member);
        if (member->connection >= 0)
            connection_close(members, member);
        stream_drain(&member->output);
        stream_drain(&member->error);
        stream_close(&member->output);
        stream_close(&member->error);
        members_bury(member);
    }
    members_sweep(members);
}
