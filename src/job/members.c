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

void members_take(struct members *members, int connection, pid_t pid)
{
    struct member *member = calloc(1, sizeof *member);

    if (member == NULL) {
        close(connection);
        return;
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

/* One pipe: the read end becomes the stream, the write end is handed out. */
static int pipe_make(struct members *members, struct stream *stream, struct lines_output *output,
                     const char *prefix, int *write_end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
        stream_open(members->streams_poll, stream, ends[0], output, prefix) != 0) {
        stream_close(stream);
        close(ends[1]);
        return -1;
    }
    *write_end = ends[1];
    return 0;
}

static bool is_parent(const struct member *member)
{
    return strcmp(member->role, JOB_ROLE_PARENT) == 0;
}

static bool is_command(const struct member *member)
{
    return strcmp(member->role, JOB_ROLE_COMMAND) == 0;
}

/* Makes the pipes; a process whose output and error go to one place gets one pipe for both, which
 * keeps their order. Returns how many write ends there are, -1 without descriptors. */
static int pipes_make(struct members *members, struct member *member, int *write_ends)
{
    struct outputs *outputs = members->outputs;
    struct text name = { 0 }, prefix = { 0 };
    const char *tag;
    int count = 0;

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
    if (!name.broken && !prefix.broken &&
        pipe_make(members, &member->output, outputs_of(outputs, name.data, OUTPUTS_OUTPUT), tag,
                  &write_ends[0]) == 0)
        count = 1;
    if (count == 1 && !outputs->shared) {
        if (pipe_make(members, &member->error, outputs_of(outputs, name.data, OUTPUTS_ERROR), tag,
                      &write_ends[1]) == 0)
            count = 2;
        else
            close(write_ends[--count]);
    }
    text_free(&name);
    text_free(&prefix);
    return count > 0 ? count : -1;
}

static void attach(struct members *members, struct member *member,
                   const struct control_message *message)
{
    struct control_message answer = { .version = CONTROL_VERSION, .kind = CONTROL_ATTACHED };
    int descriptors[CONTROL_DESCRIPTORS_MAX], pipes, count;

    memcpy(member->role, message->role, sizeof member->role);
    memcpy(member->host, message->host, sizeof member->host);
    member->rank = message->value;
    if (!members->any_attached)
        members->world = message->world;
    if (message->world != members->world)
        snprintf(member->role, sizeof member->role, "%s", JOB_ROLE_RANK);
    drain_process(members, member->pid);
    pipes = count = pipes_make(members, member, descriptors);
    if (pipes < 0) {
        log_error("cannot give rank %d its pipes: %s; raise ulimit -n", member->rank,
                  strerror(errno));
        connection_close(members, member);
        return;
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
    while (pipes > 0)
        close(descriptors[--pipes]);
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
                          const struct control_message *message)
{
    switch (message->kind) {
    case CONTROL_ATTACH:
        attach(members, member, message);
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
    while (count > 0)
        close(descriptors[--count]);
    if (message.version != CONTROL_VERSION) {
        refuse(members, member, message.version);
        return 0;
    }
    message_serve(members, member, &message);
    return message.kind == CONTROL_ATTACH ? member->pid : 0;
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
