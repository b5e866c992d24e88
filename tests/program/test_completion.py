#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Completion in bash and zsh knows each option that the manual has, and what it may be given."""
import os
import re
import shutil
import subprocess
import unittest

import harness
from harness import ProgramTest, read

FOLDER = os.path.join(harness.TOP, "share", "completion")
# Those of subcommands, and what every program has: the help does not list them.
UNLISTED = {"--stage", "--help", "--version"}
# Behind the script come the words of the command line, the program first; the last one is to be completed.
BASH = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _smtpscope "$1" "${@: -1}" "${@: -2:1}"; printf "%s\\n" "${COMPREPLY[@]}"'
ZSH = """compadd() { shift; print -l -- "$@" }; _files() { print -l FILES }
script=$1; shift; words=("$@"); CURRENT=$#; complete_it() { source $script }; complete_it"""


def manual_options():
    page = read(os.path.join(harness.TOP, "man", "smtpscope.1")).decode("utf-8")
    return {"-" + name for line in page.splitlines() if line.startswith(".It Fl") for name in re.findall(r"Fl (-[a-z-]+)", line)}


class CompletionTest(ProgramTest):
    def completed(self, command, *words):
        done = subprocess.run([*command, harness.PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=harness.TIMEOUT_S)
        self.assertEqual(done.stderr, "", words)
        return done.stdout.split()

    def check(self, command):
        offered = self.completed(command, "--")
        self.assertEqual({word for word in offered if word.startswith("--")}, manual_options() - UNLISTED)
        for words, want in ((("--format", ""), {"text", "json", "eve", "csv"}), (("--color", ""), {"auto", "always", "never"}),
                            (("--fail-on", ""), {"error", "warning", "notice", "info"})):
            self.assertEqual(set(self.completed(command, *words)), want, words)

    def test_bash(self):
        command = ("bash", "-c", BASH, os.path.join(FOLDER, "smtpscope.bash"))
        self.check(command)
        self.assertEqual(self.completed(command, "--rule", "deferral.grey"), ["deferral.greylisted"])
        self.assertEqual(self.completed(command, "comp"), ["compare"])
        self.assertEqual(self.completed(command, "-C", ""), [])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh(self):
        self.check(("zsh", "-f", "-c", ZSH, "zsh", os.path.join(FOLDER, "_smtpscope")))


if __name__ == "__main__":
    harness.main()
