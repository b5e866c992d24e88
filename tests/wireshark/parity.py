#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
parity.py PROGRAM PLUGIN FOLDER [--only GLOB...]: on each capture, or dialogue, of the folder the plugin finds what the program finds.

Compared are all members of plugin.Finding: of the list that -z smtpscope,findings prints after one pass, and of the trees in two
passes, where each finding must also stand on the frame of its evidence. In one pass a tree shows what is known when its frame is
read: what is told only when the capture has ended is missing there, and nothing else. What the end of a session revises may be
otherwise; but severity and reason for the rules of REVISED and no other.
"""
import argparse
import collections
import concurrent.futures
import glob
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import dialogue  # noqa: E402
import plugin  # noqa: E402
import tcpwire  # noqa: E402

# Rule -> what is revised behind the frame that shows it in one pass.
REVISED = {
    "sequence.command-before-greeting": "its severity: what the server makes of the early commands",
    "rejection.ehlo-refused": "its severity and reason: whether the client falls back to HELO",
    "data.smuggling": "its severity: whether the server takes the look-alike for the end",
}
# What a tree in one pass and the list cannot differ in.
UNREVISED = ("rule", "packet", "state", "exchange")
# (capture, rule) -> why Wireshark sees less, or otherwise.
WIRESHARK_DIFFERS = {
}


Early = collections.namedtuple("Early", UNREVISED + ("severity", "reason"))


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
                if (self.name, finding.rule) in WIRESHARK_DIFFERS:
                    self.excused[finding.rule] += 1
                else:
                    self.problems.append("%s: %s %s" % (what, word, finding))

    def compare_one_pass(self, listed, shown):
        """What a tree can show in one pass is what is told while there are frames."""
        def early(finding):
            """As one pass may show it."""
            names = UNREVISED if finding.rule in REVISED else UNREVISED + ("severity", "reason")
            return Early(*(getattr(finding, name) if name in names else None for name in Early._fields))

        told = [finding for finding, when in listed if when]
        lacking, besides = differences(map(early, told), [early(finding) for _, finding in shown])
        for finding in lacking:
            self.problems.append("one pass, trees: lacks %s" % (finding,))
        for finding in besides:
            self.problems.append("one pass, trees: has besides %s" % (finding,))
        for finding in differences(told, [finding for _, finding in shown])[0]:
            self.one_pass[finding.rule, "shown before it is revised"] += 1
        for finding, when in listed:
            if not when:
                self.one_pass[finding.rule, "told when the capture has ended: in no tree"] += 1
        for frame, finding in shown:
            if frame != finding.packet:
                self.one_pass[finding.rule, "shown on a later frame than its evidence's"] += 1


def check(program, tshark, path):
    capture = Capture(os.path.basename(path).split(".")[0])
    copy = tshark.copy(path)
    if path.endswith(".txt"):
        with open(copy, "wb") as file:
            tcpwire.write_pcap(file, dialogue.play(dialogue.parse(path), "cut", 1))
    want = plugin.program_findings(program, copy)
    two = tshark.shown(copy, "-2")
    listed = tshark.listed(copy)
    capture.findings = len(want)
    capture.compare("one pass, list", want, [finding for finding, _ in listed])
    capture.compare("two passes", want, [finding for _, finding in two])
    for frame, finding in two:
        if finding.packet and frame != finding.packet:
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
    parser.add_argument("--only", nargs="+", default=["*.pcap*"])
    options = parser.parse_args()
    paths = sorted(path for only in options.only for path in glob.glob(os.path.join(options.folder, only)))
    if not paths:
        plugin.skip("no captures in " + options.folder)
    tshark = plugin.Tshark(options.plugin)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        captures = list(pool.map(lambda path: check(options.program, tshark, path), paths))
    return 1 if report(captures) else 0


if __name__ == "__main__":
    sys.exit(main())
