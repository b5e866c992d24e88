#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Watching an interface: frames sent over a veth pair are judged as those of the file they come from, at once."""
import os
import signal
import socket
import time

import harness
import network
from network import SESSION_RULES

# A loaded machine is late now and then; a program that waits is late each time.
SOON_S, ATTEMPTS = 2.0, 5
REFUSED = (("RCPT TO:<%s@b.example>", "503 5.5.1 need MAIL first"),)
HELLO = ("", "220 mx.example ESMTP Postfix"), ("EHLO client.example", "250 mx.example")
# Rule, what is said until it is found, what is said behind that: it is then another severity.
EHLO_REFUSED = ("rejection.ehlo-refused", (("", "220 mx.example"), ("EHLO client.example", "502 5.5.1 Command not implemented")),
                (("HELO client.example", "250 mx.example"), ("QUIT", "221 2.0.0 Bye")))
SMUGGLED = ("data.smuggling", HELLO + (
    ("MAIL FROM:<alice@client.example>", "250 2.1.0 Ok"), ("RCPT TO:<joe@mx.example>", "250 2.1.5 Ok"), ("DATA", "354 Go ahead"),
    ("Subject: a test\r\n\r\nhello\n.\r\nFOO bar\r\nmore text\r\n.", "250 2.0.0 Ok: queued")),
            (("", "500 5.5.2 Error: command not recognized"), ("QUIT", "221 2.0.0 Bye")))
DIALOGUE = (("", "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example")) + REFUSED


class Replay(network.ReplayTest):
    def assert_soon(self, attempt):
        """One attempt at least takes, in seconds, less than SOON_S."""
        took = []
        while len(took) < ATTEMPTS:
            took.append(attempt())
            if took[-1] < SOON_S:
                return
        self.fail("never within %.0f s: %s" % (SOON_S, took))

    def test_same_as_the_file(self):
        for workers in ("1", "2"):
            for path in (harness.FAMILIES, os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")):
                with self.subTest(workers=workers, path=path):
                    sensor = self.sensor("--workers", workers, *SESSION_RULES)
                    self.replay(path)
                    self.assert_as_the_file(sensor, path, *SESSION_RULES)

    def test_how_many_workers(self):
        """One, unless it is said; auto is one for each processor that the program may run on."""
        processors = len(os.sched_getaffinity(0))
        for arguments, want in ((), 1), (("--workers", "auto"), processors), (("--workers", "3"), 3):
            sensor = self.sensor(*arguments)
            sensor.stop()
            self.assertIn("watching veth0 with %d worker" % want, sensor.err(), arguments)

    def test_a_finding_comes_within_a_second(self):
        """Nobody asks for it, and the sensor goes on."""
        def attempt():
            sensor = self.sensor("--workers", "1")
            self.replay(harness.FAMILIES, pause_s=0.001)
            sent = time.monotonic()
            network.wait_for(lambda: "refusal.policy" in [event["rule"] for event in sensor.findings()], "a finding of the replay")
            took = time.monotonic() - sent
            sensor.stop()
            return took
        self.assert_soon(attempt)

    def connect(self):
        """(client, server): the ends of a connection over the wire."""
        listener = self.network.socket("server", socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((network.SERVER, 25))
        listener.listen(1)
        client = self.network.socket("client", socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(network.DEADLINE_S)
        client.connect((network.SERVER, 25))
        server, _ = listener.accept()
        self.addCleanup(server.close)
        listener.close()
        return client, server

    def say(self, client, server, dialogue, name):
        for command, reply in dialogue:
            if command:
                client.sendall((command % name if "%" in command else command).encode() + b"\r\n")
                server.recv(512)
            server.sendall(reply.encode() + b"\r\n")
            client.recv(512)

    def test_a_session_that_stays_open(self):
        """The finding is told while its session goes on, and once only when nothing about it changes."""
        def attempt():
            sensor = self.sensor("--workers", "1")
            client, server = self.connect()
            self.say(client, server, DIALOGUE, "a")
            said = time.monotonic()
            network.wait_for(sensor.findings, "a finding of the open session")
            took = time.monotonic() - said
            self.assertEqual([event["rule"] for event in sensor.findings()], ["sequence.rcpt-before-mail"])
            self.say(client, server, REFUSED, "c")
            client.close()
            server.close()
            again = [event for event in sensor.stop() if event["event_type"] == "update"]
            self.assertEqual([(event["rule"], event["count"]) for event in again], [("sequence.rcpt-before-mail", 2)])
            return took
        self.assert_soon(attempt)

    def revised(self, least, rule, before, after):
        """The type and severity of each line of the rule, when less than `least` is not shown; and how many findings count."""
        sensor = self.sensor("--workers", "1", "--rule", rule, "--min-severity", least)
        client, server = self.connect()
        self.say(client, server, before, "a")

        def judged():
            sensor.send_signal(signal.SIGUSR1)
            return sensor.findings() or "1 not shown" in sensor.err()
        network.wait_for(judged, "the finding of the open session", why=sensor.err)
        self.say(client, server, after, "a")
        client.close()
        server.close()
        *events, stats = sensor.stop()
        return [(event["event_type"], event["severity"]) for event in events], stats["findings"]["total"]

    def test_least_severity_of_what_changes(self):
        """Of two lines of a finding the last one holds, and no line is an update of one that was not shown."""
        warned = [("finding", "warning")]
        for least, case, want in (("notice", EHLO_REFUSED, warned + [("update", "notice")]),
                                  ("warning", EHLO_REFUSED, warned + [("update", "notice")]),
                                  ("error", EHLO_REFUSED, []),
                                  ("notice", SMUGGLED, [("finding", "notice"), ("update", "error")]),
                                  ("warning", SMUGGLED, [("finding", "error")])):
            with self.subTest(least=least, rule=case[0]):
                self.assertEqual(self.revised(least, *case), (want, min(len(want), 1)))

    def test_signals(self):
        sensor = self.sensor("--workers", "1")
        self.replay(harness.FAMILIES)
        sensor.send_signal(signal.SIGUSR1)
        network.wait_for(lambda: "Sessions" in sensor.err(), "the statistics that SIGUSR1 asks for")
        sensor.send_signal(signal.SIGHUP)
        sensor.wait_notified("RELOADING=1", "READY=1")
        events = sensor.stop(signal.SIGINT)
        self.assertEqual(events[-1]["event_type"], "stats")
        harness.check_schema(events)
        self.assertIn("stopped; packets: ", sensor.err())

    def test_nothing_seen(self):
        """Of packets that never came there is no time."""
        event, = self.sensor("--write", self.path("evidence.pcap"), "--user", "root").stop()
        self.assertEqual((event["event_type"], event["packets"]), ("stats", 0))
        self.assertEqual((event["timestamp"], event["first_timestamp"]), (None, None))
        harness.check_schema([event])


class Interface(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        network.require()

    def test_unknown(self):
        done = harness.run("-i", "no-such-interface0")
        self.assert_status(done, 2)
        self.assert_one_line(done, "no-such-interface0", "-D")

    def test_wrong_expression(self):
        done = harness.run("-i", "lo", "no", "such", "filter")
        self.assert_status(done, 2)
        self.assert_one_line(done, "no such filter", "pcap-filter(7)")


if __name__ == "__main__":
    harness.main()
