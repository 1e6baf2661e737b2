#!/usr/bin/env bats
# Pools on two simulated nodes whose workers are killed, leaders among them: each result comes once,
# every loss is told, and the run's status is the program's. A rank dies once, so there is a world
# for every few runs. TROUPE_TEST_FULL=1 makes 1 000 runs of each kind, which take an hour or two;
# TROUPE_TEST_SEED=N repeats a run of a seed that a failure has printed.

bats_require_minimum_version 1.5.0
load ../world/helper

PER_WORLD=4 # of six ranks two must stay

setup() {
    world_setup
    export TROUPE_SIMULATED_NODES=2
    seed=${TROUPE_TEST_SEED:-$(date +%s%N)}
}

teardown() {
    nothing_left
}

# world MODE SEED RUNS
world() {
    local status=0 killed
    as troupe 6 "$TROUPE_BUILD/tests/pool/test_pool_leaders" "$@" >out 2>err || status=$?
    killed=$(sed -n 's/^killed \([0-9]*\) ranks$/\1/p' out)
    [ "$status" -eq 0 ] && [ "$(grep -c '^troupe.*: rank [0-9]*, pid .* was ended by signal 9' err)" -eq "$killed" ] ||
        {
            echo "TROUPE_TEST_SEED=$2, $1 of $3 runs: status $status, killed $killed"
            cat out err
            return 1
        }
    total=$((total + killed))
}

# How many runs: USUAL, or 1 000.
runs() {
    if [ -n "${TROUPE_TEST_FULL:-}" ]; then echo 1000; else echo "$1"; fi
}

@test "one worker of ranks on two nodes is killed, a leader every other time" {
    total=0
    for ((run = 0; run < $(runs 8); run += PER_WORLD)); do
        world one $((seed + run)) $PER_WORLD
    done
    [ "$total" -gt 0 ]
}

@test "all workers but one are killed, the leaders among them" {
    total=0
    for ((run = 0; run < $(runs 2); run++)); do
        world most $((seed + run)) 1
    done
    [ "$total" -gt 0 ]
}
