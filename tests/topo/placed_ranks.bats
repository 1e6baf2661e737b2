# Ranks that run: the variables and CPUs they get, by every way to start them. The machines are
# topology files, so that masks can be told apart here; binding is tested on this machine's CPUs.

bats_require_minimum_version 1.5.0

setup() {
    cd "$TROUPE_SOURCE/tests/data/topologies" || return
    unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER TROUPE_TOPOLOGY TROUPE_BIND TROUPE_GPU_MODE
    unset TROUPE_GPUS_PER_RANK TROUPE_PLACED TROUPE_WORKERS
    unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TROUPE_LOG=warning
    witness=$TROUPE_BUILD/tests/topo/libinit_witness.so
    example=$TROUPE_BUILD/examples/devices
    show='import os; print(os.environ["OMPI_COMM_WORLD_RANK"], os.environ["CUDA_VISIBLE_DEVICES"])'
}

# same LINE…: $output has these lines in any order, and no other.
same() {
    diff <(printf '%s\n' "$@" | sort) <(sort <<<"$output")
}


# mpirun_apart WORD…: $output is what the ranks print under a plain mpirun, one after the other, for
# their lines mix on its standard output.
mpirun_apart() {
    mpirun --output-filename "$BATS_TEST_TMPDIR/apart" --oversubscribe "$@" >/dev/null
    output=$(cat "$BATS_TEST_TMPDIR"/apart/*/rank.*/stdout)
}

@test "mpirun -n 4 troupe wrap env" {
    TROUPE_TOPOLOGY=domains.xml mpirun_apart -n 4 troupe wrap env
    output=$(grep ^CUDA_VISIBLE_DEVICES= <<<"$output")
    same CUDA_VISIBLE_DEVICES={0,1,2,3}
}

@test "troupe run -n 4 python3 -c …" {
    TROUPE_TOPOLOGY=domains.xml run --separate-stderr troupe run -n 4 python3 -c "$show"
    [ "$status" -eq 0 ]
    same "0 0" "1 1" "2 2" "3 3"
}

@test "CUDA_VISIBLE_DEVICES=1,0 troupe run …: the mask's order counts" {
    export TROUPE_TOPOLOGY=domains.xml
    CUDA_VISIBLE_DEVICES=1,0 run --separate-stderr troupe run -n 2 python3 -c "$show"
    same "0 1" "1 0"
    CUDA_VISIBLE_DEVICES=1,0 run --separate-stderr troupe run -n 4 python3 -c "$show"
    same "0 1" "1 1" "2 0" "3 0"
    run --separate-stderr troupe run -n 2 -x CUDA_VISIBLE_DEVICES=3,2 python3 -c "$show"
    same "0 3" "1 2"
}

@test "each GPU mode" {
    export TROUPE_TOPOLOGY=domains.xml
    CUDA_VISIBLE_DEVICES=2,0,1 run --separate-stderr troupe run -n 3 python3 -c "$show"
    same "0 2" "1 0" "2 1"
    CUDA_VISIBLE_DEVICES=2,0,1 run --separate-stderr troupe run -n 3 --gpu-mode peer \
        python3 -c "$show"
    same "0 2,0,1" "1 0,2,1" "2 1,2,0"
    CUDA_VISIBLE_DEVICES=2,0,1 run --separate-stderr troupe run -n 3 --gpu-mode ordered \
        python3 -c "$show"
    same "0 2,0,1" "1 2,0,1" "2 2,0,1"
    run --separate-stderr troupe run -n 2 --gpus-per-rank 2 python3 -c "$show"
    same "0 0,1" "1 2,3"
}

@test "UUIDs are written where they are known" {
    TROUPE_TOPOLOGY=eight-numa-out-of-order.xml CUDA_VISIBLE_DEVICES=GPU-00000012,GPU-00000010 \
        run --separate-stderr troupe run -n 2 python3 -c "$show"
    [ "$status" -eq 0 ]
    [[ $output == *"0 GPU-00000012-"* && $output == *"1 GPU-00000010-"* ]]
}

@test "the default number of ranks: one for each GPU that the mask shows" {
    export TROUPE_TOPOLOGY=domains.xml
    CUDA_VISIBLE_DEVICES=3,1 run --separate-stderr troupe run python3 -c "$show"
    same "0 3" "1 1"
    CUDA_VISIBLE_DEVICES=3,1 run --separate-stderr troupe run --per-gpu 2 python3 -c "$show"
    same "0 3" "1 3" "2 1" "3 1"
    run --separate-stderr troupe run --per-node 3 sh -c 'echo "$OMPI_COMM_WORLD_RANK"'
    same 0 1 2
    run --separate-stderr troupe run --host "$(hostname)" --per-node 2 \
        sh -c 'echo "$OMPI_COMM_WORLD_RANK"'
    same 0 1
}

@test "what is wrong with a mask or file is said once, with 2, before anything starts" {
    local words
    export TROUPE_TOPOLOGY=domains.xml
    CUDA_VISIBLE_DEVICES=0,9 run --separate-stderr -2 troupe run -n 4 touch "$BATS_TEST_TMPDIR/ran"
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == *"entry 2 '9'"* ]]
    for words in "--gpus-per-rank 5" "-x CUDA_VISIBLE_DEVICES=1,1" "--per-gpu 1" \
        "-n 5 --per-node 2 --host a,b" "--hostfile absent" "--hostfile ../masks.txt"; do
        # shellcheck disable=SC2086
        run --separate-stderr -2 troupe run -n 2 $words touch "$BATS_TEST_TMPDIR/ran"
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
    TROUPE_TOPOLOGY=absent.xml run --separate-stderr -2 troupe run -n 2 true
    [ "${#stderr_lines[@]}" -eq 1 ]
    [ ! -e "$BATS_TEST_TMPDIR/ran" ]
}

@test "a program that starts itself says it once, with 2, too" {
    local file
    for file in ../broken/*.xml; do
        TROUPE_WORKERS=2 TROUPE_TOPOLOGY=$file run --separate-stderr "$example"
        # A newer hwloc may read what 2.9 refuses or crashes on.
        [[ $status -eq 0 && $file == *-newer.xml ]] && continue
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == *"$file"*lstopo* ]]
    done
    export TROUPE_TOPOLOGY=domains.xml TROUPE_WORKERS=2
    CUDA_VISIBLE_DEVICES=0,9 run --separate-stderr -2 "$example"
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == *"entry 2 '9'"* ]]
    TROUPE_GPU_MODE=all run --separate-stderr -2 "$example"
    [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "--torch: a script reads its variables, and device LOCAL_RANK is its own" {
    cat >"$BATS_TEST_TMPDIR/torch.py" <<'PYTHON'
import os
import socket

rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
local = int(os.environ["LOCAL_RANK"])
address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
mask = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
# What init_method="env://" does: rank 0 listens, the others come.
if rank == 0:
    server = socket.create_server(address)
    met = sorted(server.accept()[0].makefile().readline() for _ in range(size - 1))
    assert met == [f"{other}\n" for other in range(1, size)], met
    print("met", size)
else:
    while True:
        try:
            with socket.create_connection(address) as client:
                client.sendall(f"{rank}\n".encode())
            break
        except ConnectionRefusedError:
            continue
print(rank, local, os.environ["LOCAL_WORLD_SIZE"], mask[local])
PYTHON
    TROUPE_TOPOLOGY=domains.xml CUDA_VISIBLE_DEVICES=3,2,1,0 run --separate-stderr \
        troupe run -n 4 --torch python3 "$BATS_TEST_TMPDIR/torch.py"
    [ "$status" -eq 0 ]
    same "met 4" "0 0 4 3" "1 1 4 2" "2 2 4 1" "3 3 4 0"
    TROUPE_TOPOLOGY=domains.xml mpirun_apart -n 2 \
        troupe wrap --torch python3 "$BATS_TEST_TMPDIR/torch.py"
    same "met 2" "0 0 2 0" "1 1 2 2"
}

@test "--torch leaves the user's meeting place, and is one rank's too" {
    MASTER_ADDR=there MASTER_PORT=7 run --separate-stderr troupe run -n 1 --torch \
        sh -c 'echo "$MASTER_ADDR:$MASTER_PORT $RANK/$WORLD_SIZE"'
    [ "$output" = "there:7 0/1" ]
    run --separate-stderr troupe wrap --torch sh -c 'echo "$RANK/$WORLD_SIZE $MASTER_ADDR"'
    [ "$output" = "0/1 127.0.0.1" ]
}

@test "--output-dir writes a file for each rank" {
    run --separate-stderr troupe run -n 2 --output-dir "$BATS_TEST_TMPDIR/out" \
        sh -c 'echo "$OMPI_COMM_WORLD_RANK"'
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$(cat "$BATS_TEST_TMPDIR/out/rank-1.out")" = 1 ]
}

@test "--dry-run prints a line that a shell runs to the same end" {
    run --separate-stderr troupe run -n 2 --torch -x GREETING="it's me" --dry-run \
        sh -c 'echo "$GREETING $RANK"'
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    run --separate-stderr bash -c "$output"
    same "it's me 0" "it's me 1"
}

@test "a program linked with libtroupe has its mask before MPI_Init, without the shim" {
    export TROUPE_TOPOLOGY=domains.xml CUDA_VISIBLE_DEVICES=1,0
    mpirun_apart -x LD_PRELOAD="$witness" -n 2 "$example"
    output=$(grep ^MPI_Init <<<"$output" | sed 's/ cpus=.*//')
    same "MPI_Init of 0: CUDA_VISIBLE_DEVICES=1 order=PCI_BUS_ID" \
        "MPI_Init of 1: CUDA_VISIBLE_DEVICES=0 order=PCI_BUS_ID"
    run --separate-stderr troupe run -n 2 -x LD_PRELOAD="$witness" "$example"
    [ "$(grep -c '^MPI_Init of [01]: CUDA_VISIBLE_DEVICES=[01] order=PCI_BUS_ID' <<<"$output")" -eq 2 ]
    [ "$(grep -c '^rank [01]: CUDA_VISIBLE_DEVICES = [01]$' <<<"$output")" -eq 2 ]
    TROUPE_WORKERS=2 LD_PRELOAD=$witness run --separate-stderr "$example"
    [ "$(grep -c '^MPI_Init of [01]: CUDA_VISIBLE_DEVICES=[01] order=PCI_BUS_ID' <<<"$output")" -eq 2 ]
}

@test "ranks are bound before MPI_Init, each to its own cores" {
    [ "$(nproc)" -ge 2 ] || skip "one CPU: nothing to tell apart"
    run --separate-stderr troupe run -n 2 -x LD_PRELOAD="$witness" "$example"
    [ "$(grep -c "^MPI_Init of .* cpus=$(nproc)$" <<<"$output")" -eq 0 ]
    run --separate-stderr troupe run -n 2 grep Cpus_allowed_list /proc/self/status
    [ "$(sort -u <<<"$output" | wc -l)" -eq 2 ]
    run --separate-stderr troupe run -n 2 --bind none nproc
    same "$(nproc)" "$(nproc)"
}

@test "a rank that was moved after the start says so in one line" {
    [ "$(nproc)" -ge 2 ] || skip "one CPU: nothing to tell apart"
    INIT_WITNESS_MOVE=1 run --separate-stderr troupe run -n 1 -x LD_PRELOAD="$witness" "$example"
    [ "$(grep -c 'its plan says .* --bind-to none' <<<"$stderr")" -eq 1 ]
    run --separate-stderr troupe run -n 2 -x LD_PRELOAD="$witness" "$example"
    [ "$(grep -c 'its plan says' <<<"$stderr")" -eq 0 ]
}
