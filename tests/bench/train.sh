#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# train.sh BIN PCAPS FOLDER: runs the smtpscope in BIN on what it is built for, so that it counts what runs often (see
# cmake/SmtpscopeProfile.cmake). The captures are made in FOLDER by the mkcapture in BIN, with its own seed; those of PCAPS are
# beside them. A build without counts is as good as one without training: what cannot be run is said, and stops nothing.
set -u
bin=$1 pcaps=$2 folder=$3

say() {
    printf 'train.sh: %s\n' "$*" >&2
}

# The counts are written as the program ends: its own filter on system calls knows nothing of that, nor may another user.
as=
[ "$(id -u)" -ne 0 ] || as="--user root"
read_capture() {
    # shellcheck disable=SC2086 # two words, or none
    "$bin/smtpscope" --no-sandbox $as "$@" >"$folder/out" 2>"$folder/said" || say "not trained: smtpscope $*"
}

# made NAME OPTIONS: a capture
made() {
    # shellcheck disable=SC2086 # one word an option
    "$bin/mkcapture" $2 "$folder/$1.pcap" 2>"$folder/out" 2>"$folder/said" || say "not made: mkcapture $2"
}

mkdir -p "$folder" || exit 0
# The common mail first, and most of it: messages of 12 kB and 1 kB, a fifth of the sessions with findings.
made mail "-n 400 -m 12000 -f 20"
made small "-n 1000 -m 1000 -f 20"
made faulty "-n 200 -m 12000 -f 100"
made damaged "-n 200 -m 12000 -f 20 -r 100 -l 20 -d 2"
made mixed "-n 20 -m 12000 -f 20 -o 99 -c 10"
made idle "-n 1000 -i 100"
for name in mail small faulty damaged mixed idle; do
    read_capture -r "$folder/$name.pcap" --format json --workers 1
done
read_capture -r "$folder/small.pcap" --workers 2
read_capture -r "$folder/small.pcap" --format json --sessions --messages --workers 2
# shellcheck disable=SC2086 # two words, or none
"$bin/smtpscope" --no-sandbox $as -r - --format json <"$folder/mail.pcap" >"$folder/out" 2>"$folder/said" || say "not trained: smtpscope -r -"
for capture in "$pcaps"/*.pcap "$pcaps"/*.pcapng*; do
    read_capture -r "$capture"
    read_capture -r "$capture" --format json --sessions --messages --detect
done
exit 0
