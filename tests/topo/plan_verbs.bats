# `troupe plan`, `wrap` and `env`. Golden tables are files in tests/data/plans: the first line of
# each holds the words behind `troupe plan`, the rest is what it prints; add a file, get a case.

bats_require_minimum_version 1.5.0

setup() {
    cd "$TROUPE_SOURCE/tests/data/topologies" || return
    unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER TROUPE_TOPOLOGY TROUPE_BIND TROUPE_GPU_MODE
    unset TROUPE_GPUS_PER_RANK TROUPE_PLACED TROUPE_WORKERS
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

@test "golden tables" {
    local golden words count=0
    for golden in ../plans/*.txt; do
        read -ra words < <(sed -n '1s/^# //p' "$golden")
        diff -u --label "$golden" --label "troupe plan ${words[*]}" \
            <(tail -n +2 "$golden") <(troupe plan "${words[@]}")
        count=$((count + 1))
    done
    [ "$count" -ge 12 ]
}

@test "the JSON has the documented shape, and agrees with the mask" {
    run --separate-stderr troupe plan --topo domains.xml -n 4 --json
    [ "$status" -eq 0 ]
    python3 - "$output" <<'PYTHON'
import json, sys
plan = json.loads(sys.argv[1])
assert plan["schema"] == 1
node, = plan["nodes"]
assert node["name"] == "domains"
assert [gpu["pci"] for gpu in node["gpus"]][0] == "0001:00:00.0"
assert [gpu["numa"] for gpu in node["gpus"]] == [[0], [0], [1], [1]]
assert [rank["cuda_visible_devices"] for rank in node["ranks"]] == ["0", "1", "2", "3"]
assert [rank["cpus"] for rank in node["ranks"]] == ["0-5", "6-11", "12-17", "18-23"]
assert all(rank["reason"] and rank["shared_with"] == [] for rank in node["ranks"])
assert plan["score"]["plan"] == 1 and plan["score"]["naive"] <= 1
PYTHON
    run troupe plan --topo domains.xml --all-n 9 --json
    [ "$(python3 -c 'import json,sys; print(len(json.loads(sys.argv[1])["plans"]))' "$output")" = 9 ]
}

@test "bad words are refused in one line with status 2" {
    local words
    for words in "-n 0" "-n -1" "-n abc" "-n 1 --bind socket" "-n 1 --gpu-mode all" \
        "-n 1 --gpus-per-rank 0" "-n 1 --topo absent.xml" "-n 1 --topo ../masks.txt" \
        "-n 1 --nothing" "-n 2 ./program" "-n 1 --topo domains.xml --gpus-per-rank 5" \
        "--topo domains.xml --per-gpu 1 -n 2" "--topo no-gpu.xml --per-gpu 1" "--per-node 0" \
        "-n 5 --per-node 2 --host a,b" "-n 1 --hostfile absent" "-n 1 --host a,,b" \
        "-n 1 --host a --host b" "-n 1 --hostfile ../masks.txt"; do
        # shellcheck disable=SC2086
        run --separate-stderr troupe plan $words
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
    CUDA_VISIBLE_DEVICES=0,9 run --separate-stderr troupe plan --topo domains.xml -n 1
    [ "$status" -eq 2 ]
    [[ $stderr == *"entry 2 '9'"* ]]
}

@test "broken topology files get one line, also from what is never drawn" {
    local file
    for file in ../broken/*.xml; do
        run --separate-stderr troupe plan --topo "$file" -n 2
        # A newer hwloc may read what 2.9 refuses or crashes on.
        [[ $status -eq 0 && $file == *-newer.xml ]] && continue
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == *"$file"*lstopo* ]]
    done
    export TROUPE_TOPOLOGY=../broken/cut.xml
    run --separate-stderr -2 troupe run -n 2 true
    [ "${#stderr_lines[@]}" -eq 1 ]
    run --separate-stderr -2 troupe wrap true
    run --separate-stderr -2 troupe env
    run --separate-stderr -1 troupe doctor
    export TROUPE_TOPOLOGY=../broken/attribute-newer.xml
    run --separate-stderr troupe run -n 2 true
    [ "$status" -eq 0 ] || { [ "$status" -eq 2 ] && [ "${#stderr_lines[@]}" -eq 1 ]; }
}

@test "a topology file may be cut anywhere" {
    local size step cut="$BATS_TEST_TMPDIR/cut.xml"
    size=$(stat -c %s on-the-package.xml)
    step=$((size / 40))
    for ((at = 1; at < size - 20; at += step)); do
        head -c "$at" on-the-package.xml >"$cut"
        run --separate-stderr -2 troupe plan --topo "$cut" -n 2
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
}

@test "several hosts: ranks count on, slots fill in order" {
    printf 'left slots=3\n# none here\nright slots=1\nlast\n' >"$BATS_TEST_TMPDIR/hosts"
    run --separate-stderr troupe plan --topo domains.xml -n 6 --json \
        --hostfile "$BATS_TEST_TMPDIR/hosts"
    [ "$status" -eq 0 ]
    python3 - "$output" <<'PYTHON'
import json, sys
nodes = json.loads(sys.argv[1])["nodes"]
assert [node["name"] for node in nodes] == ["left", "right", "last"]
assert [[rank["rank"] for rank in node["ranks"]] for node in nodes] == [[0, 1, 2], [3], [4, 5]]
assert [rank["local_rank"] for rank in nodes[2]["ranks"]] == [0, 1]
PYTHON
    run troupe plan --topo domains.xml --host a,b --per-gpu 2
    [[ $output == *"shared with rank 14"* ]]
    printf 'left slots=3\nright slots=many\n' >"$BATS_TEST_TMPDIR/hosts"
    run -2 --separate-stderr troupe plan --topo domains.xml --hostfile "$BATS_TEST_TMPDIR/hosts"
    [[ $stderr == *"hosts:2: slots=many"* ]]
}

@test "without a number there is a rank for each GPU, else for each core" {
    [ "$(troupe plan --topo domains.xml --json | grep -c '"local_rank"')" -eq 4 ]
    [ "$(CUDA_VISIBLE_DEVICES=2,0 troupe plan --topo domains.xml --json | grep -c '"local_rank"')" \
        -eq 2 ]
    [ "$(troupe plan --topo no-gpu.xml --json | grep -c '"local_rank"')" -eq 16 ]
    [ "$(TROUPE_WORKERS=3 troupe plan --topo domains.xml --json | grep -c '"local_rank"')" -eq 3 ]
}

@test "env prints lines that a shell takes" {
    eval "$(TROUPE_TOPOLOGY=domains.xml OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 \
        OMPI_COMM_WORLD_LOCAL_RANK=2 OMPI_COMM_WORLD_LOCAL_SIZE=4 troupe env)"
    [ "$CUDA_VISIBLE_DEVICES" = 2 ]
    [ "$CUDA_DEVICE_ORDER" = PCI_BUS_ID ]
    [ "$TROUPE_PLACED_CPUS" = 0-23 ]
}

@test "wrap places each rank under a plain mpirun" {
    TROUPE_TOPOLOGY=domains.xml run --separate-stderr mpirun --oversubscribe -n 4 \
        troupe wrap sh -c 'echo "$OMPI_COMM_WORLD_LOCAL_RANK:$CUDA_VISIBLE_DEVICES"'
    [ "$status" -eq 0 ]
    [ "$(sort <<<"$output")" = "$(printf '0:0\n1:1\n2:2\n3:3')" ]
    TROUPE_TOPOLOGY=domains.xml CUDA_VISIBLE_DEVICES=1,0 run --separate-stderr \
        mpirun --oversubscribe -n 2 troupe wrap --gpu-mode peer \
        sh -c 'echo "$OMPI_COMM_WORLD_LOCAL_RANK:$CUDA_VISIBLE_DEVICES"'
    [ "$(sort <<<"$output")" = "$(printf '0:1,0\n1:0,1')" ]
}

@test "wrap binds when asked, and not otherwise" {
    local cpus
    cpus=$(nproc)
    [ "$cpus" -ge 2 ] || skip "one CPU: nothing to tell apart"
    run --separate-stderr mpirun --bind-to none -n 2 troupe wrap nproc
    [ "$output" = "$(printf '%s\n%s' "$cpus" "$cpus")" ]
    run --separate-stderr mpirun --bind-to none -n 2 troupe wrap --bind core \
        grep Cpus_allowed_list /proc/self/status
    [ "$(sort -u <<<"$output" | wc -l)" -eq 2 ]
}

@test "wrap leaves a mask alone where there is no GPU" {
    [ ! -e /proc/driver/nvidia ] || skip "this machine has an NVIDIA driver"
    CUDA_VISIBLE_DEVICES=0,1,2,3 run --separate-stderr troupe wrap printenv CUDA_VISIBLE_DEVICES
    [ "$output" = 0,1,2,3 ]
}

@test "wrap ends as a shell would" {
    run -127 --separate-stderr troupe wrap ./absent
    run -126 --separate-stderr troupe wrap ./domains.xml
    run --separate-stderr troupe wrap sh -c 'exit 7'
    [ "$status" -eq 7 ]
    run --separate-stderr troupe wrap
    [ "$status" -eq 2 ]
}
