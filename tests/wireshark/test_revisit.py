#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
test_revisit.py PLUGIN: what the GUI does with frames, through sharkd, which shares its code: load a file, look at frames in any
order, load another file, come back, change a preference and load again. A frame always shows the same.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
import plugin  # noqa: E402

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FILES = ("all-three-families.pcap", "postfix-out-of-order.pcap", "postfix-starttls.pcap")


class Sharkd:
    def __init__(self, tshark):
        tshark.tshark = "sharkd"
        self.process = subprocess.Popen(tshark.command("-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.count = 0

    def ask(self, method, **params):
        self.count += 1
        request = {"jsonrpc": "2.0", "id": self.count, "method": method, **({"params": params} if params else {})}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("sharkd ended at %s" % request)
            if line.strip().startswith(b"{"):
                return json.loads(line)

    def load(self, path):
        self.ask("load", file=path)
        return self.ask("status")["result"]["frames"]

    def shown(self, number):
        """The labels of the plugin's tree."""
        tree = self.ask("frame", frame=number, proto=True)["result"].get("tree", [])
        return json.dumps([item for item in tree if "smtpscope" in item.get("l", "")], sort_keys=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Revisit(unittest.TestCase):
    def setUp(self):
        self.files = [TSHARK.copy(os.path.join(TOP, "pcaps", name)) for name in FILES]
        self.sharkd = Sharkd(TSHARK)
        self.addCleanup(self.sharkd.close)

    def test_any_order_any_file(self):
        dice = random.Random(4)
        first, findings = {}, 0
        for turn in range(3):
            for path in self.files if turn else reversed(self.files):
                numbers = list(range(1, self.sharkd.load(path) + 1))
                for number in numbers if not turn else dice.choices(numbers, k=2 * len(numbers)):
                    shown = self.sharkd.shown(number)
                    findings += "Finding: " in shown
                    self.assertEqual(first.setdefault((path, number), shown), shown, "%s, frame %d, turn %d" % (path, number, turn))
        self.assertGreater(findings, 100)

    def test_preference_and_back(self):
        path = self.files[0]
        self.sharkd.load(path)
        before = self.sharkd.shown(75)
        self.assertIn("rejection.verify-disabled", before)
        self.sharkd.ask("setconf", name="smtpscope.min_severity", value="warning")
        self.sharkd.load(path)
        self.assertNotIn("rejection.verify-disabled", self.sharkd.shown(75))
        self.sharkd.ask("setconf", name="smtpscope.min_severity", value="info")
        self.sharkd.load(path)
        self.assertEqual(self.sharkd.shown(75), before)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: %s PLUGIN" % sys.argv[0])
    if not shutil.which("sharkd"):
        plugin.skip("no sharkd here")
    TSHARK = plugin.Tshark(sys.argv.pop(1))
    unittest.main(verbosity=2)
