#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Watching an interface: frames sent over a veth pair are judged as those of the file they come from, at once."""
import os
import signal
import socket
import time

import harness
import network


# Not what depends on the time between packets, which the replay does not keep.
SESSION_RULES = [word for family in ("sequence", "rejection", "refusal", "deferral.mailbox-busy", "deferral.greylisted", "security")
                 for word in ("--rule", family)]


class Replay(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        network.require()

    def setUp(self):
        super().setUp()
        self.network = network.Network(self)
        self.wire = self.network.socket("client", socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(self.wire.close)
        self.wire.bind(("veth0", 0))

    def replay(self, path, pause_s=0.0):
        sent = 0
        for frame in network.frames(path):
            self.wire.send(frame)
            sent += 1
            if pause_s:
                time.sleep(pause_s)
        return sent

    def sensor(self, *arguments, **options):
        return network.Sensor(self, self.network, *arguments, **options)

    def offline(self, path, *arguments):
        done = harness.run("-r", path, "--format", "json", *arguments)
        return network.settled(done.events())

    def assert_same(self, got, want, what):
        self.assertEqual(list(network.differences(got, want)), [], what)

    def test_same_as_the_file(self):
        for workers in ("1", "2"):
            for path in (harness.FAMILIES, os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")):
                sensor = self.sensor("--workers", workers, *SESSION_RULES)
                self.replay(path)
                got = network.settled(sensor.stop())
                want = self.offline(path, *SESSION_RULES)
                self.assertTrue(want)
                self.assert_same(got, want, "%s, %s workers" % (path, workers))

    def test_a_finding_comes_within_a_second(self):
        sensor = self.sensor("--workers", "1")
        begin = time.monotonic()
        self.replay(harness.FAMILIES, 0.001)
        network.wait_for(lambda: any(event["rule"] == "refusal.policy" for event in sensor.findings()), "a finding of the replay")
        took = time.monotonic() - begin
        sent = 0.001 * sum(1 for _ in network.frames(harness.FAMILIES))
        self.assertLess(took, sent + 2, "the finding came %.2f s after the first packet" % took)

    def test_a_session_that_stays_open(self):
        """The finding is told while its session goes on, and once only when nothing about it changes."""
        sensor = self.sensor("--workers", "1")
        listener = self.network.socket("server", socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind((network.SERVER, 25))
        listener.listen(1)
        client = self.network.socket("client", socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(network.DEADLINE_S)
        client.connect((network.SERVER, 25))
        server, _ = listener.accept()
        self.addCleanup(server.close)
        dialogue = (("", "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example"),
                    ("RCPT TO:<a@b.example>", "503 5.5.1 need MAIL first"))
        for command, reply in dialogue:
            if command:
                client.sendall(command.encode() + b"\r\n")
                server.recv(512)
            server.sendall(reply.encode() + b"\r\n")
            client.recv(512)
        told = time.monotonic()
        network.wait_for(lambda: sensor.findings(), "a finding of the open session", 5)
        self.assertLess(time.monotonic() - told, 2.0)
        self.assertEqual([event["rule"] for event in sensor.findings()], ["sequence.rcpt-before-mail"])
        client.sendall(b"RCPT TO:<c@b.example>\r\n")
        server.recv(512)
        server.sendall(b"503 5.5.1 need MAIL first\r\n")
        client.recv(512)
        client.close()
        server.close()
        events = sensor.stop()
        again = [event for event in events if event["event_type"] == "update"]
        self.assertEqual([(event["rule"], event["count"]) for event in again], [("sequence.rcpt-before-mail", 2)])

    def test_signals(self):
        sensor = self.sensor("--workers", "1")
        self.replay(harness.FAMILIES)
        sensor.send_signal(signal.SIGUSR1)
        network.wait_for(lambda: "Sessions" in sensor.err(), "the statistics that SIGUSR1 asks for")
        sensor.send_signal(signal.SIGHUP)
        sensor.wait_notified("RELOADING=1")
        sensor.wait_notified("READY=1")
        events = sensor.stop(signal.SIGINT)
        self.assertEqual(events[-1]["event_type"], "stats")
        self.assertIn("stopped:", sensor.err())


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
