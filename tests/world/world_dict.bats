#!/usr/bin/env bats
# shellcheck disable=SC2154 # helper.bash sets worlds, examples and ways
# The dict's examples on one node and on two.

bats_require_minimum_version 1.5.0
load helper

setup() {
    world_setup
}

teardown() {
    nothing_left
}

# What the shell's tools count.
words_of() {
    tr 'A-Z' 'a-z' <"$1" | tr -cs 'a-z' '\n' | grep . | LC_ALL=C sort | uniq -c |
        awk '{ print $1, $2 }' | LC_ALL=C sort
}

@test "words: a real text is counted as the shell counts it, in every way and on two nodes" {
    text="$TROUPE_SOURCE/tests/data/texts/gettysburg.txt"
    words_of "$text" >wanted
    grep -qx '13 that' wanted
    for way in "${ways[@]}"; do
        as "$way" 4 "$examples/words" "$text" >lines
        LC_ALL=C sort lines | diff wanted -
    done
    TROUPE_SIMULATED_NODES=2 as troupe 4 "$examples/words" "$text" 8 >lines
    LC_ALL=C sort lines | diff wanted -
}

@test "words: a text that is not there is said, and fails" {
    run as troupe 2 "$examples/words" nowhere.txt
    [ "$status" -eq 1 ]
    [[ "$output" == *"nowhere.txt: No such file"* ]]
    run "$examples/words"
    [ "$status" -eq 2 ]
}

@test "dict, on two nodes: nine keys, and n is 5 or 8" {
    printf '%s\n' '! 9' 'I 7' 'T 2' 'W 0' 'e 1' 'h 3' 'i 4' 'k 6' | sort >wanted
    TROUPE_SIMULATED_NODES=2 as troupe 4 "$examples/dict" >lines
    grep '^{' lines | tr ',' '\n' | sed "s/[{}' ]//g; s/:/ /" | sort >entries
    grep -v '^n' entries | diff wanted -
    grep '^n' entries | grep -qx -e 'n 5' -e 'n 8'
}
