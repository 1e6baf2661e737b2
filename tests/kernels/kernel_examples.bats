#!/usr/bin/env bats
# The examples with kernels: the same digits and the same picture from any number of ranks.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    unset TROUPE_WORKERS
    examples=$TROUPE_BUILD/examples
}

picture_or_skip() {
    [ -x "$examples/mandelbrot" ] || skip "mandelbrot was not built: libpng is not here"
}

@test "pi has the same digits on 1, 4 and 8 ranks" {
    for ranks in 1 4 8; do
        troupe run -n "$ranks" "$examples/monte_carlo" 2 7 >"$ranks.txt"
    done
    cmp 1.txt 4.txt
    cmp 1.txt 8.txt
    grep -q '^pi = 3\.14[0-9]* +- 0\.0008' 1.txt
    troupe run -n 2 "$examples/monte_carlo" 2 8 >other
    run ! cmp -s 1.txt other
}

@test "the picture is the same bytes on 1, 4 and 8 ranks" {
    picture_or_skip
    for ranks in 1 4 8; do
        troupe run -n "$ranks" "$examples/mandelbrot" "$ranks.png" 500 300
    done
    cmp 1.png 4.png
    cmp 1.png 8.png
}

# A PNG's size stands in its first chunk; the pixels are read by the standard library alone.
@test "the picture is a PNG of the size asked for, dark inside, with the ranks over it when asked" {
    picture_or_skip
    troupe run -n 2 "$examples/mandelbrot" plain.png 301 200
    troupe run -n 2 "$examples/mandelbrot" --ranks ranks.png 301 200
    run ! cmp -s plain.png ranks.png
    python3 "$BATS_TEST_DIRNAME/png.py" plain.png 301 200 "150,100=0,0,0"
    python3 "$BATS_TEST_DIRNAME/png.py" ranks.png 301 200
}

@test "bad words are refused, and a file that cannot be written is told" {
    picture_or_skip
    run -2 troupe run -n 1 "$examples/mandelbrot" a.png 0 5
    [[ $output == *"usage: mandelbrot"* ]]
    run -2 troupe run -n 1 "$examples/mandelbrot" --what
    run -1 troupe run -n 1 "$examples/mandelbrot" nowhere/a.png 20 20
    [[ $output == *"cannot write nowhere/a.png"* ]]
    run -2 troupe run -n 1 "$examples/monte_carlo" nothing
    [[ $output == *"usage: monte_carlo"* ]]
}
