#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_format.py [TOP]: each C file is laid out as clang-format 14 does it by .clang-format. Other versions lay out otherwise: where
that one is not installed, this says so and is skipped."""
import os
import re
import shutil
import subprocess
import sys

VERSION = "14"
SKIPPED = 77
TOP = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def clang_format():
    for name in ("clang-format-" + VERSION, "clang-format"):
        path = shutil.which(name)
        if path and re.search(r"version %s\." % VERSION, subprocess.run([path, "--version"], capture_output=True, text=True).stdout):
            return path
    return None


def c_files():
    for folder in ("include", "src", "plugins", "tests"):
        for path, folders, names in os.walk(os.path.join(TOP, folder)):
            folders[:] = sorted(name for name in folders if not name.startswith((".", "build")))
            yield from (os.path.join(path, name) for name in sorted(names) if name.endswith((".c", ".h")))


def main():
    program = clang_format()
    if not program:
        print("NOT CHECKED: clang-format %s is not installed; on Debian 12 it is the package clang-format" % VERSION)
        return SKIPPED
    done = subprocess.run([program, "--style=file", "--dry-run", "-Werror", *c_files()], capture_output=True, text=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    if wrong:
        print("laid out otherwise by `clang-format -i FILE`:\n" + "\n".join(os.path.relpath(path, TOP) for path in wrong))
    elif done.returncode:
        print(done.stderr)
    else:
        print("all laid out by .clang-format")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
