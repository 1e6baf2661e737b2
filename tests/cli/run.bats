#!/usr/bin/env bats
# `troupe run`: statuses, usage lines, input, output, signals, and what stays behind: nothing.
# The program `supervised` (tests/job) plays the parent and the ranks.

setup() {
    export TROUPE_LOG=error TMPDIR="$BATS_TEST_TMPDIR"
    PATH="$TROUPE_BUILD/tests/job:$PATH"
    cd "$BATS_TEST_TMPDIR" || return 1
    unset TROUPE_WORKERS
}

# As run, for a command that may well end with 127: newer bats warn of that.
try() {
    status=0
    output=$("$@" 2>&1) || status=$?
    mapfile -t lines <<<"$output"
}

# Waits until FILE has COUNT lines that begin with TEXT. The limit only stops a test that has failed.
await_lines() {
    local file=$1 text=$2 count=$3
    for _ in $(seq 1500); do
        [ "$(grep -c "^$text" "$file" 2>/dev/null)" -ge "$count" ] && return 0
        sleep 0.02
    done
    echo "no $count lines '$text' in $file:"
    cat "$file"
    return 1
}

# Starts a command in the background, with the signals' default actions, its pid in $started.
start() {
    env --default-signal=INT,HUP,QUIT "$@" >out 2>err 3>&- &
    started=$!
}

# Waits for a process that is not this shell's child to end.
await_end() {
    for _ in $(seq 1500); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.02
    done
    echo "process $1 is still there: $(tr '\0' ' ' <"/proc/$1/cmdline")"
    return 1
}

# Nothing of `supervised leave` is left: processes, segments, folders.
nothing_left() {
    local id
    for id in $(awk '/^pid|^launcher/ { print $2 }' out); do await_end "$id"; done
    for _ in $(seq 1500); do
        compgen -G "$TMPDIR/troupe.*" >/dev/null || break
        sleep 0.02
    done
    [ -z "$(compgen -G "$TMPDIR/troupe.*")" ]
    [ -z "$(compgen -G "$TMPDIR/ompi.*")" ]
    for id in $(awk '/^segment/ { print $2 }' out); do
        awk -v id="$id" '$2 == id { found = 1 } END { exit found }' /proc/sysvipc/shm
    done
}

# ---- bad usage: one line, status 2, nothing started ----

usage_line() {
    run troupe run "$@"
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ "$output" == "troupe run: "* ]]
}

@test "a number of ranks that is none: 2 and one line" {
    for n in 0 -1 abc 4x "" 99999999999999999999; do
        usage_line -n "$n" true
        [[ "$output" == *"-n $n is not a number of ranks"* ]]
    done
    TROUPE_WORKERS=many usage_line true
    [[ "$output" == *"TROUPE_WORKERS many"* ]]
}

@test "more ranks than the host has room for: 2 and one line" {
    usage_line -n 1000000 true
    [[ "$output" == *"no room for 1000000 ranks"* ]]
}

@test "options that are wrong: 2 and one line" {
    usage_line --no-such-option true
    usage_line -Z true
    usage_line -n
    [[ "$output" == *"-n needs a value"* ]]
    usage_line
    [[ "$output" == *"say what to run"* ]]
    usage_line --gpu-mode both true
    usage_line --bind thread true
    usage_line --gpus-per-rank 0 true
    usage_line --arena big true
    usage_line -x 1A=2 true
    usage_line -x NOT_SET_HERE true
    usage_line --mpirun-args "'open" true
    usage_line --launcher srun true
    usage_line --launcher aprun true
}

@test "an unknown verb: 2, and the nearest one" {
    run troupe rum
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean troupe run?"* ]]
    [ "${#lines[@]}" -eq 1 ]
}

@test "help and version" {
    run troupe --version
    [ "$status" -eq 0 ]
    [[ "$output" =~ ^troupe\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    run troupe help run
    [ "$status" -eq 0 ]
    [[ "$output" == *"--tag-output"* ]]
    run troupe run --help
    [ "$status" -eq 0 ]
}

@test "the command loads no MPI" {
    run ldd "$(command -v troupe)"
    [ "$status" -eq 0 ]
    [[ "$output" != *libmpi* && "$output" != *libopen-rte* && "$output" != *libpmix* ]]
}

# ---- statuses ----

@test "the program's status comes back" {
    for wanted in 0 7 255; do
        run troupe run -n 2 supervised status $wanted
        [ "$status" -eq $wanted ]
        [ -z "$output" ]
    done
    run troupe run -n 2 sh -c 'exit 7'
    [ "$status" -eq 7 ]
    [ -z "$output" ]
}

@test "a program that a signal ended: 128 + signal" {
    run troupe run -n 2 sh -c 'kill -SEGV $$'
    [ "$status" -eq 139 ]
    run troupe run -n 2 supervised die
    [ "$status" -eq 137 ]
    [ "$output" = "last words" ]
}

@test "a program that is not there: 127; not executable: 126" {
    try troupe run -n 2 ./missing
    [ "$status" -eq 127 ]
    [ "${#lines[@]}" -eq 1 ]
    try troupe run -n 2 no-such-program-anywhere
    [ "$status" -eq 127 ]
    [ "${#lines[@]}" -eq 1 ]
    : >plain
    run troupe run -n 2 ./plain
    [ "$status" -eq 126 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "no mpirun: 125 and the remedy on one line" {
    TROUPE_MPIRUN=/no/mpirun run troupe run -n 2 true
    [ "$status" -eq 125 ]
    [ "${#lines[@]}" -eq 1 ]
    mkdir empty
    ln -s "$(type -P true)" empty/true
    local troupe
    troupe=$(command -v troupe)
    run env PATH="$PWD/empty" "$troupe" run -n 2 true
    [ "$status" -eq 125 ]
    [[ "$output" == *"install Open MPI"* ]]
}

@test "a launch that fails: 125, with what mpirun says" {
    run troupe run --mpirun-args --no-such-mpirun-option -n 2 true
    [ "$status" -eq 125 ]
    [[ "$output" == *no-such-mpirun-option* ]]
}

@test "a program that starts itself: the same statuses" {
    TROUPE_WORKERS=2 run supervised status 7
    [ "$status" -eq 7 ]
    [ -z "$output" ]
    run bash -c 'echo 6 | TROUPE_WORKERS=2 supervised prompt'
    [ "$status" -eq 6 ]
    [ "$output" = "number? got 6" ]
}

@test "a lingering mpirun is ended, and the parent's status stands" {
    run troupe run -n 2 supervised linger
    [ "$status" -eq 0 ]
}

# ---- input and output ----

@test "standard input reaches the parent, or rank 0, to its end" {
    run bash -c 'echo 5 | troupe run -n 2 supervised prompt'
    [ "$status" -eq 5 ]
    [ "$output" = "number? got 5" ]
    head -c 1000000 /dev/urandom >bytes
    troupe run -n 3 cat <bytes >copy
    cmp bytes copy
    run troupe run -n 2 cat </dev/null
    [ "$status" -eq 0 ]
    run bash -c 'troupe run -n 2 cat <&-'
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    run bash -c 'troupe run -n 2 supervised status 3 <&- >&- 2>&-'
    [ "$status" -eq 3 ]
}

@test "lines of eight writers, short and long, in pieces, of any bytes, never mix" {
    troupe run -n 8 supervised lines 200 >file
    supervised check 8 200 <file
    troupe run -n 8 supervised lines 200 | supervised check 8 200
}

@test "the check does find a torn line" {
    troupe run -n 2 supervised lines 5 >file
    LC_ALL=C sed -i '3s/^./&\n/' file
    run supervised check 2 5 <file
    [ "$status" -eq 1 ]
}

@test "what was written before a sync is printed before what comes after it" {
    mkfifo to_rank to_parent
    timeout 60 troupe run -n 2 supervised turns 100 to_rank to_parent >turns
    grep -v raw turns >order
    for turn in $(seq 0 99); do printf '%s parent\n%s rank\n' "$turn" "$turn"; done >wanted
    diff wanted order
    [ "$(grep -c raw turns)" -eq 100 ]
}

@test "a forked child's lines come, in order before a sync, also the last ones of one that is killed" {
    for together in "" 2\>\&1; do
        eval "timeout 60 troupe run --tag-output -n 1 supervised children 100 $together" >all 2>error
        grep -E 'parent|child' all | cut -d' ' -f3- | diff <(seq 0 99 | sed 's/.*/& parent\n& child/') -
        grep 'last words' all | cut -d' ' -f5 | sort -n | diff <(seq 0 99) -
        cat all error | grep 'aside' | cut -d' ' -f3 | diff <(seq 0 99) -
    done
}

@test "output and error of one rank keep their order on one terminal or file" {
    troupe run -n 1 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done' >both 2>&1
    for i in 1 2 3 4 5 6 7 8 9; do printf 'o%s\ne%s\n' $i $i; done | diff - both
    troupe run -n 1 sh -c 'echo o; echo e >&2' >only_out 2>only_err
    [ "$(cat only_out)" = o ]
    [ "$(cat only_err)" = e ]
}

@test "the last line keeps its missing newline" {
    troupe run -n 1 printf abc >text
    [ "$(od -An -c text | tr -d ' ')" = abc ]
    troupe run -n 3 printf abc >text
    [ "$(wc -l <text)" -eq 2 ]
}

@test "--tag-output names rank and host on every line" {
    run troupe run --tag-output -n 2 sh -c 'printf "x\ny\n"'
    [ "$status" -eq 0 ]
    [ "$(grep -c "^\[0 $(hostname)\] [xy]$" <<<"$output")" -eq 2 ]
    [ "$(grep -c "^\[1 $(hostname)\] [xy]$" <<<"$output")" -eq 2 ]
    run troupe run --tag-output -n 2 supervised status 0
    run troupe run --tag-output -n 2 supervised die
    [ "$output" = "[parent $(hostname)] last words" ]
}

@test "--output-dir writes a file for each rank" {
    run troupe run --output-dir logs -n 2 sh -c 'echo out $OMPI_COMM_WORLD_RANK; echo err >&2'
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$(cat logs/rank-1.out)" = "out 1" ]
    [ "$(cat logs/rank-0.err)" = err ]
    : >occupied
    run troupe run --output-dir occupied -n 1 true
    [ "$status" -eq 125 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "a reader that leaves ends the writers, as in a shell" {
    run timeout 60 bash -c 'troupe run -n 2 yes | head -n 1'
    [ "$status" -eq 0 ]
    [ "$output" = y ]
}

@test "a reader that waits stops nothing for ever" {
    troupe run -n 4 supervised lines 200 | { sleep 1; supervised check 4 200; }
}

@test "-x and --arena reach the ranks, and nothing goes through a shell" {
    KEPT=kept run troupe run -n 1 -x 'A=$(id) "b' -x KEPT --arena 64M \
        sh -c 'printf "%s|%s|%s|%s\n" "$A" "$KEPT" "$TROUPE_ARENA" "$1"' sh 'x y;*'
    [ "$output" = '$(id) "b|kept|64M|x y;*' ]
}

@test "the user's TMPDIR and working folder reach the program" {
    run troupe run -n 1 sh -c 'echo "$TMPDIR $PWD"'
    [ "$output" = "$TMPDIR $PWD" ]
}

@test "the program's own options are not ours" {
    run troupe run -n 1 echo -n 3 --dry-run
    [ "$output" = "3 --dry-run" ]
    run troupe run -n 1 -- echo -x
    [ "$output" = "-x" ]
}

@test "--dry-run prints a line that works, and runs nothing" {
    troupe run --dry-run -n 2 -x "A=b c" sh -c 'echo "<$A>" >>ran' >line
    [ ! -e ran ]
    [ "$(wc -l <line)" -eq 1 ]
    sh ./line
    [ "$(sort ran)" = "$(printf '<b c>\n<b c>')" ]
}

@test "-v says what is executed, on standard error" {
    troupe run -v -n 1 true 2>said
    grep -q "mpirun.* -n 1 " said
}

@test "as root it says so once, and not when errors alone are asked for" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    TROUPE_LOG=warning run troupe run -n 3 true
    [ "$(grep -c "running as root" <<<"$output")" -eq 1 ]
    TROUPE_LOG=error run troupe run -n 3 true
    [ -z "$output" ]
}

@test "a run inside a run has a world of its own" {
    run troupe run -n 1 troupe run -n 2 sh -c 'echo of $OMPI_COMM_WORLD_SIZE'
    [ "$status" -eq 0 ]
    [ "$output" = "$(printf 'of 2\nof 2')" ]
}

@test "the status and input of a world that a rank starts by mpirun are not the run's" {
    cat >script <<'END'
for name in $(env | sed -n 's/^\(\(OMPI\|PMIX\|PMI\)_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun --oversubscribe -n 2 supervised status 3 </dev/null >/dev/null 2>&1
echo "inner $?"
read -r word
echo "read $word"
exit 4
END
    run bash -c 'echo mine | troupe run -n 1 sh script'
    [ "$status" -eq 4 ]
    [ "$output" = "$(printf 'inner 3\nread mine')" ]
}

# ---- signals ----

@test "signals reach the parent, whose handler decides" {
    local number
    for name in INT TERM HUP USR1 USR2; do
        start troupe run -n 2 supervised handled
        await_lines out ready 1
        kill -$name "$started"
        number=0
        wait "$started" || number=$?
        [ "$number" -eq $((40 + $(kill -l $name))) ]
    done
}

@test "signals reach the parent, whose default action gives 128 + signal" {
    local number
    for name in INT TERM HUP USR1 USR2; do
        start troupe run -n 2 supervised default
        await_lines out ready 1
        kill -$name "$started"
        number=0
        wait "$started" || number=$?
        [ "$number" -eq $((128 + $(kill -l $name))) ]
    done
}

@test "signals reach every rank of a plain command" {
    local number=0
    start troupe run -n 2 bash -c 'trap "echo trapped; exit 9" INT; echo ready; while :; do sleep 0.02; done'
    await_lines out ready 2
    kill -INT "$started"
    wait "$started" || number=$?
    [ "$number" -eq 9 ]
    [ "$(grep -c trapped out)" -ge 1 ]
}

@test "SIGINT ends a script that waits for a program, as in a terminal" {
    local number=0
    start troupe run -n 2 bash -c 'echo ready; sleep 1000; echo never'
    await_lines out ready 2
    kill -INT "$started"
    wait "$started" || number=$?
    [ "$number" -eq 130 ]
    [ "$(cat out)" = "$(printf 'ready\nready')" ]
}

@test "on a terminal: a prompt stands at once, the answer comes back, Ctrl-C ends it" {
    command -v script || skip "needs util-linux's script"
    mkfifo keys
    env --default-signal=INT,QUIT script -qefc "troupe run -n 2 supervised prompt" screen <keys >/dev/null 3>&- &
    exec 4>keys
    await_lines screen "number? " 1
    echo 4 >&4
    number=0
    wait $! || number=$?
    exec 4>&-
    [ "$number" -eq 4 ]
    env --default-signal=INT,QUIT script -qefc "troupe run -n 2 supervised default" screen <keys >/dev/null 3>&- &
    exec 4>keys
    await_lines screen ready 1
    printf '\003' >&4
    number=0
    wait $! || number=$?
    exec 4>&-
    [ "$number" -eq 130 ]
}

@test "a second SIGINT ends what ignores the first" {
    local number=0
    start troupe run -n 2 supervised leave
    await_lines out launcher 2
    kill -INT "$started"
    await_lines out launcher 2
    sleep 0.2
    kill -INT "$started"
    wait "$started" || number=$?
    [ "$number" -eq 130 ]
    nothing_left
}

@test "a signal before the ranks are there ends the start" {
    local number=0
    cat >slow-mpirun <<'END'
#!/bin/sh
echo started >&2
exec sleep 1000
END
    chmod +x slow-mpirun
    TROUPE_MPIRUN=$PWD/slow-mpirun start troupe run -n 2 true
    await_lines err started 1
    kill -TERM "$started"
    wait "$started" || number=$?
    [ "$number" -eq 143 ]
    nothing_left
}

# ---- nothing stays behind ----

@test "after a run that ended well nothing is left" {
    troupe run -n 2 sh -c 'sleep 1000 >/dev/null & echo pid $!' >out
    nothing_left
}

@test "after SIGKILL of the supervisor nothing is left" {
    start troupe run -n 2 supervised leave
    await_lines out launcher 2
    kill -KILL "$started"
    wait "$started" || true
    nothing_left
}

@test "after SIGKILL of a program that started itself nothing is left" {
    TROUPE_WORKERS=2 start supervised leave
    await_lines out launcher 2
    kill -KILL "$started"
    wait "$started" || true
    nothing_left
}

@test "after SIGKILL of mpirun nothing is left, and one line says so" {
    local number=0
    start troupe run -n 2 supervised leave
    await_lines out launcher 2
    kill -KILL "$(awk '/^launcher/ { print $2; exit }' out)"
    wait "$started" || number=$?
    [ "$number" -eq 125 ]
    [ "$(wc -l <err)" -eq 1 ]
    grep -q "mpirun was killed by signal 9" err
    nothing_left
}

@test "after SIGKILL of the janitor the supervisor cleans up itself" {
    local number=0
    start troupe run -n 2 supervised leave
    await_lines out launcher 2
    kill -KILL "$(awk '/^PPid/ { print $2 }' "/proc/$(awk '/^launcher/ { print $2; exit }' out)/status")"
    wait "$started" || number=$?
    [ "$number" -eq 125 ]
    nothing_left
}

@test "the janitor is not found by the program's name" {
    start troupe run -n 2 supervised leave
    await_lines out launcher 2
    janitor=$(awk '/^PPid/ { print $2 }' "/proc/$(awk '/^launcher/ { print $2; exit }' out)/status")
    [ "$(cat "/proc/$janitor/comm")" = janitor ]
    [ "$(tr '\0' ' ' <"/proc/$janitor/cmdline" | grep -c -e troupe -e supervised)" -eq 0 ]
    kill -KILL "$started"
    wait "$started" || true
    nothing_left
}

@test "the word : reaches a command, though mpirun begins another program at it" {
    try troupe run -n 1 echo a : colon b
    [ "$status" -eq 0 ]
    [ "$output" = "a : colon b" ]
}
