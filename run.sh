#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ./run.sh ARGUMENTS: installs what is missing, builds smtpscope where that is due, and runs it with the arguments.
set -u
script=run.sh
called_from=$PWD
cd -- "$(dirname -- "$0")" || exit 2
PWD=$(pwd -P)
# shellcheck source=cmake/setup.sh
. cmake/setup.sh

packages_install run
mkdir -p build || die "cannot write here, and the program is built here"
[ -x build/release/bin/smtpscope ] || say "building smtpscope, once"
# One build at a time: a second ./run.sh waits for the first.
(: >>build/lock) 2>/dev/null || die "build/ belongs to another user (root, after sudo?): remove it, or run this as that user"
exec 9>build/lock
flock 9
build_preset release smtpscope-program translations || exit 2
exec 9>&-

program=$PWD/build/release/bin/smtpscope
cd -- "$called_from" || exit 2
exec "$program" "$@"
