#include "job/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

static const char scheme[] = "unix:@";

enum {
    TOKEN_BYTES = 16,
    BACKLOG = 4096 /* as many ranks may knock at once; the kernel cuts it to its own limit */
};

int control_address_make(char address[CONTROL_ADDRESS_SIZE])
{
    unsigned char token[TOKEN_BYTES];
    char host[TROUPE_HOST_SIZE] = "";
    int used = snprintf(address, CONTROL_ADDRESS_SIZE, "%stroupe-", scheme);

    if (getrandom(token, sizeof token, 0) != (ssize_t)sizeof token)
        return fail_errno(TROUPE_SYSTEM, "cannot make up a socket name: getrandom");
    for (int i = 0; i < TOKEN_BYTES; i++)
        used += snprintf(address + used, CONTROL_ADDRESS_SIZE - (size_t)used, "%02x", token[i]);
    if (gethostname(host, sizeof host - 1) == 0)
        snprintf(address + used, CONTROL_ADDRESS_SIZE - (size_t)used, ",%s", host);
    return TROUPE_OK;
}

const char *control_token(const char *address)
{
    const char *dash = strchr(address, '-'); /* the first: a host's name may have others */

    return dash != NULL ? dash + 1 : "";
}

bool control_is_here(const char *address)
{
    const char *host = strchr(address, ',');
    char here[TROUPE_HOST_SIZE] = "";

    return host == NULL || gethostname(here, sizeof here - 1) != 0 || strcmp(host + 1, here) == 0;
}

static int address_read(const char *address, struct sockaddr_un *name, socklen_t *size)
{
    size_t length = strcspn(address, ",");

    if (strncmp(address, scheme, sizeof scheme - 1) != 0 || length >= sizeof name->sun_path)
        return fail(TROUPE_BAD_ARGUMENT, "%s=%s is no address of a supervisor; unset it",
                    CONTROL_ENVIRONMENT, address);
    memset(name, 0, sizeof *name);
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path + 1, address + sizeof scheme - 1, length - (sizeof scheme - 1));
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length - (sizeof scheme - 1));
    return TROUPE_OK;
}

static int socket_open(int flags, int *opened)
{
    *opened = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    return *opened < 0 ? fail_errno(TROUPE_SYSTEM, "cannot open a local socket") : TROUPE_OK;
}

int control_listen(const char *address, int *listener)
{
    struct sockaddr_un name;
    socklen_t size;
    int opened, result = address_read(address, &name, &size);

    if (result == TROUPE_OK)
        result = socket_open(SOCK_NONBLOCK, &opened);
    if (result != TROUPE_OK)
        return result;
    if (bind(opened, (struct sockaddr *)&name, size) != 0 || listen(opened, BACKLOG) != 0) {
        result = fail_errno(TROUPE_SYSTEM, "cannot listen at %s", address);
        close(opened);
        return result;
    }
    *listener = opened;
    return TROUPE_OK;
}

static int peer_is_mine(int connection, pid_t *peer)
{
    struct ucred who;
    socklen_t size = sizeof who;

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != geteuid())
        return 0;
    *peer = who.pid;
    return 1;
}

int control_accept(int listener, int *connection, pid_t *peer)
{
    int taken = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (taken < 0)
        return TROUPE_EMPTY;
    if (!peer_is_mine(taken, peer)) {
        close(taken);
        return TROUPE_EMPTY;
    }
    *connection = taken;
    return TROUPE_OK;
}

int control_connect(const char *address, int *connection)
{
    struct sockaddr_un name;
    socklen_t size;
    pid_t peer;
    int opened, result = address_read(address, &name, &size);

    if (result == TROUPE_OK)
        result = socket_open(0, &opened);
    if (result != TROUPE_OK)
        return result;
    if (connect(opened, (struct sockaddr *)&name, size) != 0)
        result = fail_errno(TROUPE_LOST, "the supervisor at %s does not answer", address);
    else if (!peer_is_mine(opened, &peer))
        result = fail(TROUPE_LOST, "who answers at %s is another user's process", address);
    if (result == TROUPE_OK)
        *connection = opened;
    else
        close(opened);
    return result;
}

int control_send(int connection, const struct control_message *message, const int *descriptors,
                 int descriptor_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
    } ancillary;
    struct iovec part = { (void *)message, sizeof *message };
    struct msghdr envelope = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t sent;

    if (descriptor_count > 0) {
        size_t size = (size_t)descriptor_count * sizeof(int);
        struct cmsghdr *header;

        memset(&ancillary, 0, sizeof ancillary);
        envelope.msg_control = ancillary.bytes;
        envelope.msg_controllen = CMSG_SPACE(size);
        header = CMSG_FIRSTHDR(&envelope);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    do
        sent = sendmsg(connection, &envelope, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *message ? TROUPE_OK
                                            : fail_errno(TROUPE_LOST, "the other side is gone");
}

static void descriptors_take(struct msghdr *envelope, int *descriptors, int *count)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(envelope);

    *count = 0;
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return;
    *count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), (size_t)*count * sizeof(int));
}

int control_receive(int connection, int wait, struct control_message *message, int *descriptors,
                    int *descriptor_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
    } ancillary;
    struct iovec part = { message, sizeof *message };
    struct msghdr envelope = { .msg_iov = &part,
                               .msg_iovlen = 1,
                               .msg_control = ancillary.bytes,
                               .msg_controllen = sizeof ancillary.bytes };
    int flags = MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT);
    ssize_t size;

    do
        size = recvmsg(connection, &envelope, flags);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return TROUPE_EMPTY;
    descriptors_take(&envelope, descriptors, descriptor_count);
    if (size != (ssize_t)sizeof *message) {
        while (*descriptor_count > 0)
            close(descriptors[--*descriptor_count]);
        return fail(TROUPE_LOST, "the other side is gone");
    }
    message->role[sizeof message->role - 1] = '\0';
    message->host[sizeof message->host - 1] = '\0';
    return TROUPE_OK;
}
