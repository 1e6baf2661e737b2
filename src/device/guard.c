/* The guard of fork: CUDA does not survive one. A child of a process that had used CUDA gets
 * TROUPE_EFORKED from every call here, whoever forked it, with what was initialised and where.
 *
 * What always holds: the note is written under driver_lock, before `used` is set, and only
 * grows; so a child reads it whole, at whatever moment it was forked. `used` is set before
 * cuInit is called, and taken back if that fails. No lock is taken for a fork: cuInit itself
 * forks, to load the kernel's module. */
#include "device/driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "device/device.h"

#define NOTE_SIZE 320

static atomic_bool used, forked;
static char note[NOTE_SIZE];

/* The child has one thread, and nothing that it may still read is half done. */
static void after_fork_in_child(void)
{
    if (atomic_load_explicit(&used, memory_order_relaxed))
        atomic_store_explicit(&forked, true, memory_order_relaxed);
    pthread_mutex_init(&driver_lock, NULL);
}

int guard_install(void)
{
    static bool installed;

    if (!installed)
        installed = pthread_atfork(NULL, NULL, after_fork_in_child) == 0;
    return installed ? TROUPE_OK : fail(TROUPE_NO_MEMORY, "no memory to watch for forks");
}

void guard_note(const char *call, const void *caller)
{
    Dl_info where;
    const char *file = "", *slash;

    if (atomic_load_explicit(&used, memory_order_relaxed))
        return;
    if (caller != NULL && dladdr(caller, &where) != 0 && where.dli_fname != NULL) {
        slash = strrchr(where.dli_fname, '/');
        file = slash != NULL ? slash + 1 : where.dli_fname;
    } else {
        where.dli_sname = NULL;
    }
    snprintf(note, sizeof note, "CUDA was initialised in pid %d by %s, called%s%s%s%s",
             (int)getpid(), call, where.dli_sname != NULL ? " by " : "",
             where.dli_sname != NULL ? where.dli_sname : "", *file != '\0' ? " in " : "", file);
    atomic_store_explicit(&used, true, memory_order_release);
}

void guard_clear(void)
{
    atomic_store_explicit(&used, false, memory_order_relaxed);
}

void guard_note_device(int ordinal, const char *call)
{
    size_t size = strlen(note);

    snprintf(note + size, sizeof note - size, "; device %d was opened by %s", ordinal, call);
}

static int refuse(const char *call, const char *who)
{
    return fail(TROUPE_EFORKED,
                "%s: CUDA does not survive fork(), and this process is a child of one that used "
                "it (%s); start the process with TROUPE_METHOD_SPAWN",
                call, who);
}

int guard_check(const char *call)
{
    if (!atomic_load_explicit(&forked, memory_order_relaxed))
        return TROUPE_OK;
    return refuse(call, note);
}

int guard_fail_unknown(const char *call)
{
    return refuse(call, "CUDA was initialised there by something else than Troupe");
}

bool guard_tell(char *what, size_t size)
{
    bool tell = atomic_load_explicit(&used, memory_order_acquire) &&
                !atomic_load_explicit(&forked, memory_order_relaxed);

    if (tell) {
        pthread_mutex_lock(&driver_lock);
        snprintf(what, size, "%s", note);
        pthread_mutex_unlock(&driver_lock);
    }
    return tell;
}

bool device_cuda_runs(char *what, size_t size)
{
    if (guard_tell(what, size))
        return true;
    if (!driver_runs())
        return false;
    snprintf(what, size, "CUDA was initialised in pid %d by something else than Troupe",
             (int)getpid());
    return true;
}
