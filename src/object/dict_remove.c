/* Taking entries out of a share. */
#include "object/dict_held.h"

/* Notes that a cell goes, and with it perhaps the block of cells outside the bucket; the last cell
 * takes its place. What becomes of the entry is the caller's to note. */
static void cell_remove(struct held *held, uint32_t at)
{
    struct actor *actor = held->share->actor;
    uint32_t last = held->entries - 1;
    uint64_t cells = more_cells(held->more);

    if (at != last)
        tx_write(actor, held_cell(held, at), held_load(held, last));
    if (last <= DICT_INLINE && cells != 0) {
        tx_retire(actor, cells);
        cells = 0;
    }
    tx_write(actor, &held->bucket->more, more_make(last, cells));
    count_add(held, -1);
}

int dict_share_delete(const struct share *share, const struct dict_key *key,
                      const troupe_bytes *expected)
{
    struct held held;
    uint64_t old;
    uint32_t at;
    int result = held_take(share, key->hash, &held);

    if (result != TROUPE_OK)
        return result;
    at = held_find(&held, key);
    if (at == held.entries)
        result = TROUPE_NOT_FOUND;
    else if (expected != NULL && !held_equals(&held, at, *expected))
        result = TROUPE_DIFFERS;
    if (result != TROUPE_OK) {
        held_give(&held);
        return result;
    }
    old = cell_entry(held_load(&held, at));
    change_begin(&held);
    cell_remove(&held, at);
    tx_retire(share->actor, old);
    change_end(&held);
    return TROUPE_OK;
}
