/* The search. A state is how far each client is, and the value; from it, the next operation is any
 * client's next one that began before all other clients' next ones ended. A state that led nowhere
 * is not tried again. */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
    uint32_t at[HISTORY_CLIENTS];
    uint64_t value;
};

/* States that were tried, by open addressing. A state is stored with its positions plus one, so
 * that an empty place is all zero. */
struct tried {
    struct state *places;
    size_t room, count;
};

struct search {
    const struct history_client *clients;
    struct tried tried;
};

static uint64_t mix(const struct state *state)
{
    uint64_t hash = state->value * 0x9e3779b97f4a7c15u;

    for (int i = 0; i < HISTORY_CLIENTS; i++)
        hash = (hash ^ state->at[i] ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
    return hash ^ hash >> 32;
}

static bool is_empty(const struct state *place)
{
    return place->at[0] == 0;
}

/* True when it was not there before. */
static bool tried_put(struct tried *tried, const struct state *state)
{
    size_t at = mix(state) % tried->room;

    while (!is_empty(&tried->places[at])) {
        if (memcmp(&tried->places[at], state, sizeof *state) == 0)
            return false;
        at = (at + 1) % tried->room;
    }
    tried->places[at] = *state;
    tried->count++;
    return true;
}

static void tried_grow(struct tried *tried)
{
    struct tried grown = { .room = tried->room > 0 ? 2 * tried->room : 1024 };

    grown.places = calloc(grown.room, sizeof *grown.places);
    if (grown.places == NULL) {
        perror("history: memory");
        exit(1);
    }
    for (size_t i = 0; i < tried->room; i++)
        if (!is_empty(&tried->places[i]))
            tried_put(&grown, &tried->places[i]);
    free(tried->places);
    *tried = grown;
}

static bool is_new(struct tried *tried, struct state state)
{
    for (int i = 0; i < HISTORY_CLIENTS; i++)
        state.at[i]++;
    if (2 * tried->count >= tried->room)
        tried_grow(tried);
    return tried_put(tried, &state);
}

/* Whether the operation, at this moment, would have seen what it saw; then value is what it leaves.
 */
static bool apply(const struct history_entry *entry, uint64_t *value)
{
    uint64_t before = *value;

    switch (entry->kind) {
    case HISTORY_GET:
        return entry->saw == before;
    case HISTORY_SET:
        *value = entry->gave;
        return true;
    case HISTORY_POP:
        *value = 0;
        return entry->saw == before;
    case HISTORY_DEFAULT:
        *value = before != 0 ? before : entry->gave;
        return entry->saw == *value;
    case HISTORY_COMPARE:
        if (entry->done)
            *value = entry->gave;
        return entry->done == (before != 0 && before == entry->expected);
    case HISTORY_ADD:
        *value = before + entry->gave;
        return entry->saw == *value;
    }
    return false;
}

static const struct history_entry *next_of(const struct search *search, const struct state *state,
                                           int client)
{
    const struct history_client *its = &search->clients[client];

    return state->at[client] < its->count ? &its->entries[state->at[client]] : NULL;
}

/* Nobody's next operation may come before one that had ended when it began. */
static bool may_be_next(const struct search *search, const struct state *state, int client)
{
    const struct history_entry *entry = next_of(search, state, client);

    for (int other = 0; other < HISTORY_CLIENTS; other++) {
        const struct history_entry *others = next_of(search, state, other);

        if (other != client && others != NULL && others->end < entry->begin)
            return false;
    }
    return true;
}

static bool can_end(struct search *search, const struct state *state)
{
    bool over = true;

    if (!is_new(&search->tried, *state))
        return false;
    for (int client = 0; client < HISTORY_CLIENTS; client++) {
        const struct history_entry *entry = next_of(search, state, client);
        struct state after = *state;

        if (entry == NULL)
            continue;
        over = false;
        after.at[client]++;
        if (may_be_next(search, state, client) && apply(entry, &after.value) &&
            can_end(search, &after))
            return true;
    }
    return over;
}

bool history_is_linearisable(const struct history_client clients[HISTORY_CLIENTS])
{
    struct search search = { .clients = clients };
    struct state begin;
    bool found;

    memset(&begin, 0, sizeof begin);
    found = can_end(&search, &begin);
    free(search.tried.places);
    return found;
}
