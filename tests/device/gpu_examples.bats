#!/usr/bin/env bats
# The two ways to a kernel of one's own: through Troupe's calls, and with the CUDA runtime linked in.

setup() {
    examples=$TROUPE_BUILD/examples
    cd "$BATS_TEST_TMPDIR" || return
}

# every_rank_on WHERE PROGRAM: its two ranks say that they computed there, and that nothing is wrong.
every_rank_on() {
    for rank in 0 1; do
        echo "rank $rank on $1: 0 of 1000000 numbers are wrong"
    done >wanted
    troupe run -n 2 "$2" | sort >lines
    diff wanted lines
}

@test "without a driver the ranks compute on the CPU, and say so" {
    TROUPE_CUDA_LIBRARY=/nowhere/libcuda.so.1 every_rank_on "the CPU" "$examples/gpu_driver"
}

@test "on the stand-in driver the ranks launch the kernel" {
    export TROUPE_CUDA_LIBRARY=$TROUPE_BUILD/tests/device/standin/libcuda.so.1
    export STANDIN_KERNELS=$TROUPE_BUILD/tests/device/standin/libstandin_examples.so
    every_rank_on "Stand-in 0 (no GPU)" "$examples/gpu_driver"
}

@test "a .cu with the CUDA runtime runs under Troupe" {
    [ -x "$examples/gpu_runtime" ] || skip "no nvcc here, so gpu_runtime is not built"
    [ ! -e /dev/nvidiactl ] || skip "a GPU is here: tests/gpu/run has this program"
    every_rank_on "the CPU" "$examples/gpu_runtime"
}
