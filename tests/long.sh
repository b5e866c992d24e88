#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/long.sh [--minutes N] [PART...]: what takes too long for ./test.sh. Without PART, all parts, one after the other; each
# fuzz target runs for its share of N minutes (60 when unsaid). What a part prints stands in build/long/PART.log; the last
# line is "N parts passed, N failed".
#   fuzz         libFuzzer over all targets, with the corpora of tests/fuzz
#   thread       ThreadSanitizer over the captures, one to four workers
#   mutations    the program broken in one place after the other: a test must notice each
#   pairing      a line without a reply, or a reply without a line, at each place of each clean session, with ten seeds
#   flood        a million SYNs that nobody answers around sessions: bounded, and the sessions judged as ever
#   stacks       real TCP stacks behind filters, narrow links, full queues and lossy links: who is blamed for what (root, nft)
#   recipients   Dovecot's LMTP and Exim's PRDR: what the program says of each recipient is what the server logged (root, apt)
#   processors   unit tests and fuzz replay on i386, arm64 and a big-endian processor (root, debootstrap)
#   roots        ./run.sh and ./test.sh in fresh Debian 12, 13 and sid (root, debootstrap)
set -u
cd -- "$(dirname -- "$0")/.." || exit 2
minutes=60
[ "${1-}" != --minutes ] || { minutes=$2; shift 2; }
[ $# -gt 0 ] || set -- fuzz thread mutations pairing flood stacks recipients processors roots
mkdir -p build/long
passed=0
failed=0

part_fuzz() {
    cmake --workflow --preset fuzz || return 1
    targets=$(find build/fuzz/bin -name 'fuzz_*' -type f | sort)
    share=$((minutes * 60 / $(echo "$targets" | wc -l)))
    status=0
    for target in $targets; do
        name=$(basename "$target")
        mkdir -p "build/long/corpus/$name" # libFuzzer writes into the first folder
        "$target" -max_total_time=$share -print_final_stats=1 "build/long/corpus/$name" "tests/fuzz/corpus/${name#fuzz_}" || status=1
    done
    return $status
}

part_thread() {
    cmake -S . -B build/thread -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG='-O1 -g -fsanitize=thread' -DBUILD_TESTING=OFF &&
        cmake --build build/thread --target smtpscope-program || return 1
    for capture in pcaps/*.pcap*; do
        for workers in 1 2 3 4; do
            build/thread/bin/smtpscope -r "$capture" --workers $workers --format json --sessions --messages >/dev/null
            [ $? -lt 2 ] || { echo "$capture, $workers workers"; return 1; }
        done
    done
}

part_mutations() {
    tests/long/mutations.py
}

part_pairing() {
    cmake --preset dev && cmake --build --preset dev --target smtpscope-program || return 1
    for seed in 1 2 3 4 5 6 7 8 9 10; do
        python3 tests/pairing/out_of_step.py --all --seed $seed build/dev/bin/smtpscope pcaps ../shared/captures ../shared/captures-servers ||
            return 1
    done
}

part_flood() {
    cmake --preset dev && cmake --build --preset dev --target smtpscope-program || return 1
    for capture in all-three-families postfix-out-of-order postfix-aborted; do
        tests/long/flood.py build/dev/bin/smtpscope pcaps/$capture.pcap || return 1
    done
}

part_stacks() {
    cmake --preset dev && cmake --build --preset dev --target smtpscope-program || return 1
    python3 tests/long/stacks.py build/dev/bin/smtpscope # skips loudly without root, namespaces or nft(8)
    status=$?
    [ $status -eq 0 ] || [ $status -eq 77 ]
}

part_recipients() {
    cmake --preset dev && cmake --build --preset dev --target smtpscope-program || return 1
    # The user is of the namespace, as the packages are.
    tests/long/with-packages.sh "dovecot-lmtpd exim4-daemon-heavy" sh -c \
        'useradd --system --user-group Debian-exim && exec python3 tests/long/recipients.py build/dev/bin/smtpscope'
}

part_processors() {
    status=0
    for architecture in i386 arm64 s390x; do
        tests/long/processor.sh $architecture || status=1
    done
    return $status
}

part_roots() {
    status=0
    for suite in bookworm trixie sid; do
        tests/long/fresh-root.sh $suite || status=1
    done
    return $status
}

for part in "$@"; do
    if "part_$part" >"build/long/$part.log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $part (build/long/$part.log has it all)"
    fi
done
[ ! -e build/long/roots.log ] || grep '^| ' build/long/roots.log
echo "$passed parts passed, $failed failed"
[ "$failed" -eq 0 ]
