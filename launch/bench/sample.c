/* One sample: the command line of a side, its run, and the number that it printed. */
#include "bench.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "troupe/troupe.h"

enum { LIMIT_S = 300, STATUS_ABSENT = 77, ARGUMENTS = 16, NUMBER_SIZE = 24 };

/* What is run to see what running costs. */
static const char plain[] = "true";

#define NODES "2" /* of BENCH_NODES */

/* The link between simulated nodes, for raw MPI as the library sets it for itself
 * (src/fabric/settings.c). */
static const char *const link_settings[][2] = {
    { "OMPI_MCA_pml", "ob1" },
    { "OMPI_MCA_btl", "self,tcp" },
    { "OMPI_MCA_btl_tcp_if_include", "lo" },
};

/* A command line under way; the numbers are what it points to. */
struct line {
    const char *arguments[ARGUMENTS];
    int count;
    char ranks[NUMBER_SIZE], times[NUMBER_SIZE], bytes[NUMBER_SIZE];
};

bool bench_places_find(struct bench_places *places)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    bool is_beside;

    *places = (struct bench_places){ 0 };
    if (length <= 0 || length == (ssize_t)sizeof self - 1) {
        fprintf(stderr, "troupe bench: cannot tell by /proc/self/exe where it lies: mount /proc\n");
        return false;
    }
    self[length] = '\0';
    strrchr(self, '/')[1] = '\0';
    text_append(&places->world, "%stroupe-bench-world", self);
    text_append(&places->mpi, "%stroupe-bench-mpi", self);
    text_append(&places->python, "%stroupe-bench.py", self);
    text_append(&places->cuda, "%stroupe-bench-cuda", self);
    text_append(&places->list, "%stroupe-bench-list", self);
    text_append(&places->troupe, "%stroupe", self);
    is_beside = !places->troupe.broken && access(places->troupe.data, X_OK) == 0;
    if (!is_beside) {
        text_free(&places->troupe);
        text_append(&places->troupe, "%s" TROUPE_BIN "/troupe", self);
    }
    if (!places->world.broken && !places->mpi.broken && !places->python.broken &&
        !places->cuda.broken && !places->list.broken && !places->troupe.broken)
        return true;
    fprintf(stderr, "troupe bench: out of memory\n");
    return false;
}

void bench_places_free(struct bench_places *places)
{
    text_free(&places->world);
    text_free(&places->mpi);
    text_free(&places->python);
    text_free(&places->cuda);
    text_free(&places->list);
    text_free(&places->troupe);
}

static void word_add(struct line *line, const char *word)
{
    line->arguments[line->count++] = word;
}

static void hosts_add(const char *hostfile, struct line *line)
{
    if (hostfile == NULL)
        return;
    word_add(line, "--hostfile");
    word_add(line, hostfile);
}

/* Whether a side runs on the hosts of --hostfile: where it needs several nodes and there are real
 * ones. */
static const char *hosts_of(const struct bench_places *places, const struct bench_side *side)
{
    switch (side->program) {
    case BENCH_RUN_HOSTS:
    case BENCH_MPI_HOSTS:
    case BENCH_NODES:
    case BENCH_MPI_LINK:
        return places->hostfile;
    default:
        return NULL;
    }
}

/* Raw MPI as a user would start it here, by the mpirun that `troupe run` takes; root and crowding
 * have to be allowed aloud. */
static void mpirun_add(const char *hostfile, struct line *line, int ranks)
{
    const char *named = getenv("TROUPE_MPIRUN");

    word_add(line, named != NULL && *named != '\0' ? named : "mpirun");
    if (geteuid() == 0)
        word_add(line, "--allow-run-as-root");
    hosts_add(hostfile, line);
    if (hostfile == NULL && ranks > sysconf(_SC_NPROCESSORS_ONLN))
        word_add(line, "--oversubscribe");
    word_add(line, "-n");
    word_add(line, line->ranks);
}

static void line_build(const struct bench_places *places, const struct bench *bench,
                       const struct bench_side *side, bool is_short, struct line *line)
{
    const char *hostfile = hosts_of(places, side);

    line->count = 0;
    snprintf(line->ranks, sizeof line->ranks, "%d", bench->ranks);
    snprintf(line->times, sizeof line->times, "%ld", is_short ? side->short_count : side->count);
    snprintf(line->bytes, sizeof line->bytes, "%zu", bench->bytes);
    switch (side->program) {
    case BENCH_RUN:
    case BENCH_NODES:
    case BENCH_READS:
    case BENCH_RUN_PLAIN:
    case BENCH_RUN_HOSTS:
        word_add(line, places->troupe.data);
        word_add(line, "run");
        hosts_add(hostfile, line);
        word_add(line, "-n");
        word_add(line, line->ranks);
        word_add(line, side->program == BENCH_RUN_PLAIN ? plain : places->world.data);
        break;
    case BENCH_MPI:
    case BENCH_MPI_LINK:
    case BENCH_MPI_PLAIN:
    case BENCH_MPI_HOSTS:
        mpirun_add(hostfile, line, bench->ranks);
        word_add(line, side->program == BENCH_MPI_PLAIN ? plain : places->mpi.data);
        break;
    case BENCH_PYTHON:
        word_add(line, "python3");
        word_add(line, places->python.data);
        break;
    case BENCH_CUDA:
        word_add(line, places->cuda.data);
        break;
    case BENCH_LIST:
        word_add(line, places->list.data);
        break;
    case BENCH_SELF:
    case BENCH_NONE:
        word_add(line, places->world.data);
        break;
    }
    if (side->mode != NULL) {
        word_add(line, side->mode);
        word_add(line, line->times);
        word_add(line, line->bytes);
    }
    if (side->program == BENCH_PYTHON || side->program == BENCH_LIST)
        word_add(line, line->ranks);
    if (side->program == BENCH_LIST)
        word_add(line, places->troupe.data);
    line->arguments[line->count] = NULL;
}

/* The last line that has a word in it: mpirun draws others. */
static troupe_bytes line_last(const struct text *text)
{
    const char *line = text->data;
    troupe_bytes last = { NULL, 0 };

    while (line != NULL && *line != '\0') {
        size_t size;

        line += strspn(line, " \n");
        size = strcspn(line, "\n");
        for (size_t i = 0; i < size; i++)
            if (isalnum((unsigned char)line[i]))
                last = troupe_bytes_of(line, size);
        line += size;
    }
    return last;
}

/* Why a child gave no number: how it ended, and the last line it complained with. */
static void complaint_append(const struct child *child, const char *program, struct text *reason)
{
    troupe_bytes last = line_last(&child->complaint);

    if (WIFSIGNALED(child->status))
        text_append(reason, "%s was ended by signal %d", program, WTERMSIG(child->status));
    else if (WEXITSTATUS(child->status) == STATUS_ABSENT)
        text_append(reason, "not on this machine");
    else if (WEXITSTATUS(child->status) != 0)
        text_append(reason, "%s ended with status %d", program, WEXITSTATUS(child->status));
    else
        text_append(reason, "%s printed no number", program);
    if (last.size > 0)
        text_append(reason, ": %.*s", (int)last.size, (const char *)last.data);
}

static bool number_take(const struct child *child, double *value)
{
    const char *text = child->output.data;
    char *end;

    if (text == NULL || child->output.broken || child->status != 0)
        return false;
    *value = strtod(text, &end);
    return end != text && strcmp(end, "\n") == 0;
}

/* What a side needs in its environment: set for its run, and taken back after it. What the user set
 * there stands. simulates: two nodes of this host stand for two hosts. */
static void environment_change(const struct bench_side *side, bool simulates, const char *ranks,
                               bool before)
{
    static bool is_ours[sizeof link_settings / sizeof *link_settings];

    for (size_t i = 0;
         simulates && side->program == BENCH_MPI_LINK && i < sizeof is_ours / sizeof *is_ours; i++)
        if (before && (is_ours[i] = getenv(link_settings[i][0]) == NULL))
            setenv(link_settings[i][0], link_settings[i][1], 1);
        else if (!before && is_ours[i])
            unsetenv(link_settings[i][0]);
    if (side->program == BENCH_SELF && before)
        setenv("TROUPE_WORKERS", ranks, 1);
    if (simulates && (side->program == BENCH_NODES || side->program == BENCH_READS) && before)
        setenv("TROUPE_SIMULATED_NODES", NODES, 1);
    if (side->program == BENCH_READS && before)
        setenv("TROUPE_REMOTE_READ", "get", 1);
    if (!before) {
        unsetenv("TROUPE_WORKERS");
        unsetenv("TROUPE_SIMULATED_NODES");
        unsetenv("TROUPE_REMOTE_READ");
    }
}

enum bench_outcome bench_sample(const struct bench_places *places, const struct bench *bench,
                                const struct bench_side *side, bool is_short, double *value,
                                struct text *reason)
{
    struct line line;
    struct child child;
    bool sampled = false, absent;
    const char *program;
    bool simulates = hosts_of(places, side) == NULL;
    int failed;

    if (places->hostfile == NULL &&
        (side->program == BENCH_RUN_HOSTS || side->program == BENCH_MPI_HOSTS)) {
        text_append(reason, "not on this machine: it needs several hosts, which --hostfile names");
        return BENCH_ABSENT;
    }
    line_build(places, bench, side, is_short, &line);
    program = strrchr(line.arguments[0], '/');
    program = program != NULL ? program + 1 : line.arguments[0];
    environment_change(side, simulates, line.ranks, true);
    failed = child_run(line.arguments, LIMIT_S, &child);
    environment_change(side, simulates, line.ranks, false);
    if (failed == ETIME)
        text_append(reason, "%s took more than %d s and was ended", program, LIMIT_S);
    else if (failed != 0)
        text_append(reason, "cannot run %s: %s", program, strerror(failed));
    else if (side->mode != NULL)
        sampled = number_take(&child, value);
    else if ((sampled = child.status == 0))
        *value = child.seconds;
    if (failed == 0 && !sampled)
        complaint_append(&child, program, reason);
    absent = failed == 0 && WIFEXITED(child.status) && WEXITSTATUS(child.status) == STATUS_ABSENT;
    child_free(&child);
    if (sampled)
        return BENCH_SAMPLED;
    return absent ? BENCH_ABSENT : BENCH_FAILED;
}
