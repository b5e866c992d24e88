#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The command line: what users and scripts rely on."""
import json
import os
import signal
import subprocess
import time

import harness
from harness import FAMILIES, ProgramTest, read, run

ORDER = ["error", "warning", "notice", "info"]


class Choices(ProgramTest):
    def findings(self, *arguments):
        done = run("-r", FAMILIES, "--format", "json", *arguments)
        self.assert_status(done, 0)
        return done.events("finding")

    def test_the_three_families(self):
        rules = {finding["rule"].split(".")[0] for finding in self.findings()}
        self.assertLessEqual({"sequence", "rejection", "deferral"}, rules)

    def test_rule(self):
        for choice, prefix in (("deferral", "deferral."), ("sequence.*", "sequence."), ("deferral.*", "deferral.")):
            found = self.findings("--rule", choice)
            self.assertTrue(found)
            self.assertTrue(all(finding["rule"].startswith(prefix) for finding in found))

    def test_rule_twice(self):
        either = {finding["rule"].split(".")[0] for finding in self.findings("--rule", "deferral", "--rule", "sequence")}
        self.assertEqual(either, {"deferral", "sequence"})

    def test_min_severity(self):
        everything = self.findings()
        for i, severity in enumerate(ORDER):
            want = [finding["id"] for finding in everything if ORDER.index(finding["severity"]) <= i]
            self.assertEqual([finding["id"] for finding in self.findings("--min-severity", severity)], want)

    def test_fail_on(self):
        worst = min(ORDER.index(finding["severity"]) for finding in self.findings())
        for i, severity in enumerate(ORDER):
            done = run("-r", FAMILIES, "--fail-on", severity)
            self.assert_status(done, 1 if worst <= i else 0)

    def test_ports(self):
        self.assertEqual(self.findings("--ports", "2525"), [])
        self.assertTrue(self.findings("--ports", "20-30"))

    def test_max_sessions(self):
        """Of sessions that are open at a time only so many are followed, and what gave way is counted."""
        import dialogue
        import tcpwire
        packets = []
        for port in range(40001, 40005):
            text = "session: client=198.51.100.7:%d\nS: 220 mx.example ESMTP\nC: EHLO c.example\nS: 250 mx.example\nC: QUIT\nS: 221 bye\n"
            packets += dialogue.play(dialogue.parse(self.path("dialogue.txt", (text % port).encode())))
        with open(self.path("four.pcap"), "wb") as file:
            tcpwire.write_pcap(file, sorted(packets))

        def evicted(*arguments):
            done = run("-r", self.path("four.pcap"), "--format", "json", "--summary", "--workers", "1", *arguments)
            self.assert_status(done, 0)
            return done.events("stats")[0]["certainty"]["evicted"]
        self.assertEqual(evicted(), 0)
        self.assertEqual(evicted("--max-sessions", "4"), 0)
        self.assertGreater(evicted("--max-sessions", "3"), 0)

    def test_events(self):
        done = run("-r", FAMILIES, "--format", "json", "--sessions", "--messages", "--summary")
        kinds = {event["event_type"] for event in done.events()}
        self.assertLessEqual({"finding", "session", "message", "stats"}, kinds)
        sessions = {event["session"] for event in done.events("session")}
        for finding in done.events("finding"):
            self.assertIn(finding["session"], sessions)

    def test_replies_are_covered(self):
        done = run("-r", FAMILIES, "--format", "json", "--sessions")
        for session in done.events("session"):
            covered = {i for finding in done.events("finding") if finding["session"] == session["session"] for i in finding["exchanges"]}
            for i, exchange in enumerate(session["exchanges"]):
                if exchange["code"] >= 400:
                    self.assertIn(i, covered, "session %d: %s" % (session["session"], exchange))


class Words(ProgramTest):
    def test_help_and_version(self):
        for option in ("--help", "--version"):
            done = run(option)
            self.assert_status(done, 0)
            self.assertIn("smtpscope", done.out)
            self.assertEqual(done.err, "")

    def test_text_names_rule_and_remedy(self):
        done = run("-r", FAMILIES)
        self.assert_status(done, 0)
        for word in ("450", "503", "502", "sequence.", "deferral.", "rejection."):
            self.assertIn(word, done.out)

    def test_settings_of_one_software_stand_below_its_name_once(self):
        out = run("-r", FAMILIES, "--rule", "refusal.policy").out
        self.assertIn("soft_bounce", out)
        self.assertIn("check_client_access", out)
        self.assertEqual(len([line for line in out.splitlines() if line.startswith("  Postfix ")]), 1, out)

    def test_width(self):
        for arguments in (("-r", FAMILIES), ("explain", "450"), ("explain", "deferral.greylisted"), ("compare", "450", "503")):
            for columns in (60, 100):
                out = run(*arguments, environment={"COLUMNS": str(columns)}).out
                out = out.split("Certainty", 1)[1] if FAMILIES in arguments else out  # behind the table, which has its own width
                paragraphs = [line for line in out.splitlines() if ":" not in line and FAMILIES not in line]
                self.assertLessEqual(max(map(len, paragraphs)), columns, arguments)
                self.assertGreater(max(map(len, paragraphs)), columns - 15, arguments)

    def test_colour(self):
        self.assertNotIn("\x1b", run("-r", FAMILIES).out)
        self.assertNotIn("\x1b", run("-r", FAMILIES, "--color", "never").out)
        self.assertIn("\x1b", run("-r", FAMILIES, "--color", "always").out)

    def test_rules(self):
        text, events = run("rules"), run("rules", "--format", "json")
        self.assert_status(text, 0)
        self.assert_status(events, 0)
        self.assertIn("sequence.nested-mail", text.out)
        rules = [json.loads(line) for line in events.out.splitlines()]
        self.assertGreater(len(rules), 100)
        for rule in rules:
            self.assertIn(rule["severity"], ORDER)
            self.assertIn(rule["rule"], text.out)

    def test_explain(self):
        for topic in ("450", "450 4.7.1", "503", "502", "sequence.nested-mail", "deferral.greylisted"):
            done = run("explain", topic)
            self.assert_status(done, 0)
            self.assertIn(topic.split()[0], done.out)

    def explained(self, *arguments, **options):
        done = run("explain", *arguments, **options)
        self.assert_status(done, 0)
        return [json.loads(line) for line in done.out.splitlines()]

    def test_explain_a_reply(self):
        """A line means what it means in a capture: its words, its codes, and where it was said."""
        for line, stage, rule, reason, evidence in (
                ("550 5.7.1 Relaying denied", None, "refusal.policy", "relay-denied", "phrase: relaying ... denied"),
                ("452 4.2.2 b@example.org", None, "deferral.mailbox-full", "mailbox-full", "enhanced 4.2.2"),
                ("535 nonsense", "auth", "refusal.auth-failed", "credentials", "code 535"),
                ("550 Domain not found", "mail", "refusal.policy", "sender-unverified", "phrase: domain ... not found"),
                ("550 Domain not found", "rcpt", "refusal.mailbox", "domain-unknown", "phrase: domain ... not found"),
                ("421 4.4.2 timeout", "data", "deferral.server-error", "server-error", "phrase: timeout"),
                ("554 192.0.2.1 is blacklisted", "connect", "refusal.no-service", "reputation", None)):
            found = self.explained(line, "--format", "json", *(("--stage", stage) if stage else ()))[0]
            self.assertEqual((found["rule"], found["reason"]), (rule, reason), line)
            if evidence:
                self.assertEqual(found["reason_evidence"], evidence, line)
            self.assertEqual(found["stage"], stage or "rcpt")
            text = run("explain", line, *(("--stage", stage) if stage else ())).out
            self.assertIn(rule, text)
            self.assertIn(reason, text)
        self.assertEqual(self.explained("550", "5.1.1", "User", "unknown", "--format", "json")[0]["reason"], "mailbox-unknown")

    def test_explain_a_bounce(self):
        """The reply is found in the line of a bounce or a log, and where it was said."""
        for line, stage, code, reason in (
                ("535 5.7.8 authentication failed", "auth", "535", "credentials"),
                ("host mx.example.org[192.0.2.1] said: 554 5.7.1 judged spam (in reply to end of DATA command)", "data", "554", "spam"),
                ("Diagnostic-Code: smtp; 550 5.1.1 User unknown", "rcpt", "550", "mailbox-unknown"),
                ("SMTP error from remote mail server after MAIL FROM:<a@example.org>: 451 sender domain not found", "mail", "451",
                 "sender-unverified"),
                ("host mx.example.org[192.0.2.1] refused to talk to me: 421 too many connections", "connect", "421", "rate-limited"),
                ("<<< 552 5.2.2 mailbox full", "rcpt", "552", "mailbox-full")):
            found = self.explained(line, "--format", "json")[0]
            self.assertEqual((found["stage"], found["reply"][:3], found["reason"]), (stage, code, reason), line)

    def test_explain_many(self):
        lines = "550-5.1.1 The account that you tried to reach\r\n550 5.1.1 does not exist\r\nno reply\n\n450 4.7.1 greylisted"
        found = self.explained("-", input=lines.encode())
        self.assertEqual([reply["reason"] for reply in found], ["mailbox-unknown", None, None, "greylisted"])
        self.assertIsNone(found[1]["reply"])
        self.assertEqual(found[1]["line"], "no reply")

    def test_compare(self):
        done = run("compare", "450", "503")
        self.assert_status(done, 0)
        self.assertIn("450", done.out)
        self.assertIn("503", done.out)

    def test_interfaces(self):
        text, events = run("-D"), run("--list-interfaces", "--format", "json")
        self.assert_status(text, 0)
        self.assert_status(events, 0)
        found = {event["interface"]: event for event in map(json.loads, events.out.splitlines())}
        self.assertEqual([line.split()[0] for line in text.out.splitlines()], list(found))
        self.assertIn("any", found)
        self.assertIn("lo", found)
        self.assertTrue(found["lo"]["loopback"])
        if found["lo"]["up"]:
            self.assertIn("127.0.0.1", found["lo"]["addresses"])
            self.assertRegex(text.out, r"(?m)^lo +up +127\.0\.0\.1")

    def test_wrong_use(self):
        wrong = (["--no-such-option"], ["-r"], ["-r", FAMILIES, "--format", "xml"], ["-r", FAMILIES, "--ports", "99999"],
                 ["-r", FAMILIES, "--min-severity", "loud"], ["explain", "no-such-topic"], ["compare", "450"], ["compare", "450", "xyz"],
                 ["nonsense"], ["-r", FAMILIES, "--fail-on", ""], ["explain", "550 no", "--stage", "never"],
                 ["-r", FAMILIES, "--stage", "rcpt"])
        for arguments in wrong:
            done = run(*arguments)
            self.assert_status(done, 2)
            self.assertTrue(done.err, "%s: says nothing" % arguments)
            self.assertEqual(done.out, "", "%s: wrong use is told on standard error" % arguments)
        self.assertIn("smtpscope explain 450", run("--lang", "en", "explain", "450").err, "a subcommand behind an option")


class WhatToRead(ProgramTest):
    """Words without an option: captures as long as there are such files, then a filter."""

    def rules(self, *arguments):
        done = run(*arguments, "--format", "json")
        self.assert_status(done, 0)
        return done.rules()

    def test_a_capture_is_a_word_of_its_own(self):
        self.assertTrue(self.rules(FAMILIES))
        self.assertEqual(self.rules(FAMILIES), self.rules("-r", FAMILIES))

    def test_filter(self):
        everything = run("-r", FAMILIES, "--format", "json").events("finding")
        clients = {finding["src_ip"] for finding in everything}
        ports = sorted({finding["src_port"] for finding in everything})
        self.assertGreater(len(ports), 1)
        want = sorted(finding["rule"] for finding in everything if finding["src_port"] == ports[0])
        for words in (("port", str(ports[0])), ("port %d" % ports[0],), ("--filter", "port %d" % ports[0])):
            self.assertEqual(self.rules("-r", FAMILIES, *words), want)
            self.assertEqual(self.rules(FAMILIES, *words), want)
        self.assertEqual(self.rules(FAMILIES, *" or ".join(map("host {}".format, clients)).split()), self.rules(FAMILIES))
        self.assertEqual(self.rules(FAMILIES, "host", "192.0.2.254"), [])

    def test_a_filtered_packet_keeps_its_number(self):
        def packets(*words):
            return {(f["id"], f["src_port"]): f["packet"] for f in run(FAMILIES, *words, "--format", "json").events("finding")}
        everything = packets()
        port = max(port for _, port in everything)
        self.assertEqual(packets("port", str(port)), {key: packet for key, packet in everything.items() if key[1] == port})

    def test_directory(self):
        everything = self.rules(FAMILIES)
        for name in ("a.pcap", "a.pcap10", "b.CAP"):
            self.path(name, read(FAMILIES))
        self.path("notes.txt", b"of the captures")
        os.mkdir(self.path("more.pcap"))
        for arguments in ((self.folder,), ("-r", self.folder)):
            done = run(*arguments, "--format", "json", "--summary")
            self.assert_status(done, 0)
            self.assertEqual(done.events("stats")[0]["files"], 3)
        self.assertTrue(set(everything) & set(self.rules(self.folder, "port", "25")))

    def test_wrong(self):
        empty = self.path("empty")
        os.mkdir(empty)
        for arguments, words in (((FAMILIES, "nosuch.pcap"), ("nosuch.pcap", "no such file", "filter")),
                                 (("nosuch.pcap",), ("nosuch.pcap", "file", "command")),
                                 (("-r", "nosuch.pcap"), ("nosuch.pcap", "No such file")),
                                 ((empty,), (empty, ".pcap")),
                                 ((FAMILIES, "--filter", "tcp", "port", "25"), ("port 25", "--filter"))):
            done = run(*arguments)
            self.assert_status(done, 2)
            self.assert_one_line(done, *words)
            self.assertEqual(done.out, "")


class WhatToShow(ProgramTest):
    """Two mails of two senders, in two sessions an hour apart, at two servers; the first is deferred, then refused."""

    SESSION = ("session: client=%s server=%s after=%s\nS: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250 mx.example\n"
               "C: MAIL FROM:<%s>\nS: 250 ok\nC: RCPT TO:<%s>\nS: %s\nC: QUIT\nS: 221 bye\n")

    def setUp(self):
        super().setUp()
        import dialogue
        import tcpwire
        text = self.SESSION % ("198.51.100.7", "192.0.2.1", "0s", "Alice@A.example", "joe@one.example", "450 4.2.1 mailbox busy")
        text += self.SESSION % ("198.51.100.8", "192.0.2.2", "1h", "", "joe@two.example", "550 5.1.1 no such user")
        self.capture = self.path("two.pcap")
        with open(self.capture, "wb") as file:
            tcpwire.write_pcap(file, sorted(dialogue.play(dialogue.parse(self.path("two.txt", text.encode())))))
        self.times = [session["first_timestamp"] if "first_timestamp" in session else session["timestamp"]
                      for session in self.shown()["session"]]

    def shown(self, *arguments):
        done = run(self.capture, "--format", "json", "--sessions", "--messages", *arguments)
        self.assert_status(done, 0)
        return {kind: done.events(kind) for kind in ("finding", "session", "message")}

    def test_either(self):
        between = self.times[1][:14] + "00"
        first, second = self.shown()["session"]
        for one, other in ((("--server", "192.0.2.1"), ("--server", "192.0.2.2/32")),
                           (("--client", "198.51.100.6/31"), ("--client", "198.51.100.8/29")),
                           (("--from", "@a.EXAMPLE"), ("--from", "<>")),
                           (("--from", "alice@a.example"), ("--to", "*@two.*")),
                           (("--to", "joe@one.example"), ("--to", "@two.example")),
                           (("--code", "45?"), ("--code", "550")),
                           (("--session", str(first["session"])), ("--session", str(second["session"]))),
                           (("--until", between), ("--since", between))):
            for choice, session in ((one, first), (other, second)):
                shown = self.shown(*choice)
                if choice == other and "/29" in choice[1]:
                    self.assertEqual([s["session"] for s in shown["session"]], [second["session"]])
                for kind in shown:
                    self.assertEqual({event["session"] for event in shown[kind]}, {session["session"]}, (choice, kind))

    def test_both_and_none(self):
        self.assertEqual(len(self.shown("--client", "198.51.100.0/24", "--to", "joe@*", "--code", "*")["message"]), 2)
        self.assertEqual(self.shown("--server", "192.0.2.1", "--to", "@two.example"), {"finding": [], "session": [], "message": []})
        self.assertEqual(self.shown("--since", "-1h"), {"finding": [], "session": [], "message": []})
        self.assertEqual(self.shown("--server", "2001:db8::/32")["finding"], [])

    def test_zone(self):
        """The same time in another zone, and in seconds."""
        between = self.times[1][:14] + "00"
        import datetime
        when = datetime.datetime.fromisoformat(between + ":00+00:00")
        for text in (when.astimezone(datetime.timezone(datetime.timedelta(hours=2))).strftime("%Y-%m-%dT%H:%M+02:00"),
                     when.astimezone(datetime.timezone(datetime.timedelta(hours=-5))).strftime("%Y-%m-%d %H:%M:%S-05:00"),
                     "@%d" % when.timestamp(), between.replace("T", " ") + "Z"):
            self.assertEqual(self.shown("--since", text), self.shown("--since", between), text)
            self.assertEqual(len(self.shown("--since", text)["session"]), 1, text)

    def test_ignore(self):
        everything = [(finding["rule"], finding["dest_ip"]) for finding in self.shown()["finding"]]
        first = next(finding for finding in self.shown()["finding"] if finding["reason"] and finding["dest_ip"] == "192.0.2.1")

        def left(*ignored):
            return [(f["rule"], f["dest_ip"]) for f in self.shown(*[word for text in ignored for word in ("--ignore", text)])["finding"]]
        self.assertEqual(left("rule=deferral"), [pair for pair in everything if not pair[0].startswith("deferral.")])
        self.assertEqual(left("client=198.51.100.7 server=192.0.2.0/30"), [pair for pair in everything if pair[1] != "192.0.2.1"])
        self.assertEqual(left("client=198.51.100.7 server=192.0.2.2"), everything, "all of it has to be so")
        self.assertEqual(left("server=192.0.2.1", "server=192.0.2.2"), [])
        self.assertEqual(left("reason=" + first["reason"]), [pair for pair in everything if pair != (first["rule"], first["dest_ip"])])
        stats = run(self.capture, "--format", "json", "--summary", "--ignore", "server=192.0.2.0/24").events("stats")[0]
        self.assertEqual((stats["findings"]["total"], stats["findings_hidden"]), (0, len(everything)))
        self.assert_status(run(self.capture, "--fail-on", "info", "--ignore", "server=192.0.2.0/24"), 0)
        for wrong in ("", "rule", "rule=", "rule=nonsense.*", "reason=none-such", "client=x", "colour=red", "rule=deferral rule=data"):
            done = run(self.capture, "--ignore", wrong)
            self.assert_status(done, 2)
            self.assert_one_line(done, "--ignore")

    def test_fail_on_looks_at_what_is_shown(self):
        self.assert_status(run(self.capture, "--fail-on", "info", "--server", "192.0.2.9"), 0)
        self.assert_status(run(self.capture, "--fail-on", "info", "--server", "192.0.2.1"), 1)

    def test_wrong(self):
        for option, value in (("--since", "yesterday"), ("--until", "2026-13-01"), ("--since", "2026-05-01T09:30+25:00"),
                              ("--server", "192.0.2.1/33"), ("--client", "mx.example"), ("--server", "2001:db8::/129"),
                              ("--code", "4x"), ("--code", ""), ("--from", ""), ("--session", "0")):
            done = run(self.capture, option, value)
            self.assert_status(done, 2)
            self.assert_one_line(done, option)


class Slips(ProgramTest):
    """What was meant is proposed."""

    def test_proposals(self):
        for arguments, proposal in ((("explian", "450"), "explain"), (("rule",), "rules"), (("list",), "rules"), (("help",), "--help"),
                                    (("comapre", "450", "503"), "compare"), (("explain", "450", "503"), "smtpscope compare 450 503"),
                                    (("-r", FAMILIES, "--min-severity", "warn"), "is it warning?"),
                                    (("-r", FAMILIES, "--fail-on", "eror"), "is it error?"),
                                    (("-r", FAMILIES, "--format", "jsn"), "is it json?")):
            done = run(*arguments)
            self.assert_status(done, 2)
            self.assert_one_line(done, proposal)
        self.assertNotIn("is it", run("-r", FAMILIES, "--min-severity", "loud").err)


class Output(ProgramTest):
    def test_disk_full(self):
        for form in ("text", "json"):
            with open("/dev/full", "wb") as full:
                done = run("-r", FAMILIES, "--format", form, "--sessions", stdout=full)
            self.assert_status(done, 2)
            self.assert_one_line(done)

    def test_reader_goes_away(self):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = run("-r", FAMILIES, "--format", "json", "--sessions", stdout=writing)
        finally:
            os.close(writing)
        self.assertIn(done.status, (0, 2, -signal.SIGPIPE, 128 + signal.SIGPIPE))
        self.assertNotIn("ERROR", done.err)
        self.assertLessEqual(len(done.err.splitlines()), 1)

    def test_interrupt(self):
        """SIGINT: what was found so far is printed."""
        process = subprocess.Popen([harness.PROGRAM, "-r", "-", "--format", "json", "--sessions"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        process.stdin.write(read(FAMILIES))
        process.stdin.flush()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(harness.TIMEOUT_S)
        finally:
            process.kill()
            process.stdin.close()
        self.assertIn(b"deferral.", process.stdout.read())

    def test_closed_standard_input(self):
        done = run("-r", FAMILIES, "--format", "json", stdin=None, preexec_fn=lambda: os.close(0))
        self.assert_status(done, 0)
        self.assertTrue(done.rules())

    def test_nothing_secret(self):
        """AUTH is redacted wherever it could appear."""
        import dialogue
        import tcpwire
        path = self.path("auth.pcap")
        with open(self.path("auth.txt"), "w", encoding="utf-8") as file:
            file.write("S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250-mx.example\nS& 250 AUTH PLAIN LOGIN\n"
                       "C: AUTH PLAIN c2VjcmV0LWluaXRpYWw=\nS: 535 5.7.8 no\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\n"
                       "C: c2VjcmV0LXVzZXI=\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0LXBhc3M=\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye\n")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, dialogue.play(dialogue.parse(self.path("auth.txt"))))
        for form in ("text", "json"):
            done = run("-r", path, "--format", form, "--sessions", "--messages", "--summary")
            self.assert_status(done, 0)
            self.assertNotIn("c2VjcmV0", done.out + done.err)


if __name__ == "__main__":
    harness.main()
