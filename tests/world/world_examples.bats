#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets worlds, examples and ways
# The tutorial's programs, each in the three ways that one host has: started by itself, by
# `troupe run`, by a plain mpirun. And on 64 ranks.

bats_require_minimum_version 1.5.0
load helper

setup() {
    world_setup
}

teardown() {
    nothing_left
}

@test "processes: ten lines, each once, in any order" {
    for i in 0 1 2 3 4 5 6 7 8 9; do echo "WeThinkIn $i"; done >wanted
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/processes" >lines
        sort lines | diff wanted -
    done
}

# A plain mpirun prints the lines of different processes in an order of its own.
keeps_order() {
    [ "$1" != mpirun ]
}

@test "queue: reads and remains are ten" {
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/queue" >lines
        [ "$(grep -c -E '^(WeThinkIn [0-9]: read|Remain) the queue message from WeThinkIn [0-9]$' \
            lines)" -eq 10 ]
        [ "$(wc -l <lines)" -eq 11 ]
        ! keeps_order "$way" || [ "$(sed '1,/^############$/d' lines | grep -vc '^Remain')" -eq 0 ]
        [ "$(sed 's/.*message from //' lines | grep -v '#' | sort -u | wc -l)" -eq 10 ]
    done
}

# Each target ends within the pause, unless the machine stands still for as long; then it is as
# right for two to have found nothing.
@test "queue, started apart: nine reads, and one remains" {
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/queue" 300 >lines
        [ "$(grep -c ': read the queue message' lines)" -eq 9 ]
        grep -qx 'Remain the queue message from WeThinkIn 9' lines
        ! keeps_order "$way" || [ "$(tail -n 2 lines | head -n 1)" = "############" ]
    done
}

# "{'W': 0, …}" as one "W 0" a line.
entries() {
    grep '^{' "$1" | tr ',' '\n' | sed "s/[{}' ]//g; s/:/ /" | sort
}

@test "dict: nine keys, and n is 5 or 8" {
    printf '%s\n' '! 9' 'I 7' 'T 2' 'W 0' 'e 1' 'h 3' 'i 4' 'k 6' | sort >wanted
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/dict" >lines
        [ "$(head -n 1 lines)" = "############" ]
        entries lines | grep -v '^n' | diff wanted -
        entries lines | grep '^n' | grep -qx -e 'n 5' -e 'n 8'
    done
}

@test "list: ten numbers, each once, in any order" {
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/list" >lines
        [ "$(head -n 1 lines)" = "############" ]
        tail -n 1 lines | tr -d '[] ' | tr ',' '\n' | sort -n | diff <(seq 0 9) -
    done
}

@test "counter: no addition is lost, on one node and on two" {
    printf '%s\n' 'count: 20000' 'sum of halves: 10000.0' >wanted
    as self 10 "$examples/counter" 2000 | diff wanted -
    TROUPE_SIMULATED_NODES=2 as troupe 10 "$examples/counter" 2000 | diff wanted -
}

@test "dict, started apart: the later writer of n wins" {
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/dict" 300 >lines
        [ "$(entries lines | wc -l)" -eq 9 ]
        entries lines | grep -qx 'n 8'
    done
}

@test "leases: a worker dies, and every task is done" {
    for i in 0 1 2 3 4 5; do
        echo "$i squared is $((i * i)), attempt $((i == 3 ? 2 : 1))"
    done >wanted
    for way in "${ways[@]}"; do
        as "$way" 3 "$examples/leases" >lines
        diff wanted lines
    done
}

@test "devices: exported, in front of the command, and set by the program" {
    for rank in 0 1 2 3; do echo "rank $rank: CUDA_VISIBLE_DEVICES = 0,1"; done >wanted
    command -v nvidia-smi >/dev/null && skip "with GPUs each rank sees its own of them"
    for way in "${ways[@]}"; do
        (
            export CUDA_VISIBLE_DEVICES=0,1
            as "$way" 4 "$examples/devices"
        ) | sort | diff wanted -
        CUDA_VISIBLE_DEVICES=0,1 as "$way" 4 "$examples/devices" | sort | diff wanted -
        as "$way" 4 "$examples/devices" 0,1 | sort | diff wanted -
        as "$way" 4 "$examples/devices" >lines
        [ "$(grep -c 'is not set$' lines)" -eq 4 ]
    done
}

@test "spawn and fork: what each method sees" {
    printf '%s\n' 'fork: variable 2, library loaded, file open' \
        'spawn: variable 1, library not loaded, file not open' \
        'rank: variable 1, library not loaded, file not open' 'main: variable 2' >wanted
    for way in "${ways[@]}"; do
        as "$way" 2 "$examples/spawn_and_fork" >lines
        diff wanted lines
    done
}

@test "crash: true ends, and main goes on" {
    for way in "${ways[@]}"; do
        as "$way" 2 "$examples/crash" >lines
        head -n 1 lines | diff <(echo 'sentence: exit code 1: no model in /data') -
        sed -n '2,3p' lines | grep -q '^call: exit code 2: its last failed call said: .* handle'
        sed -n '3,$p' lines | diff <(printf '%s\n' 'exit: exit code 3' 'abort: signal 6 (Aborted)' \
            'address: signal 11 (Segmentation fault)' 'for ever: signal 9 (Killed)' 'main goes on') -
    done
}

@test "the queue and the dict by each start method" {
    for method in rank fork spawn; do
        TROUPE_START_METHOD=$method as troupe 2 "$examples/queue" 0 10 >lines
        [ "$(grep -c -E '^(WeThinkIn [0-9]: read|Remain) the queue message' lines)" -eq 10 ]
        TROUPE_START_METHOD=$method as troupe 2 "$examples/dict" >lines
        [ "$(entries lines | wc -l)" -eq 9 ]
    done
}

@test "roll call: every rank once" {
    for way in "${ways[@]}"; do
        as "$way" 10 "$examples/roll_call" >lines
        seq 0 9 >wanted
        sed '1d; $d' lines | awk '{ print $1 }' | diff wanted -
        [ "$(tail -n 1 lines)" = "10 of 10 ranks are present" ]
        [ "$(sed '1d; $d' lines | awk '{ print $3 }' | sort -u | grep -c '^[0-9]*$')" -eq 10 ]
    done
}

@test "pipe: nine answers, and each file ends, the killed one's too" {
    for way in "${ways[@]}"; do
        as "$way" 2 "$examples/pipe" >lines
        [ "$(grep -c '^answer ' lines)" -eq 9 ]
        grep -qx '9 answers' lines
        grep -qx 'process 0: exit code 0, signal 0' lines
        grep -qx 'process 1: exit code -1, signal 9' lines
    done
}

@test "locks: the sum is whole, and a holder's death is told" {
    for way in "${ways[@]}"; do
        as "$way" 4 "$examples/locks" >lines
        printf '%s\n' 'the last holder died' 'sum 4000' | diff - lines
    done
}

@test "64 ranks: queue and dict are right" {
    local began=$SECONDS
    as troupe 64 "$examples/queue" 0 64 >lines
    echo "# queue on 64 ranks: $((SECONDS - began)) s" >&3
    [ "$(grep -c -E '^(WeThinkIn [0-9]+: read|Remain) the queue message' lines)" -eq 64 ]
    [ "$(sed 's/.*message from //' lines | grep -v '#' | sort -u | wc -l)" -eq 64 ]
    began=$SECONDS
    as troupe 64 "$examples/dict" 0 64 >lines
    echo "# dict on 64 ranks: $((SECONDS - began)) s" >&3
    [ "$(entries lines | wc -l)" -eq 63 ] # n twice
    for i in $(seq 10 63); do entries lines | grep -qx "$i $i"; done
}

@test "group: four ranks add up pi by MPI, and all or none begin" {
    for i in 0 1 2 3; do echo "$i of 4: pi is about 3.141593"; done >wanted
    echo "0 of 4 failed" >>wanted
    for way in "${ways[@]}"; do
        as "$way" 4 "$examples/group" >lines
        sort lines | diff <(sort wanted) -
    done
    TROUPE_SIMULATED_NODES=2 as troupe 4 "$examples/group" >lines
    sort lines | diff <(sort wanted) -
    run --separate-stderr as troupe 3 "$examples/group"
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"a group of 4; this world has ranks for 1 to 3"* ]]
}
