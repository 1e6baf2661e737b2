# What the tests on a cluster share. Each file has a cluster of its own, up for all its tests.
# shellcheck shell=bash disable=SC2034 # the tests use what is set here

# shellcheck source=tests/await.bash
. "${BASH_SOURCE[0]%/*}/../await.bash"

# cluster_setup K [TOPOLOGY…]: for setup_file, or for setup where each test wants its own. A test that
# is not about silence sets TROUPE_SILENCE before: all nodes share a machine that may stand still.
cluster_setup()
{
    export TROUPE_CLUSTER=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/cluster
    unset TROUPE_WORKERS TROUPE_TOPOLOGY TROUPE_SIMULATED_NODES CUDA_VISIBLE_DEVICES
    CLUSTER_REASON=$(. "$BATS_TEST_DIRNAME/common.bash" && cluster_needs)
    export CLUSTER_REASON
    [ -n "$CLUSTER_REASON" ] || "$BATS_TEST_DIRNAME/up" "$@"
}

# For teardown_file.
cluster_teardown()
{
    "$BATS_TEST_DIRNAME/down"
}

# For setup: skips where there is no cluster.
cluster_test()
{
    [ -z "$CLUSTER_REASON" ] || skip "$CLUSTER_REASON"
    cd "$BATS_TEST_TMPDIR" || return
    mkdir -p "$TROUPE_CLUSTER/shared"
    examples=$TROUPE_BUILD/examples
    rooms=$TROUPE_BUILD/tests
}

# on NODE COMMAND…: by ssh. It never waits longer than a test may take.
on()
{
    timeout 100 "$BATS_TEST_DIRNAME/ssh" "$@" </dev/null
}

# cluster VERB WORD…: cut, heal, kill, delay. Their folder is not on the PATH: some hide other programs.
cluster()
{
    "$BATS_TEST_DIRNAME/$1" "${@:2}"
}

# hosts_are NODE:SLOTS…: the file `hosts`.
hosts_are()
{
    printf '%s\n' "$@" | sed 's/:/ slots=/' >hosts
}

# tutorial_works START…: the tutorial's programs, each started by START… PROGRAM, print what they
# print on one node.
tutorial_works()
{
    "$@" "$examples/processes" | sort | diff <(printf 'WeThinkIn %d\n' {0..9}) -
    "$@" "$examples/queue" >lines
    [ "$(grep -c -E '^(WeThinkIn [0-9]: read|Remain) the queue message from WeThinkIn [0-9]$' lines)" -eq 10 ]
    "$@" "$examples/dict" | grep '^{' | tr -d "{}' " | tr ',' '\n' | sort >lines
    grep -v '^n:' lines | diff <(printf '%s\n' '!:9' I:7 T:2 W:0 e:1 h:3 i:4 k:6 | sort) -
    grep -qx -e n:5 -e n:8 lines
    "$@" "$examples/list" | tail -n 1 | tr -d '[] ' | tr ',' '\n' | sort -n | diff <(seq 0 9) -
}

# The same with further examples, which are started here for comparison.
examples_work()
{
    local line words

    for line in counter "words $TROUPE_SOURCE/README.md" "pipe" "locks"; do
        read -ra words <<<"$line"
        TROUPE_WORKERS=4 TROUPE_LOG=error "$examples/${words[0]}" "${words[@]:1}" </dev/null | sort >one
        "$@" "$examples/${words[0]}" "${words[@]:1}" | sort | diff one -
    done
}

# planned NODE RANKS [MASK]: what each rank is to see: the plan's, for the topology of that node.
planned()
{
    on "$1" env ${3+CUDA_VISIBLE_DEVICES="$3"} troupe plan -n "$2" --json | python3 -c '
import json, sys
for rank in json.load(sys.stdin)["nodes"][0]["ranks"]:
    print(sys.argv[1], rank["cuda_visible_devices"])' "$1"
}

# everywhere SCRIPT: in each node that has power, without a login.
everywhere()
{
    local node

    while read -r node; do
        "$BATS_TEST_DIRNAME/inside" "$node" sh -c "$1"
    done <"$TROUPE_CLUSTER/nodelist"
}

# What a run has left on any node that has power: processes, segments, files. Logins that end aside.
leftovers()
{
    everywhere 'for p in /proc/[0-9]*; do
            case $(tr "\0" " " <"$p/cmdline" 2>/dev/null) in
                "" | sshd* | slurmd\ * | sh\ -c* | tr\ *) ;;
                *) echo "$(hostname): process $(tr "\0" " " <"$p/cmdline" 2>/dev/null)" ;;
            esac
        done
        awk -v host="$(hostname)" "NR > 1 { print host \": segment \" \$2 }" /proc/sysvipc/shm
        find /dev/shm '"$TROUPE_CLUSTER/tmp"' -mindepth 1'
}

is_clean()
{
    [ -z "$(leftovers)" ]
}

nothing_left()
{
    await is_clean || {
        leftovers
        return 1
    }
}
