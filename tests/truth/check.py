#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check.py PROGRAM FOLDER [--verbose] [--only GLOB]: compares what the program says of each capture of a folder with its NAME.truth.json."""
import argparse
import collections
import fnmatch
import glob
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
from truth import Truth, align, load_causes, rule_allowed  # noqa: E402

PORTS = "24,25,587,465,2525"
TIMEOUT_S = 300
SKIPPED = 77
# (capture, column, connection or rule): where the truth is what the client believed, and the wire shows another thing.
CLEAR_LOGIN = "a password in clear is a finding, whatever else the session is"
STARTTLS_ONLY = "the server knows STARTTLS alone in clear, and resets: no clean sessions"
FILTER_354 = "354 answers DATA alone, whatever else was sent before it"
READ_AS_COMMANDS = "the server answers the lines of a message as commands: the wire shows which line"
MASKED = "the middlebox that wrote over it is the cause"
NEVER_SENT = "the server had closed before the message"
EXCUSED = {
    ("pysmtpd_early", "findings", 2): "the greeting was on the wire, and acknowledged, before the client's first octet",
    ("asa_clean", "forbidden", "transport.middlebox"): MASKED,
    ("asa_clean", "forbidden", "security.starttls-stripped"): MASKED,
    **{("asa_inside", "findings", i): MASKED for i in range(12)},
    ("clamsmtp_badseq", "messages", 9): "the recipient was refused outside of any transaction",
    ("clamsmtp_more", "exchanges", 2): "421 comes a second behind the last command, which the wire shows acknowledged",
    ("clamsmtp_more", "findings", 2): "421 comes a second behind the last command, which the wire shows acknowledged",
    ("clamsmtp_more", "exchanges", 17): FILTER_354,
    ("clamsmtp_pipereject", "exchanges", 0): FILTER_354,
    ("clamsmtp_pipereject", "exchanges", 4): FILTER_354,
    ("dovesub_abort", "exchanges", 1): READ_AS_COMMANDS,
    ("dovesub_abort", "findings", 1): READ_AS_COMMANDS,
    ("dovesub_clean", "exchanges", 2): READ_AS_COMMANDS,
    ("dovesub_clean", "findings", 2): READ_AS_COMMANDS,
    ("nginxsub_abort", "exchanges", 1): READ_AS_COMMANDS,
    ("nginxsub_abort", "findings", 1): READ_AS_COMMANDS,
    ("dovesub_in_bdat", "messages", 11): "a chunk that was refused is a message that was refused",
    ("dovesub_in_clean", "forbidden", "security.auth-in-clear"): CLEAR_LOGIN,
    ("msmtpd_in_clean", "forbidden", "security.auth-in-clear"): CLEAR_LOGIN,
    ("nginxsub_in_clean", "forbidden", "security.auth-in-clear"): CLEAR_LOGIN,
    ("dovesub_lines", "findings", 8): "the reply is about the line, which is too long",
    ("nginxsub_lines", "findings", 8): "the line is too long, whatever was refused before",
    ("exim_bdat", "exchanges", 11): "554 is about the octets behind the refused chunk",
    ("exim_bdat", "octets", 11): "the server reset: the client's last octets were never on the wire",
    ("exim_bdat", "messages", 11): "the message was refused by 552; 554 is about what came behind it",
    ("exim_bdat", "findings", 11): "554 is about the octets behind the refused chunk",
    ("exim_starttls", "octets", 3): "an alert is TLS",
    ("stunnel_starttls", "octets", 1): "an alert is TLS",
    ("msmtpd_lines", "octets", 8): "the server reset: the client's last octets were never on the wire",
    ("msmtpd_abort", "findings", 0): NEVER_SENT,
    ("msmtpd_abort", "findings", 1): NEVER_SENT,
    ("nginxsub_auth", "findings", 6): "the mechanism is none that was offered: it is a parameter that is refused",
    ("plnsm_clean", "forbidden", "reply.unsolicited"): "the server says 250 twice at the end of the message",
    ("plnsm_starttls", "exchanges", 2): "221 answers QUIT; the commands injected got no reply",
    ("stunnel_clean", "forbidden", "reply.missing"): STARTTLS_ONLY,
    ("stunnel_clean", "forbidden", "transport.reset"): STARTTLS_ONLY,
    ("tclsmtpd_more", "findings", 15): "AUTH= was not offered, and is what the client had no right to",
}
COLUMNS = ("connections", "exchanges", "octets", "messages", "findings")


class Result:
    """What was right and wanted of one capture, and what was not right."""

    def __init__(self, name):
        self.name = name
        self.right = collections.Counter()
        self.wanted = collections.Counter()
        self.uncovered = 0
        self.forbidden = 0
        self.problems = []
        self.excused = []

    def count(self, what, is_right, problem=None):
        self.wanted[what] += 1
        if is_right:
            self.right[what] += 1
        elif problem:
            self.problems.append("%s: %s" % (what, problem))
        return is_right

    def is_excused(self, column, where):
        """Says so once, and asks for nothing."""
        reason = EXCUSED.get((self.name, column, where))
        if reason:
            line = "%s, %s: %s" % (column, where, reason)
            if line not in self.excused:
                self.excused.append(line)
        return bool(reason)

    def forbid(self, problem, rule=None):
        if self.is_excused("forbidden", rule):
            return
        self.forbidden += 1
        self.problems.append("forbidden: " + problem)

    def failed(self):
        return bool(self.problems or self.uncovered or self.forbidden) or any(self.right[c] != self.wanted[c] for c in COLUMNS)

    def row(self):
        cells = ["%d/%d" % (self.right[column], self.wanted[column]) for column in COLUMNS]
        return [self.name] + cells + [str(self.uncovered), str(self.forbidden), "FAIL" if self.failed() else "ok"]


class Events:
    """The program's output of one capture, by session."""

    def __init__(self, lines):
        events = [json.loads(line) for line in lines]
        self.sessions = [event for event in events if event["event_type"] == "session"]
        self.findings = [event for event in events if event["event_type"] in ("finding", "deferral")]
        self.messages = collections.defaultdict(list)
        for event in events:
            if event["event_type"] == "message":
                self.messages[event["session"]].append(event)
        self.of_session = collections.defaultdict(list)
        for finding in self.findings:
            self.of_session[finding.get("session")].append(finding)
        self.by_key = collections.defaultdict(list)
        for session in sorted(self.sessions, key=lambda event: event["timestamp"]):
            self.by_key[(session["src_ip"], session["src_port"], session["dest_ip"], session["dest_port"])].append(session)


def run_program(program, path, result, damaged):
    command = [program, "-r", path, "--format", "json", "--sessions", "--messages", "--ports", PORTS]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)
    want = 3 if damaged else 0
    if done.returncode != want:
        result.problems.append("exit status: got %d, wanted %d; %s" % (done.returncode, want, done.stderr.decode("utf-8", "replace").strip()))
    return Events(done.stdout.decode("utf-8").splitlines())


def refuses(exchange):
    return (exchange["code"] or 0) >= 400


def short(finding):
    exchange = finding.get("exchange") or {}
    return "%s (%s, %s, %s %s, exchanges %s)" % (finding["rule"], finding["severity"], finding.get("confidence"), exchange.get("command"),
                                                 exchange.get("code"), finding.get("exchanges"))


class Checker:
    """One capture."""

    def __init__(self, truth, events, causes, result):
        self.truth, self.events, self.causes, self.result = truth, events, causes, result
        self.session_of = {}     # connection id -> session
        self.exchange_of = {}    # (connection id, event) -> index in the session's exchanges

    def pair_sessions(self):
        queues = {key: list(sessions) for key, sessions in self.events.by_key.items()}
        for connection in sorted(self.truth.connections, key=lambda c: c.raw["opened_at"]):
            if not connection.visible():
                continue
            queue = queues.get(connection.key)
            if self.result.count("connections", bool(queue), "connection %d (%s): no session" % (connection.id, connection.raw["label"])):
                self.session_of[connection.id] = queue.pop(0)
        for queue in queues.values():
            for session in queue:
                told = session["exchanges"] or any(session["octets"].values())
                if told and session["dest_port"] not in self.truth.noise_ports:
                    self.result.forbid("session %s from port %s: no such connection" % (session["session"], session["src_port"]))

    def check_exchanges(self, connection, session):
        excused = self.result.is_excused("exchanges", connection.id)
        wanted, got = connection.replies(), session["exchanges"]
        pairs = align(wanted, got, lambda reply, exchange: reply.equals(exchange))
        matched = dict(pairs)
        for i, reply in enumerate(wanted):
            if i in matched:
                self.exchange_of[connection.id, reply.event] = matched[i]
            if reply.visible == "yes" and not excused:
                self.result.count("exchanges", i in matched)
        # Each line of a damaged reply may look like a reply of its own.
        partial = sum(reply.lines for reply in wanted if reply.visible != "yes")
        extra = len(got) - len(pairs)
        complete = all(i in matched for i, reply in enumerate(wanted) if reply.visible == "yes")
        if not excused and (not complete or extra > partial):
            words = " ".join("%s/%s%s" % (e["command"] or "-", e["code"], " " + e["enhanced"] if e["enhanced"] else "") for e in got)
            self.result.problems.append("exchanges: connection %d (%s):\n      wanted  %s\n      got     %s" % (
                connection.id, connection.raw["label"], " ".join(map(str, wanted)), words))

    def check_octets(self, connection, session):
        if self.result.is_excused("octets", connection.id):
            return
        for side, wanted in zip(("client", "server"), connection.octets()):
            got = session["octets"][side]
            self.result.count("octets", got == wanted, "connection %d (%s): %s: got %d, wanted %d" % (
                connection.id, connection.raw["label"], side, got, wanted))

    def message_problem(self, connection, message, got):
        """What is wrong with one message, or None."""
        unread = connection.unread()[1]
        accepted = got["outcome"] == "accepted"
        if message["reply"] is None and unread:
            pass  # the client never knew; the wire does
        elif accepted != message["accepted"] or (got["code"] or None) != message["reply"]:
            return "got %s/%s, wanted %s/%s" % (got["outcome"], got["code"], "accepted" if message["accepted"] else "not accepted", message["reply"])
        if connection.hidden or connection.began:
            return None
        rcpt_ok = [rcpt["to"] for rcpt in got["rcpt"] if rcpt["outcome"] == "accepted"]
        rcpt_refused = [rcpt["to"] for rcpt in got["rcpt"] if rcpt["outcome"] != "accepted"]
        fields = (("mail_from", got["mail_from"], message["mail_from"]), ("recipients", rcpt_ok, message["rcpt_ok"]),
                  ("refused recipients", sorted(rcpt_refused), sorted(message["rcpt_refused"])), ("size", got["size"], message["body_bytes"]),
                  ("via", got["via"], message["via"]))
        wrong = ["%s: got %s, wanted %s" % field for field in fields if field[1] != field[2]]
        return "; ".join(wrong) or None

    def check_messages(self, connection, session):
        wanted = connection.messages()
        # A transaction that ended without a message is told too; the truth lists what was sent.
        got = [message for message in self.events.messages[session["session"]] if message["stage"] == "message" and message["size"]]
        if connection.hidden and not all(connection.message_visible(message) for message in wanted):
            return
        if self.result.is_excused("messages", connection.id):
            return
        for i, message in enumerate(wanted):
            problem = self.message_problem(connection, message, got[i]) if i < len(got) else "no such message"
            self.result.count("messages", problem is None, "connection %d (%s), message %d: %s" % (
                connection.id, connection.raw["label"], i, problem))
        if len(got) > len(wanted):
            self.result.problems.append("messages: connection %d (%s): got %d, wanted %d" % (
                connection.id, connection.raw["label"], len(got), len(wanted)))

    def reply_covered(self, expected, connection, session, globs):
        """Is the reply of an expected finding covered by a finding that its cause allows?"""
        index = self.exchange_of.get((connection.id, expected["event"]))
        if index is None:
            return False
        for finding in self.events.of_session[session["session"]]:
            exchanges = finding.get("exchanges") or []
            if index not in exchanges:
                continue
            if globs is None or rule_allowed(finding["rule"], globs):
                return True
            if "folded" in globs and exchanges[0] < index:
                return True
            # Where octets are missing the cause cannot be known: saying that one is not sure is right.
            if connection.hidden and finding["confidence"] == "likely":
                return True
        return False

    def scenario_found(self, expected, globs):
        ids = expected.get("connections") or ([expected["connection"]] if expected["connection"] is not None else None)
        sessions = None if ids is None else {self.session_of[i]["session"] for i in ids if i in self.session_of}
        if expected["id"] == "server_timeout" and "no reply" in expected["words"]:
            globs = globs + ["transport.*"]  # the server closed without a word: no 421 to speak of
        refused = any(refuses(e) and e["command"] == "RCPT" for session in self.events.sessions for e in session["exchanges"])
        if "folded" in globs and not refused:
            return True  # a server that refuses no recipient has no consequences to fold
        return any(rule_allowed(finding["rule"], globs) for finding in self.events.findings
                   if sessions is None or finding.get("session") in sessions or finding.get("session") is None)

    def check_expected(self):
        connections = {connection.id: connection for connection in self.truth.connections}
        for expected in self.truth.expected:
            if self.result.is_excused("findings", expected["connection"]):
                continue
            name = expected.get("cause") if expected.get("cause") in self.causes else expected["id"]
            globs = self.causes.get(name)
            where = "connection %s, event %s (%s, %s)" % (expected["connection"], expected["event"], expected["id"], expected.get("cause"))
            if expected["origin"] == "scenario":
                self.result.count("findings", self.scenario_found(expected, globs), "%s: wanted one of %s" % (where, " ".join(globs)))
                continue
            session = self.session_of.get(expected["connection"])
            found = session is not None and self.reply_covered(expected, connections[expected["connection"]], session, globs)
            self.result.count("findings", found, "%s %r:\n      wanted  %s\n      got     %s" % (
                where, expected.get("text"), " ".join(globs or ["any"]), self.covering(expected, session)))

    def covering(self, expected, session):
        index = self.exchange_of.get((expected["connection"], expected["event"]))
        if session is None or index is None:
            return "no such exchange"
        found = [short(f) for f in self.events.of_session[session["session"]] if index in (f.get("exchanges") or [])]
        return "; ".join(found) or "exchange %d is covered by nothing" % index

    def check_coverage(self):
        for session in self.events.sessions:
            covered = {index for finding in self.events.of_session[session["session"]] for index in finding.get("exchanges") or []}
            for index, exchange in enumerate(session["exchanges"]):
                if refuses(exchange) and index not in covered:
                    self.result.uncovered += 1
                    self.result.problems.append("uncovered: session %s, exchange %d: %s/%s %s" % (
                        session["session"], index, exchange["command"], exchange["code"], exchange["text"]))

    def on_refusal(self, finding):
        """Does the finding rest on a reply of 400 or above?"""
        session = next((s for s in self.events.sessions if s["session"] == finding.get("session")), None)
        return session is not None and any(refuses(session["exchanges"][index]) for index in finding.get("exchanges") or [])

    def check_must_not_flag(self):
        flags = self.truth.must_not_flag
        doubtful = {self.session_of[c.id]["session"] for c in self.truth.connections
                    if c.id in self.session_of and (c.hidden or c.began)}
        aborted = {self.session_of[c.id]["session"] for c in self.truth.connections
                   if c.id in self.session_of and c.raw["end"] != "client_quit"}
        for finding in self.events.findings:
            above_info = finding["severity"] != "info"
            if (self.truth.name.endswith("_clean") or "anomaly" in flags) and above_info and not self.on_refusal(finding):
                self.result.forbid("in a clean capture: " + short(finding), finding["rule"])
            inferred = rule_allowed(finding["rule"], ["sequence.*", "reply.missing"]) and not self.on_refusal(finding)
            if flags & {"sequence_from_gap", "bad_sequence_inferred"} and inferred and finding.get("session") in doubtful:
                self.result.forbid("inferred from what was not captured: " + short(finding))
            quiet = finding["rule"].startswith("transport.") or finding.get("session") in aborted
            if "tcp_noise" in flags and above_info and not quiet and not self.on_refusal(finding):
                self.result.forbid("from the noise of the network: " + short(finding))
            if flags & {"smtp_in_chunk", "smtp_in_body"} and finding["rule"] == "data.smuggling":
                self.result.forbid("from what stands in a message: " + short(finding))

    def check_indexes(self):
        """Every finding names exchanges that its session has; those that do not are put aside."""
        exchanges = {session["session"]: len(session["exchanges"]) for session in self.events.sessions}
        for finding in self.events.findings:
            known = exchanges.get(finding.get("session"), 0)
            if any(index >= known for index in finding.get("exchanges") or []):
                self.result.problems.append("finding of exchanges that are not there: " + short(finding))
                finding["exchanges"] = [index for index in finding["exchanges"] if index < known]

    def check(self):
        self.check_indexes()
        self.pair_sessions()
        for connection in self.truth.connections:
            session = self.session_of.get(connection.id)
            if session is not None:
                self.check_exchanges(connection, session)
                self.check_octets(connection, session)
                self.check_messages(connection, session)
        self.check_expected()
        self.check_coverage()
        self.check_must_not_flag()


def check_capture(program, path, causes):
    truth = Truth(path)
    result = Result(truth.name)
    try:
        events = run_program(program, os.path.join(os.path.dirname(path), truth.capture["file"]), result, truth.damaged())
        Checker(truth, events, causes, result).check()
    except (ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as error:
        result.problems.append("output: %s: %s" % (type(error).__name__, error))
    return result


def print_table(results):
    head = ["capture"] + list(COLUMNS) + ["uncovered", "forbidden", ""]
    total = Result("all %d" % len(results))
    for result in results:
        total.right += result.right
        total.wanted += result.wanted
        total.uncovered += result.uncovered
        total.forbidden += result.forbidden
    rows = [result.row() for result in results] + [total.row()[:-1] + ["%d failed" % sum(r.failed() for r in results)]]
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--verbose", action="store_true", help="every difference, not the first few of a capture")
    parser.add_argument("--only", default="*", metavar="GLOB", help="captures of these names")
    arguments = parser.parse_args()
    paths = [path for path in sorted(glob.glob(os.path.join(arguments.folder, "*.truth.json")))
             if fnmatch.fnmatchcase(os.path.basename(path)[:-len(".truth.json")], arguments.only)]
    if not paths:
        print("SKIPPED: no captures with truth in %s" % arguments.folder)
        return SKIPPED
    own = os.path.join(arguments.folder, "CAUSES.tsv")
    causes = load_causes(own if os.path.exists(own) else os.path.join(os.path.dirname(os.path.abspath(__file__)), "causes.tsv"))
    results = [check_capture(arguments.program, path, causes) for path in paths]
    print_table(results)
    for result in results:
        for excuse in result.excused:
            print("%s: not asked for: %s" % (result.name, excuse))
        for problem in result.problems[:None if arguments.verbose else 3]:
            print("%s: %s" % (result.name, problem))
    return 1 if any(result.failed() for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
