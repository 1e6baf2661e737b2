# shellcheck shell=bash
# Waits until COMMAND… succeeds. The limit only stops a test that has failed.
await()
{
    for _ in $(seq 1500); do
        "$@" && return 0
        sleep 0.02
    done
    echo "waited in vain for: $*"
    return 1
}
