#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/long/fresh-root.sh SUITE [FOLDER]: ./run.sh and ./test.sh as a new user meets them. Makes a minimal Debian of that
# suite (bookworm, trixie, sid) with debootstrap in FOLDER (a temporary one when absent), adds git, copies the checkout in,
# and runs both there: as root with the checkout in /root, then as an ordinary user. The last line is a row of the table of
# systems that were tried. Needs root, debootstrap and a Debian mirror; takes the mirror and apt's settings of this machine.
set -eu
checkout=$(cd -- "$(dirname -- "$0")/../.." && pwd -P)
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

chmod 755 "$root" # some tests go on as nobody

leave() {
    umount --recursive "$root" 2>/dev/null || :
    [ "${keep:-}" ] || rm -rf --one-file-system "$root"
}
trap leave EXIT

# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | head -n 1)
if [ ! -e "$root/etc/debian_version" ]; then
    echo "debootstrap $suite${mirror:+ from $mirror}"
    # A proxy may be set for apt alone.
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [ -z "${http_proxy:-}" ] || export http_proxy
    debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$root" ${mirror:+"$mirror"}
fi

# The same way to reach the mirror.
apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/99-of-the-host" || :
[ ! -e /etc/resolv.conf ] || install -D -m 644 /etc/resolv.conf "$root/etc/resolv.conf"
[ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
chroot "$root" update-ca-certificates >/dev/null 2>&1 || :
mkdir -p "$root/proc" "$root/dev" "$root/sys"
# A mount point, as the root of a machine is one.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"

# What a clone would have, with what is not committed yet; no build folder.
copy_checkout() {
    rm -rf "$root$1"
    mkdir -p "$root$1"
    (cd "$checkout" && git ls-files -z --cached --others --exclude-standard | tar -cf - --null --files-from=-) | tar -xf - -C "$root$1"
}

# in_root TITLE USER HOME COMMAND: in USER's checkout, with standard input closed, as CI does it.
in_root() {
    echo "== $1"
    begin=$(date +%s)
    status=0
    chroot "$root" setpriv --reuid="$2" --regid="$2" --init-groups /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$3" \
        LC_ALL=C.UTF-8 sh -c "cd $3/smtpscope && $4" <&- || status=$?
    echo "== $1: status $status, $(($(date +%s) - begin)) s"
    [ "$status" -eq 0 ] || failed="${failed:-}$1; "
}

# shellcheck disable=SC2016 # dpkg-query expands it
version() {
    chroot "$root" dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo none
}

copy_checkout /root/smtpscope
in_root './run.sh, the first time' root /root './run.sh -r pcaps/all-three-families.pcap'
in_root './run.sh, the second time' root /root './run.sh -r pcaps/all-three-families.pcap >/dev/null'
in_root './run.sh in French' root /root './run.sh -r pcaps/all-three-families.pcap --lang fr | grep -q "En cause"'
in_root './test.sh as root in /root' root /root './test.sh'
chroot "$root" id newcomer >/dev/null 2>&1 || chroot "$root" useradd --create-home newcomer
copy_checkout /home/newcomer/smtpscope
chroot "$root" chown -R newcomer:newcomer /home/newcomer
in_root './run.sh as an ordinary user' newcomer /home/newcomer './run.sh -r pcaps/all-three-families.pcap >/dev/null'
in_root './test.sh as an ordinary user' newcomer /home/newcomer './test.sh'

printf '| %s | gcc %s | glibc %s | libpcap %s | Wireshark %s | %s |\n' "$suite" "$(version gcc)" "$(version libc6)" \
    "$(version libpcap0.8)$(version libpcap0.8t64)" "$(version tshark)" "${failed:-all green}"
[ -z "${failed:-}" ]
