#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The systemd unit: systemd reads it without a word, and finds it as locked up as it means to be."""
import os
import re
import shutil
import subprocess
import sys

import harness
from harness import ProgramTest, read

# systemd's scale goes from 0 (safe) to 10 (unsafe); an ordinary service has about 9.6. What is left is the network and CAP_NET_RAW.
EXPOSURE_MAX = 2.0


def analyze(*arguments):
    return harness.Done(subprocess.run(["systemd-analyze", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S, env={**os.environ, "LC_ALL": "C.UTF-8"}))


class Service(ProgramTest):
    def setUp(self):
        super().setUp()
        built = os.path.join(os.path.dirname(os.path.dirname(harness.PROGRAM)), "smtpscope.service")
        text = read(built).decode()
        # Nothing is installed: the program under test instead.
        text, count = re.subn(r"(?m)^ExecStart=\S+", "ExecStart=" + harness.PROGRAM, text)
        self.assertEqual(count, 1)
        self.unit = self.path("smtpscope.service", text.encode())
        self.text = text

    def test_verify(self):
        done = analyze("verify", "--man=no", self.unit)
        self.assert_status(done, 0)
        self.assertEqual(done.err, "")

    def test_security(self):
        done = analyze("security", "--offline=yes", "--no-pager", self.unit)
        self.assertIn("Overall exposure level", done.out, done.err)
        exposure = float(re.search(r"Overall exposure level.*?: ([0-9.]+)", done.out).group(1))
        self.assertLessEqual(exposure, EXPOSURE_MAX, done.out)

    def test_no_call_is_missing(self):
        """Whatever the program's own filter lets through, and what it needs to set that up, the unit lets through."""
        groups, name = {}, None
        for line in analyze("syscall-filter", "--no-pager").out.splitlines():
            if line.startswith("@"):
                name = line.strip()
                groups[name] = []
            elif name and line.startswith("    ") and not line.strip().startswith("#"):
                groups[name].append(line.strip())

        def expand(word):
            return set().union(*map(expand, groups[word])) if word.startswith("@") else {word}

        passed = set()
        for value in re.findall(r"(?m)^SystemCallFilter=(.*)$", self.text):
            words = set().union(*map(expand, value.lstrip("~").split()))
            passed = passed - words if value.startswith("~") else passed | words
        source = read(os.path.join(harness.TOP, "src", "app", "process", "sandbox.c")).decode()
        source = re.sub(r"#ifdef SANITIZED.*?#e", "#e", source, flags=re.S)
        needed = set(re.findall(r"CALL\((\w+)\)", source)) - {"name"} | {"seccomp", "capset", "capget", "prctl", "socket", "ioctl"}
        self.assertGreater(len(needed), 80)
        self.assertEqual(sorted(needed - passed), [])

    def test_what_the_program_expects(self):
        """READY and WATCHDOG are told, SIGHUP reloads, and the user is the program's own default."""
        for line in ("Type=notify", "ExecReload=/bin/kill -HUP $MAINPID", "User=smtpscope"):
            self.assertIn(line + "\n", self.text)
        self.assertRegex(self.text, r"(?m)^WatchdogSec=\d")
        self.assertNotIn("@CMAKE", self.text)
        self.assertIn("u smtpscope ", read(os.path.join(harness.TOP, "share", "systemd", "smtpscope.sysusers")).decode())


if __name__ == "__main__":
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze")
        sys.exit(77)
    harness.main()
