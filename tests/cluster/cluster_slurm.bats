#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets examples and rooms, bats stderr
# Programs in the jobs of a real Slurm: by sbatch with `troupe run` inside, and by srun. Its three
# nodes have eight GPUs, eight that are numbered otherwise, and four.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    topologies=$TROUPE_SOURCE/tests/data/topologies
    cluster_setup 3 "$topologies"/{dgx-1,eight-numa-out-of-order,domains}.xml
    [ -n "$CLUSTER_REASON" ] || CLUSTER_REASON=$("$BATS_TEST_DIRNAME/slurm" needs)
    [ -n "$CLUSTER_REASON" ] || "$BATS_TEST_DIRNAME/slurm" up
}

teardown_file() {
    cluster_teardown
}

setup() {
    cluster_test
    two=(--nodes=2 '--nodelist=node[1-2]')
}

teardown() {
    [ -n "$CLUSTER_REASON" ] || nothing_left
}

# job OPTION… SCRIPT WORD…: submits, waits, prints what the job printed. The status is the job's.
# (sbatch --wait looks every two seconds at first, and then less and less.)
job() {
    on head bash -c '
        id=$(sbatch --parsable --output=out --error=err "$@") || exit
        while [ -n "$(squeue --noheader --jobs="$id" 2>/dev/null)" ]; do sleep 0.1; done
        cat out
        cat err >&2
        exit "$(scontrol --oneliner show job "$id" | sed "s/.* ExitCode=\([0-9]*\):.*/\1/")"' job "$@"
}

# by_srun WORD…: the same without a job of its own.
by_srun() {
    on head srun "${two[@]}" --ntasks-per-node=2 --gpus-per-node=2 --mpi=pmix "$@"
}

# script LINE…: the job's script.
script() {
    printf '%s\n' '#!/bin/bash' "$@" >script
}

# What a program of the tutorial printed in the job.
printed() {
    cat "${1##*/}.out"
}

@test "sbatch and troupe run: the tutorial's programs" {
    script "for program in processes queue dict list; do" \
        "troupe run $examples/\$program >\$program.out; done"
    job "${two[@]}" --ntasks-per-node=2 script
    tutorial_works printed
}

@test "srun: the tutorial's programs, and further examples" {
    tutorial_works by_srun
    examples_work by_srun
}

# Two ranks on each of the three nodes have answered.
all_answered() {
    [ "$(awk '/node[1-3]/ { print $2 }' roll | sort | uniq -c | awk '{ print $1 }' | xargs)" = "2 2 2" ]
    grep -q '6 of 6' probe
}

@test "sbatch and troupe run: 10 000 tasks of a pool, the roll call, the probe" {
    script "troupe run $rooms/cluster/tasks 3" "troupe run $examples/roll_call >roll" \
        "troupe run troupe probe --seconds 0.05 >probe"
    [ "$(job --nodes=3 --ntasks-per-node=2 script)" = "10000 of 10000 tasks, on 3 nodes" ]
    all_answered
}

@test "srun: 10 000 tasks of a pool, the roll call, the probe" {
    two=(--nodes=3)
    [ "$(by_srun "$rooms/cluster/tasks" 3)" = "10000 of 10000 tasks, on 3 nodes" ]
    by_srun "$examples/roll_call" >roll
    by_srun troupe probe --seconds 0.05 >probe
    all_answered
}
