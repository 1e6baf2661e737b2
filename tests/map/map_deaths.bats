#!/usr/bin/env bats
# `troupe map` when somebody dies: the list comes to its end. On two simulated nodes of two ranks.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    unset TROUPE_WORKERS CUDA_VISIBLE_DEVICES
    export TROUPE_ARENA=128M TROUPE_SIMULATED_NODES=2
}

map() {
    troupe map -q -n 4 "$@"
}

# The process of a rank of this test's world: its keeper's child, with a launcher's variables.
rank_pid() {
    local pid parent

    for pid in $(pgrep -x troupe-map); do
        [ "$(readlink "/proc/$pid/cwd")" = "$PWD" ] || continue
        grep -qzx "OMPI_COMM_WORLD_RANK=$1" "/proc/$pid/environ" || continue
        parent=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")
        [ "$(cat "/proc/$parent/comm")" != troupe-map ] || echo "$pid"
    done
}

# deaths RANKS…: a list, in whose middle these ranks are killed.
deaths() {
    local rank started

    seq 50 >list
    map --inputs list --shell 'echo {}; [ {} -lt 5 ] || until [ -e dead ]; do sleep 0.02; done' \
        >out 2>err &
    started=$!
    while [ ! -s out ]; do
        sleep 0.05
    done
    for rank in "$@"; do
        kill -9 "$(rank_pid "$rank")"
    done
    touch dead
    wait "$started"
    cmp list out
}

@test "a worker that dies costs its task one attempt" {
    seq 60 | map --shell 'echo {}.{attempt}; test {}.{attempt} = 30.1 && kill -9 $PPID; true' >out
    seq 60 | sed 's/$/.1/; s/^30.1$/30.2/' | cmp - out
}

@test "every worker dies, one after the other" {
    seq 60 | map --shell 'test $(({} % 10)) = 0 && test {attempt} = 1 && kill -9 $PPID; echo {}' >out
    seq 60 | cmp - out
}

@test "a task that kills its worker three times is given up" {
    status=0
    seq 20 | map --joblog log --shell 'echo {}; test {} = 7 && kill -9 $PPID; true' >out 2>err || status=$?
    [ "$status" -eq 1 ]
    seq 20 | grep -v '^7$' | cmp - out
    grep -q 'task 7 is given up' err
}

@test "a command that its worker leaves behind dies with it" {
    map --shell 'test {attempt} = 1 && { kill -9 $PPID; exec sleep 984; }; echo {}' ::: x >out
    [ "$(cat out)" = x ]
    ! pgrep -x -f 'sleep 984'
}

@test "what a command started dies too, before the next attempt" {
    map --shell 'pgrep -x -f "sleep 982" && echo left; sleep 982 & test {attempt} = 2 || kill -9 $PPID' \
        ::: x >out || true
    [ ! -s out ]
    ! pgrep -x -f 'sleep 982' || false
}

@test "every rank dies, and the workers go on" {
    TROUPE_SIMULATED_NODES=1 deaths 0 1 2 3
}

@test "the leader of a node dies, and its workers go on" {
    deaths 2
}

@test "a whole node is lost, and the others run its tasks" {
    deaths 2 3
    grep -q 'node 1 is lost' err
}
