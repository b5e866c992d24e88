#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tests/bench/soak.py in little: some ten thousand sessions on an interface; nothing grows, nothing is missing. The long one is a target."""
import os
import subprocess
import sys

import harness

SESSIONS, LOOP, PACKETS_A_SECOND = 60000, 3000, 60000
GROWTH = 10  # in so short a time not all has been used that is there; a hundred octets kept of each session are more



def main():
    program = os.path.abspath(sys.argv[1])
    if b"__asan_init" in harness.read(program):
        print("SKIPPED: the sanitizer keeps what is freed")
        return 77
    return subprocess.run([sys.executable, os.path.join(harness.TOP, "tests", "bench", "soak.py"), "--bin", os.path.dirname(program),
                           "--sessions", str(SESSIONS), "--loop", str(LOOP), "--pps", str(PACKETS_A_SECOND), "--growth", str(GROWTH),
                           "--only", "findings"],
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
