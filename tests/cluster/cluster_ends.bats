#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets examples and rooms
# What is lost, and what goes on, when a node or its network goes: docs/failure.md. Each loss is
# brought about once, 50 times with TROUPE_TEST_FULL=1, or TROUPE_TEST_ROUNDS times.

bats_require_minimum_version 1.5.0
load helper

setup() {
    # A cluster for each test: some lose a node.
    cluster_setup 2
    cluster_test
    hosts_are node1:2 node2:2
}

teardown() {
    cluster_teardown
}

# Starts ranks that work on both nodes; returns when all four do.
work_begins() {
    rm -f out err # the last round's
    timeout 120 "$BATS_TEST_DIRNAME/ssh" node1 troupe run --hostfile hosts \
        "$rooms/cluster/work" "$@" >out 2>err </dev/null 3>&- &
    run_pid=$!
    await all_work
}

all_work() {
    [ "$(grep -c '^rank [0-9] works on' out 2>/dev/null)" = 4 ]
}

# The run ends within so many seconds, with STATUS.
ends_within() {
    local before=$SECONDS status=0
    wait "$run_pid" || status=$?
    cat out err
    [ "$status" -eq "$2" ]
    [ $((SECONDS - before)) -le "$1" ]
}

# Its memory was what others read: they ask its successor.
@test "a leader that stands still and dies while others read its memory: every get comes back, right" {
    ompi_info --parsable | grep -q '^mca:osc:ucx:' || skip "this Open MPI has no osc/ucx"
    run on node1 env TROUPE_REMOTE_READ=get UCX_TLS=tcp,self \
        troupe run -x TROUPE_REMOTE_READ -x UCX_TLS --hostfile hosts "$rooms/cluster/reads"
    [ "$status" -eq 0 ]
    [[ "$output" == *" gets, 0 wrong, some one-sided before the leader died"* ]]
    [[ "$output" == *"the leader ended by signal 9"* ]]
    nothing_left
}

# often LOSS: as often as asked for; tells of each round, since the last one told is the one that failed.
often() {
    local round rounds=${TROUPE_TEST_ROUNDS:-${TROUPE_TEST_FULL:+50}}
    for ((round = 1; round <= ${rounds:-1}; round++)); do
        echo "round $round"
        "$1"
        nothing_left
    done
    [ "${rounds:-1}" -eq 1 ] || echo "# $1: $rounds rounds" >&3
}

cut_off() {
    work_begins
    cluster cut node2
    ends_within 15 125
    [ "$(grep -c 'node2 does not answer' err)" -eq 1 ]
    nothing_left
    cluster heal node2
}

@test "a node that was cut off: within 15 s the run ends, and says which; nothing stays on either" {
    often cut_off
}

power_off() {
    [ -z "${powerless-}" ] || cluster_setup 2
    powerless=1
    mkdir -p "$TROUPE_CLUSTER/shared"
    work_begins
    cluster kill node2
    ends_within 15 125
    [ "$(grep -c 'node2 does not answer' err)" -eq 1 ]
}

@test "a node whose power went: within 15 s the run ends, and says which" {
    often power_off
}

# A kernel answers for its processes, so a rank may stand still for as long as it likes; thirty
# seconds with TROUPE_TEST_FULL=1.
still() {
    local pause=${TROUPE_TEST_FULL:+28} victim
    work_begins $((${pause:-2} + 4))
    victim=$(awk '/^rank 3 works/ { print $NF }' out)
    cluster inside node2 kill -STOP "$victim"
    cluster cut node2
    sleep 2
    cluster heal node2
    sleep "${pause:-2}"
    cluster inside node2 kill -CONT "$victim"
    ends_within 40 0
    [ "$(grep -c '^rank [0-9] ended: 0' out)" -eq 4 ]
}

@test "a rank that stands still, and a link that is cut for 2 s: nothing is lost" {
    often still
}

# The leader of the second node, alone there: the others give it up, and go on. When it could go on
# it has been ended.
leader_still() {
    local victim
    hosts_are node1:3 node2:1
    work_begins 3
    victim=$(awk '/^rank 3 works/ { print $NF }' out)
    cluster inside node2 kill -STOP "$victim"
    ends_within 40 0
    [ "$(grep -c '^rank [0-2] ended: 0' out)" -eq 3 ]
    grep -q '^rank 3 ended: -1 the node that ran it is lost' out
    grep -q "node 1, node2: nothing was heard of the parent's node" err
}

@test "a leader that stands still for ever: its node ends, the rest goes on, the status is main's" {
    often leader_still
}

leaders_killed() {
    hosts_are node1:4 node2:4
    timeout 120 "$BATS_TEST_DIRNAME/ssh" node1 troupe run --hostfile hosts "$rooms/object/test_leaders" \
        >out 2>err </dev/null || {
        cat out err
        return 1
    }
    grep -q 'PASSED' err out
}

@test "four leaders killed with requests under way: counts and messages come out right" {
    often leaders_killed
}
