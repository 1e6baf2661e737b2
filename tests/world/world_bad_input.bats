#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets worlds, examples and ways
# Bad input of every kind: one line that says what, where and what to do; the right status; nothing
# half done, nothing left running.

bats_require_minimum_version 1.5.0
load helper

setup() {
    world_setup
    export TROUPE_LOG=error
}

teardown() {
    nothing_left
}

# fails STATUS TEXT COMMAND…: ends with the status, and says one line that holds the text.
fails() {
    local wanted=$1 text=$2 number=0
    shift 2
    "$@" >said 2>&1 || number=$?
    echo "$*: $number: $(cat said)"
    [ "$number" -eq "$wanted" ]
    [ "$(wc -l <said)" -eq 1 ]
    grep -qF -- "$text" said
}

@test "TROUPE_WORKERS that is no number of workers" {
    for workers in 0 -1 abc 4x; do
        TROUPE_WORKERS=$workers fails 2 "TROUPE_WORKERS $workers is not a number of ranks" \
            marked "$worlds/world_main"
    done
    TROUPE_WORKERS='' marked "$worlds/world_main" # as if it were not set
    TROUPE_WORKERS=1000000 fails 2 "no room for 1000000 ranks" marked "$worlds/world_main"
}

@test "a program that is missing, or not executable" {
    : >plain
    fails 127 "./missing" as troupe 2 ./missing
    fails 126 "./plain" as troupe 2 ./plain
}

@test "no mpirun" {
    TROUPE_MPIRUN=/no/mpirun fails 125 "/no/mpirun" as self 2 "$worlds/world_main"
    mkdir empty
    fails 125 "install Open MPI" marked PATH="$PWD/empty" TROUPE_WORKERS=2 "$worlds/world_main"
}

@test "one-sided reads by a word that is none, and where there is no window" {
    export TROUPE_SIMULATED_NODES=2
    TROUPE_REMOTE_READ=put fails 1 "TROUPE_REMOTE_READ=put is no way to read; write" \
        as troupe 2 "$worlds/world_main"
    OMPI_MCA_shmem=mmap TROUPE_REMOTE_READ=get fails 1 "memory cannot be read one-sidedly: " \
        as troupe 2 "$worlds/world_main"
}

@test "an arena that is larger than memory, too small, or no size" {
    for way in self troupe; do
        TROUPE_ARENA=900T arena_fails "$way" "is larger than the memory"
        TROUPE_ARENA=0 arena_fails "$way" "too small"
        TROUPE_ARENA=4K arena_fails "$way" "too small"
        TROUPE_ARENA=abc arena_fails "$way" "TROUPE_ARENA=abc is no size"
    done
    TROUPE_ARENA=4K run as mpirun 3 "$worlds/world_main" # with mpirun's own words about a status
    [ "$status" -eq 1 ]
    [ "$(grep -c 'too small' <<<"$output")" -eq 1 ]
}

# The parent's main returns 1 after a troupe_init that failed.
arena_fails() {
    fails 1 "troupe: rank 0 on $(hostname): " as "$1" 3 "$worlds/world_main"
    grep -qF -- "$2" said
    [ "$(grep -o "rank 0" said | wc -l)" -eq 1 ]
}

@test "two inits, and attach in a world" {
    run as troupe 2 "$worlds/world_main" again
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "second init: TROUPE_ALREADY: this process called troupe_init before; call troupe_init once, and first" ]
    [ "${lines[1]}" = "attach: TROUPE_ALREADY: this process is in a world already; call troupe_attach once" ]
}

@test "finalize before init, after it, and calls outside a world" {
    run as self 2 "$worlds/world_main" early
    [ "$status" -eq 3 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ "$output" == *"troupe_finalize: there is no world to end; call troupe_init before"* ]]
    [[ "$output" == *"before init: TROUPE_NOT_RUNNING: called before troupe_init; call that first"* ]]
    run as troupe 2 "$worlds/world_main" after
    [ "$status" -eq 0 ]
    [ "$output" = "after finalize: TROUPE_NOT_RUNNING: called after troupe_finalize; call it before" ]
    run as troupe 2 "$worlds/world_main" twice
    [ "$status" -eq 0 ]
    [[ "$output" == *"troupe_finalize: the world was ended before; call it once" ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "calls in a child of a bare fork" {
    run as troupe 2 "$worlds/world_main" fork
    [ "$status" -eq 0 ]
    [[ "$output" == "create in a fork: TROUPE_FORKED: "* ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "handles of another kind, destroyed, never made" {
    for nodes in 1 2; do
        TROUPE_SIMULATED_NODES=$nodes run as troupe 2 "$worlds/world_main" handles
        [ "$status" -eq 0 ]
        [ "${#lines[@]}" -eq 7 ]
        [ "$(grep -c ': TROUPE_BAD_HANDLE: .*;' <<<"$output")" -eq 7 ]
    done
}

@test "starts that cannot be" {
    run as troupe 2 "$worlds/world_main" start
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 6 ]
    [ "$(grep -c ': TROUPE_BAD_ARGUMENT: ' <<<"$output")" -eq 6 ]
    [[ "$output" == *"no rank: TROUPE_BAD_ARGUMENT: place 4711 is no rank of this world; it has 0 to 1"* ]]
}

@test "ranks that run different programs" {
    run marked timeout 60 mpirun -q --allow-run-as-root --oversubscribe \
        -n 1 "$worlds/world_main" : -n 1 "$worlds/world_other"
    [ "$status" -eq 1 ]
    [ "$(grep -c '^troupe: ' <<<"$output")" -eq 1 ]
    [[ "$output" == *"rank 1 on $(hostname) runs another program, or another build of it, than rank 0"* ]]
}

@test "attach below MPI_THREAD_MULTIPLE, outside a launcher, twice" {
    run as mpirun 2 "$worlds/world_attached" low
    [ "$status" -eq 5 ]
    [ "$(grep -c 'MPI_THREAD_MULTIPLE' <<<"$output")" -ge 1 ]
    run as mpirun 2 "$worlds/world_attached" twice
    [ "$status" -eq 0 ]
    [[ "$output" == *"attach: TROUPE_ALREADY"* ]]
    [[ "$output" == *"init: TROUPE_ALREADY"* ]]
    run marked timeout 60 "$worlds/world_attached" before
    [ "$status" -eq 5 ]
    [[ "$output" == *"no launcher started this process"* ]]
}
