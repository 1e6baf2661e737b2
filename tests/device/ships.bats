#!/usr/bin/env bats
# What is installed: no stand-in, and nothing that links CUDA.

setup() {
    tree=$BATS_TEST_TMPDIR/installed
    cmake --install "$TROUPE_BUILD" --prefix "$tree" >/dev/null
}

@test "the stand-in driver is not installed" {
    [ -e "$TROUPE_BUILD/tests/device/standin/libcuda.so.1" ]
    run find "$tree" -name '*libcuda*'
    [ -z "$output" ]
    run grep -rl -e 'stand-in' -e STANDIN_ "$tree/lib" "$tree/bin"
    [ -z "$output" ]
}

@test "the library and the commands link no CUDA" {
    found=0
    while IFS= read -r file; do
        if readelf -d "$file" >"$BATS_TEST_TMPDIR/dynamic" 2>/dev/null; then
            found=$((found + 1))
            run grep -i 'NEEDED.*cu' "$BATS_TEST_TMPDIR/dynamic"
            [ -z "$output" ]
        fi
    done < <(find "$tree" -type f)
    [ "$found" -ge 2 ]
}
