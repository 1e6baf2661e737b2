#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets rooms
# The suites of the objects, which elsewhere run on simulated nodes, on two real ones over TCP. Those
# that kill a process by its number stay away: a number means nothing on another node.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
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

# suite RANKS PROGRAM: half of the ranks on each node.
suite() {
    hosts_are node1:$(($1 / 2)) node2:$(($1 / 2))
    run on node1 troupe run --hostfile hosts "$rooms/$2"
    [ "$status" -eq 0 ]
    [[ "$output" == *"[  PASSED  ]"* && "$output" != *"[  FAILED  ]"* ]]
}

@test "dict: the mix of all calls" {
    suite 4 object/test_dict_world
}

@test "dict: histories" {
    suite 4 object/test_dict_history
}

@test "list" {
    suite 4 object/test_list_world
}

@test "pool" {
    suite 6 pool/test_pool_nodes
}

@test "process: cancel, terminate, kill" {
    suite 4 object/test_process_control
}
