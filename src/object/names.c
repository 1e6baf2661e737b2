/* Two kinds of entries, both in the reserved dict:
 *
 *   kind, name    -> handle       at the home of the key's hash, like any entry
 *   0, handle     -> kind, name   on the handle's own node, whatever the hash: a note
 *
 * The note is written before the name is claimed and goes after it is released, so that whoever
 * destroys a named object always finds its name. */
#include "object/names.h"

#include "base/error.h"
#include "core/service.h"
#include "core/world.h"
#include "object/dict.h"
#include "object/dict_share.h"

#include <stdlib.h>
#include <string.h>

/* The dict's handle: of a node that there is not, so that no create ever gives it. */
#define NAMES_NODE UINT64_C(0xffff)
#define NAMES_HANDLE ((uint64_t)OBJECT_DICT << 60 | NAMES_NODE << 44 | 1)

static const troupe_dict names = { NAMES_HANDLE };

/* The key of a name, which is also the value of its note. */
struct name {
    unsigned char data[1 + TROUPE_OBJECT_NAME_MAX]; /* kind, characters */
    size_t size;
};

/* The key of a note: a byte that is no object's kind, and the handle. */
struct note_key {
    unsigned char data[1 + sizeof(uint64_t)];
};

static int name_make(const struct named *named, const char *text, struct name *name)
{
    size_t size = text != NULL ? strlen(text) : 0;

    if (size == 0 || size > TROUPE_OBJECT_NAME_MAX)
        return fail(TROUPE_BAD_ARGUMENT, "%s: a name of %zu characters; use 1 to %d", named->what,
                    size, TROUPE_OBJECT_NAME_MAX);
    name->data[0] = (unsigned char)named->kind;
    memcpy(name->data + 1, text, size);
    name->size = 1 + size;
    return TROUPE_OK;
}

static troupe_bytes name_bytes(const struct name *name)
{
    return troupe_bytes_of(name->data, name->size);
}

static troupe_bytes handle_bytes(const uint64_t *handle)
{
    return troupe_bytes_of(handle, sizeof *handle);
}

/* ---- notes, in this node's share -------------------------------------------------------- */

static void note_key_make(uint64_t handle, struct note_key *bytes, struct dict_key *key)
{
    bytes->data[0] = OBJECT_NONE;
    memcpy(bytes->data + 1, &handle, sizeof handle);
    dict_key_make(bytes->data, sizeof bytes->data, key);
}

static int note_write(struct actor *actor, uint64_t handle, const struct name *name)
{
    struct note_key bytes;
    struct dict_key key;
    struct dict_put put = { .key = &key, .value = name_bytes(name) };
    struct share share;
    int result = dict_share_find(actor, NAMES_HANDLE, &share);

    note_key_make(handle, &bytes, &key);
    return result == TROUPE_OK ? dict_share_put(&share, &put) : result;
}

/* Reads a note; TROUPE_NOT_FOUND for an object without a name. */
static int note_fetch(struct share *share, const struct dict_key *key, struct name *name)
{
    struct dict_buffer value = { .data = name->data, .capacity = sizeof name->data };
    int result = dict_share_fetch(share, key, &value);

    name->size = value.size;
    return result;
}

static int note_look(struct actor *actor, uint64_t handle, struct name *name)
{
    struct note_key bytes;
    struct dict_key key;
    struct share share;
    int result = dict_share_find(actor, NAMES_HANDLE, &share);

    note_key_make(handle, &bytes, &key);
    return result == TROUPE_OK ? note_fetch(&share, &key, name) : result;
}

/* The same, and removes it. */
static int note_take(struct actor *actor, uint64_t handle, struct name *name)
{
    struct note_key bytes;
    struct dict_key key;
    struct share share;
    int result = dict_share_find(actor, NAMES_HANDLE, &share);

    note_key_make(handle, &bytes, &key);
    if (result == TROUPE_OK)
        result = note_fetch(&share, &key, name);
    return result == TROUPE_OK ? dict_share_delete(&share, &key, NULL) : result;
}

/* ---- an object's own node --------------------------------------------------------------- */

static int serve_lives(struct actor *actor, const struct request *request, bool last,
                       struct answer *answer, struct bell **bell)
{
    struct record *record;

    (void)last, (void)answer, (void)bell;
    return table_find(actor, request->object, handle_kind(request->object), &record);
}

static int serve_forget(struct actor *actor, const struct request *request, bool last,
                        struct answer *answer, struct bell **bell)
{
    struct name name;
    int result = note_take(actor, request->object, &name);

    (void)last, (void)bell;
    if (result != TROUPE_OK)
        return result;
    answer->data = malloc(name.size);
    if (answer->data == NULL)
        return fail(TROUPE_NO_MEMORY, "no memory for a name of %zu bytes", name.size);
    answer->size = name.size;
    memcpy(answer->data, name.data, name.size);
    return TROUPE_OK;
}

static bool is_foreign(uint64_t handle)
{
    return handle_node(handle) != world_here.node;
}

/* An object of a node that is lost is gone, too. */
static bool object_lives(struct actor *actor, uint64_t handle)
{
    struct request request = { .op = SERVICE_NAMES_LIVES, .object = handle };
    struct record *record;
    struct answer answer;

    if (is_foreign(handle))
        return service_call(actor, handle_node(handle), &request, BELL_NO_WAIT, &answer) ==
               TROUPE_OK;
    return table_find(actor, handle, handle_kind(handle), &record) == TROUPE_OK;
}

static int object_forget(struct actor *actor, uint64_t handle, struct name *name)
{
    struct request request = { .op = SERVICE_NAMES_FORGET, .object = handle };
    struct answer answer;
    int result;

    if (!is_foreign(handle))
        return note_take(actor, handle, name);
    result = service_call(actor, handle_node(handle), &request, BELL_NO_WAIT, &answer);
    if (result == TROUPE_OK && answer.size > sizeof name->data)
        result = TROUPE_MISMATCH;
    if (result == TROUPE_OK) {
        memcpy(name->data, answer.data, answer.size);
        name->size = answer.size;
    }
    free(answer.data);
    return result;
}

/* ---- open and release ------------------------------------------------------------------- */

/* Whether the name that a note of this node tells of leads to the object. Sets *known when that is
 * certain. */
static bool is_named(struct actor *actor, uint64_t handle, bool *known)
{
    struct name name;
    uint64_t found = 0;
    int result = note_look(actor, handle, &name);

    if (result == TROUPE_OK)
        result = troupe_dict_get(names, name_bytes(&name), &found, sizeof found, NULL);
    *known = result == TROUPE_OK || result == TROUPE_NOT_FOUND;
    return result == TROUPE_OK && found == handle;
}

/* Ends what openers of this kind made on this node and died before they had named it. Their claim
 * of the name may still be on its way to the name's home: then the name is a stale one. */
static void orphans_end(struct actor *actor, const struct named *named)
{
    uint64_t index = 0, handle;
    struct name name;
    bool known;

    if (!table_orphans_any(actor, named->kind))
        return;
    while ((handle = table_orphan_next(actor, named->kind, &index)) != 0)
        if (is_named(actor, handle, &known))
            table_orphan_settle(actor, handle);
        else if (known) {
            note_take(actor, handle, &name);
            named->destroy(actor, handle);
        }
}

/* Gives an object that was made the name, which leads to `stale` or, when that is 0, to nothing.
 * TROUPE_DIFFERS when somebody else was sooner, TROUPE_NOT_FOUND when the stale one was released.
 * The stale one's note goes first: nobody would know of it once the name leads elsewhere. */
static int name_claim(struct actor *actor, const struct name *name, uint64_t stale, uint64_t handle)
{
    struct name forgotten;
    int stored = 1, result = note_write(actor, handle, name);

    if (result == TROUPE_OK && stale != 0)
        object_forget(actor, stale, &forgotten);
    if (result == TROUPE_OK)
        result = stale == 0
                     ? troupe_dict_set_default(names, name_bytes(name), handle_bytes(&handle), NULL,
                                               0, NULL, &stored)
                     : troupe_dict_compare_and_set(names, name_bytes(name), handle_bytes(&stale),
                                                   handle_bytes(&handle));
    if (result == TROUPE_OK && !stored)
        result = TROUPE_DIFFERS;
    return result;
}

/* Makes an object and claims the name for it, or ends it again. */
static int claim(struct actor *actor, const struct named *named, const struct name *name,
                 const void *options, uint64_t stale, uint64_t *handle)
{
    struct name forgotten;
    int result;

    table_open_begin(actor, named->kind);
    orphans_end(actor, named);
    result = named->create(actor, options, handle);
    if (result == TROUPE_OK) {
        result = name_claim(actor, name, stale, *handle);
        if (result != TROUPE_OK) {
            note_take(actor, *handle, &forgotten);
            named->destroy(actor, *handle);
        }
    }
    table_open_end(actor);
    return result;
}

int names_open(struct actor *actor, const struct named *named, const char *text,
               const void *options, uint64_t *handle)
{
    uint64_t found, made;
    struct name name;
    int result = name_make(named, text, &name);

    if (result != TROUPE_OK)
        return result;
    do {
        result = troupe_dict_get(names, name_bytes(&name), &found, sizeof found, NULL);
        if (result == TROUPE_OK && object_lives(actor, found)) {
            *handle = found;
            return TROUPE_OK;
        }
        if (result == TROUPE_NOT_FOUND)
            found = 0;
        else if (result != TROUPE_OK)
            return result;
        result = claim(actor, named, &name, options, found, &made);
    } while (result == TROUPE_DIFFERS || result == TROUPE_NOT_FOUND);
    if (result == TROUPE_OK)
        *handle = made;
    return result;
}

void names_release(struct actor *actor, uint64_t handle)
{
    struct name name;

    if (object_forget(actor, handle, &name) == TROUPE_OK)
        dict_compare_and_delete(names, name_bytes(&name), handle_bytes(&handle));
}

/* ---- the node's share ------------------------------------------------------------------- */

int names_format(struct actor *actor)
{
    uint64_t handle;

    return dict_share_create(actor, NAMES_HANDLE, 0, &handle);
}

void names_register(void)
{
    service_register(SERVICE_NAMES_LIVES, serve_lives);
    service_register(SERVICE_NAMES_FORGET, serve_forget);
}
