#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/long/processor.sh ARCHITECTURE [FOLDER]: unit tests and fuzz replay on another processor: i386 (32 bits), arm64, s390x
# (big-endian). A Debian 12 in FOLDER (a temporary one when absent) has the cross compiler and that processor's libraries; the
# preset of that name builds, and qemu-user runs what this machine cannot. Needs root, debootstrap and a Debian mirror.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "processor.sh: needs root" >&2; exit 2; }
emulated='unit\.sink_(sandboxed|socket)$' # qemu-user filters no system calls and passes no descriptors in empty datagrams
case ${1-} in
    i386) packages="gcc-i686-linux-gnu" emulated= ;;
    arm64) packages="gcc-aarch64-linux-gnu qemu-user-static" ;;
    s390x) packages="gcc-s390x-linux-gnu qemu-user-static" ;;
    *) echo "usage: processor.sh i386|arm64|s390x [FOLDER]" >&2; exit 2 ;;
esac
# In a mount namespace of its own: what is mounted here, and by the tests, goes with it.
[ "${SMTPSCOPE_FRESH_NAMESPACE:-}" ] || SMTPSCOPE_FRESH_NAMESPACE=own exec unshare --mount --propagation private "$0" "$@"
architecture=$1
suite=bookworm
root=${2:-$(mktemp -d "${TMPDIR:-/tmp}/processor.XXXXXX")}

leave() {
    umount --recursive "$root" 2>/dev/null || :
    [ $# -gt 1 ] || rm -rf --one-file-system "$root"
}
trap 'leave "$@"' EXIT

. "$(dirname -- "$0")/root.sh"
root_make
root_copy_checkout /root/smtpscope
libraries=$(awk -v to=":$architecture" '$2 ~ /-dev$/ && $2 !~ /^wireshark/ { print $2 to }' "$checkout/cmake/debian-packages" | tr '\n' ' ')
root_run root "dpkg --add-architecture $architecture && apt-get update -q &&
    apt-get install -q -y --no-install-recommends cmake ninja-build gettext python3 clang-format $packages pkg-config $libraries"
root_run root "cd ~/smtpscope && cmake --preset $architecture && cmake --build --preset $architecture &&
    ctest --preset $architecture -R '^(unit|fuzz)\\.' -E '${emulated:-^$}'"
echo "| $architecture | unit tests and fuzz replay${emulated:+ but for $emulated} | all green |"
