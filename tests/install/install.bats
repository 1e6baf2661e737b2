#!/usr/bin/env bats
# An installed copy serves outside programs: by CMake and by pkg-config, in C11, C++17 and CUDA,
# shared and static, and after it was moved. TROUPE_SOURCE and TROUPE_BUILD are the trees.

setup_file()
{
    PLACE=$(mktemp -d)
    export PLACE CMAKE_GENERATOR=Ninja PREFIX=$PLACE/moved/here
    cmake --install "$TROUPE_BUILD" --prefix "$PLACE/first" >/dev/null
    mkdir -p "$(dirname "$PREFIX")"
    mv "$PLACE/first" "$PREFIX"
    use "$PREFIX"
}

teardown_file()
{
    rm -rf "$PLACE"
}

setup()
{
    outside=$BATS_TEST_DIRNAME/outside
    strict=(-Wall -Wextra -Wpedantic -Werror)
    here=$(mktemp -d "$PLACE/test.XXXXXX")
    cd "$here" || return 1
}

# use PREFIX: what a user would export for an installation of his own.
use()
{
    PKG_CONFIG_PATH=$(dirname "$(find "$1" -name troupe.pc)")
    export PKG_CONFIG_PATH PATH=$1/bin:$PATH
}

# flags [--static]: what pkg-config says, and where the loader shall look.
flags()
{
    pkg-config "$@" --cflags --libs troupe
    printf '%s\n' "-Wl,-rpath,$(pkg-config --variable=libdir troupe)"
}

# works PROGRAM: starts it by itself, on two ranks.
works()
{
    TROUPE_WORKERS=2 run "$1"
    printf '%s\n' "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"moved 8 bytes"* ]]
}

@test "a CMake project finds it, in C11 and C++17" {
    cmake -S "$outside" -B . -DCMAKE_PREFIX_PATH="$PREFIX"
    cmake --build .
    works ./outside_c
    works ./outside_cxx
}

@test "a CMake project that wants another version is told so" {
    run cmake -S "$outside" -B . -DCMAKE_PREFIX_PATH="$PREFIX" -DOUTSIDE_WANTS=99.0
    [ "$status" -ne 0 ]
    [[ $output == *'requested version "99.0"'* ]]
}

@test "pkg-config serves C11" {
    # shellcheck disable=SC2046
    cc -std=c11 "${strict[@]}" -o program "$outside/outside.c" $(flags)
    works ./program
}

@test "pkg-config serves C++17" {
    # shellcheck disable=SC2046
    c++ -std=c++17 "${strict[@]}" -o program "$outside/outside.cpp" $(flags)
    works ./program
}

@test "pkg-config serves CUDA" {
    local nvcc

    nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
    [ -x "$nvcc" ] || skip "nvcc is not here"
    # shellcheck disable=SC2046
    "$nvcc" -std=c++17 -o program "$outside/outside.cu" $(flags | sed 's/-Wl,/-Xlinker=/')
    works ./program
}

@test "the program of the front page compiles as it stands, and prints its ten lines" {
    awk '/^```$/ { inside = 0 } inside { print } /^```c$/ { inside = 1 }' \
        "$TROUPE_SOURCE/README.md" >front.c
    # shellcheck disable=SC2046
    cc "${strict[@]}" -o front front.c $(flags)
    TROUPE_WORKERS=4 ./front >printed
    diff <(sort printed) <(printf 'process %d is here\n' {0..9})
}

@test "a static copy serves CMake and pkg-config" {
    cmake -S "$TROUPE_SOURCE" -B build -DBUILD_SHARED_LIBS=OFF -DTROUPE_TESTS=OFF >/dev/null
    cmake --build build >/dev/null
    cmake --install build --prefix "$PWD/static" >/dev/null
    [ -z "$(find static -name 'libtroupe.so*')" ]
    use "$PWD/static"
    # shellcheck disable=SC2046
    cc -std=c11 "${strict[@]}" -o program "$outside/outside.c" $(flags --static)
    works ./program
    cmake -S "$outside" -B outside -DCMAKE_PREFIX_PATH="$PWD/static"
    cmake --build outside
    works outside/outside_cxx
}

@test "the installed command runs, and lives in the moved tree" {
    run troupe --version
    [ "$status" -eq 0 ]
    [ "$output" = "troupe $(pkg-config --modversion troupe)" ]
    [ "$(command -v troupe)" = "$PREFIX/bin/troupe" ]
}

@test "nothing installed remembers the build or the first place" {
    run grep -rlF -e "$TROUPE_BUILD/" -e "$PLACE/first" --include='*.cmake' \
        --include='*.pc' --include='*.h' --include='*.1' --include='*.3' "$PREFIX"
    [ -z "$output" ]
    find "$PREFIX" -type f \( -name 'libtroupe.so*' -o -path '*/bin/*' -o -path '*/libexec/*' \) \
        -exec readelf -d {} + >dynamic 2>/dev/null || true # scripts are no ELF files
    grep NEEDED dynamic >/dev/null
    run grep -E "R(UN)?PATH.*$TROUPE_BUILD" dynamic
    [ "$status" -eq 1 ]
}

@test "every manual page is there and reads without a warning" {
    local page

    [ -s "$PREFIX/share/man/man3/troupe_queue_put.3" ]
    [ -s "$PREFIX/share/man/man1/troupe.1" ]
    grep -q hostfile "$PREFIX/share/man/man1/troupe-run.1"
    command -v man >/dev/null || skip "man is not here"
    cd "$PREFIX/share/man"
    for page in man?/*; do
        LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>"$here/warnings" \
            >/dev/null
        [ ! -s "$here/warnings" ]
    done
}

@test "the completion knows the verbs, the options and the commands" {
    compopt() { :; } # it works on a line that is being typed, and there is none
    # shellcheck disable=SC1091
    . "$PREFIX/share/bash-completion/completions/troupe"
    COMP_WORDS=(troupe ru) COMP_CWORD=1
    _troupe troupe
    [ "${COMPREPLY[*]}" = run ]
    COMP_WORDS=(troupe run --hos) COMP_CWORD=2
    _troupe troupe
    [[ " ${COMPREPLY[*]} " == *" --hostfile "* ]]
    COMP_WORDS=(troupe run -n 4 pkg-conf) COMP_CWORD=4
    _troupe troupe
    [[ " ${COMPREPLY[*]} " == *" pkg-config "* ]]
}
