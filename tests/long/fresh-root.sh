#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/long/fresh-root.sh SUITE [FOLDER]: ./run.sh and ./test.sh as a new user meets them. Makes a minimal Debian of that
# suite (bookworm, trixie, sid) with debootstrap in FOLDER (a temporary one when absent), adds git, copies the checkout in,
# and runs both there: as root with the checkout in /root, then as an ordinary user. The last line is a row of the table of
# systems that were tried. Needs root, debootstrap and a Debian mirror; takes the mirror and apt's settings of this machine.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "fresh-root.sh: needs root" >&2; exit 2; }
[ $# -ge 1 ] || { echo "usage: fresh-root.sh SUITE [FOLDER]" >&2; exit 2; }
# In a mount namespace of its own: what is mounted here, and by the tests, goes with it.
[ "${SMTPSCOPE_FRESH_NAMESPACE:-}" ] || SMTPSCOPE_FRESH_NAMESPACE=own exec unshare --mount --propagation private "$0" "$@"
suite=$1
if [ $# -gt 1 ]; then
    root=$2
    keep=yes
    mkdir -p "$root"
else
    root=$(mktemp -d "${TMPDIR:-/tmp}/fresh-root.XXXXXX")
fi

leave() {
    umount --recursive "$root" 2>/dev/null || :
    [ "${keep:-}" ] || rm -rf --one-file-system "$root"
}
trap leave EXIT

. "$(dirname -- "$0")/root.sh"
root_make

# in_root TITLE USER COMMAND: in USER's checkout.
in_root() {
    echo "== $1"
    begin=$(date +%s)
    status=0
    root_run "$2" "cd ~/smtpscope && $3" || status=$?
    echo "== $1: status $status, $(($(date +%s) - begin)) s"
    [ "$status" -eq 0 ] || failed="${failed:-}$1; "
}

# shellcheck disable=SC2016 # dpkg-query expands it
version() {
    chroot "$root" dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo none
}

root_copy_checkout /root/smtpscope
in_root './run.sh, the first time' root './run.sh -r pcaps/all-three-families.pcap'
in_root './run.sh, the second time' root './run.sh -r pcaps/all-three-families.pcap >/dev/null'
in_root './run.sh in French' root './run.sh -r pcaps/all-three-families.pcap --lang fr | grep -q "En cause"'
in_root './test.sh as root in /root' root './test.sh'
chroot "$root" id newcomer >/dev/null 2>&1 || chroot "$root" useradd --create-home newcomer
root_copy_checkout /home/newcomer/smtpscope
chroot "$root" chown -R newcomer:newcomer /home/newcomer
in_root './run.sh as an ordinary user' newcomer './run.sh -r pcaps/all-three-families.pcap >/dev/null'
in_root './test.sh as an ordinary user' newcomer './test.sh'

printf '| %s | gcc %s | glibc %s | libpcap %s | Wireshark %s | %s |\n' "$suite" "$(version gcc)" "$(version libc6)" \
    "$(version libpcap0.8)$(version libpcap0.8t64)" "$(version tshark)" "${failed:-all green}"
[ -z "${failed:-}" ]
