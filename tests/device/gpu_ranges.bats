#!/usr/bin/env bats
# The ranges that a profiler shows: a target's name, the kernel in it, the waits.

bats_require_minimum_version 1.5.0

@test "targets, kernels and waits are ranges, and each ends" {
    local file=$BATS_TEST_TMPDIR/out/rank-0.err
    NVTX_INJECTION64_PATH=$TROUPE_BUILD/tests/device/witness/nvtx_witness.so \
        TROUPE_CUDA_LIBRARY=/nowhere troupe run -n 1 --output-dir "$BATS_TEST_TMPDIR/out" \
        "$TROUPE_BUILD/examples/monte_carlo" 1
    [[ $(cat "$file") == *">process-1"$'\n'*">monte_carlo"$'\n'"<"$'\n'* ]]
    grep -q '^>waits' "$BATS_TEST_TMPDIR/out/parent.err"
    [ "$(grep -c '^>' "$file")" -eq "$(grep -c '^<' "$file")" ]
}
