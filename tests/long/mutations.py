#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutations.py [--jobs N] [NAME...]: breaks the program in one place after the other and asks whether a test notices.

Each mutation of the table is applied to a copy of the source, built, and met by the tests that are named for it: one of them
must fail. Without NAME, all. The last line is "N killed, N survived"; a mutation whose text is not in the source any more, or
that does not build, has survived, for it proves nothing.
"""
import argparse
import collections
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
STEP_TIMEOUT_S = 900

# `tests` is a regular expression for ctest -R.
Mutation = collections.namedtuple("Mutation", "name what file old new tests")
TABLE = (
    Mutation("gap-sum", "the octets of two gaps are not added up", "src/rules/session_end.c",
             ".detail_more = gap->len", ".detail_more = 0 * gap->len", "dialogue.gap|unit.judge"),
    Mutation("secret-told", "a password of less than 16 octets is not looked for in later replies", "src/smtp/syntax/words.h",
             "#define SECRET_MIN 8", "#define SECRET_MIN 16", "unit.session|dialogue.auth"),
    Mutation("last-packet", "a finding's last packet is its first one", "src/rules/note.c",
             "note->finding.last_packet = here.packet;", "note->finding.last_packet = note->finding.packet;", "unit.judge"),
    Mutation("retry-word", "text says of a reason whether a retry helps, whatever the rule", "src/output/text_group.c",
             "smtpscope_finding_retry(group->rule, group->reason)", "smtpscope_reason_retry(group->reason)",
             "unit.output|program.text|dialogue"),
    Mutation("embryo-time", "a SYN without an answer is kept for ten minutes", "src/stream/expire.c",
             "#define EMBRYO_TIME (60 * SMTPSCOPE_SECOND)", "#define EMBRYO_TIME (600 * SMTPSCOPE_SECOND)", "unit.stream"),
    Mutation("line-limit", "a command line may have 513 octets", "src/smtp/syntax/command.c",
             "#define COMMAND_LINE_MAX 512", "#define COMMAND_LINE_MAX 513", "unit.|dialogue.command"),
    Mutation("summary-sum", "the recipients of two workers are not added up", "src/output/summary.c",
             "add_all(summary->recipients, part->recipients, SUMMARY_OUTCOMES);", "", "unit.counters"),
    Mutation("counter-sum", "a counter of two workers is not added up", "src/base/counters.c",
             "sums[i] += parts[i];", "sums[i] += i ? parts[i] : 0;", "unit.counters"),
    Mutation("stage-counter", "a counter of the stages is not shown", "src/output/json.c",
             "for (size_t i = 0; i < table->count; i++)", "for (size_t i = 1; i < table->count; i++)", "unit.counters"),
    Mutation("metrics-counter", "of the counters with one metric only the first is served", "src/output/metrics/metrics_text.c",
             "for (size_t j = i; j < table->count; j++)", "for (size_t j = i; j <= i; j++)", "unit.counters"),
    Mutation("closing-521", "521 does not say that the server closes", "src/rules/refusal_view.c",
             "default: return refused->code == 421 || refused->code == 521;", "default: return refused->code == 421;",
             "unit.judge|dialogue.closing"),
    Mutation("recipients-kept", "half as many recipients of a transaction are kept", "src/smtp/state/transaction.h",
             "#define RECIPIENTS_MAX 2048", "#define RECIPIENTS_MAX 1024", "unit.transaction"),
)


def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=STEP_TIMEOUT_S,
                          text=True, errors="replace", **options)


def source_copy(folder):
    """The tracked files as they stand in the working tree, so that what is not committed yet is tried too."""
    names = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = os.path.join(TOP, name), os.path.join(folder, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)


def configure(folder):
    done = run(["cmake", "--preset", "dev", "-DCMAKE_C_FLAGS=-Wno-error"], cwd=folder)
    if done.returncode != 0:
        sys.exit("cmake failed:\n" + done.stdout)


def survives(mutation, folder, jobs):
    """The reason why nothing noticed, or None."""
    path = os.path.join(folder, mutation.file)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(mutation.old) != 1:
        return "%s has %d times: %s" % (mutation.file, text.count(mutation.old), mutation.old)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(mutation.old, mutation.new))
        built = run(["cmake", "--build", "--preset", "dev", "--parallel", str(jobs)], cwd=folder)
        if built.returncode != 0:
            return "it does not build:\n" + built.stdout[-2000:]
        tested = run(["ctest", "--test-dir", "build/dev", "-j", str(jobs), "-R", mutation.tests, "--stop-on-failure", "--no-tests=error"],
                     cwd=folder)
        return None if tested.returncode != 0 and "The following tests FAILED" in tested.stdout else "all tests pass: " + mutation.tests
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="print the table and do nothing")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    unknown = set(given.names) - {mutation.name for mutation in TABLE}
    if unknown:
        parser.error("no such mutation: %s" % ", ".join(sorted(unknown)))
    chosen = [mutation for mutation in TABLE if not given.names or mutation.name in given.names]
    if given.list:
        for mutation in chosen:
            print("%-16s %s: %s" % (mutation.name, mutation.file, mutation.what))
        return 0
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        source_copy(folder)
        configure(folder)
        for mutation in chosen:
            why = survives(mutation, folder, given.jobs)
            survived += why is not None
            print("%-8s %-16s %s%s" % ("SURVIVED" if why else "killed", mutation.name, mutation.what, "\n    " + why if why else ""), flush=True)
    print("%d killed, %d survived" % (len(chosen) - survived, survived))
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
