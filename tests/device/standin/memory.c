/* Device memory is the host's: each piece a file without a name, mapped, so that another process
 * can open it by our pid and its descriptor. An address that lies in no piece of ours is an
 * error. */
#include "inside.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct piece {
    char *base;
    size_t bytes;
    int file; /* -1: another process's */
    int device;
    unsigned opened; /* another process's: how often */
    uint64_t inode;
    struct piece *next;
};

/* What a share holds. */
struct share {
    int pid, file;
    uint64_t inode, bytes;
};

static struct piece *pieces;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *pointer_of(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

/* The link that holds the piece with this address in it; NULL when there is none. Locked. */
static struct piece **piece_find(uint64_t address)
{
    for (struct piece **link = &pieces; *link != NULL; link = &(*link)->next)
        if (address >= (uintptr_t)(*link)->base &&
            address - (uintptr_t)(*link)->base < (*link)->bytes)
            return link;
    return NULL;
}

static uint64_t device_used(int device)
{
    uint64_t used = 0;

    for (const struct piece *piece = pieces; piece != NULL; piece = piece->next)
        if (piece->device == device && piece->file >= 0)
            used += piece->bytes;
    return used;
}

static void piece_drop(struct piece **link)
{
    struct piece *piece = *link;

    *link = piece->next;
    munmap(piece->base, piece->bytes);
    if (piece->file >= 0)
        close(piece->file);
    free(piece);
}

void standin_memory_drop(int device)
{
    struct piece **link = &pieces;

    pthread_mutex_lock(&lock);
    while (*link != NULL)
        if ((*link)->device == device)
            piece_drop(link);
        else
            link = &(*link)->next;
    pthread_mutex_unlock(&lock);
}

static struct piece *piece_map(int file, size_t bytes, int device)
{
    struct piece *piece = calloc(1, sizeof *piece);
    struct stat stat;
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    if (piece == NULL || base == MAP_FAILED || fstat(file, &stat) != 0) {
        if (base != MAP_FAILED)
            munmap(base, bytes);
        free(piece);
        return NULL;
    }
    *piece = (struct piece){ base, bytes, file, device, 1, stat.st_ino, pieces };
    pieces = piece;
    return piece;
}

static int piece_make(int device, size_t bytes, uint64_t *address)
{
    struct piece *piece = NULL;
    int file;

    if (bytes > standin_memory() - device_used(device))
        return OUT_OF_MEMORY;
    file = memfd_create("stand-in device memory", MFD_CLOEXEC);
    if (file < 0)
        return OUT_OF_MEMORY;
    if (ftruncate(file, (off_t)bytes) == 0)
        piece = piece_map(file, bytes, device);
    if (piece == NULL) {
        close(file);
        return OUT_OF_MEMORY;
    }
    *address = (uintptr_t)piece->base;
    return OK;
}

int cuMemAlloc_v2(uint64_t *address, size_t bytes)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code != OK)
        return code;
    if (bytes == 0)
        return INVALID_VALUE;
    pthread_mutex_lock(&lock);
    code = piece_make(device, bytes, address);
    pthread_mutex_unlock(&lock);
    return code;
}

int cuMemFree_v2(uint64_t address)
{
    int device, code = standin_enter_context(__func__, &device);
    struct piece **link;

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    link = piece_find(address);
    if (link == NULL || (uintptr_t)(*link)->base != address || (*link)->file < 0)
        code = INVALID_VALUE;
    else
        piece_drop(link);
    pthread_mutex_unlock(&lock);
    return code;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    *total_bytes = standin_memory();
    *free_bytes = *total_bytes - device_used(device);
    pthread_mutex_unlock(&lock);
    return OK;
}

int cuMemGetAddressRange_v2(uint64_t *base, size_t *bytes, uint64_t address)
{
    int device, code = standin_enter_context(__func__, &device);
    struct piece **link;

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    link = piece_find(address);
    if (link != NULL) {
        *base = (uintptr_t)(*link)->base;
        *bytes = (*link)->bytes;
    }
    pthread_mutex_unlock(&lock);
    return link != NULL ? OK : NOT_FOUND;
}

int cuMemHostAlloc(void **host, size_t bytes, unsigned flags)
{
    int device, code = standin_enter_context(__func__, &device);

    (void)flags;
    if (code != OK)
        return code;
    if (bytes > standin_memory())
        return OUT_OF_MEMORY;
    *host = standin_object(device, bytes);
    return *host != NULL ? OK : OUT_OF_MEMORY;
}

int cuMemFreeHost(void *host)
{
    int device, code = standin_enter_context(__func__, &device);

    if (code == OK)
        standin_object_free(host);
    return code;
}

/* ---- copies ----------------------------------------------------------------------------- */

/* Whether the bytes lie in one piece. */
static bool is_device(uint64_t address, size_t bytes)
{
    struct piece **link;
    bool inside;

    pthread_mutex_lock(&lock);
    link = piece_find(address);
    inside = link != NULL && bytes <= (*link)->bytes - (address - (uintptr_t)(*link)->base);
    pthread_mutex_unlock(&lock);
    return inside;
}

static int copy_in(const char *call, uint64_t to, const void *from, size_t bytes)
{
    int device, code = standin_enter_context(call, &device);

    if (code != OK)
        return code;
    if (!is_device(to, bytes))
        return INVALID_VALUE;
    memcpy(pointer_of(to), from, bytes);
    return OK;
}

static int copy_out(const char *call, void *to, uint64_t from, size_t bytes)
{
    int device, code = standin_enter_context(call, &device);

    if (code != OK)
        return code;
    if (!is_device(from, bytes))
        return INVALID_VALUE;
    memcpy(to, pointer_of(from), bytes);
    return OK;
}

static int copy_within(const char *call, uint64_t to, uint64_t from, size_t bytes)
{
    int device, code = standin_enter_context(call, &device);

    if (code != OK)
        return code;
    if (!is_device(to, bytes) || !is_device(from, bytes))
        return INVALID_VALUE;
    memmove(pointer_of(to), pointer_of(from), bytes);
    return OK;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes)
{
    return copy_in(__func__, to, from, bytes);
}

int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes)
{
    return copy_out(__func__, to, from, bytes);
}

int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes)
{
    return copy_within(__func__, to, from, bytes);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream)
{
    (void)stream;
    return copy_in(__func__, to, from, bytes);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream)
{
    (void)stream;
    return copy_out(__func__, to, from, bytes);
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream)
{
    (void)stream;
    return copy_within(__func__, to, from, bytes);
}

int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *stream)
{
    int device, code = standin_enter_context(__func__, &device);

    (void)stream;
    if (code != OK)
        return code;
    if (!is_device(to, bytes))
        return INVALID_VALUE;
    memset(pointer_of(to), value, bytes);
    return OK;
}

/* ---- between processes ------------------------------------------------------------------ */

int cuIpcGetMemHandle(struct cu_share *share, uint64_t address)
{
    int device, code = standin_enter_context(__func__, &device);
    struct piece **link;

    if (code != OK)
        return code;
    if (standin_mig())
        return NOT_SUPPORTED;
    memset(share, 0, sizeof *share);
    pthread_mutex_lock(&lock);
    link = piece_find(address);
    if (link == NULL || (*link)->file < 0)
        code = INVALID_VALUE;
    else
        memcpy(share->bytes,
               &(struct share){ (int)getpid(), (*link)->file, (*link)->inode, (*link)->bytes },
               sizeof(struct share));
    pthread_mutex_unlock(&lock);
    return code;
}

/* The owner's descriptor is opened anew: it is the same file, or the piece is gone. */
static int share_open(const struct share *share, int device, uint64_t *address)
{
    struct piece *piece;
    struct stat stat;
    char path[64];
    int file;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", share->pid, share->file);
    file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return INVALID_HANDLE;
    if (fstat(file, &stat) != 0 || stat.st_ino != share->inode ||
        (piece = piece_map(file, share->bytes, device)) == NULL) {
        close(file);
        return INVALID_HANDLE;
    }
    close(file);
    piece->file = -1;
    *address = (uintptr_t)piece->base;
    return OK;
}

int cuIpcOpenMemHandle_v2(uint64_t *address, struct cu_share handle, unsigned flags)
{
    int device, code = standin_enter_context(__func__, &device);
    struct piece *piece;
    struct share share;

    (void)flags;
    if (code != OK)
        return code;
    memcpy(&share, handle.bytes, sizeof share);
    if (share.pid == (int)getpid())
        return INVALID_CONTEXT; /* CUDA opens only others' */
    pthread_mutex_lock(&lock);
    piece = pieces;
    while (piece != NULL && (piece->file >= 0 || piece->inode != share.inode))
        piece = piece->next;
    if (piece != NULL) {
        piece->opened++;
        *address = (uintptr_t)piece->base;
    } else {
        code = share_open(&share, device, address);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int cuIpcCloseMemHandle(uint64_t address)
{
    int device, code = standin_enter_context(__func__, &device);
    struct piece **link;

    if (code != OK)
        return code;
    pthread_mutex_lock(&lock);
    link = piece_find(address);
    if (link == NULL || (uintptr_t)(*link)->base != address || (*link)->file >= 0)
        code = INVALID_VALUE;
    else if (--(*link)->opened == 0)
        piece_drop(link);
    pthread_mutex_unlock(&lock);
    return code;
}
