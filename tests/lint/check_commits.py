#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_commits.py [TOP]: the subjects of commits fit where git shows them, since CONTRIBUTING.md asks for that. Where there is no
history, this says so and is skipped."""
import os
import subprocess
import sys

SUBJECT_MAX = 72
SKIPPED = 77
TOP = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def git(*arguments):
    """The lines that git prints; None when it cannot."""
    try:
        done = subprocess.run(["git", "-C", TOP, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.splitlines()


def main():
    begun = git("log", "--diff-filter=A", "--format=%H", "--", "CONTRIBUTING.md")
    if not begun:
        print("NOT CHECKED: there is no history of CONTRIBUTING.md here")
        return SKIPPED
    commits = git("log", "--no-merges", "--format=%h %s", begun[-1] + "..HEAD")
    long = [line for line in commits or [] if len(line.split(" ", 1)[1]) > SUBJECT_MAX]
    for line in long:
        print("%s\n    wanted  a subject of at most %d characters" % (line, SUBJECT_MAX))
    print("%d commits since, %d subjects too long" % (len(commits or []), len(long)))
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
