#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets rooms
# The suites that elsewhere run on simulated nodes, on two real ones over TCP: the same programs.
# SUITE_ENVIRONMENT may hold further settings for all of them:
#
#   SUITE_ENVIRONMENT="TROUPE_SILENCE=5" bats tests/cluster/cluster_suites.bats

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
    cluster_test
}

teardown() {
    [ -n "$CLUSTER_REASON" ] || nothing_left
}

# suite RANKS PROGRAM [NAME=value…]: half of the ranks on each node.
suite() {
    local settings
    read -ra settings <<<"${SUITE_ENVIRONMENT-}"
    hosts_are node1:$((($1 + 1) / 2)) node2:$(($1 / 2))
    run on node1 env TROUPE_TEST_SHARED="$TROUPE_CLUSTER/shared" UCX_TLS=all "${settings[@]}" "${@:3}" \
        troupe run -x UCX_TLS --hostfile hosts "$rooms/$2"
    echo "status $status: $output" # bats shows it when the test fails
    [ "$status" -eq 0 ]
    [[ "$output" == *"[  PASSED  ]"* && "$output" != *"[  FAILED  ]"* ]]
}

@test "dict: the mix of all calls, and histories" {
    suite 4 object/test_dict_world
    suite 4 object/test_dict_history
}

@test "queue: a crowd, closing, leases" {
    suite 8 object/test_queue_nodes
}

# UCX alone reads between hosts under MPI_THREAD_MULTIPLE, over TCP with the other side's help.
@test "dict: both again, with reads of the other node's memory by UCX" {
    ompi_info --parsable | grep -q '^mca:osc:ucx:' || skip "this Open MPI has no osc/ucx"
    suite 4 object/test_dict_world TROUPE_REMOTE_READ=get UCX_TLS=tcp,self
    suite 4 object/test_dict_history TROUPE_REMOTE_READ=get UCX_TLS=tcp,self
}

@test "list" {
    suite 4 object/test_list_world
}

@test "values of any size" {
    suite 2 object/test_object_large
    suite 4 object/test_bulk_nodes
}

@test "locks, barriers and their like, whose holders die" {
    suite 4 object/test_sync_ends
}

@test "pipes, and waiting for several things" {
    suite 4 object/test_talk_ends
}

@test "calls of callers that die" {
    suite 4 object/test_calls_nodes
}

@test "pool, and workers that die" {
    suite 6 pool/test_pool_nodes
    suite 2 pool/test_pool_deaths
}

@test "process: everywhere, cancelled, terminated, killed, in groups" {
    suite 6 object/test_process_nodes
    suite 4 object/test_process_control
    suite 5 object/test_process_group
}

@test "leaders that die with requests under way" {
    suite 16 object/test_leader_points
}

@test "a node without ranks" {
    suite 6 object/test_node_lost TROUPE_SILENCE=10
}
