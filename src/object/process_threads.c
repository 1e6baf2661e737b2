#include "object/process_threads.h"

#include <dirent.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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

void process_thread_own(void)
{
    prctl(PR_SET_NAME, THREAD_NAME);
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

    others_walk(foreign_look, &foreign);
    if (foreign.count <= SANITIZER_THREADS)
        return 0;
    dl_iterate_phdr(runtime_look, description);
    return foreign.count;
}
