#include "core/target.h"

#include "base/error.h"

#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

/* What a walk over the loaded objects looks for, and what it found. */
struct walk {
    uintptr_t address; /* an address inside the object, or 0 */
    uint64_t object;   /* an object's hash, when address is 0 */
    bool program;      /* the first object: the program itself */
    uintptr_t base;
    uint64_t hash;
    bool found;
};

static uint64_t note_hash(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const unsigned char *at = (const unsigned char *)(info->dlpi_addr + segment->p_vaddr);
        const unsigned char *end = at + segment->p_memsz;

        while (segment->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *note = (const void *)at;
            const unsigned char *name = at + sizeof *note;
            const unsigned char *value = name + ((note->n_namesz + 3u) & ~3u);

            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
                memcmp(name, "GNU", 4) == 0)
                return XXH3_64bits(value, note->n_descsz);
            at = value + ((note->n_descsz + 3u) & ~3u);
        }
    }
    return 0;
}

static uint64_t code_hash(const struct dl_phdr_info *info)
{
    uint64_t hash = 0;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0)
            hash = XXH3_64bits_withSeed((const void *)(info->dlpi_addr + segment->p_vaddr),
                                        segment->p_filesz, hash);
    }
    return hash;
}

static bool holds(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
            address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *context)
{
    struct walk *walk = context;
    uint64_t hash;

    (void)size;
    if (walk->address != 0 && !holds(info, walk->address))
        return 0;
    hash = note_hash(info);
    hash = hash != 0 ? hash : code_hash(info);
    if (walk->address == 0 && !walk->program && hash != walk->object)
        return 0;
    walk->base = info->dlpi_addr;
    walk->hash = hash;
    walk->found = true;
    return 1;
}

int target_name(troupe_target function, struct target *target)
{
    static _Thread_local struct {
        troupe_target function;
        struct target target;
    } last;
    struct walk walk = { .address = (uintptr_t)function };

    if (function != NULL && function == last.function) {
        *target = last.target;
        return TROUPE_OK;
    }
    if (function != NULL)
        dl_iterate_phdr(look, &walk);
    if (!walk.found)
        return fail(TROUPE_BAD_ARGUMENT,
                    "target %p is no function of this program or of a library it has loaded; pass "
                    "the name of a C function",
                    (void *)(uintptr_t)function);
    target->object = walk.hash;
    target->offset = (uintptr_t)function - walk.base;
    last.function = function;
    last.target = *target;
    return TROUPE_OK;
}

int target_find(const struct target *target, troupe_target *function)
{
    static _Thread_local struct {
        struct target target;
        troupe_target function;
    } last;
    struct walk walk = { .object = target->object };

    if (last.function != NULL && last.target.object == target->object &&
        last.target.offset == target->offset) {
        *function = last.function;
        return TROUPE_OK;
    }
    dl_iterate_phdr(look, &walk);
    if (!walk.found)
        return fail(TROUPE_MISMATCH,
                    "the target's program or library (%016llx) is not loaded in "
                    "this process; all ranks must run the same program",
                    (unsigned long long)target->object);
    *function = (troupe_target)(walk.base + target->offset);
    last.target = *target;
    last.function = *function;
    return TROUPE_OK;
}

uint64_t target_program(void)
{
    struct walk walk = { .program = true };

    dl_iterate_phdr(look, &walk);
    return walk.hash;
}
