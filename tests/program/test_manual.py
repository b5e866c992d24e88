#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual's pages are read without a complaint by those who format them."""
import glob
import os
import shutil
import subprocess
import sys
import unittest

import harness
from harness import ProgramTest

PAGES = sorted(glob.glob(os.path.join(harness.TOP, "man", "*.[0-9]")))


def complaints(*command):
    return harness.Done(subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       timeout=harness.TIMEOUT_S, env={**os.environ, "LC_ALL": "C.UTF-8"}))


class Manual(ProgramTest):
    def pages(self):
        self.assertGreaterEqual(len(PAGES), 2)
        built = os.path.join(os.path.dirname(os.path.dirname(harness.PROGRAM)), "man", "smtpscope-rules.7")
        return PAGES + [built] * os.path.exists(built)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_mandoc(self):
        for page in self.pages():
            done = complaints("mandoc", "-T", "lint", "-W", "warning", page)
            self.assertEqual(done.out + done.err, "", page)

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man(self):
        for page in self.pages():
            done = complaints("man", "--warnings", "--local-file", page)
            self.assertEqual(done.err, "", page)
            self.assertIn("SEE ALSO", done.out)


if __name__ == "__main__":
    if not shutil.which("mandoc") and not shutil.which("man"):
        print("skipped: neither mandoc nor man")
        sys.exit(77)
    harness.main()
