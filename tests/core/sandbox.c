#include "sandbox.h"

#include <string.h>
#include <sys/mman.h>

void *sandbox_map(uint64_t bytes)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(base, MAP_FAILED);
    return base;
}

void sandbox_open(struct sandbox *sandbox, uint64_t bytes)
{
    memset(sandbox, 0, sizeof *sandbox);
    sandbox->bytes = bytes;
    assert_int_equal(arena_format(sandbox_map(bytes), bytes, NULL, &sandbox->arena), TROUPE_OK);
    assert_int_equal(actor_open(&sandbox->arena, SLOT_NONE, &sandbox->actor), TROUPE_OK);
}

void sandbox_close(struct sandbox *sandbox)
{
    munmap(sandbox->arena.base, sandbox->bytes);
}
