#!/usr/bin/env bats
# A lint that finds nothing proves nothing: each one here has to find what is planted in a copy.
# TROUPE_SOURCE is the source tree.

setup()
{
    place=$(mktemp -d)
    tree=$place/tree
    mkdir -p "$tree/tests"
    for folder in src launch kernels docs tests/lint; do
        [ ! -e "$TROUPE_SOURCE/$folder" ] || cp -r "$TROUPE_SOURCE/$folder" "$tree/$folder"
    done
    cp "$TROUPE_SOURCE/.clang-format" "$tree"
    mkdir -p "$tree/src/wire" "$tree/src/object" "$tree/kernels" "$tree/launch"
}

teardown()
{
    rm -rf "$place"
}

# plant FILE LINE: the line goes to the end of a file, which may be new.
plant()
{
    printf '%s\n' "$2" >>"$tree/$1"
}

# lint NAME: runs the copy's own lint over the copy. Only what it says of planted lines counts here:
# the tree itself is judged by the lint's own test.
lint()
{
    run python3 -B "$tree/tests/lint/$1.py" "$tree"
    [ "$status" -le 1 ]
    said=$(grep planted <<<"$output" || true)
}

# finds NAME TEXT: the lint ends with 1, and says one thing of what is planted, which begins so.
finds()
{
    lint "$1"
    printf '%s\n' "$output"
    [ "$status" -eq 1 ]
    [[ $said == "$2"* ]]
    [ "$(wc -l <<<"$said")" -eq 1 ]
}

# passes NAME: the lint says nothing of what is planted.
passes()
{
    lint "$1"
    printf '%s\n' "$output"
    [ -z "$said" ]
}

@test "floors: an include upwards is found, with its line" {
    plant src/wire/planted.h '/* one */'
    plant src/wire/planted.h '#include "core/arena.h"'
    finds floors "src/wire/planted.h:2: wire (floor 1) includes core/arena.h (floor 4)"
}

@test "floors: an include across the same floor is found" {
    plant src/fabric/planted.h '#include "job/job.h"'
    finds floors "src/fabric/planted.h:1: fabric (floor 3) includes job/job.h (floor 3)"
}

@test "floors: base includes nothing above it" {
    plant src/base/planted.h '#include "wire/frame.h"'
    finds floors "src/base/planted.h:1: base (floor 0)"
}

@test "floors: includes downwards, of the own room and of base pass" {
    plant src/object/planted.h '#include "core/arena.h"'
    plant src/object/planted.h '#include "object/planted.h"'
    plant src/object/planted.h '#include "base/error.h"'
    plant src/object/planted.h '#include <troupe/troupe.h>'
    passes floors
}

@test "floors: a commented include is none, and a comment does not hide one" {
    plant src/wire/planted.h '/* #include "core/arena.h" */'
    passes floors
    plant src/wire/planted.h '#  include /* why */ "core/arena.h"'
    finds floors "src/wire/planted.h:2: wire"
}

@test "floors: MPI, hwloc and CUDA have one room each" {
    plant src/object/planted.h '#include <mpi.h>'
    finds floors "src/object/planted.h:1: only fabric may include <mpi.h>"
    printf '#include <hwloc/linux.h>\n' >"$tree/src/object/planted.h"
    finds floors "src/object/planted.h:1: only topo"
    printf '#include <cuda_runtime.h>\n' >"$tree/src/object/planted.h"
    finds floors "src/object/planted.h:1: only device and kernels"
}

@test "floors: the kernels include nothing of the library" {
    plant kernels/planted.h '#include "base/error.h"'
    finds floors "kernels/planted.h:1: kernels includes nothing"
}

@test "floors: climbing out of a folder and a room without a floor are found" {
    plant src/wire/planted.h '#include "../core/arena.h"'
    finds floors "src/wire/planted.h:1:"
    rm "$tree/src/wire/planted.h"
    mkdir "$tree/src/attic"
    plant src/attic/planted.h '#include <stdio.h>'
    finds floors "src/attic/planted.h:1: attic stands on no floor"
}

@test "banned: a call is found, a comment, a string, a member and a longer name are not" {
    plant src/wire/planted.c '/* strcpy(a, b) */ static const char *word = "system(x)";'
    plant src/wire/planted.c 'static int my_exit(int x) { return x ? table->system(x) : 0; }'
    passes banned
    plant src/wire/planted.c 'static void bad(char *a) { strcpy(a, "b"); }'
    finds banned "src/wire/planted.c:3: strcpy() is banned"
}

@test "banned: the library may not exit, the command may" {
    plant launch/planted.c 'static void leave(void) { exit(2); }'
    passes banned
    plant src/wire/planted.c 'static void leave(void) { exit(2); }'
    finds banned "src/wire/planted.c:1: exit() is banned"
}

@test "banned: an exception that nothing uses is found" {
    plant tests/lint/banned.allow 'src/wire/planted.c exit it is gone'
    finds banned "banned.allow: src/wire/planted.c no longer calls exit()"
}

@test "machines: a home folder and the place of the checkout are found" {
    passes machines
    plant docs/planted.md "see $(printf '/%s/somebody/troupe' home)"
    finds machines "docs/planted.md:1:"
    printf 'built in %s/build\n' "$tree" >"$tree/docs/planted.md"
    finds machines "docs/planted.md:1: $tree"
}

@test "manual: a call without its page is found" {
    passes manual
    plant src/include/troupe/planted.h 'TROUPE_API int troupe_planted(void);'
    finds manual "src/include/troupe/planted.h:1: troupe_planted"
}

@test "format: a file that is not formatted is found" {
    printf 'static int x;\n' >"$tree/src/wire/planted.c"
    run "$tree/tests/lint/format" "$tree"
    [ "$status" -ne 77 ] || skip "${lines[0]}"
    [[ $output != *planted* ]]
    printf 'static   int x ;\n' >"$tree/src/wire/planted.c"
    run "$tree/tests/lint/format" "$tree"
    [ "$status" -eq 1 ]
    [[ $output == *"src/wire/planted.c: is not formatted"* ]]
    printf '/* %0100d */\n' 0 >"$tree/src/wire/planted.c"
    run "$tree/tests/lint/format" "$tree"
    [ "$status" -eq 1 ]
    [[ $output == *"src/wire/planted.c:1: is longer than 100 columns"* ]]
}

@test "shell: a script with an error is found" {
    plant launch/planted '#!/bin/sh'
    run "$tree/tests/lint/shell" "$tree"
    [ "$status" -ne 77 ] || skip "${lines[0]}"
    [[ $output != *planted* ]]
    plant launch/planted "cd somewhere"
    run "$tree/tests/lint/shell" "$tree"
    [ "$status" -eq 1 ]
    [[ $output == *launch/planted* ]]
}

@test "links: a program that links MPI is found" {
    command -v mpicc || skip "mpicc is not here"
    printf 'int MPI_Finalize(void);\nint main(void) { return MPI_Finalize(); }\n' >"$tree/planted.c"
    mpicc -o "$tree/planted" "$tree/planted.c"
    run "$tree/tests/lint/links" "$tree/planted"
    printf '%s\n' "$output"
    [ "$status" -eq 1 ]
    [[ $output == *libmpi* ]]
}
