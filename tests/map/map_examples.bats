#!/usr/bin/env bats
# The example of docs/map.md, run three times: what is done stays done.

bats_require_minimum_version 1.5.0

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
    export TROUPE_ARENA=256M TROUPE_WORKERS=2
    mkdir files
    seq 10 >"files/one file"
    seq 20 >files/$'two\nlines'
    : >files/none
}

@test "count_lines: counts, and counts only what is new" {
    example=$TROUPE_SOURCE/docs/examples/count_lines.sh
    [ "$(sh "$example" files counts 2>err)" = "30 lines in 3 files" ]
    [ "$(sh "$example" files counts 2>err)" = "30 lines in 3 files" ]
    grep -q '^3 tasks: 0 done, 3 skipped$' err
    seq 5 >files/another
    [ "$(sh "$example" files counts 2>err)" = "35 lines in 4 files" ]
    grep -q '^4 tasks: 1 done, 3 skipped$' err
    [ "$(wc -l <counts.log)" -eq 5 ]
    python3 -c 'import json; json.load(open("counts.json"))'
    [ -s counts.json.svg ]
}
