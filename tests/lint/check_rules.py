#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_rules.py PROGRAM DIALOGUES: each rule has a dialogue that raises it and a near miss that must not; no dialogue names a rule that is none."""
import fnmatch
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import dialogue as dialogues  # noqa: E402

# Rules that no dialogue can raise, as they are about the program itself or about TCP -> the tests that do, which name them.
NETWORK = ("program/test_network.py",)
EXCEPTIONS = {
    "transport.capture-drops": ("unit/test_own_losses.c", "program/test_losses.py"),
    "transport.output-lost": ("unit/test_own_losses.c", "program/test_losses.py"),
    **{"tls." + name: ("program/test_keys.py",) for name in ("no-keys", "wrong-keys")},
    **{"connection." + name: NETWORK for name in ("unanswered", "refused", "no-greeting", "lost")},
    **{"network." + name: NETWORK for name in ("path-mtu", "loss")},
}


def table_of(program):
    """The rules in the order of the table."""
    done = subprocess.run([program, "rules", "--format", "json"], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
    return [json.loads(line)["rule"] for line in done.stdout.splitlines()]


def collect(folder):
    """Rule -> the dialogues that expect it, and rule -> those that are its near miss. Globs raise no rule: what they meet is left open."""
    raised, missed = {}, {}
    for path in sorted(glob.glob(os.path.join(folder, "*.txt"))):
        script, name = dialogues.parse(path), os.path.basename(path)
        for expectation in script.expect:
            raised.setdefault(expectation.rule, []).append(name)
        for rule in script.near_miss:
            missed.setdefault(rule, []).append(name)
    return raised, missed


def problems_of_exception(rule):
    for name in EXCEPTIONS[rule]:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", name)
        if not os.path.exists(path):
            yield "%s: there is no %s to raise it" % (rule, name)
            continue
        with open(path, encoding="utf-8") as file:
            if rule not in file.read():
                yield "%s: %s does not name it" % (rule, name)


def problems_of(rules, raised, missed):
    for rule in rules:
        if rule in EXCEPTIONS:
            if rule in raised:
                yield "%s: is raised by %s, so it is no exception any more" % (rule, raised[rule][0])
            yield from problems_of_exception(rule)
            continue
        if rule not in raised:
            yield "%s: no dialogue expects it" % rule
        if rule not in missed:
            yield "%s: no dialogue is its near miss" % rule
    for rule in EXCEPTIONS:
        if rule not in rules:
            yield "%s: an exception, and no rule of the table" % rule
    for named, files in sorted({**missed, **raised}.items()):
        if not any(fnmatch.fnmatchcase(rule, named) for rule in rules):
            yield "%s: named by %s, and no rule of the table" % (named, ", ".join(files))
    for rule in sorted(set(raised) & set(missed)):
        both = set(raised[rule]) & set(missed[rule])
        if both:
            yield "%s: expected and forbidden by %s" % (rule, ", ".join(sorted(both)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    rules = table_of(sys.argv[1])
    try:
        problems = list(problems_of(rules, *collect(sys.argv[2])))
    except dialogues.DialogueError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem)
    for rule, tests in EXCEPTIONS.items():
        print("no dialogue: %s: %s" % (rule, ", ".join(tests)))
    print("%d rules, %d excepted, %d problems" % (len(rules), len(EXCEPTIONS), len(problems)))
    return 1 if problems or not rules else 0


if __name__ == "__main__":
    sys.exit(main())
