#!/usr/bin/env bats
# `troupe probe`: the roll, its report, its status. On the CPU; where it was built also on the
# stand-in for CUDA's driver, whose kernels are the references.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    unset TROUPE_WORKERS CUDA_VISIBLE_DEVICES TROUPE_CUDA_LIBRARY STANDIN_KERNELS STANDIN_DEVICES
    judge=$BATS_TEST_DIRNAME/probe.py
    standin=$TROUPE_BUILD/tests/device/standin/libcuda.so.1
    kernels=$TROUPE_BUILD/tests/kernels/standin_kernels.so
}

# No GPU, also where there is one.
on_cpu() {
    TROUPE_CUDA_LIBRARY=$PWD/none troupe "$@"
}

on_standin() {
    TROUPE_CUDA_LIBRARY=$standin STANDIN_KERNELS=$kernels troupe "$@"
}

standin_or_skip() {
    [ -e "$kernels" ] || skip "the stand-in was not built: nvcc is not here"
}

# refused WORDS…: status 2, nothing on standard output, one line on standard error.
refused() {
    local status=0

    troupe probe "$@" >out 2>err || status=$?
    [ "$status" -eq 2 ]
    [ ! -s out ]
    [ "$(wc -l <err)" -eq 1 ]
}

@test "four ranks on the CPU, every one verified" {
    on_cpu probe -n 4 >lines
    [ "$(wc -l <lines)" -eq 6 ]
    [ "$(grep -c 'yes *CPU' lines)" -eq 4 ]
    [ "$(sed '1d; $d' lines | awk '{ print $1 }' | tr '\n' ' ')" = "0 1 2 3 " ]
    grep -q '^4 of 4 ranks verified, 0 on a GPU, 4 on the CPU' lines
}

@test "the report is what its page says" {
    on_cpu probe -n 3 --seconds 0.05 --json >report
    python3 "$judge" report 3 cpu verified=true error=null
}

@test "the judge finds what is planted" {
    on_cpu probe -n 2 --seconds 0 --json >report
    python3 "$judge" report 2 cpu
    for plant in 's/"schema": 1/"schema": 2/' 's/"verified": true/"verified": false/' '/"numa"/d' \
        's/"rank": 1,/"rank": 5,/' 's/"slow": .*,/"slow": 7,/' 's/"device": "cpu"/"device": "gpu"/' \
        's/"ok": true/"ok": false/' 's/"pid": .*,/"pid": 9,/' 's/"rank":/"other": 1, &/'; do
        sed "$plant" report >planted
        run -1 python3 "$judge" planted 2 cpu
    done
    run -1 python3 "$judge" report 3 cpu
}

@test "under a launcher that decides the ranks" {
    on_cpu run -n 2 troupe-probe --json >report
    python3 "$judge" report 2 cpu verified=true
}

@test "on two nodes the roll says which" {
    TROUPE_SIMULATED_NODES=2 on_cpu probe -n 2 --seconds 0 --json >report
    python3 "$judge" report 2 cpu
    grep -q '"node": 0' report
    grep -q '"node": 1' report
}

@test "the words for people tell the GPU" {
    standin_or_skip
    on_standin probe -n 2 --seconds 0 >lines
    [ "$(grep -c 'yes *Stand-in 0 .* GPU-' lines)" -eq 2 ]
    grep -q '2 on a GPU, 0 on the CPU' lines
    on_standin probe -n 2 --seconds 0 --json >report
    python3 "$judge" report 2 gpu verified=true
}

@test "a device that loses an element is found: status 1" {
    standin_or_skip
    STANDIN_BROKEN=1 run -1 --separate-stderr on_standin probe -n 2 --seconds 0
    [[ $output == *"elements were wrong"* ]]
    [[ $output == *"0 of 2 ranks verified"* ]]
}

@test "a device that fails is told with its reason: status 1" {
    standin_or_skip
    local call
    for call in cuMemAlloc_v2:2 cuModuleLoadDataEx:1 cuEventRecord:1 cuLaunchKernel:3 \
        cuEventSynchronize:1 cuMemcpyDtoHAsync_v2:2; do
        STANDIN_FAIL=$call:719 on_standin probe -n 1 --seconds 0 --json >report 2>err && return 1
        python3 "$judge" report 1 gpu verified=false
        grep -q "\"error\": \".*${call%:*} returned CUDA_ERROR_LAUNCH_FAILED" report
    done
}

@test "a device that cannot be opened is no CPU: status 1" {
    standin_or_skip
    STANDIN_FAIL=cuStreamCreate:1:719 on_standin probe -n 1 --json >report 2>err && return 1
    python3 "$judge" report 1 none verified=false
}

@test "a device that is not the plan's is told: status 1" {
    standin_or_skip
    local machine=$TROUPE_SOURCE/tests/data/topologies/domains.xml
    TROUPE_TOPOLOGY=$machine on_standin probe -n 1 --json >report 2>err && return 1
    python3 "$judge" report 1 gpu verified=false
    grep -q '"error": "CUDA opened 0000:10:00.0, and the plan gave this rank NVIDIA A100' report
}

@test "a device without room names the bytes: status 1" {
    standin_or_skip
    STANDIN_FAIL=cuMemAlloc_v2:3:2 on_standin probe -n 1 --json >report 2>err && return 1
    python3 "$judge" report 1 gpu verified=false
    grep -q '"error": "troupe_gpu_alloc: [0-9]* bytes asked' report
}

@test "bad words are refused" {
    refused -n 0
    refused -n -1
    refused -n abc
    refused --seconds soon
    refused --seconds -1
    refused --seconds nan
    refused --nonsense
    refused word
}
