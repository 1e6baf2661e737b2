#!/usr/bin/env bats
# `troupe map`: a list of inputs, run. What its parts read and write has tests of its own.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    unset TROUPE_WORKERS CUDA_VISIBLE_DEVICES
    export TROUPE_ARENA=256M
}

map() {
    troupe map -q -n 2 "$@"
}

# fails STATUS WORDS…: the run ends with this status.
fails() {
    local status=0 wanted=$1

    shift
    map "$@" >out 2>err || status=$?
    [ "$status" -eq "$wanted" ] || { echo "status $status"; cat out err; return 1; }
}

@test "outputs come whole and in the order of the list" {
    seq 40 | map --shell 'sleep 0.0$(({} % 5)); echo {}; echo e{} >&2' >out 2>err
    seq 40 | cmp - out
    seq 40 | sed s/^/e/ | cmp - <(grep ^e err)
}

@test "unordered, every output comes once" {
    seq 40 | map --unordered --shell 'sleep 0.0$(({} % 5)); echo {}' >out
    seq 40 | cmp - <(sort -n out)
}

@test "the words that an input may be: blanks, quotes, newlines, broken UTF-8, nothing" {
    printf '%s\0' 'a  b' "it's" '"x"' $'two\nlines' $'\xff\xfe' '' '$HOME `id` \\' '{}' >list
    map -0 --inputs list printf '[%s]' >out
    map -0 --inputs list --shell 'printf "[%s]" {}' >shell
    xargs -0 -n 1 printf '[%s]' <list >wanted
    cmp wanted out
    cmp wanted shell
}

@test "a word as long as the kernel takes, and one beyond it" {
    head -c 131071 /dev/zero | tr '\0' a >long
    map --inputs long sh -c 'printf %s "$1" | wc -c' sh >out
    [ "$(cat out)" -eq 131071 ]
    head -c 1048576 /dev/zero | tr '\0' a >longer
    fails 1 --inputs longer true
    grep -q '128 KiB' err
}

@test "binary output of megabytes passes unchanged" {
    head -c 5000000 /dev/urandom >one
    head -c 300000 /dev/urandom >two
    map cat {} ::: one two one >out
    cat one two one | cmp - out
}

@test "the status counts what failed" {
    fails 0 true ::: 1 2 3
    fails 2 --shell 'exit {}' ::: 0 1 2
    seq 150 >list
    fails 101 --inputs list false
}

@test "a command that is not there" {
    fails 1 --joblog log no-such-command ::: x
    grep -q 'cannot run no-such-command: No such file' err
    [ "$(awk 'NR == 2 { print $7 }' log)" -eq 127 ]
}

@test "the last of several tries is the one that counts" {
    map --retries 3 --shell 'echo {attempt}; test {attempt} -eq 3 #' ::: x >out
    [ "$(cat out)" = 3 ]
    fails 1 --retries 2 false ::: x
}

@test "a timeout ends a command and what it started" {
    fails 1 --timeout 500ms --joblog log --shell 'sleep 987 & sleep 987; #' ::: x
    [ "$(awk 'NR == 2 { print $8 }' log)" -eq 15 ]
    ! pgrep -x -f 'sleep 987'
}

@test "a timeout by the median" {
    fails 1 --timeout 5x --joblog log sleep ::: 0.1 0.1 0.1 0.1 0.1 0.1 986
    [ "$(grep -c 'sleep 986' log)" -eq 1 ]
}

@test "halt" {
    seq 50 >list
    fails 1 --halt soon,fail=1 --joblog log --inputs list --shell 'sleep 0.05; exit $(({} == 2))'
    [ "$(wc -l <log)" -lt 20 ]
    fails 1 --halt now --shell 'test {} = 1 && sleep 985' ::: 1 2
    ! pgrep -x -f 'sleep 985' || false
}

@test "a command has a group and limits of its own, and no input" {
    map --cpu-time 7 --memory 1G --shell 'ulimit -t; ulimit -v; cat #' ::: x <<<'not for it' >out
    [ "$(tr '\n' ' ' <out)" = "7 1048576 " ]
}

@test "places, numbers and columns" {
    printf 'a,1\nb,2\n' | map --colsep , echo '{2}{1}' '{seq}' '{attempt}' >out
    printf '1a 1 1\n2b 2 1\n' | cmp - out
    map --tag echo ::: x y >out
    printf 'x\tx\ny\ty\n' | cmp - out
}

@test "dry run prints the commands, and runs nothing" {
    troupe map --dry-run touch {}.x ::: a 'b c' >out
    printf "touch a.x\ntouch 'b c.x'\n" | cmp - out
    [ ! -e a.x ]
}

@test "outputs in files" {
    map --output-dir results --shell 'echo {}; test {} = b && echo e >&2; true' ::: a b
    [ "$(ls -A results | tr '\n' ' ')" = "1.out 2.err 2.out " ]
    [ "$(cat results/2.out results/2.err | tr '\n' ' ')" = "b e " ]
}

@test "what a journal has is not run again, and a changed list resumes rightly" {
    map --joblog log --output-dir results --shell 'echo {} >>ran; test {} != 3' ::: 1 2 3 || true
    fails 0 --joblog log --output-dir results --resume --shell 'echo {} >>ran; test {} != 3' ::: 0 2 3 1 4
    [ "$(sort ran | tr '\n' ' ')" = "0 1 2 3 4 " ]
    fails 1 --joblog log --output-dir results --resume-failed --shell 'echo {} >>ran; test {} != 3' ::: 4 3
    [ "$(sort ran | tr '\n' ' ')" = "0 1 2 3 3 4 " ]
    [ "$(cat results/*.out | wc -l)" -eq 0 ]
    [ "$(find results -name '*.out' | wc -l)" -eq 5 ]
}

@test "an unfinished journal is not begun anew by mistake, nor another file taken for one" {
    seq 9 >list
    fails 1 --halt now --journal journal --inputs list false
    fails 125 --journal journal --inputs list true
    grep -q -- '--resume' err
    fails 0 --journal journal --resume-failed --inputs list true
    fails 0 --journal journal --inputs list true
    seq 100 >text
    fails 125 --journal text true ::: 1
    [ "$(wc -l <text)" -eq 100 ]
}

@test "a disk that is full stops the run with the reason, and it can be resumed" {
    [ "$(id -u)" -eq 0 ] || skip "only root may mount"
    mkdir small
    mount -t tmpfs -o size=64k none small 2>/dev/null || skip "this place allows no mount"
    seq 3000 >list
    status=0
    map --journal small/journal --inputs list sh -c 'echo $1 >>ran' sh 2>err || status=$?
    cat err
    mount -o remount,size=4m small || { umount small; false; }
    resumed=0
    map --journal small/journal --resume --inputs list sh -c 'echo $1 >>ran' sh 2>resume.err || resumed=$?
    umount small || true
    [ "$status" -eq 125 ]
    grep -q 'No space left on device.*--resume' err
    cat resume.err
    [ "$resumed" -eq 0 ]
    sort -nu ran | cmp - list
    [ "$(wc -l <ran)" -lt 6000 ] # what was recorded has not run again
}

@test "without a command each input is one" {
    printf '%s\n' 'echo "a  b"' 'echo x | cat' 'echo c' >list
    fails 1 --inputs list --joblog log
    printf 'a  b\nc\n' | cmp - out
    grep -q '| at character 8 is for a shell' err
    grep -qP '\t126\t0\techo x \| cat$' log
    map --shell <list >out
    printf 'a  b\nx\nc\n' | cmp - out
}

@test "the job log has a shell's line as it was written" {
    map --joblog log --shell 'echo {} | cat' ::: 'a b'
    grep -qP "\techo 'a b' \| cat$" log
}

@test "a followed list grows while it runs, until it is ended" {
    echo a >list
    map --unordered --follow list echo >out 2>err &
    until grep -qs a out; do sleep 0.05; done
    echo b >>list
    until grep -q b out; do sleep 0.05; done
    echo ::: >>list
    wait $!
    printf 'a\nb\n' | cmp - out
}

@test "what is wrong is said in one line" {
    for words in "--halt never true" "--timeout soon true" "--resume true" "--json true" \
        "--colon true" "--tag --output-dir d true"; do
        status=0
        # shellcheck disable=SC2086 # the words are words
        troupe map $words </dev/null >out 2>err || status=$?
        [ "$status" -eq 2 ]
        [ "$(wc -l <err)" -eq 1 ]
    done
}

# Starts a run in the background, with the signals' default actions, its pid in $started, and waits
# until its first command runs.
start() {
    env --default-signal=INT,HUP troupe map -q -n 2 "$@" >out 2>err 3>&- &
    started=$!
    for _ in $(seq 1500); do
        [ -e begun ] && return 0
        sleep 0.02
    done
    return 1
}

@test "an interrupt lets finish what runs, and the rest is resumed" {
    seq 20 >list
    command='touch begun; sleep 0.3; echo {} >>ran'
    start --journal journal --inputs list --shell "$command"
    kill -INT "$started"
    status=0
    wait "$started" || status=$?
    [ "$status" -eq 130 ]
    [ "$(wc -l <ran)" -eq 2 ]
    map --journal journal --resume --inputs list --shell "$command"
    [ "$(sort -n ran | tr '\n' ' ')" = "$(seq 20 | tr '\n' ' ')" ]
}

@test "a termination ends what runs at once, and it is run again" {
    command='touch begun; [ {attempt} = 2 ] || sleep 983; echo {attempt}'
    start --journal journal --shell "$command" ::: x
    kill -TERM "$started"
    status=0
    wait "$started" || status=$?
    [ "$status" -eq 143 ]
    ! pgrep -x -f 'sleep 983' || false
    map --journal journal --resume --shell "$command" ::: x >out
    [ "$(cat out)" = 2 ]
}

@test "under a plain mpirun, with inputs from its standard input" {
    seq 9 | mpirun --allow-run-as-root --oversubscribe -n 2 troupe map -q echo 2>/dev/null >out
    seq 9 | cmp - out
}
