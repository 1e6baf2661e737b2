#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets examples and rooms, bats stderr
# Programs in the jobs of a real Slurm: by sbatch with `troupe run` inside, and by srun. Its three
# nodes have eight GPUs, eight that are numbered otherwise, and four.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export TROUPE_SILENCE=60
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
    [ -n "$CLUSTER_REASON" ] || see_make
}

# What a rank sees.
see_make() {
    printf '%s\n' '#!/bin/sh' 'echo "$(hostname) ${CUDA_VISIBLE_DEVICES-None}"' >see
    chmod +x see
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

@test "a program that starts itself in a job takes the job's nodes and tasks" {
    script "$rooms/cluster/tasks 2"
    [ "$(job "${two[@]}" --ntasks-per-node=2 script)" = "10000 of 10000 tasks, on 2 nodes" ]
}

@test "a job's line of --dry-run does what it says, also from the login host" {
    script 'troupe run ./see | sort >run' 'eval "$(troupe run --dry-run ./see)" | sort >line'
    job "${two[@]}" --ntasks=4 --gpus-per-task=1 script
    [ "$(wc -l <run)" -eq 4 ]
    diff run line
    on head salloc "${two[@]}" --ntasks-per-node=2 --gpus-per-node=2 troupe run ./see | sort |
        diff <({ planned node1 2 0,1; planned node2 2 0,1; } | sort) -
}

# What all ranks are to see with a GPU each of node1 and node2.
planned_all() {
    { planned node1 8; planned node2 8; } | sort
}

@test "troupe run: each GPU of the job has a rank, however they were asked for" {
    planned_all >all
    script "troupe run ./see"
    job "${two[@]}" "$TROUPE_SOURCE/launch/troupe.sbatch" ./see | sort | diff all -
    for wish in "--ntasks=16 --gpus-per-task=1" "--ntasks=16 --gpus=16" "--gpus=16 --ntasks-per-gpu=1" \
        "--ntasks=16 --gpus-per-node=8" "--ntasks-per-node=8" "--gpus-per-node=8"; do
        read -ra options <<<"$wish"
        echo "$wish"
        job "${two[@]}" "${options[@]}" script | sort | diff all -
    done
    job "${two[@]}" --ntasks=8 --gpus-per-node=2 --ntasks-per-node=4 script | sort |
        diff <({ planned node1 4 0,1; planned node2 4 0,1; } | sort) -
}

@test "srun: each GPU of the job has a rank; what Slurm gave a task stays" {
    planned_all >all
    for wish in "--gpus-per-node=8" ""; do
        on head srun "${two[@]}" --ntasks-per-node=8 ${wish:+"$wish"} --mpi=pmix troupe wrap ./see |
            sort | diff all -
    done
    on head srun "${two[@]}" --ntasks=16 --gpus-per-task=1 --mpi=pmix troupe wrap ./see | sort |
        diff <(printf '%s\n' node{1,2}\ {0..7}) -
    on head srun "${two[@]}" --ntasks-per-node=4 --gpus-per-node=2 --mpi=pmix troupe wrap ./see | sort |
        diff <({ planned node1 4 0,1; planned node2 4 0,1; } | sort) -
}

@test "two jobs side by side on one node share no GPU" {
    script 'touch "begun.$SLURM_JOB_ID"' 'until [ "$(ls begun.* | wc -l)" -eq 2 ]; do sleep 0.05; done' \
        "troupe run ./see" "troupe run $rooms/cluster/tasks 1"
    for i in 1 2; do
        on head sbatch --nodelist=node3 --ntasks=2 --gpus-per-node=2 --wait --output="out.$i" script 3>&- &
    done
    wait
    [ "$(grep -h ^node3 out.* | sort)" = "$(printf 'node3 %d\n' {0..3})" ]
    [ "$(grep -hc '10000 of 10000 tasks, on 1 nodes' out.* | xargs)" = "1 1" ]
}

@test "the status is the parent's: sbatch, srun; a task without PMIx says what to do" {
    script "troupe run $rooms/world/world_main return 7"
    run on head sbatch --wait "${two[@]}" --ntasks=2 script
    [ "$status" -eq 7 ]
    run by_srun "$rooms/world/world_main" return 7
    [ "$status" -eq 7 ]
    run -2 --separate-stderr on head srun "${two[@]}" --ntasks=2 "$rooms/cluster/tasks" 2
    [ "$(grep -c 'write srun --mpi=pmix' <<<"$stderr")" -eq 1 ]
}

# Four ranks have begun; what starts them writes to `out`.
work_begins() {
    await grep -qs 'rank 3 works' out
    [ "$(grep -c '^rank [0-9] works on' out)" -eq 4 ]
}

# rank_dies STATUS START…: one is killed, the others go on to their end.
rank_dies() {
    local status=0

    rm -f out end
    on head "${@:2}" 3>&- &
    work_begins
    cluster inside node2 kill -KILL "$(awk '/^rank 3 works/ { print $NF }' out)"
    touch end
    wait $! || status=$?
    cat out
    [ "$status" -eq "$1" ]
    grep -q '^rank 3 ended: .*signal 9' out
    [ "$(grep -c '^rank [0-2] ended: 0 $' out)" -eq 3 ]
}

# From the login host `troupe run` knows no more than mpirun, which has a status of its own for that.
@test "a rank is killed: the others go on, under srun and under troupe run" {
    work=("$rooms/cluster/work" until end)
    rank_dies 0 srun --output=out "${two[@]}" --ntasks-per-node=2 --mpi=pmix --kill-on-bad-exit=0 "${work[@]}"
    script "troupe run ${work[*]}"
    rank_dies 0 sbatch --wait --output=out "${two[@]}" --ntasks-per-node=2 script
    rank_dies 1 salloc "${two[@]}" --ntasks-per-node=2 sh -c "troupe run ${work[*]} >out"
}

@test "scancel leaves nothing on any node" {
    for start in "troupe run" "srun --mpi=pmix" ""; do
        rm -f out
        script "$start $rooms/cluster/work"
        on head sbatch --parsable --output=out "${two[@]}" --ntasks-per-node=2 script >id
        work_begins
        on head scancel "$(<id)"
        nothing_left
    done
}
