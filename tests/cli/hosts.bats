#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Where a run's hosts come from: the sample host files, lists, allocations of batch systems recorded
# as their manuals show them. Nothing is started but by --dry-run.

bats_require_minimum_version 1.5.0

setup()
{
    unset SLURM_JOB_NODELIST SLURM_TASKS_PER_NODE SLURM_NTASKS SLURM_NTASKS_PER_NODE \
        SLURM_JOB_CPUS_PER_NODE SLURM_GPUS SLURM_GPUS_ON_NODE SLURM_GPUS_PER_NODE SLURM_GPUS_PER_TASK LSB_DJOB_HOSTFILE LSB_MCPU_HOSTS PE_HOSTFILE PBS_NODEFILE \
        TROUPE_WORKERS CUDA_VISIBLE_DEVICES TROUPE_TOPOLOGY
    hostfiles=$(cd "$BATS_TEST_DIRNAME/../../hostfiles" && pwd)
    nodes=$BATS_TEST_TMPDIR/nodes
}

# hosts_of ARGUMENTS…: what mpirun would be told of hosts and ranks.
hosts_of()
{
    troupe run "$@" --dry-run true | grep -oE -- ' --host(file)? [^ ]+| -n [0-9]+' | tr -d '\n'
}

@test "each sample file gives the ranks that its README says" {
    rows=0
    while IFS='|' read -r _ file _ ranks _; do
        file=$(tr -d '` ' <<<"$file")
        [ -n "$file" ] && [ -f "$hostfiles/$file" ] || continue
        rows=$((rows + 1))
        [[ $ranks =~ [0-9]+ ]] || continue
        ranks=${BASH_REMATCH[0]}
        run -0 hosts_of --hostfile "$hostfiles/$file"
        [[ $output == *" -n $ranks" ]]
    done <"$hostfiles/README.md"
    [ "$rows" -eq "$(find "$hostfiles" -type f ! -name README.md | wc -l)" ]
}

@test "mpirun gets a file that it reads, and a list in place of one that it does not" {
    run -0 hosts_of --hostfile "$hostfiles/two-nodes"
    [ "$output" = " --hostfile $hostfiles/two-nodes -n 8" ]
    run -0 hosts_of --hostfile "$hostfiles/hydra"
    [ "$output" = " --host node1:4,node2:4 -n 8" ]
}

@test "an allocation is found, and a named host goes before it" {
    printf 'n1\nn1\nn2\n' >"$nodes"
    PBS_NODEFILE=$nodes run -0 hosts_of
    [ "$output" = " --host n1:2,n2:1 -n 3" ]
    LSB_DJOB_HOSTFILE=$nodes LSB_MCPU_HOSTS="x 9" run -0 hosts_of
    [ "$output" = " --host n1:2,n2:1 -n 3" ]
    LSB_MCPU_HOSTS="n1 4 n2 2" run -0 hosts_of
    [ "$output" = " --host n1:4,n2:2 -n 6" ]
    PBS_NODEFILE=$nodes run -0 hosts_of --host a:2
    [ "$output" = " --host a:2 -n 2" ]
}

@test "what Open MPI finds by itself is left to it" {
    printf 'n1 4 all.q@n1 UNDEFINED\nn2 2 all.q@n2 UNDEFINED\n' >"$nodes"
    PE_HOSTFILE=$nodes run -0 hosts_of
    [ "$output" = " -n 6" ]
    SLURM_JOB_NODELIST='tux[01-02]' SLURM_TASKS_PER_NODE='4(x2)' SLURM_NTASKS=8 run -0 hosts_of
    [ "$output" = " -n 8" ]
}

@test "Slurm without a number of tasks gives a rank for each GPU of each node" {
    SLURM_JOB_NODELIST='tux[01-02]' SLURM_TASKS_PER_NODE='1(x2)' \
        TROUPE_TOPOLOGY=$BATS_TEST_DIRNAME/../data/topologies/eight-numa-out-of-order.xml \
        run -0 hosts_of
    [ "$output" = " -n 16" ]
}

@test "what Slurm packed is dealt by GPUs, and --per-node counts in its jobs" {
    export SLURM_JOB_NODELIST='tux[01-02]' SLURM_TASKS_PER_NODE=15,1 SLURM_NTASKS=16
    run -0 troupe run --dry-run true
    [[ $output != *--map-by* && $output == *" -n 16 "* ]]
    SLURM_GPUS_ON_NODE=8 run -0 troupe run --dry-run true
    [[ $output == *" --map-by ppr:8:node -n 16 "* ]]
    SLURM_GPUS_ON_NODE=4 run -0 troupe run --dry-run true
    [[ $output != *--map-by* ]]
    run -0 troupe run --per-node 3 --dry-run true
    [[ $output == *" --map-by ppr:3:node -n 6 "* ]]
}

@test "mpirun's daemons ask Slurm for the GPUs that their ranks are to share" {
    export SLURM_JOB_NODELIST='tux[01-02]' SLURM_TASKS_PER_NODE=8,4 SLURM_NTASKS=12
    SLURM_GPUS_PER_TASK=1 run -0 troupe run --dry-run true
    [[ $output == *"OMPI_MCA_plm_slurm_args=--gpus=12 "* ]]
    SLURM_GPUS=16 SLURM_GPUS_ON_NODE=8 run -0 troupe run --dry-run true
    [[ $output == *"OMPI_MCA_plm_slurm_args=--gpus=8 "* ]]
    SLURM_GPUS=16 SLURM_GPUS_ON_NODE=8 OMPI_MCA_plm_slurm_args=-v run -0 troupe run --dry-run true
    [[ $output != *plm_slurm_args* ]]
    SLURM_GPUS_ON_NODE=8 run -0 troupe run --dry-run true
    [[ $output != *plm_slurm_args* ]]
}

@test "plan shows an allocation's hosts" {
    SLURM_JOB_NODELIST='tux[01-02]' SLURM_TASKS_PER_NODE='1,2' SLURM_NTASKS=3 \
        run -0 troupe plan --json
    python3 -c 'import json, sys
nodes = json.load(sys.stdin)["nodes"]
assert [(n["name"], len(n["ranks"])) for n in nodes] == [("tux01", 1), ("tux02", 2)]' <<<"$output"
}

@test "what is wrong is said by name and place, with status 2" {
    printf 'n1\nn2 4\n' >"$nodes"
    PBS_NODEFILE=$nodes run -2 --separate-stderr troupe run true
    [[ $stderr == *"$nodes:2: "* ]]
    SLURM_JOB_NODELIST='tux[3-1]' run -2 --separate-stderr troupe run true
    [[ $stderr == *"SLURM_JOB_NODELIST: "*"character 5"* ]]
    [ "${#stderr_lines[@]}" -eq 1 ]
    run -2 --separate-stderr troupe run --hostfile "$nodes" true
    [[ $stderr == *"nodes:2: 4 is no setting"* ]]
}

# /bin/true in place of mpirun: what is asked is whether it is started at all.
@test "the room of this host bounds what runs on this host" {
    TROUPE_MPIRUN=/bin/true run -0 troupe run --host a:5000000,b:5000000 true
    TROUPE_MPIRUN=/bin/true run -2 troupe run --host localhost:10000000 true
    [[ $output == *"no room for 10000000 ranks on this host"* ]]
}
