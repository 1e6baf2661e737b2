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
    grep -Eq '(mpirun|prterun) has exited due to process rank' err # the second from Open MPI 5 on
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

@test "a death that was survived is one line, and with --strict status 1" {
    local lost='was ended by signal 9 (Killed)'
    for world in "" TROUPE_SIMULATED_NODES=2; do
        for how in crash "lose 1"; do
            # shellcheck disable=SC2086 # two words
            env $world troupe run -n 4 "$worlds/world_main" $how >out 2>err
            [ "$(grep -cF "$lost" err)" -eq 1 ]
            # shellcheck disable=SC2086
            run --separate-stderr env $world troupe run --strict -n 4 "$worlds/world_main" $how
            [ "$status" -eq 1 ]
            [ "$(grep -cF "$lost" <<<"$stderr")" -eq 1 ]
            [[ "$stderr" == *"says that this is a failure"* ]]
        done
    done
    TROUPE_STRICT=1 TROUPE_WORKERS=2 run "$worlds/world_main" crash
    [ "$status" -eq 1 ]
    run troupe run --strict -n 2 "$worlds/world_main" return 7
    [ "$status" -eq 7 ]
    troupe run --strict -n 2 "$worlds/world_main" return 0
}

@test "a process that somebody asked to end is no loss" {
    troupe run --strict -n 2 "$worlds/world_main" asked 2>err
    ! grep -q 'was ended' err
}

@test "addresses in an argument are told of where that is asked" {
    TROUPE_DEBUG=arguments troupe run -n 2 "$worlds/world_main" pointers >out 2>err
    [ "$(grep -c 'the word at byte 8 of its argument is an address, 0x' err)" -eq 3 ]
    grep -q "on the caller's heap" err
    grep -q "on the caller's stack" err
    grep -q "in the caller's world_main" err
    troupe run -n 2 "$worlds/world_main" pointers >out 2>err
    ! grep -q 'is an address' err
}

@test "a process that the kernel killed for want of memory is told as such" {
    local group=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
    [ -d "$group" ] || { group=/sys/fs/cgroup && limit=memory.max; }
    group+=/troupe-test-$$
    mkdir "$group" 2>/dev/null && [ -w "$group/$limit" ] || skip "no control group for memory here"
    echo 32M >"$group/$limit"
    troupe run -n 2 "$worlds/world_main" eat "$group" >out 2>err || true
    rmdir "$group"
    grep -q '^state 3 signal 9 fresh: .*probably by the kernel for want of memory (OOM)$' out
    grep -q 'was ended by signal 9 (Killed), probably by the kernel for want of memory (OOM)$' err
}
