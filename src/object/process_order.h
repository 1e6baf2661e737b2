/* What a new process is to be, before it has a record: checked, copied into the record, and packed
 * for another node. */
#ifndef TROUPE_OBJECT_PROCESS_ORDER_H
#define TROUPE_OBJECT_PROCESS_ORDER_H

#include "core/target.h"

#include <stddef.h>
#include <stdint.h>

/* What travels and what the record keeps. Its bytes are followed by those of the argument, of the
 * choice of GPUs (process_gpus.h) and of the setting, in this order; in the arena they are a block
 * of their own. */
struct process_order {
    char name[TROUPE_NAME_SIZE];
    struct target target;
    uint64_t parent;       /* the handle of the process that starts it; 0: main */
    uint64_t start_method; /* what TROUPE_METHOD_DEFAULT means in it */
    uint64_t is_daemon;
    uint64_t cpu_seconds, memory_bytes; /* 0: no limit */
    uint64_t argument_bytes;
    uint64_t gpus;          /* a choice, see process_gpus.h */
    uint64_t setting_bytes; /* directory, then lines of environment, each with its zero */
    uint64_t group;         /* the handle of the group it belongs to; 0: none */
    uint64_t group_index, group_size;
};

/* The same with the bytes, which are others'. */
struct order {
    struct process_order head;
    const void *argument;
    const char *gpus_text;
    const char *setting;
    uint64_t foreign; /* the handle its home gave it, or 0 */
};

/* The bytes that follow the head. */
size_t order_bytes(const struct process_order *head);

/* Copies them, in their order. */
void order_write(const struct order *order, unsigned char *bytes);

/* Finds them again behind a head. */
void order_view(struct order *order, const unsigned char *bytes);

/* TROUPE_BAD_ARGUMENT when the options contradict each other or this world. method is what they
 * come to, never TROUPE_METHOD_DEFAULT unless that is what the caller means by it. */
int order_options_check(const troupe_process_options *options, int *method);

/* Packs directory and environment; *setting is from malloc, or NULL when there are neither. */
int order_setting_make(const troupe_process_options *options, char **setting, uint64_t *bytes);

#endif
