/* What hangs at the arena's roots. */
#ifndef TROUPE_CORE_ROOT_H
#define TROUPE_CORE_ROOT_H

enum arena_root { ROOT_TABLE = 0, ROOT_NODE = 1, ROOT_DICT_LOCKS = 2, ROOT_DICT_SEALS = 3 };

/* The kinds of work that recovery resumes, see recover.h. */
enum resume_kind {
    RESUME_PROCESS_START = 1,
    RESUME_QUEUE_END = 2,
    RESUME_DICT_END = 3,
    RESUME_LIST_EXTEND = 30,
    RESUME_LIST_CLEAR = 31,
    RESUME_LIST_DESTROY = 32,
    RESUME_ARRAY_USE = 40,
    RESUME_ARRAY_LEAVE = 41,
    RESUME_CONDITION_RING = 50,
    RESUME_CONDITION_END = 51,
    RESUME_GROUP = 70,
    RESUME_GROUP_END = 71,
    RESUME_POOL = 80,
    RESUME_POOL_JOB = 81
};

#endif
