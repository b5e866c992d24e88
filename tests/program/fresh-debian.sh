#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/program/fresh-debian.sh [FOLDER]: ./run.sh and ./test.sh as a new user meets them. Makes a minimal Debian 12 with
# debootstrap in FOLDER (a temporary one when absent), adds git, copies the checkout in, and runs both there. Needs root,
# debootstrap and a Debian mirror; takes the mirror and apt's settings of this machine. Not part of ./test.sh.
set -eu
checkout=$(cd -- "$(dirname -- "$0")/../.." && pwd -P)
[ "$(id -u)" -eq 0 ] || { echo "fresh-debian.sh: needs root" >&2; exit 2; }
# In a mount namespace of its own: what is mounted here, and by the tests, goes with it.
[ "${SMTPSCOPE_FRESH_NAMESPACE:-}" ] || SMTPSCOPE_FRESH_NAMESPACE=own exec unshare --mount --propagation private "$0" "$@"
if [ $# -gt 0 ]; then
    root=$1
    mkdir -p "$root"
else
    root=$(mktemp -d "${TMPDIR:-/tmp}/fresh-debian.XXXXXX")
fi

chmod 755 "$root" # some tests go on as nobody

leave() {
    umount --recursive "$root" 2>/dev/null || :
    [ "${keep:-}" ] || rm -rf --one-file-system "$root"
}
[ $# -eq 0 ] || keep=yes
trap leave EXIT

# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
if [ ! -e "$root/etc/debian_version" ]; then
    echo "debootstrap${mirror:+ from $mirror}"
    # A proxy may be set for apt alone.
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [ -z "${http_proxy:-}" ] || export http_proxy
    debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" ${mirror:+"$mirror"}
fi

# The same sources and the same way to reach them.
apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/99-of-the-host" || :
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/resolv.conf; do
    [ ! -e "$file" ] || install -D -m 644 "$file" "$root$file"
done
[ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
chroot "$root" update-ca-certificates >/dev/null 2>&1 || :
mkdir -p "$root/proc" "$root/dev" "$root/sys"
# A mount point, as the root of a machine is one.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"

rm -rf "$root/home/smtpscope"
mkdir -p "$root/home/smtpscope"
# What a clone would have, with what is not committed yet; no build folder.
(cd "$checkout" && git ls-files -z --cached --others --exclude-standard | tar -cf - --null --files-from=-) | tar -xf - -C "$root/home/smtpscope"

# in_root TITLE COMMAND: in the checkout, with standard input closed, as CI does it.
in_root() {
    echo "== $1"
    begin=$(date +%s)
    status=0
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        sh -c "cd /home/smtpscope && $2" <&- || status=$?
    echo "== $1: status $status, $(($(date +%s) - begin)) s"
    [ "$status" -eq 0 ] || exit "$status"
}

in_root './run.sh, the first time' './run.sh -r pcaps/all-three-families.pcap'
in_root './run.sh, the second time' './run.sh -r pcaps/all-three-families.pcap >/dev/null'
in_root './test.sh' './test.sh'
