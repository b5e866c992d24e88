#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/bench/run.sh [-n TURNS] [-p PROGRAM] [MKCAPTURE-OPTIONS]
# The program's speed beside that of a bare pcap_loop over the same file, in turns (ABAB), medians; and the program's memory.
# Without options of mkcapture: 1 GB of messages of 12 kB.
set -u
script=bench
cd -- "$(dirname -- "$0")/../.." || exit 2
PWD=$(pwd -P)
# shellcheck source=../../cmake/setup.sh
. cmake/setup.sh

turns=5
program=build/release/bin/smtpscope
while [ $# -ge 2 ]; do
    case $1 in
    -n) turns=$2 ;;
    -p) program=$2 ;;
    *) break ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- -s 1024

build_preset release smtpscope-program mkcapture bare_loop || exit 2
folder=$(mktemp -d "${TMPDIR:-/tmp}/smtpscope-bench.XXXXXX") || exit 2
trap 'rm -rf "$folder"' EXIT
capture=$folder/capture.pcap
counts=$(build/release/bin/mkcapture "$@" "$capture" 2>&1) || die "$counts"
packets=$(printf '%s\n' "$counts" | sed -n 's/.* \([0-9]*\) packets.*/\1/p')
octets=$(printf '%s\n' "$counts" | sed -n 's/.* \([0-9]*\) octets.*/\1/p')
printf 'capture      mkcapture %s: %s\n' "$*" "$counts"

# clock COMMAND...: seconds of wall time
clock() {
    begin=$(date +%s%N)
    "$@" >"$folder/out" 2>"$folder/err" </dev/null || die "failed: $*: $(tail -n 3 "$folder/err")"
    end=$(date +%s%N)
    awk -v ns=$((end - begin)) 'BEGIN { printf "%.4f\n", ns / 1e9 }'
}

# The highest resident set while it runs, in kB: the kernel's own high-water mark, read until the program is gone.
resident_max() {
    "$@" >"$folder/out" 2>/dev/null </dev/null &
    child=$!
    highest=0
    while now=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$child/status" 2>/dev/null) && [ -n "$now" ]; do
        highest=$now
        sleep 0.02
    done
    wait "$child"
    printf '%s\n' "$highest"
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

cat "$capture" >/dev/null # into the page cache, for both
turn=0
while [ "$turn" -lt "$turns" ]; do
    clock build/release/bin/bare_loop "$capture" >>"$folder/bare"
    clock "$program" -r "$capture" --format json >>"$folder/program"
    turn=$((turn + 1))
done
findings=$(wc -l <"$folder/out")
bare=$(median "$folder/bare")
ours=$(median "$folder/program")
awk -v bare="$bare" -v ours="$ours" -v packets="$packets" -v octets="$octets" -v turns="$turns" 'BEGIN {
    printf "bare loop    %.3f s   %.2f M packets/s   %.1f Gbit/s\n", bare, packets / bare / 1e6, octets * 8 / bare / 1e9
    printf "smtpscope    %.3f s   %.2f M packets/s   %.1f Gbit/s\n", ours, packets / ours / 1e6, octets * 8 / ours / 1e9
    printf "ratio        %.2f (medians of %d turns each)\n", ours / bare, turns
}'
printf 'resident     %s kB at most\nfindings     %s\n' "$(resident_max "$program" -r "$capture" --format json)" "$findings"
