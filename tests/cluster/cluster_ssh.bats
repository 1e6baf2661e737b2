#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets examples and rooms
# Programs on several nodes, reached by ssh: what they print is what they print on one. The machines
# that the nodes plan for differ: eight GPUs, none, four, two.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export TROUPE_SILENCE=60
    topologies=$TROUPE_SOURCE/tests/data/topologies
    cluster_setup 4 "$topologies"/{dgx-1,no-gpu,domains,odd-group}.xml
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

# over COUNT COMMAND…: two ranks on each of so many nodes.
over() {
    local nodes
    mapfile -t nodes < <(head -n "$1" "$TROUPE_CLUSTER/nodelist")
    shift
    hosts_are "${nodes[@]/%/:2}"
    TROUPE_LOG=error on node1 troupe run --hostfile hosts "$@"
}

@test "each node is its own machine" {
    for node in node1 node2; do
        [ "$(on "$node" hostname)" = "$node" ]
        on "$node" sh -c 'echo "$0" >"$TMPDIR/mine"; echo "$0" >/dev/shm/mine' "$node"
    done
    [ "$(on node1 sh -c 'cat $TMPDIR/mine /dev/shm/mine; rm $TMPDIR/mine /dev/shm/mine')" = \
        "$(printf 'node1\nnode1')" ]
    on node2 sh -c 'rm $TMPDIR/mine /dev/shm/mine'
    [ "$(on node1 printf '%s|' 'two  words' '$HOME' "it's")" = "two  words|\$HOME|it's|" ]
    run on node9 true
    [ "$status" -eq 1 ]
    [[ "$output" == *"there is no node 'node9'; there are: head node1 node2 node3 node4" ]]
}

@test "a node that was cut does not answer; healed, it does" {
    cluster cut node4
    run on node1 ssh -o ConnectTimeout=1 node4 true
    [ "$status" -eq 255 ]
    cluster heal node4
    await on node1 ssh -o ConnectTimeout=1 node4 true
}

@test "the tutorial's programs on two nodes and on four" {
    for nodes in 2 4; do
        tutorial_works over $nodes
    done
}

@test "further examples on two nodes: as on one" {
    examples_work over 2
}

@test "10 000 tasks of a pool on two nodes and on four" {
    [ "$(over 2 "$rooms/cluster/tasks" 2)" = "10000 of 10000 tasks, on 2 nodes" ]
    [ "$(over 4 "$rooms/cluster/tasks" 4)" = "10000 of 10000 tasks, on 4 nodes" ]
}

@test "the roll call and the probe: every rank on its node" {
    over 4 "$examples/roll_call" >lines
    [ "$(awk '/node[1-4]/ { print $2 }' lines | sort | uniq -c | awk '{ print $1 }' | xargs)" = "2 2 2 2" ]
    hosts_are node1:2 node2:2
    on node1 mpirun --allow-run-as-root --oversubscribe --hostfile hosts -n 4 -x TROUPE_TOPOLOGY= \
        "$(command -v troupe)" probe --seconds 0.05 >lines
    grep -q '4 of 4' lines
}

@test "CUDA_VISIBLE_DEVICES is right for each node's machine" {
    hosts_are node1:8 node2:2 node3:4 node4:3
    TROUPE_LOG=error on node1 troupe run --hostfile hosts \
        sh -c 'echo "$(hostname) ${CUDA_VISIBLE_DEVICES-None}"' | sort >lines
    { planned node1 8; planned node2 2; planned node3 4; planned node4 3; } | sort | diff - lines
    [ "$(grep -c '^node1' lines)" -eq 8 ]
    [ "$(grep '^node3' lines | xargs)" = "node3 0 node3 1 node3 2 node3 3" ]
    [ "$(grep '^node2' lines | sort -u)" = "node2 None" ]
}

@test "from the head, which has no ranks: the status and the input come through" {
    hosts_are node1:1 node2:1
    run on head troupe run --hostfile hosts sh -c 'exit 7'
    [ "$status" -eq 7 ]
}

# Docker's network has the same address on every host: Open MPI would wait there for ever.
@test "networks within a host are left alone, unless somebody names them" {
    for node in node1 node2; do
        cluster inside "$node" sh -c 'ip link add docker0 type bridge &&
            ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up'
    done
    over 2 "$examples/roll_call" | grep '4 of 4'
    hosts_are node1:1 node2:1
    on node1 env OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 \
        troupe run --hostfile hosts "$examples/roll_call" | grep '2 of 2'
    for node in node1 node2; do
        cluster inside "$node" ip link delete docker0
    done
}

@test "nodes whose own names do not resolve: addresses do" {
    echo "127.0.0.1 localhost" >nameless
    for node in node1 node2; do
        cluster inside "$node" mount --bind "$PWD/nameless" /etc/hosts
    done
    run -2 on node1 getent hosts node1
    hosts_are 10.77.0.11:2 10.77.0.12:2
    TROUPE_LOG=error on node1 troupe run --hostfile hosts "$examples/roll_call" | grep '4 of 4'
    for node in node1 node2; do
        cluster inside "$node" umount /etc/hosts
    done
}
