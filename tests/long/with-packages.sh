#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/long/with-packages.sh "PACKAGE..." COMMAND...: runs the command where these packages and what they need seem to be
# installed, though nothing is: their files lie over /usr and /etc in a mount namespace of the command's own. So two mail servers
# that Debian does not let stand beside one another can be tried on one machine, and none is started or left behind. Takes root.
set -eu
packages=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/debs/partial" "$folder/files"
chmod 755 "$folder"
chown _apt "$folder/debs" "$folder/debs/partial" # apt fetches as a user of its own
(
    cd "$folder/debs"
    # shellcheck disable=SC2086 # one word a package
    needed=$(apt-get install -s --no-install-recommends $packages 2>/dev/null | awk '/^Inst /{print $2}')
    # What is installed already is not listed; what apt cannot find stops here.
    # shellcheck disable=SC2086
    [ -z "$needed" ] || apt-get download $needed >/dev/null
)
for package in "$folder"/debs/*.deb; do
    [ ! -f "$package" ] || dpkg-deb -x "$package" "$folder/files"
done
export folder
# shellcheck disable=SC2016 # expanded in the namespace
unshare --mount --propagation private sh -euc '
    mkdir "$folder/over"
    mount -t tmpfs tmpfs "$folder/over"
    for part in usr etc; do
        mkdir -p "$folder/files/$part" "$folder/over/$part/upper" "$folder/over/$part/work"
        mount -t overlay overlay -o "lowerdir=$folder/files/$part:/$part,upperdir=$folder/over/$part/upper,workdir=$folder/over/$part/work" "/$part"
    done
    ldconfig
    exec "$@"' sh "$@"
