#include "launch/map/report/state.h"

static const char *const names[][2] = {
    [MAP_DONE] = { "done", "done" },
    [MAP_FAILED] = { "failed", "failed" },
    [MAP_TIMED_OUT] = { "timed_out", "timed out" },
    [MAP_GIVEN_UP] = { "given_up", "given up" },
    [MAP_SKIPPED] = { "skipped", "skipped" },
};

static const char *name(enum map_state state, int which)
{
    return state >= MAP_DONE && state <= MAP_SKIPPED ? names[state][which] : "unknown";
}

const char *state_name(enum map_state state)
{
    return name(state, 0);
}

const char *state_words(enum map_state state)
{
    return name(state, 1);
}
