#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's captures: the same bytes for the same seed, and the program finds in them what the generator says it made."""
import os
import subprocess
import sys
import unittest
import unittest.mock

import harness

BENCH = os.path.join(harness.TOP, "tests", "bench", "bench.py")
sys.path.insert(0, os.path.dirname(BENCH))
import contenders  # noqa: E402
# label, options of mkcapture, members of the totals that show that the capture has what was asked for
CAPTURES = (
    ("sound sessions", ["-n", "200", "-f", "0"], {}),
    ("a fifth with findings", ["-n", "500", "-f", "20"], {}),
    ("every session with findings", ["-n", "300", "-f", "100"], {}),
    ("one at a time", ["-n", "50", "-c", "1"], {}),
    ("many at once, tiny messages", ["-n", "3000", "-c", "3000", "-m", "1"], {}),
    ("messages longer than the text they are made from", ["-n", "20", "-m", "200001"], {}),
    ("messages of one segment and one octet", ["-n", "100", "-m", "1461"], {}),
    ("by size", ["-s", "1"], {}),
    ("packets that are no SMTP", ["-n", "50", "-o", "90"], {"stages.decode.dismissed": 9000}),
    ("reordered", ["-n", "300", "-r", "100"], {"stages.stream.out_of_order": 100}),
    ("lost and sent again", ["-n", "300", "-l", "50"], {"stages.stream.out_of_order": 100, "stages.stream.retransmitted": 20}),
    ("both", ["-n", "500", "-c", "7", "-r", "300", "-l", "100", "-f", "30"], {"stages.stream.out_of_order": 400}),
    ("lacking", ["-n", "500", "-d", "20"], {"certainty.gaps": 50}),
    ("silent", ["-n", "300", "-i", "100"], {"certainty.unfinished": 300}),
    ("some silent", ["-n", "300", "-i", "30"], {"certainty.unfinished": 50}),
)


def make(*arguments):
    mkcapture = os.path.join(os.path.dirname(harness.PROGRAM), "mkcapture")
    return subprocess.run([mkcapture, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S, check=True)


def member(event, path):
    for name in path.split("."):
        event = event[name]
    return event


class MkcaptureTest(harness.ProgramTest):
    def test_same_seed_same_bytes(self):
        options = ["-n", "200", "-f", "30", "-o", "20", "-r", "100", "-l", "50", "-d", "5", "-i", "5"]
        make(*options, self.path("a.pcap"))
        first = harness.read(self.path("a.pcap"))
        self.assertTrue(first == make(*options, "-").stdout, "the same seed made other bytes")
        self.assertTrue(first == make(*options, "-e", "1").stdout, "1 is not the seed by default")
        self.assertFalse(first == make(*options, "-e", "2").stdout, "another seed made the same bytes")

    def test_what_it_says_is_there(self):
        for label, options, wanted in CAPTURES:
            with self.subTest(label):
                path = self.path("capture.pcap")
                said = make(*options, path).stderr.decode()
                holds = {word: int(number) for number, word in (part.split() for part in said.strip().split(", "))}
                done = harness.run("-r", path, "--format", "json", "--summary")
                self.assert_status(done, 0)
                self.assertEqual(done.err, "")
                self.compare(done, holds, os.path.getsize(path))
                for name, least in wanted.items():
                    self.assertGreaterEqual(member(done.events("stats")[0], name), least, name)

    def compare(self, done, holds, size):
        stats = done.events("stats")[0]
        self.assertEqual(size, holds["octets"])
        for name in ("packets", "sessions"):
            self.assertEqual(stats[name], holds[name], name)
        self.assertEqual(stats["messages"]["accepted"], holds["messages"])
        self.assertEqual(len(done.events("finding")), holds["findings"] + holds["lacking"], stats["findings"]["by_rule"])
        self.assertEqual(stats["findings"]["by_rule"].get("transport.gap", 0), holds["lacking"])
        for name in ("conflicts", "midstream", "one_sided", "not_smtp", "evicted"):
            self.assertEqual(stats["certainty"][name], 0, name)

    def test_wrong_use(self):
        mkcapture = os.path.join(os.path.dirname(harness.PROGRAM), "mkcapture")
        for arguments in (["-n", "many"], ["-x", "1"], ["-c", "0"], ["a", "b"]):
            done = subprocess.run([mkcapture, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(b"usage: mkcapture", done.stderr)


class RunnerTest(harness.ProgramTest):
    """That it runs, small, and prints its table; no figure is judged."""

    def test_every_case_has_its_rows(self):
        sizes = ("--size", "--stream", "--scan", "--tools", "--turns")
        command = [sys.executable, BENCH, "--bin", os.path.dirname(harness.PROGRAM), "--folder", self.folder,
                   *(word for size in sizes for word in (size, "1")), "--open", "1500", "--idle", "500", "--patience", "0",
                   "--against", harness.PROGRAM]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=harness.TIMEOUT_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        table = done.stdout[done.stdout.index("\ncase "):]
        for case in ("smtp", "tiny", "mixed", "faulty", "damaged", "open", "idle", "stream", "start"):
            self.assertRegex(table, r"(?m)^%s .* <= " % case)
        for name in ("bare loop", "smtpscope, text", "smtpscope, no output", "reading", "portable", "read\\(2\\) alone", "\\+ decode",
                     "\\+ stream", "\\+ judge, traces", "\\+ correlate, merge, JSON: all"):
            self.assertRegex(done.stdout, "\n  %s " % name)
        self.assertRegex(done.stdout, r"\n0 disturbed runs were thrown away")
        self.assertEqual(os.listdir(self.folder), [])


class Took:
    def __init__(self, processor):
        self.processor = processor


class MachineTest(unittest.TestCase):
    """What else the machine does: disturbed runs are thrown away while patience lasts, then kept, and counted either way."""

    def measured(self, patience, others):
        """A run that takes a second of processor time, while others take as much as the list says, run by run."""
        machine, worked, others = contenders.Machine(patience), [0.0], list(others)
        machine.wait = lambda: None

        def run():
            worked[0] += 1 + others.pop(0)
            machine.waited += 1
            return Took(1)

        with unittest.mock.patch.object(contenders, "processor_seconds", lambda: worked[0]):
            machine.measured(run)
        return machine.thrown, machine.kept, len(others)

    def test_runs(self):
        for label, patience, others, wanted in (
                ("alone", 9, [0], (0, 0, 0)),
                ("a clock tick is nothing", 9, [0.02], (0, 0, 0)),
                ("disturbed, then alone", 9, [0.5, 0, 0], (1, 0, 1)),
                ("disturbed until patience ends", 3, [0.5, 0.5, 0.5, 0.5], (2, 1, 1)),
                ("no patience", 0, [0.5, 0], (0, 1, 1))):
            with self.subTest(label):
                self.assertEqual(self.measured(patience, others), wanted)


if __name__ == "__main__":
    harness.main()
