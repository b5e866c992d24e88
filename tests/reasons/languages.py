#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""languages.py SMTPSCOPE [--verbose]: how well replies in other languages are read, those of languages.tsv; in UTF-8, and in the
encodings that servers had before. Fails where in a language and an encoding less than LEAST in a hundred are right."""
import collections
import json
import os
import subprocess
import sys

LEAST = 80
ENCODINGS = {"zh": ["gbk"], "ja": ["shift_jis", "euc_jp"], "ko": ["euc_kr"], "ru": ["koi8_r", "cp1251"], "pt": ["iso8859_1"], "it": ["iso8859_1"]}
STAGES = {"RCPT": "rcpt", "MAIL": "mail", "EOM": "data", "connect": "connect"}


def read(program, stage, lines):
    done = subprocess.run([program, "explain", "--stage", stage, "-"], input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]


def main():
    program, verbose = sys.argv[1], "--verbose" in sys.argv
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "languages.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    counts = collections.defaultdict(collections.Counter)
    for stage in STAGES:
        for encoding in ["utf_8"] + sorted({name for names in ENCODINGS.values() for name in names}):
            asked = [row for row in rows if row[1] == stage and (encoding == "utf_8" or encoding in ENCODINGS.get(row[4], ()))]
            found = read(program, STAGES[stage], [row[3].encode(encoding, "replace") for row in asked]) if asked else []
            for row, reply in zip(asked, found, strict=True):
                right = reply["reason"] in row[2].split("|")
                counts[row[4], encoding][right] += 1
                if verbose and not right:
                    print("%s %s: wanted %s, got %s (%s): %s" % (row[4], encoding, row[2], reply["reason"], reply["reason_evidence"], row[3]))
    status = 0
    for (language, encoding), count in sorted(counts.items()):
        share = 100 * count[True] / sum(count.values())
        print("%s %-10s %3d replies, %5.1f %% right (at least %d)" % (language, encoding, sum(count.values()), share, LEAST))
        status |= share < LEAST
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
