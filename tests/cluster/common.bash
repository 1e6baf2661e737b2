# What the commands of the cluster share. A cluster is a tree of processes: `unshare`, marked by its
# environment, then the head's first process, then each node's. Everything a node has (network,
# host name, processes, shared memory, mounts) belongs to namespaces that end with its first
# process, and the nodes' end with the head's: to kill `unshare` is to remove the cluster.
#
# The state folder holds keys, configurations and logs. Clusters of different folders know nothing
# of each other, so that tests may run side by side.
# shellcheck shell=bash disable=SC2034 # the commands use what is set here

cluster_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cluster_state=${TROUPE_CLUSTER:-${TMPDIR:-/tmp}/troupe-cluster-$(id -u)}
cluster_subnet=10.77.0

cluster_fail()
{
    printf 'tests/cluster: %s\n' "$*" >&2
    exit 1
}

# cluster_needs: prints why no cluster can be made here; nothing when one can.
cluster_needs()
{
    local tool

    if [ "$(id -u)" -ne 0 ]; then
        echo "a cluster needs root: sshd has to change users"
        return
    fi
    for tool in ip unshare nsenter ssh ssh-keygen sshd; do
        PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || {
            echo "a cluster needs $tool: apt-get install iproute2 util-linux openssh-client openssh-server"
            return
        }
    done
    unshare --pid --fork --kill-child --mount --uts --ipc --net --mount-proc true 2>/dev/null ||
        echo "this machine grants root no namespaces (a container without CAP_SYS_ADMIN?)"
}

# The marked `unshare` processes of this state folder: one while a cluster is up.
cluster_roots()
{
    local environment

    for environment in /proc/[0-9]*/environ; do
        if grep -qsz "^TROUPE_CLUSTER_ROOT=$cluster_state\$" "$environment"; then
            environment=${environment%/environ}
            echo "${environment#/proc/}"
        fi
    done
}

# The host's process id of the head's first process.
cluster_head()
{
    local head

    read -r head 2>/dev/null <"$cluster_state/head.pid" && [ -d "/proc/$head" ] &&
        echo "$head" && return
    cluster_fail "no cluster is up in $cluster_state; start one: tests/cluster/up 2"
}

# cluster_on_head COMMAND…: as root in the head's namespaces, in the folder /.
cluster_on_head()
{
    nsenter --target "$(cluster_head)" --mount --uts --ipc --net --pid -- "$@"
}

# cluster_node NAME: NAME, when there is such a node.
cluster_node()
{
    [ -d "$cluster_state/nodes/$1" ] ||
        cluster_fail "there is no node '$1'; there are: $(cd "$cluster_state/nodes" && echo *)"
    echo "$1"
}
