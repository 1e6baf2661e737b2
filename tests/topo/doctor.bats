# `troupe doctor`: status 0 and nothing wrong, or status 1 and what to do.

bats_require_minimum_version 1.5.0

setup() {
    cd "$TROUPE_SOURCE/tests/data/topologies" || return
    unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER TROUPE_TOPOLOGY TROUPE_BIND OMPI_MCA_osc
    unset TROUPE_WORKERS TROUPE_LOG TROUPE_REMOTE_READ CUDA_MPS_PIPE_DIRECTORY
}

# is_wrong TOPIC: whether the JSON in $output calls that topic wrong, with a remedy.
is_wrong() {
    python3 - "$1" "$output" <<'PYTHON'
import json, sys
report = json.loads(sys.argv[2])
found = [one for one in report["findings"] if one["wrong"] and one["topic"] == sys.argv[1]]
assert not report["ok"] and found and all(one["remedy"] for one in found), report
PYTHON
}

@test "the status says whether anything is wrong" {
    run --separate-stderr troupe doctor --json
    [ "$status" -le 1 ]
    [ "$(python3 -c 'import json,sys; print(int(not json.loads(sys.argv[1])["ok"]))' "$output")" \
        = "$status" ]
    run --separate-stderr troupe doctor
    [[ $output == *"Open MPI"* ]]
}

@test "wrong masks, settings and components are found" {
    export TROUPE_TOPOLOGY=domains.xml
    CUDA_VISIBLE_DEVICES=0,0 run -1 --separate-stderr troupe doctor --json
    is_wrong mask
    TROUPE_BIND=socket run -1 --separate-stderr troupe doctor --json
    is_wrong settings
    OMPI_MCA_osc=rdma run -1 --separate-stderr troupe doctor --json
    is_wrong one-sided
    TROUPE_REMOTE_READ=put run -1 --separate-stderr troupe doctor --json
    is_wrong remote-read
    TROUPE_TOPOLOGY=absent.xml run -1 --separate-stderr troupe doctor --json
    is_wrong machine
}

@test "a machine without mpirun is told what to install" {
    local bin="$BATS_TEST_TMPDIR/bin"
    mkdir "$bin"
    ln -s "$(command -v troupe)" "$(command -v python3)" "$bin"
    run -1 --separate-stderr env PATH="$bin" troupe doctor --json
    is_wrong mpi
}

@test "an mpirun of another MPI is told of" {
    local bin="$BATS_TEST_TMPDIR/bin"
    mkdir "$bin"
    printf '#!/bin/sh\necho HYDRA build details:\n' >"$bin/mpirun"
    chmod +x "$bin/mpirun"
    PATH="$bin:$PATH" run -1 --separate-stderr troupe doctor --json
    is_wrong mpi
}

# noted TOPIC: whether the JSON in $output notes something of that topic, with a remedy.
noted() {
    python3 - "$1" "$output" <<'PYTHON'
import json, sys
found = [one for one in json.loads(sys.argv[2])["findings"] if one["topic"] == sys.argv[1]]
assert found and all(one["remedy"] for one in found), sys.argv[2]
PYTHON
}

@test "every setting has an origin and a default, and is in docs/environment.md" {
    TROUPE_BIND=numa OMPI_MCA_pml=ucx TROUPE_BINDING=core run --separate-stderr troupe doctor --json
    python3 - "$output" "$TROUPE_SOURCE/docs/environment.md" <<'PYTHON'
import json, pathlib, re, sys
report = json.loads(sys.argv[1])
page = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
rows = {row["name"]: row for row in report["settings"]}
assert rows["TROUPE_BIND"]["value"] == "numa" and rows["TROUPE_BIND"]["origin"] == "environment"
assert rows["TROUPE_LOG"]["value"] is None and rows["TROUPE_LOG"]["origin"] == "default"
assert rows["OMPI_MCA_pml"]["origin"] == "environment"
assert rows["OMPI_MCA_osc"]["origin"] == "Troupe" and rows["OMPI_MCA_osc"]["default"].startswith("^rdma")
assert all(row["default"] and row["meaning"] for row in rows.values())
told = set(re.findall(r"^\| `(TROUPE_\w+|OMPI_MCA_\w+)`", page, re.MULTILINE))
assert told == set(rows), told ^ set(rows)
assert any("TROUPE_BINDING" in one["what"] for one in report["findings"])
PYTHON
    TROUPE_BIND=numa run troupe doctor
    [[ $output =~ TROUPE_BIND\ +environment\ +numa\ +\(default:\ core ]]
}

@test "the driver's state: its age, MIG half on, compute mode" {
    local bin="$BATS_TEST_TMPDIR/bin"
    mkdir "$bin"
    printf '#!/bin/sh\necho "Cuda compilation tools, release 13.1, V13.1.5"\n' >"$bin/nvcc"
    chmod +x "$bin/nvcc"
    export PATH="$bin:$PATH" LD_LIBRARY_PATH="$TROUPE_BUILD/tests/topo/fake"
    FAKE_NVML_MIG_PENDING=1 run -1 --separate-stderr troupe doctor --json
    is_wrong driver
    is_wrong mig
    noted gpu
    [[ $output == *"up to 12.4, and nvcc is of 13.1"* ]]
    sed -i 's/13\.1/12.4/g' "$bin/nvcc"
    run --separate-stderr troupe doctor --json
    [[ $output != *"older than the toolkit"* && $output != *"half in MIG"* ]]
}

@test "MPS: running, left behind, or missing where ranks share a GPU" {
    local pipes="$BATS_TEST_TMPDIR/mps"
    mkdir "$pipes"
    export TROUPE_TOPOLOGY=domains.xml TROUPE_WORKERS=9 CUDA_MPS_PIPE_DIRECTORY=$pipes
    run --separate-stderr troupe doctor --json
    noted mps
    [[ $output == *"9 ranks would share 4 GPUs without MPS"* ]]
    echo $$ >"$pipes/nvidia-cuda-mps-control.pid"
    run --separate-stderr troupe doctor --json
    [[ $output == *'"running ('* && $output != *"without MPS"* ]]
    echo 2147483646 >"$pipes/nvidia-cuda-mps-control.pid"
    run -1 --separate-stderr troupe doctor --json
    is_wrong mps
}

@test "GPUs of unknown place are noted" {
    TROUPE_TOPOLOGY=no-locality.xml run --separate-stderr troupe doctor --json
    noted gpu
    [[ $output == *"numa_node at -1"* ]]
}

@test "Slurm without PMIx is noted, and a job is named" {
    local bin="$BATS_TEST_TMPDIR/bin"
    mkdir "$bin"
    printf '#!/bin/sh\nprintf "MPI plugin types are...\\n\\tnone\\n\\tpmi2\\n"\n' >"$bin/srun"
    chmod +x "$bin/srun"
    unset SLURM_JOB_ID
    PATH="$bin:$PATH" run --separate-stderr troupe doctor --json
    noted scheduler
    SLURM_JOB_ID=17 run --separate-stderr troupe doctor
    [[ $output == *"Slurm, job 17"* ]]
}

# own_namespace WORD…: runs a command where host name and mounts can be changed, or skips.
own_namespace() {
    unshare --uts --mount true 2>/dev/null || skip "needs the right to make namespaces"
    run -1 --separate-stderr unshare --uts --mount "$@"
}

@test "a host name without an address, and a small /dev/shm, are wrong" {
    own_namespace sh -c 'hostname no-such-host.invalid && troupe doctor --json'
    is_wrong host
    own_namespace sh -c 'mount -t tmpfs -o size=1m tmpfs /dev/shm && troupe doctor --json'
    is_wrong shm
}

@test "bad words are refused" {
    run --separate-stderr troupe doctor now
    [ "$status" -eq 2 ]
    run --separate-stderr troupe doctor --xml
    [ "$status" -eq 2 ]
}
