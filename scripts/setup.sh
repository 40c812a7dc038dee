#!/usr/bin/env bash
# All set-up for `make demo`, `make test` and `make check` on Debian or Ubuntu: system packages, then .venv.
#
# usage: scripts/setup.sh demo|test|check
#
# What is there already is left alone, so a second run fetches nothing, and a plain user on a prepared machine needs no root.
# PYTHON=/path/to/python3 chooses the Python of a new .venv.
set -euo pipefail

purpose=${1:?usage: scripts/setup.sh demo|test|check}
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # sshd and mke2fs are not on a plain user's path
log=$(mktemp "${TMPDIR:-/tmp}/edgeq-setup.XXXXXX")
trap 'rm -f "$log"' EXIT

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
show_log() { tail -n 15 "$log" | sed 's/^/    /' >&2; }

# --- What is missing -------------------------------------------------------------------------------------------------

# A Python that edgeq and TensorFlow support; with "venv" also one that can make virtual environments.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null &&
            { [ "${1:-}" != venv ] || "$candidate" -c 'import venv, ensurepip' 2>/dev/null; }; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

required=() optional=()
need() { # need required|optional PACKAGE: unless one of the commands that follow is there, or the package itself
    local list=$1 package=$2 command
    shift 2
    for command in "$@"; do
        if have "$command"; then return; fi
    done
    if installed "$package"; then return; fi
    if [ "$list" = required ]; then required+=("$package"); else optional+=("$package"); fi
}

venv_ready() { [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; }
if ! venv_ready && ! find_python venv >/dev/null; then
    [ -z "${PYTHON:-}" ] || find_python >/dev/null || die "PYTHON=$PYTHON is not a Python from 3.10 to 3.13 that runs here"
    # Of a Python beside the system's own, the matching package is called python3.12-venv.
    if python=$(find_python) && [ "$(basename "$python")" != python3 ]; then
        required+=("$(basename "$python")-venv")
    else
        required+=(python3 python3-venv)
    fi
fi
if [ "$purpose" != check ]; then
    need required qemu-user-static qemu-aarch64-static
    need required openssh-client ssh-keygen
    need required dpkg dpkg-deb
    need required build-essential cc
    need optional gcc-arm-none-eabi arm-none-eabi-gcc
    need optional libnewlib-arm-none-eabi arm-none-eabi-gcc # its headers: recommended packages are left out
    need optional proot proot
    need optional qemu-system-arm qemu-system-aarch64
    need optional e2fsprogs mke2fs
    need optional cpio cpio
    need optional kmod modprobe
    need optional zstd zstd
fi
if [ "$purpose" = test ]; then
    need optional gcc-riscv64-unknown-elf riscv64-unknown-elf-gcc
    need optional picolibc-riscv64-unknown-elf riscv64-unknown-elf-gcc
    need optional qemu-system-misc qemu-system-riscv32
    need optional gcc-arm-linux-gnueabihf arm-linux-gnueabihf-gcc
    need optional gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
    need optional clang clang
    need optional libclang-rt-dev # its sanitizers: recommended packages are left out
    need optional chromium chromium chromium-browser google-chrome
    need optional strace strace
    need optional mender-artifact mender-artifact
    if [ -d /run/systemd/system ]; then
        have sshd || say "openssh-server is not installed, and its tests are skipped: installing it would start a server here"
        have mender || say "mender-client is not installed, and its test is skipped: installing it would start a daemon here"
    else
        need optional openssh-server sshd
        need optional mender-client mender
    fi
fi

# --- System packages -------------------------------------------------------------------------------------------------

as_root=()
can_be_root() {
    if [ "$(id -u)" = 0 ]; then return; fi
    if ! have sudo; then return 1; fi
    as_root=(sudo)
    sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }
}

apt() { # stops and questions of the packages' own scripts have no place here; another apt-get is waited for
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}
apt_install() { apt install --no-install-recommends "$@"; }

missing=("${required[@]}" "${optional[@]}")
if [ ${#missing[@]} -gt 0 ]; then
    line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if ! have apt-get; then
        [ ${#required[@]} = 0 ] || die "this is not Debian or Ubuntu; install what these packages hold: ${required[*]}"
        say "going on without ${optional[*]}: what needs one of them is skipped"
    elif can_be_root; then
        say "installing ${missing[*]}"
        apt update || { show_log; die "apt-get update failed"; }
        if ! apt_install "${missing[@]}"; then
            [ ${#required[@]} = 0 ] || apt_install "${required[@]}" || { show_log; die "cannot install ${required[*]}"; }
            for package in "${optional[@]}"; do
                apt_install "$package" || say "cannot install $package; what needs it is skipped"
            done
        fi
    elif [ ${#required[@]} -gt 0 ]; then
        say "system packages are missing, and this user can be neither root nor sudo. Run this once as root, then again:"
        printf '%s\n' "$line" >&2
        exit 1
    else
        say "going on without ${optional[*]}: what needs one of them is skipped. To have them, run as root:"
        printf '%s\n' "$line" >&2
    fi
fi

# --- The virtual environment -----------------------------------------------------------------------------------------

stamp="$(sha256sum pyproject.toml | cut -d ' ' -f 1) $PWD"
if venv_ready && [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ]; then exit 0; fi
if ! venv_ready; then
    python=$(find_python venv) ||
        die "there is no Python 3.10 to 3.13 that can make virtual environments; install one, or say PYTHON=/path/to/it"
    say "creating .venv with $("$python" -V 2>&1)"
    "$python" -m venv --clear .venv >"$log" 2>&1 || { show_log; die "cannot create .venv"; }
fi
say "installing edgeq and what it needs into .venv (some minutes the first time)"
.venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --editable '.[all,dev]' >"$log" 2>&1 ||
    { show_log; die "pip could not install edgeq"; }
printf '%s\n' "$stamp" >.venv/stamp
