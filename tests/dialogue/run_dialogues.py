#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""run_dialogues.py PROGRAM DIALOGUE.txt...: replays dialogues in every mode and compares what is found with what they expect."""
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import dialogue as dialogues  # noqa: E402
import tcpwire  # noqa: E402

# What may differ between two ways of cutting the same octets into segments, some of them sent again.
POSITION_FIELDS = ("packet", "last_packet", "timestamp", "last_timestamp", "end_timestamp", "file", "network", "flow_id")
TIMEOUT_S = 60


def run_program(program, capture, options):
    command = [program, "-r", capture, "--format", "json", "--sessions", "--messages", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError("exit status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace").strip()))
    return with_session_numbers([json.loads(line) for line in done.stdout.splitlines()])


def with_session_numbers(events):
    """A session's id depends on packet numbers: 1, 2, ... in the order of their begin instead."""
    sessions = sorted((event for event in events if event["event_type"] == "session"), key=lambda event: event["timestamp"])
    number = {session["session"]: i for i, session in enumerate(sessions, 1)}
    for event in events:
        if "session" in event:
            event["session"] = number.get(event["session"], event["session"])
    return events


def without_positions(value):
    if isinstance(value, dict):
        return {key: without_positions(inner) for key, inner in value.items() if key not in POSITION_FIELDS}
    if isinstance(value, list):
        return [without_positions(inner) for inner in value]
    return value


def comparable(events):
    return sorted(json.dumps(without_positions(event), sort_keys=True) for event in events)


def field_of(finding, key):
    """The value that a word of an `expect:` line speaks of, as text; "" for null."""
    exchange = finding.get("exchange") or {}
    detail = finding.get("detail") or {}
    if key in ("code", "command", "argument", "enhanced"):
        value = exchange.get(key)
    elif key in ("detail", "text"):
        value = detail.get("word" if key == "detail" else "text")
    elif key == "on":
        value = (finding.get("exchanges") or [""])[0]
    elif key == "exchanges":
        value = ",".join(str(index) for index in finding.get("exchanges", []))
    elif key == "cause":
        value = finding.get("cause_rule")
    else:
        value = finding.get(key)
    return "" if value is None else str(value)


def with_cause_rules(findings):
    """`cause` is an id: expectations name the rule behind it."""
    rules = {(finding["session"], finding["id"]): finding["rule"] for finding in findings}
    for finding in findings:
        finding["cause_rule"] = rules.get((finding["session"], finding.get("cause")))
    return findings


def finding_meets(finding, expectation):
    return fnmatch.fnmatchcase(finding["rule"], expectation.rule) and all(
        fnmatch.fnmatchcase(field_of(finding, key), want) for key, want in expectation.conditions.items())


def describe(finding):
    keys = ("severity", "verdict", "reason", "fault", "confidence", "code", "command", "count", "folded", "exchanges", "detail", "text",
            "session", "cause")
    words = ["%s=%s" % (key, field_of(finding, key)) for key in keys if field_of(finding, key)]
    return " ".join([finding["rule"]] + words)


def exchange_words(session):
    """An exchange as `exchanges:` lines write it: COMMAND/CODE, "-" for no command."""
    return ["%s/%s" % (exchange["command"] or "-", exchange["code"] or "-") for exchange in session["exchanges"]]


def check_findings(script, findings):
    """The reasons why the findings are not what the dialogue expects."""
    problems, left = [], list(findings)
    for expectation in script.expect:
        met = next((finding for finding in left if finding_meets(finding, expectation)), None)
        if met:
            left.remove(met)
            continue
        same = [describe(finding) for finding in findings if fnmatch.fnmatchcase(finding["rule"], expectation.rule)]
        problems.append("line %d: wanted  %s\n      got     %s" % (expectation.line, expectation, "\n              ".join(same) or "no such finding"))
    for finding in left:
        forbidden = any(fnmatch.fnmatchcase(finding["rule"], glob) for glob in script.forbid)
        if forbidden or not any(fnmatch.fnmatchcase(finding["rule"], glob) for glob in script.allow):
            problems.append("%s %s" % ("forbidden:" if forbidden else "not expected:", describe(finding)))
    return problems


def check_events(script, events):
    problems = check_findings(script, with_cause_rules([event for event in events if event["event_type"] == "finding"]))
    sessions = sorted((event for event in events if event["event_type"] == "session"), key=lambda event: event["session"])
    for number, want in enumerate(script.exchanges):
        got = exchange_words(sessions[number]) if number < len(sessions) else ["no such session"]
        if got != want:
            problems.append("exchanges of session %d:\n      wanted  %s\n      got     %s" % (number + 1, " ".join(want), " ".join(got)))
    messages = ["%s/%s%s" % (event["outcome"], event["code"] or "-", "" if event["stage"] == "message" else "@" + event["stage"])
                for event in events if event["event_type"] == "message"]
    if script.messages and messages != script.messages:
        problems.append("messages:\n      wanted  %s\n      got     %s" % (" ".join(script.messages), " ".join(messages)))
    return problems


def check_dialogue(program, path, folder):
    """All modes of one dialogue; returns the problems."""
    script, reference = dialogues.parse(path), None
    capture = os.path.join(folder, "dialogue.pcap")
    problems = []
    for mode in script.modes:
        with open(capture, "wb") as file:
            tcpwire.write_pcap(file, dialogues.play(script, mode))
        try:
            events = run_program(program, capture, script.options)
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
            return problems + ["mode %s: %s" % (mode, error)]
        if reference is None:
            reference = comparable(events)
            problems += check_events(script, events)
        elif comparable(events) != reference:
            got = comparable(events)
            problems.append("mode %s differs from the dialogue as cut:\n      wanted  %s\n      got     %s" % (
                mode, "\n              ".join(event for event in reference if event not in got) or "nothing more",
                "\n              ".join(event for event in got if event not in reference) or "nothing more"))
    return problems


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sys.argv[2:]:
            try:
                problems = check_dialogue(sys.argv[1], path, folder)
            except dialogues.DialogueError as error:
                problems = [str(error)]
            print("%-4s %s" % ("FAIL" if problems else "ok", os.path.basename(path)))
            for problem in problems:
                print("   ", problem)
            failed += bool(problems)
    print("%d dialogues, %d failed" % (len(sys.argv) - 2, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
