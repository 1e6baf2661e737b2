# `troupe doctor`: status 0 and nothing wrong, or status 1 and what to do.

bats_require_minimum_version 1.5.0

setup() {
    cd "$TROUPE_SOURCE/tests/data/topologies" || return
    unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER TROUPE_TOPOLOGY TROUPE_BIND OMPI_MCA_osc
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

@test "bad words are refused" {
    run --separate-stderr troupe doctor now
    [ "$status" -eq 2 ]
    run --separate-stderr troupe doctor --xml
    [ "$status" -eq 2 ]
}
