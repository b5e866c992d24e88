#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
parity.py PROGRAM PLUGIN FOLDER [--only GLOB] [--verbose]: on each capture the plugin finds what the program finds.

Compared are rule, packet, severity and reason: of the list that -z smtpscope,findings prints after one pass, and of the trees
in two passes, where each finding must also stand on the frame of its evidence. In one pass a tree shows what is known when
its frame is read: what is told only when the capture has ended is missing there, and nothing else; what the end of a session
revises may be otherwise, for the rules of REVISED and no other.
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

# Rule -> what is revised behind the frame that shows it in one pass.
REVISED = {
    "sequence.command-before-greeting": "its severity: what the server makes of the early commands",
    "rejection.ehlo-refused": "its severity and reason: whether the client falls back to HELO",
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
        self.one_pass = collections.Counter()  # (rule, how its trees differ)

    def compare(self, what, want, got):
        for word, findings in zip(("lacks", "has besides"), differences(want, got)):
            for finding in findings:
                if (self.name, finding[0]) in WIRESHARK_DIFFERS:
                    self.excused[finding[0]] += 1
                else:
                    self.problems.append("%s: %s %s" % (what, word, finding))

    def compare_one_pass(self, listed, shown):
        """What a tree can show in one pass is what is told while there are frames."""
        want = [finding for finding, told in listed if told]
        lacking, besides = differences(want, [finding for _, finding in shown])
        for finding in lacking:
            same = [other for other in besides if other[:2] == finding[:2]]
            if same and finding[0] in REVISED:
                besides.remove(same[0])
                self.one_pass[finding[0], "shown before it is revised"] += 1
            else:
                self.problems.append("one pass, trees: lacks %s" % (finding,))
        for finding in besides:
            self.problems.append("one pass, trees: has besides %s" % (finding,))
        for finding, told in listed:
            if not told:
                self.one_pass[finding[0], "told when the capture has ended: in no tree"] += 1
        for frame, finding in shown:
            if frame != finding[1]:
                self.one_pass[finding[0], "shown on a later frame than its evidence's"] += 1


def check(program, tshark, path):
    capture = Capture(os.path.basename(path).split(".")[0])
    copy = tshark.copy(path)
    want = plugin.program_findings(program, path)
    two = tshark.shown(copy, "-2")
    listed = tshark.listed(copy)
    capture.findings = len(want)
    capture.compare("one pass, list", want, [finding for finding, _ in listed])
    capture.compare("two passes", want, [finding for _, finding in two])
    for frame, finding in two:
        if finding[1] and frame != finding[1]:
            capture.problems.append("two passes: on frame %d: %s" % (frame, finding))
    capture.compare_one_pass(listed, tshark.shown(copy))
    os.remove(copy)
    return capture


def report(captures):
    one_pass = sum((capture.one_pass for capture in captures), collections.Counter())
    for capture in captures:
        for problem in capture.problems:
            print("%s: %s" % (capture.name, problem))
        for rule, count in capture.excused.items():
            print("%s: %s differs %d times: %s" % (capture.name, rule, count, WIRESHARK_DIFFERS[capture.name, rule]))
    print("in the trees of one pass:")
    for (rule, how), count in sorted(one_pass.items()):
        print("  %-45s %4d times %s" % (rule, count, how))
    differ = sum(bool(capture.problems) for capture in captures)
    print("%d captures, %d findings, each compared three ways: %d captures differ" % (
        len(captures), sum(capture.findings for capture in captures), differ))
    return differ > 0


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
