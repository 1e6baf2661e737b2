#include "object/process_threads.h"

#include <dirent.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MPI_THREADS 32
#define COMM_SIZE 16
#define DESCRIBED_MOST 4u

#ifdef __SANITIZE_THREAD__
#define SANITIZER_THREADS 1u /* ThreadSanitizer keeps one in every process */
#else
#define SANITIZER_THREADS 0u
#endif

/* Constant once the rank serves. */
static pid_t mpi_threads[MPI_THREADS];
static size_t mpi_count;

/* How many threads named themselves ours and live; a little too few while one ends. */
static _Atomic unsigned own_count;
static pthread_key_t own_key;

static void own_end(void *count)
{
    atomic_fetch_sub((_Atomic unsigned *)count, 1);
}

static void own_key_make(void)
{
    pthread_key_create(&own_key, own_end);
}

void process_thread_own(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    prctl(PR_SET_NAME, THREAD_NAME);
    pthread_once(&once, own_key_make);
    if (pthread_setspecific(own_key, &own_count) == 0)
        atomic_fetch_add(&own_count, 1);
}

void process_threads_forked(void)
{
    atomic_store(&own_count, 0);
}

/* The kernel adds a link to the folder for each thread, so one look tells that the caller and ours
 * are all there are. MPI's may have ended since they were counted: with some a look is not
 * enough. */
static bool only_own_are_here(void)
{
    struct stat folder;

    return mpi_count == 0 && stat("/proc/self/task", &folder) == 0 &&
           folder.st_nlink == 2 + 1 + (nlink_t)atomic_load(&own_count);
}

/* Calls look with each other thread of the process. */
static void others_walk(void (*look)(pid_t thread, void *context), void *context)
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

        if (thread > 0 && thread != gettid())
            look(thread, context);
    }
    if (folder != NULL)
        closedir(folder);
}

static void mpi_note(pid_t thread, void *unused)
{
    (void)unused;
    if (mpi_count < MPI_THREADS)
        mpi_threads[mpi_count++] = thread;
}

void process_threads_remember(void)
{
    mpi_count = 0;
    others_walk(mpi_note, NULL);
}

static void comm_read(pid_t thread, char comm[COMM_SIZE])
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)thread);
    file = fopen(path, "re");
    comm[0] = '\0';
    if (file == NULL)
        return; /* it has ended */
    if (fgets(comm, COMM_SIZE, file) != NULL)
        comm[strcspn(comm, "\n")] = '\0';
    fclose(file);
}

static bool is_known(pid_t thread, const char *comm)
{
    for (size_t i = 0; i < mpi_count; i++)
        if (mpi_threads[i] == thread)
            return true;
    return comm[0] == '\0' || strcmp(comm, THREAD_NAME) == 0;
}

struct foreign {
    struct text *description;
    unsigned count;
};

static void foreign_look(pid_t thread, void *context)
{
    struct foreign *foreign = context;
    char comm[COMM_SIZE];

    comm_read(thread, comm);
    if (is_known(thread, comm))
        return;
    foreign->count++;
    if (foreign->count <= DESCRIBED_MOST)
        text_append(foreign->description, "%s%d (%s)", foreign->count > 1 ? ", " : "", (int)thread,
                    comm);
    else if (foreign->count == DESCRIBED_MOST + 1)
        text_append(foreign->description, " …");
}

/* Loaded runtimes that keep threads, for those who do not know where theirs come from. */
static int runtime_look(struct dl_phdr_info *info, size_t size, void *context)
{
    static const char *const names[] = { "libgomp.", "libomp.",      "libiomp5.", "libtbb.",
                                         "libmkl_",  "libopenblas.", "libcuda." };
    struct text *description = context;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *file = slash != NULL ? slash + 1 : info->dlpi_name;

    (void)size;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(file, names[i], strlen(names[i])) == 0)
            text_append(description, "; %s is loaded", file);
    return 0;
}

unsigned process_threads_foreign(struct text *description)
{
    struct foreign foreign = { description, 0 };

    if (only_own_are_here())
        return 0;
    others_walk(foreign_look, &foreign);
    if (foreign.count <= SANITIZER_THREADS)
        return 0;
    dl_iterate_phdr(runtime_look, description);
    return foreign.count;
}
