#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets rooms
# What docs/scale.md promises: how many messages each kind of operation takes. Signs of life and
# acknowledgements are counted apart, so the figures of calls are exact.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export TROUPE_SILENCE=60
    cluster_setup 2
}

teardown_file() {
    cluster_teardown
}

setup() {
    settings=()
    cluster_test
}

teardown() {
    [ -n "$CLUSTER_REASON" ] || nothing_left
}

# count RUN…: the lines of messages.c, in the file `counts`.
count() {
    TROUPE_LOG=error on node1 env TROUPE_REMOTE_READ=message "${settings[@]}" troupe run -x TROUPE_REMOTE_READ \
        "$@" "$rooms/cluster/messages" "$BATS_TEST_TMPDIR/tally" >counts
    cat counts
}

# counted NAME: its messages for one operation.
counted() {
    awk -v name="$1" '$1 == name { print $3 }' counts
}

@test "a call to another node is two messages, whatever it asks" {
    hosts_are node1:1 node2:1
    count --hostfile hosts
    for name in dict.{set,get,add,set_many,get_many,size,clear,create,destroy} \
        queue.{put,get,put_many,get_many} list.{append,get}; do
        [ "$(counted "$name")" = 2.000 ]
    done
    for name in queue.lease+done lock.acquire+release; do
        [ "$(counted "$name")" = 4.000 ]
    done
    # 64 keys travel together; a head is 126 bytes, a key or value of 8 bytes some 16.
    awk '$1 == "dict.get" || $1 == "dict.set" { small += $4 <= 280 }
        $1 == "dict.get_many" { many = $4 <= 64 * 60 } END { exit !(small == 2 && many) }' counts
    # One acknowledgement for 32 frames, signs of life among them.
    awk '{ messages += $2 * $3; acknowledged += 32 * $2 * $5 }
        END { exit !(acknowledged > 0 && acknowledged <= 1.5 * messages) }' counts
    # Started, its end told; a round is an arrival and a wait; tasks travel in leases of many.
    awk '$1 == "process.start+join" { process = $3 <= 4.2 }
        $1 == "barrier.wait" { barrier = $3 <= 4.2 }
        $1 == "pool.task" { task = $3 <= 0.5 }
        $1 == "world.end" { world = $3 <= 8 }
        END { exit !(process && barrier && task && world) }' counts
}

# A search that began at the first node again for every process would take 7 messages for each here.
# A rank that is not idle again yet is one question more to every node.
@test "to find idle ranks on eight nodes takes two questions for each" {
    settings=(TROUPE_SIMULATED_NODES=8)
    count -n 8
    awk '$1 == "process.start.idle" { found = $2 == 8 && $3 < 6 } END { exit !found }' counts
    # Whom a call asks for one thing, it asks alone.
    for name in dict.{set,get,add} queue.{put,get,put_many,get_many} list.{append,get}; do
        [ "$(counted "$name")" = 2.000 ]
    done
    for name in dict.{set_many,get_many,size,clear,create,destroy}; do
        [ "$(counted "$name")" = 14.000 ]
    done
    awk '$1 == "world.end" { world = $3 <= 56 } END { exit !world }' counts
}
