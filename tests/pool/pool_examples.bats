#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets examples and ways
# The tutorial's pool, started by itself, by `troupe run` and by a plain mpirun. The task that kills
# its worker makes a plain mpirun end with a status of its own.

bats_require_minimum_version 1.5.0
load ../world/helper

setup() {
    world_setup
}

teardown() {
    nothing_left
}

@test "pool_map: sums in order, one task again, one failed" {
    echo "TROUPE_FAILED: 17 is the number nobody likes" >wanted
    for i in $(seq 0 19); do
        [ "$i" -eq 17 ] && echo "17: 0" || echo "$i: $((i / 10 + i % 10))"
    done >>wanted
    for way in "${ways[@]}"; do
        status=0
        as "$way" 3 "$examples/pool_map" >lines 2>errors || status=$?
        diff wanted lines
        grep -q "ended by signal 9" errors
        [ "$way" = mpirun ] || [ "$status" -eq 0 ]
    done
}
