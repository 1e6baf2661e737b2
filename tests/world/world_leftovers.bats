#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets worlds, examples and ways
# After a run that was ended from outside, whoever was killed, nothing remains: no process, no
# segment, no file of ours or of Open MPI's. Every rank is blocked in a get at that moment, and the
# last one has a fork and a fresh process that are, too.

bats_require_minimum_version 1.5.0
load helper

setup() {
    world_setup
}

teardown() {
    [ -z "${started:-}" ] || kill -KILL "$started" 2>/dev/null || true
}

# Starts a world of four ranks that stays.
stay_as() {
    start_as "$1" 4 "$worlds/world_main" stay
    await_line '^parent'
    launcher=$(awk '/^launcher/ { print $2 }' out)
    parent=$(awk '/^parent/ { print $2 }' out)
}

# Its end, in $number, and nothing left.
gone() {
    number=0
    wait "$started" || number=$?
    started=
    nothing_left
}

@test "the look at what is left finds a process, a segment and a file" {
    stay_as troupe
    [ "$(leftovers | grep -c '^process')" -ge 9 ]
    kill -KILL "$started"
    gone
    : >tmp/file
    [ "$(leftovers)" = "$BATS_TEST_TMPDIR/tmp/file" ]
    rm tmp/file
    ipcmk -M 4096 >made
    local id
    id=$(awk '{ print $NF }' made)
    [ "$(orphan_segments)" = "segment $id" ]
    ipcrm -m "$id"
    is_clean
}

@test "SIGINT and SIGTERM" {
    for way in "${ways[@]}"; do
        for name in INT TERM; do
            stay_as "$way"
            kill -"$name" "$started"
            gone
            [ "$number" -ne 0 ]
            [ "$way" = mpirun ] || [ "$number" -eq $((128 + $(kill -l "$name"))) ]
        done
    done
}

@test "SIGKILL of the supervisor, or of a plain mpirun" {
    for way in "${ways[@]}"; do
        stay_as "$way"
        kill -KILL "$started"
        gone
        [ "$number" -eq 137 ]
    done
}

@test "SIGKILL of mpirun below a supervisor" {
    for way in self troupe; do
        stay_as "$way"
        kill -KILL "$launcher"
        gone
        [ "$number" -eq 125 ]
        grep -q 'mpirun was killed by signal 9' err
    done
}

@test "SIGKILL of the parent" {
    for way in "${ways[@]}"; do
        stay_as "$way"
        kill -KILL "$parent"
        gone
        [ "$number" -eq 137 ]
    done
}

@test "SIGKILL of another keeper" {
    for way in "${ways[@]}"; do
        stay_as "$way"
        kill -KILL "$(pgrep -P "$launcher" | grep -vx "$parent" | head -n 1)"
        gone
        [ "$number" -eq 137 ]
    done
}
