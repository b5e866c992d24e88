# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# A minimal Debian to build and test in; sourced by a script of this folder that has set `suite`, and `root` to where it is or
# shall be. The caller has a mount namespace of its own: what is mounted here, and by the tests, goes with it.

checkout=$(cd -- "$(dirname -- "$0")/../.." && pwd -P)

# debootstrap's minbase with git, and the same way to reach the mirror as this machine has.
root_make() {
    mkdir -p "$root"
    chmod 755 "$root" # some tests go on as nobody
    # shellcheck disable=SC2016 # apt expands it
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | head -n 1)
    if [ ! -e "$root/etc/debian_version" ]; then
        echo "debootstrap $suite${mirror:+ from $mirror}"
        # A proxy may be set for apt alone.
        eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
        [ -z "${http_proxy:-}" ] || export http_proxy
        debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$root" ${mirror:+"$mirror"}
    fi
    apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/99-of-the-host" || :
    [ -e "$root/etc/hosts" ] || echo "127.0.0.1 localhost" >"$root/etc/hosts"
    [ ! -e /etc/resolv.conf ] || install -D -m 644 /etc/resolv.conf "$root/etc/resolv.conf"
    [ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1 || :
    mkdir -p "$root/proc" "$root/dev" "$root/sys"
    # A mount point, as the root of a machine is one.
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --bind /dev "$root/dev"
}

# root_copy_checkout FOLDER: what a clone would have, with what is not committed yet; no build folder.
root_copy_checkout() {
    rm -rf "$root$1"
    mkdir -p "$root$1"
    (cd "$checkout" && git ls-files -z --cached --others --exclude-standard | tar -cf - --null --files-from=-) | tar -xf - -C "$root$1"
}

# root_run USER COMMAND: with standard input closed, as CI does it.
root_run() {
    home=$(chroot "$root" sh -c "echo ~$1")
    chroot "$root" setpriv --reuid="$1" --regid="$1" --init-groups /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "$2" <&-
}
