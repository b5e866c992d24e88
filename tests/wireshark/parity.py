#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
parity.py PROGRAM PLUGIN FOLDER [--only GLOB] [--verbose]: on each capture the plugin finds what the program finds.

Compared are rule, packet, severity and reason: of the list that -z smtpscope,findings prints after one pass, and of the trees
in two passes, where each finding must also stand on the frame of its evidence. In one pass a tree shows what is known when
its frame is read; what differs there is counted by rule and held against LATER.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import os
import sys

sys.dont_write_bytecode = True
import plugin  # noqa: E402

# Rule -> why the trees of one pass lack it, or have it otherwise.
LATER = {
}
# (capture, rule) -> why Wireshark sees less, or otherwise.
WIRESHARK_DIFFERS = {
}


def differences(want, got):
    want, got = collections.Counter(want), collections.Counter(got)
    return sorted((want - got).elements(), key=str), sorted((got - want).elements(), key=str)


class Capture:
    def __init__(self, name):
        self.name = name
        self.findings = 0
        self.problems = []
        self.excused = collections.Counter()
        self.later = collections.Counter()  # (rule, how) of the trees of one pass
        self.other_frame = collections.Counter()

    def compare(self, what, want, got):
        for word, findings in zip(("lacks", "has besides"), differences(want, got)):
            for finding in findings:
                if (self.name, finding[0]) in WIRESHARK_DIFFERS:
                    self.excused[finding[0]] += 1
                else:
                    self.problems.append("%s: %s %s" % (what, word, finding))

    def compare_one_pass(self, want, shown):
        lacking, besides = differences(want, [finding for _, finding in shown])
        for finding in lacking:
            same = [other for other in besides if other[:2] == finding[:2]]
            self.later[finding[0], "otherwise" if same else "lacking"] += 1
            if same:
                besides.remove(same[0])
        for finding in besides:
            self.problems.append("one pass, trees: has besides %s" % (finding,))
        for frame, finding in shown:
            self.other_frame[finding[0]] += frame != finding[1]


def check(program, tshark, path):
    capture = Capture(os.path.basename(path).split(".")[0])
    copy = tshark.copy(path)
    want = plugin.program_findings(program, path)
    two = tshark.shown(copy, "-2")
    capture.findings = len(want)
    capture.compare("one pass, list", want, tshark.listed(copy))
    capture.compare("two passes", want, [finding for _, finding in two])
    for frame, finding in two:
        if finding[1] and frame != finding[1]:
            capture.problems.append("two passes: on frame %d: %s" % (frame, finding))
    capture.compare_one_pass(want, tshark.shown(copy))
    os.remove(copy)
    return capture


def report(captures):
    later = sum((capture.later for capture in captures), collections.Counter())
    other = sum((capture.other_frame for capture in captures), collections.Counter())
    for capture in captures:
        for problem in capture.problems:
            print("%s: %s" % (capture.name, problem))
        for rule, count in capture.excused.items():
            print("%s: %s differs %d times: %s" % (capture.name, rule, count, WIRESHARK_DIFFERS[capture.name, rule]))
    print("\nin the trees of one pass:")
    for (rule, how), count in sorted(later.items()):
        print("  %-45s %4d times %s: %s" % (rule, count, how, LATER.get(rule, "NOT EXPECTED")))
    for rule, count in sorted(other.items()):
        if count:
            print("  %-45s %4d times on a later frame" % (rule, count))
    unexpected = sorted({rule for rule, _ in later} - set(LATER))
    print("\n%d captures, %d findings, each compared three ways; %d captures differ, %d rules unexpected in one pass" % (
        len(captures), sum(capture.findings for capture in captures), sum(bool(capture.problems) for capture in captures), len(unexpected)))
    return bool(unexpected) or any(capture.problems for capture in captures)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("plugin")
    parser.add_argument("folder")
    parser.add_argument("--only", default="*")
    options = parser.parse_args()
    paths = sorted(path for path in glob.glob(os.path.join(options.folder, "*.pcap*")) if fnmatch.fnmatch(os.path.basename(path), options.only))
    if not paths:
        plugin.skip("no captures in " + options.folder)
    tshark = plugin.Tshark(options.plugin)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        captures = list(pool.map(lambda path: check(options.program, tshark, path), paths))
    return 1 if report(captures) else 0


if __name__ == "__main__":
    sys.exit(main())
