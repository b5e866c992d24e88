#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ./test.sh: installs what is missing, builds, and runs all tests: as developers build it, with sanitizers, and as users run it.
# The last line is "N passed, N failed", perhaps with ", N skipped".
set -u
script=test.sh
cd -- "$(dirname -- "$0")" || exit 2
PWD=$(pwd -P)
# shellcheck source=cmake/setup.sh
. cmake/setup.sh

passed=0
failed=0
skipped=0

# count NAME STATUS: one check that is not CTest's.
count() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        say "failed: $1"
    fi
}

# junit_count ATTRIBUTE: of the last CTest run.
junit_count() {
    sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$junit" | head -n 1
}

# Builds one preset and runs its tests.
test_preset() {
    say "preset $1: building"
    build_preset "$1" all smtpscope_verify_interface_header_sets
    built=$?
    count "build of preset $1" $built
    [ $built -eq 0 ] || return
    junit=$PWD/build/$1/tests.xml
    rm -f "$junit"
    say "preset $1: testing"
    # As many at a time as there are processors: with more, a slow machine runs into the limits on single tests.
    ctest --preset "$1" --parallel "$(nproc)" --no-tests=error --output-junit "$junit" </dev/null
    if [ ! -s "$junit" ]; then
        count "tests of preset $1" 1
        return
    fi
    all=$(grep -c '<testcase ' "$junit")
    bad=$(junit_count failures)
    out=$(($(junit_count skipped) + $(junit_count disabled)))
    failed=$((failed + bad))
    skipped=$((skipped + out))
    passed=$((passed + all - bad - out))
}

# What the README promises: one command on a capture that has all three families.
test_run_script() {
    out=$(./run.sh -r pcaps/all-three-families.pcap --format json </dev/null) || return 1
    for rule in '"rule": *"sequence\.' '"rule": *"rejection\.' '"rule": *"deferral\.'; do
        printf '%s\n' "$out" | grep -q "$rule" || { say "./run.sh: no finding like $rule"; return 1; }
    done
}

# What users run is built by what runs often: it says the same as the build that was tested.
test_release_says_the_same() {
    [ -n "$(find build/release/profile/counts -name "*.gcda" 2>/dev/null)" ] || [ "${SMTPSCOPE_PROFILE:-ON}" = OFF ] || { say "the release build has no counts"; return 1; }
    for capture in pcaps/*.pcap pcaps/*.pcapng.gz; do
        for preset in dev release; do
            "build/$preset/bin/smtpscope" -r "$capture" --format json --sessions --messages >"build/$preset/said.json" || return 1
        done
        cmp -s build/dev/said.json build/release/said.json || { say "$capture: the presets dev and release differ"; return 1; }
    done
}

packages_install run test
mkdir -p build || die "cannot write here, and the tests are built here"
test_preset dev
test_preset asan
test_run_script
count "./run.sh on pcaps/all-three-families.pcap" $?
test_release_says_the_same
count "dev and release on pcaps" $?

if [ "$skipped" -gt 0 ]; then
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
    printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[ "$failed" -eq 0 ]
