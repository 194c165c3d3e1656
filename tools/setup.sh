#!/bin/sh
# Make the virtual environment that `make demo` (run) or `make test` (test) uses.
# As root on Debian, missing packages are installed; otherwise they are named and the step fails.
set -eu
venv=$1
purpose=$2
python=${PYTHON:-python3}

packages=
need() {
    # need COMMAND PACKAGE: the package, unless the command is there
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}

need "$python" python3
if command -v "$python" >/dev/null 2>&1; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "troth needs Python 3.11 or later; $python is $("$python" --version)" >&2
        exit 1
    }
    "$python" -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"
else
    packages="$packages python3-venv"
fi
if [ "$purpose" != run ] || [ "$(id -u)" = 0 ]; then
    # the demo ends with a C program, and goes without it where nobody can install a compiler
    need gcc gcc
    [ -e /usr/include/stdio.h ] || packages="$packages libc6-dev"
fi
if [ "$purpose" != run ]; then
    need busybox busybox
    need musl-gcc musl-tools
    need dot graphviz
    need bpfc netsniff-ng
    need go golang-go
    # libseccomp's own Python binding, which is for the system's interpreter.
    /usr/bin/python3 -c 'import seccomp' 2>/dev/null || packages="$packages python3-seccomp"
    # What verifies the suites that the libc matrix gets its programs from.
    ls /usr/share/keyrings/debian-archive-keyring.* >/dev/null 2>&1 || packages="$packages debian-archive-keyring"
    # What signs the suite of a mirror that lies.
    need gpg gnupg
    # The machines that other kernels and architectures run on, and what kernels are packed with.
    need qemu-system-x86_64 qemu-system-x86
    need qemu-system-aarch64 qemu-system-arm
    need qemu-system-s390x qemu-system-misc
    need zstd zstd
    need lz4 lz4
    if [ "$purpose" = matrix ]; then
        need qemu-system-ppc64 qemu-system-ppc
        [ -d /usr/share/opensbi ] || [ -d /usr/lib/riscv64-linux-gnu/opensbi ] || packages="$packages opensbi"
    fi
    if [ "$(uname -m)" = x86_64 ] && ! echo 'int main(void){return 0;}' | gcc -m32 -x c -o /dev/null - 2>/dev/null; then
        packages="$packages gcc-multilib"
    fi
fi
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        # shellcheck disable=SC2086  # a list of words
        apt-get -qq install -y --no-install-recommends $packages >/dev/null
    else
        echo "missing packages:$packages (as root, this step installs them)" >&2
        [ "$purpose" = run ] && exit 1
        "$python" -c 'import ensurepip, venv' 2>/dev/null || exit 1
    fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
if [ "$purpose" != run ]; then
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -e '.[test]'
    touch "$venv/.test-ready" "$venv/.ready"
else
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -e .
    touch "$venv/.ready"
fi
