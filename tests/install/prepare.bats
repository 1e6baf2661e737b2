#!/usr/bin/env bats
# What the preparation says and does on machines that lack something. Each machine is a folder of
# commands, the whole PATH of the script; one that would install records its words in a file.

setup()
{
    place=$(mktemp -d)
    machine=$place/machine
    calls=$place/calls
    mkdir "$machine" "$place/tree"
    for tool in bash env awk grep tail mkdir dirname cat; do
        ln -s "$(command -v $tool)" "$machine/$tool"
    done
    offer id 'echo 1000'
    : >"$calls"
}

teardown()
{
    rm -rf "$place"
}

# offer NAME BODY: puts a command onto the machine.
offer()
{
    printf '#!%s/bash\n%s\n' "$machine" "$2" >"$machine/$1"
    chmod +x "$machine/$1"
}

# offer_apt: a Debian on which nothing is installed; installing makes the packages be there.
offer_apt()
{
    offer dpkg-query "grep -qx \"\${!#}\" $place/installed 2>/dev/null && echo -n installed"
    offer apt-get "echo \"\$*\" >>$calls
        case \"\$*\" in
        *--print-uris*)
            echo '0 upgraded, 3 newly installed, 0 to remove and 7 not upgraded.'
            echo 'After this operation, 45.6 MB of additional disk space will be used.'
            echo \"'http://there/one.deb' one.deb 1500000 SHA256:00\"
            echo \"'http://there/two.deb' two.deb 2500000 SHA256:00\" ;;
        *install*) printf '%s\n' \"\$@\" >>$place/installed ;;
        esac"
}

# prepare PACKAGE…: what quickstart does with its packages.
prepare()
{
    run "$machine/env" -i PATH="$machine" "$machine/bash" -c \
        "cd $place/tree && . $TROUPE_SOURCE/launch/prepare.sh && prepare_packages $*" \
        </dev/null
    printf '%s\n' "$output"
}

@test "without apt-get it lists the packages and changes nothing" {
    prepare cmake libhwloc-dev
    [ "$status" -eq 1 ]
    [[ ${lines[0]} == "This system has no apt-get"* ]]
    [ "${lines[1]}" = "  cmake libhwloc-dev" ]
    [ "${lines[2]}" = "Nothing was changed." ]
    [ -z "$(ls "$place/tree")" ]
}

@test "without root and sudo it lists the packages and calls no apt-get" {
    offer_apt
    prepare cmake libhwloc-dev
    [ "$status" -eq 1 ]
    [[ ${lines[0]} == *"sudo is not here"* ]]
    [ "${lines[1]}" = "  cmake libhwloc-dev" ]
    [ ! -s "$calls" ]
}

@test "where sudo wants a password that nobody can type, it stops as well" {
    offer_apt
    offer sudo 'exit 1'
    prepare cmake
    [ "$status" -eq 1 ]
    [[ ${lines[0]} == *"sudo wants a password"* ]]
    [ ! -s "$calls" ]
}

@test "with sudo it says how much it is, then installs exactly that" {
    offer_apt
    offer sudo "[ \"\$1\" = -n ] && exit; exec \"\$@\""
    prepare cmake libhwloc-dev
    [ "$status" -eq 0 ]
    [ "${lines[1]}" = "Installing 3 packages (4 MB to download, 45.6 MB on disk) for" ]
    [ "${lines[2]}" = "  cmake libhwloc-dev" ]
    [[ $(tail -n 1 "$calls") == *" install cmake libhwloc-dev" ]]
    prepare cmake libhwloc-dev
    [ "$status" -eq 0 ]
    [ "$output" = "Every package is here." ]
}

@test "what is there from elsewhere is not asked for" {
    offer cmake 'exit 0'
    prepare cmake ninja-build
    [ "$status" -eq 1 ]
    [ "${lines[1]}" = "  ninja-build" ]
}

@test "an apt-get that fails is shown, and nothing goes on" {
    offer_apt
    offer id 'echo 0'
    offer apt-get 'case "$*" in *--print-uris*) ;; *) echo "E: no room on this disk"; exit 100 ;; esac'
    prepare cmake
    [ "$status" -eq 1 ]
    [[ $output == *"E: no room on this disk"* ]]
    [[ ${lines[-1]} == *"build/prepare.log"* ]]
}

# prepare_mpi: what tests/run does for the build ompi5.
prepare_mpi()
{
    run "$machine/env" -i PATH="$machine" "$machine/bash" -c \
        "cd $place/tree && . $TROUPE_SOURCE/launch/prepare.sh && prepare_open_mpi_5" </dev/null
    printf '%s\n' "$output"
}

@test "an Open MPI 5 that cannot be downloaded is done without, with pip's reason" {
    ln -s "$(command -v rm)" "$machine/rm"
    offer python3 'echo Collecting; echo "ERROR: no network here" >&2; exit 1'
    prepare_mpi
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == "No Open MPI 5."*"ERROR: no network here" ]]
}

@test "an Open MPI 5 is downloaded once" {
    ln -s "$(command -v rm)" "$machine/rm"
    ln -s "$(command -v chmod)" "$machine/chmod"
    offer python3 "echo called >>$calls; mkdir -p build/openmpi5/bin
        echo 'echo mpirun \(Open MPI\) 5.0.11' >build/openmpi5/bin/mpirun
        chmod +x build/openmpi5/bin/mpirun"
    prepare_mpi
    [ "$status" -eq 0 ]
    prepare_mpi
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    [ "$(wc -l <"$calls")" -eq 1 ]
}

@test "quickstart takes no arguments but --help" {
    run "$TROUPE_SOURCE/launch/quickstart" --help
    [ "$status" -eq 0 ]
    [[ $output == "Usage: "* ]]
    run "$TROUPE_SOURCE/launch/quickstart" now
    [ "$status" -eq 2 ]
}
