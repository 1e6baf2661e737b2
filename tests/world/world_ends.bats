#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets worlds, examples and ways
# What comes back when main returns, and when ranks die: statuses, words, and nothing left.

bats_require_minimum_version 1.5.0
load helper

setup() {
    world_setup
}

teardown() {
    nothing_left
}

@test "main's status comes back, by return and by exit without finalize" {
    for way in "${ways[@]}"; do
        for how in return exit; do
            for wanted in 0 7; do
                run as "$way" 2 "$worlds/world_main" "$how" "$wanted"
                [ "$status" -eq "$wanted" ]
            done
        done
    done
}

@test "ranks that are killed: true ends, and the parent's status" {
    printf 'state 3 signal 9\n' >wanted
    for way in self troupe; do
        for _ in 1 2 3; do
            as "$way" 4 "$worlds/world_main" lose 1 >out 2>err
            diff wanted out
            [ "$(grep -c 'was ended by signal 9 (Killed); the world goes on with fewer ranks' err)" -eq 1 ]
        done
    done
}

@test "all ranks but one, and all ranks" {
    for count in 3 4; do
        for way in self troupe; do
            as "$way" 4 "$worlds/world_main" lose "$count" >out 2>err
            [ "$(grep -cx 'state 3 signal 9' out)" -eq "$count" ]
            [ "$(grep -c 'goes on with fewer ranks' err)" -eq "$count" ]
        done
    done
}

@test "killed on two simulated nodes" {
    export TROUPE_SIMULATED_NODES=2
    for way in self troupe; do
        as "$way" 4 "$worlds/world_main" lose 1 >out 2>err
        [ "$(cat out)" = 'state 3 signal 9' ]
    done
}

@test "under a plain mpirun the job goes on, and mpirun says 1 at its end" {
    local number=0
    as mpirun 4 "$worlds/world_main" lose 2 >out 2>err || number=$?
    [ "$(grep -cx 'state 3 signal 9' out)" -eq 2 ]
    [ "$number" -eq 1 ]
    grep -q 'mpirun has exited due to process rank' err
}

@test "attached ranks share, before and after MPI is initialised" {
    for way in troupe mpirun; do
        for when in before after; do
            as "$way" 4 "$worlds/world_attached" $when >out
            [ "$(cat out)" = "4 ranks shared" ]
        done
        TROUPE_SIMULATED_NODES=2 as "$way" 4 "$worlds/world_attached" before >out
        [ "$(cat out)" = "4 ranks shared" ]
    done
}
