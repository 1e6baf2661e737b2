/* Standard input and output of a supervised process.
 *
 * A supervisor (`troupe run`, or a program that started itself) hands each process pipes of its
 * own, so that it can print whole lines. It prints in the order in which it reads, in one thread.
 * job_stdio_sync makes that order the program's: what was written before the call is printed
 * before what any process writes after it returned.
 *
 * Without a supervisor every function does the plain thing and returns at once. */
#ifndef TROUPE_JOB_STDIO_H
#define TROUPE_JOB_STDIO_H

/* Roles, as job_stdio_attach takes them. */
#define JOB_ROLE_PARENT "parent" /* rank 0's keeper: gets standard input, its status is the run's */
#define JOB_ROLE_RANK "rank"     /* a rank, a keeper or a process that either of them started */
#define JOB_ROLE_COMMAND "command" /* any program under `troupe wrap`; rank 0 gets standard input */

/* Takes this process's own pipes from the supervisor that TROUPE_SUPERVISOR names, if any.
 *
 * Call it first thing in a process that a launcher started, and again in its child after a fork:
 * a forked child is not attached. A second call replaces the first. Standard output becomes line
 * buffered, as under plain mpirun, also where there is no supervisor, unless the program made it
 * unbuffered.
 *
 * role        JOB_ROLE_…
 * rank        the process's, its keeper's, or -1: then its lines are tagged with its process id
 * Returns     TROUPE_OK    attached, or there is no supervisor
 *             TROUPE_LOST  the supervisor is gone; nothing has changed
 *             TROUPE_MISMATCH  the supervisor is of another version
 * Threads     one at a time, before other threads write */
int job_stdio_attach(const char *role, int rank);

/* The same for a rank's forked child whose parent was attached, without waiting: it makes its pipes
 * itself and hands the supervisor the ends to read from. job_stdio_sync waits as ever.
 *
 * Returns     as job_stdio_attach; TROUPE_SYSTEM  no pipe can be made; nothing has changed */
int job_stdio_follow(int rank);

/* Whether a supervisor prints for this process. */
int job_stdio_attached(void);

/* Flushes stdio and waits until the supervisor has everything this process wrote.
 *
 * Costs two system calls when there is nothing to wait for.
 * Threads     any */
void job_stdio_sync(void);

/* The same, and waits until the supervisor has handed it on to its own standard output: what is
 * settled survives the death of both. A reader who does not read makes this wait. */
void job_stdio_settle(void);

/* Tells the supervisor the status this process is about to exit with: the run's status. Only the
 * first call in the parent counts; exit() makes it by itself. */
void job_status_report(int status);

#endif
