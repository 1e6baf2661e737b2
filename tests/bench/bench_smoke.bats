#!/usr/bin/env bats
# `troupe bench`: every bench in its short form, the report's form, and what is said of bad words.

setup()
{
    here=$(mktemp -d)
    schema=$BATS_TEST_DIRNAME/schema.py
}

teardown()
{
    rm -rf "$here"
}

# refused WORDS…: status 2, nothing on standard output, one line on standard error.
refused()
{
    local status=0

    troupe bench "$@" >"$here/out" 2>"$here/err" || status=$?
    [ "$status" -eq 2 ]
    [ ! -s "$here/out" ]
    [ "$(wc -l <"$here/err")" -eq 1 ]
}

@test "every bench runs and reports as the schema says" {
    troupe bench --short --json >"$here/report" 2>"$here/err"
    troupe bench --list | awk '{ print $1 }' >"$here/names"
    sed -n 's/^troupe bench: \(.*\) has no value: not on this machine: .*/\1/p' "$here/err" \
        >"$here/absent"
    sed -n 's/^troupe bench: \(.*\) has no baseline: not on this machine: .*/\1/p' "$here/err" \
        >"$here/alone"
    python3 "$schema" "$here/report" --complete --absent "$here/absent" --alone "$here/alone" \
        --names "$here/names"
}

@test "without a GPU what needs one is null, which is said, and is no failure" {
    TROUPE_CUDA_LIBRARY=$here/none troupe bench kernel.launch gpu kernel.stream.shared4 --short \
        --json >"$here/report" 2>"$here/err"
    printf '%s\n' kernel.stream.shared4 kernel.launch gpu.copy.h2d >"$here/names"
    python3 "$schema" "$here/report" --complete --absent "$here/names" --names "$here/names"
    # "no CUDA driver here", or, of a library built without nvcc, "no code for a GPU".
    [ "$(grep -c 'has no value: not on this machine: ..*' "$here/err")" -eq 3 ]
}

@test "several samples give a spread, names choose, in any order with options" {
    troupe bench process.start_join.rank --short --repeat 3 --json world.self_start >"$here/report"
    printf '%s\n' process.start_join.rank world.self_start >"$here/names"
    python3 "$schema" "$here/report" --complete --names "$here/names" --runs 3
}

@test "the schema finds what is planted in a report" {
    local plant

    troupe bench process.start_join.rank --short --json >"$here/report"
    printf 'process.start_join.rank\n' >"$here/names"
    python3 "$schema" "$here/report" --complete --names "$here/names"
    for plant in 's/"schema": 1/"schema": 2/' '/"runs"/d' 's/"ratio": /&9/' 's/"value": .*/"value": null,/' \
        's/"value_min": /&9/' 's/"unit": .*/"unit": 5,/' 's/"cores": .*/"cores": "two",/' 's/start_join/other/'; do
        sed "$plant" "$here/report" >"$here/planted"
        run python3 "$schema" "$here/planted" --complete --names "$here/names"
        printf '%s: %s\n' "$plant" "$output"
        [ "$status" -eq 1 ]
    done
}

@test "the beginning of names chooses them all" {
    run troupe bench --list process.start_join
    [ "$status" -eq 0 ]
    [ "$(awk '{ print $1 }' <<<"$output")" = \
        "$(printf 'process.start_join.%s\n' rank fork spawn)" ]
}

@test "people get one line for each bench below a heading" {
    troupe bench dict.miss --short >"$here/out" 2>"$here/err"
    [ "$(wc -l <"$here/out")" -eq 2 ]
    grep -q '^dict.miss.node  *us  *[0-9]' "$here/out"
    [ ! -s "$here/err" ]
}

@test "without Python its baselines are null, which is said, and the rest is measured" {
    ln -s /bin/* /usr/bin/* "$here" 2>/dev/null || true
    rm -f "$here"/python*
    ln -sf "$(command -v mpirun)" "$here/mpirun"
    PATH=$here "$(command -v troupe)" bench process.start_join.rank --short --json >"$here/report" 2>"$here/err"
    printf 'process.start_join.rank\n' >"$here/names"
    python3 "$schema" "$here/report" --names "$here/names"
    grep -q '"baseline_value": null' "$here/report"
    [ "$(wc -l <"$here/err")" -eq 1 ]
    grep -q 'process.start_join.rank has no baseline: cannot run python3' "$here/err"
}

@test "without hosts what is between them is null, which is said, and is no failure" {
    troupe bench world.start.nodes4 --short --json >"$here/report" 2>"$here/err"
    grep -q '"value": null' "$here/report"
    grep -q 'world.start.nodes4 has no value: .*--hostfile' "$here/err"
    refused world.start.nodes4 --hostfile "$here/none"
}

@test "without mpirun there is no value: null, one line a bench, status 1" {
    local status=0

    PATH=$here "$(command -v troupe)" bench world.start --short --json >"$here/report" \
        2>"$here/err" || status=$?
    [ "$status" -eq 1 ]
    printf '%s\n' world.start world.start.nodes4 >"$here/names"
    python3 "$schema" "$here/report" --names "$here/names"
    [ "$(grep -c '"value": null' "$here/report")" -eq 2 ]
    [ "$(grep -c 'has no value' "$here/err")" -eq 2 ]
    grep -q '^troupe bench: world.start has no value: .*mpirun' "$here/err"
}

@test "a name that is no bench is refused" {
    refused nothing.such
    grep -q 'no bench nothing.such' "$here/err"
}

@test "the middle of a name chooses nothing" {
    refused world.sta
    refused ''
}

@test "bad options are refused" {
    refused --nonsense
    refused --repeat
    refused --repeat 0
    refused --repeat 1001
    refused --repeat abc
    refused --json=yes
    refused process.start_join.rank --repeat -1
}
