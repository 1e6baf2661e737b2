# What the tests of whole worlds share: the four ways to run, and a look at what a run left behind.
#
# Other worlds may run on this machine. What belongs to ours is told by a mark in the environment
# (processes), by a temporary folder of our own (files), and by being new while its creator is dead
# (segments, files in /dev/shm).

# shellcheck source=tests/await.bash
. "${BASH_SOURCE[0]%/*}/../await.bash"

world_setup() {
    export TROUPE_LOG=warning WORLD_MARK="world-$$-$RANDOM-$BATS_TEST_NUMBER"
    unset TROUPE_WORKERS TROUPE_ARENA TROUPE_SIMULATED_NODES CUDA_VISIBLE_DEVICES
    mkdir -p "$BATS_TEST_TMPDIR/tmp"
    cd "$BATS_TEST_TMPDIR" || return 1
    examples="$TROUPE_BUILD/examples"
    worlds="$TROUPE_BUILD/tests/world"
    left_before
}

# Runs COMMAND… with our mark and folder, apart from this shell's own environment.
marked() {
    env TMPDIR="$BATS_TEST_TMPDIR/tmp" WORLD_MARKED="$WORLD_MARK" "$@"
}

# as WAY N COMMAND…: on N ranks, started by itself, by the command, or by a plain mpirun.
as() {
    local way=$1 ranks=$2
    shift 2
    case $way in
    self) TROUPE_WORKERS=$ranks marked timeout 120 "$@" ;;
    troupe) marked timeout 120 troupe run -n "$ranks" "$@" ;;
    mpirun) marked timeout 120 mpirun --allow-run-as-root --oversubscribe -n "$ranks" "$@" ;;
    esac
}
ways=(self troupe mpirun)

# Starts it in the background, with the signals' default actions; its pid in $started.
start_as() {
    local way=$1 ranks=$2
    local -a line=("${@:3}") before=(env --default-signal=INT,HUP,QUIT TMPDIR="$BATS_TEST_TMPDIR/tmp"
        WORLD_MARKED="$WORLD_MARK")
    case $way in
    self) before+=(TROUPE_WORKERS="$ranks") ;;
    troupe) before+=(troupe run -n "$ranks") ;;
    mpirun) before+=(mpirun --allow-run-as-root --oversubscribe -n "$ranks") ;;
    esac
    : >out # of the run before, whose lines are not this one's
    "${before[@]}" "${line[@]}" >out 2>err 3>&- &
    started=$!
}

await_line() {
    await grep -q "$1" out
}

# ---- what is left -----------------------------------------------------------------------------

marked_processes() {
    local environment
    for environment in /proc/[0-9]*/environ; do
        { tr '\0' '\n' <"$environment" | grep -qx "WORLD_MARKED=$WORLD_MARK"; } 2>/dev/null || continue
        environment=${environment%/environ}
        echo "${environment#/proc/}"
    done
}

segments() {
    awk 'NR > 1 { print $2, $5 }' /proc/sysvipc/shm
}

left_before() {
    segments >"$BATS_TEST_TMPDIR/segments.before"
    ls -A /dev/shm >"$BATS_TEST_TMPDIR/shm.before"
}

# Segments that are new and whose creator is dead.
orphan_segments() {
    segments | grep -vxFf "$BATS_TEST_TMPDIR/segments.before" | while read -r id creator; do
        [ -d "/proc/$creator" ] || echo "segment $id"
    done
}

new_shared_files() {
    ls -A /dev/shm | grep -vxFf "$BATS_TEST_TMPDIR/shm.before"
}

# Zombies of this shell aside, everything that the run had.
leftovers() {
    local pid
    for pid in $(marked_processes); do
        echo "process $pid: $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null)"
    done
    orphan_segments
    new_shared_files
    find "$BATS_TEST_TMPDIR/tmp" -mindepth 1
}

is_clean() {
    [ -z "$(leftovers)" ]
}

nothing_left() {
    await is_clean || {
        leftovers
        return 1
    }
}
