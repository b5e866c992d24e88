#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Real output follows the schema that the project publishes, every line of it."""
import glob
import json
import os
import unittest

import harness
from harness import PCAPS, TOP, ProgramTest, run

import dialogue
import tcpwire

ALL = ("--format", "json", "--sessions", "--messages", "--summary")


@unittest.skipUnless(harness.jsonschema, "python3-jsonschema is not installed")
class Schema(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.validator = harness.validator()

    def check(self, done, name):
        for line in done.out.splitlines():
            error = next(iter(self.validator.iter_errors(json.loads(line))), None)
            if error:
                self.fail("%s: %s at %s\n%s" % (name, error.message, "/".join(map(str, error.absolute_path)), line))

    def test_captures(self):
        paths = [path for path in sorted(glob.glob(os.path.join(PCAPS, "*"))) if ".pcap" in path]
        self.assertTrue(paths)
        for path in paths:
            self.check(run("-r", path, "--ports", "25,587,465,2525", *ALL), path)

    def test_dialogues(self):
        for path in sorted(glob.glob(os.path.join(TOP, "tests", "dialogue", "*.txt"))):
            script = dialogue.parse(path)
            with open(self.path("dialogue.pcap"), "wb") as file:
                tcpwire.write_pcap(file, dialogue.play(script))
            self.check(run("-r", self.path("dialogue.pcap"), *ALL, *script.options), path)

    def test_schema_is_strict(self):
        """A misspelt member must not pass: else the test above proves nothing."""
        event = run("-r", harness.FAMILIES, "--format", "json").events("finding")[0]
        for key in list(event):
            wrong = {("x-" + key if name == key else name): value for name, value in event.items()}
            self.assertFalse(self.validator.is_valid(wrong), "%s may be misspelt" % key)


if __name__ == "__main__":
    harness.main()
