#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""-w while watching, in a network of its own: the numbers in findings are those of the evidence, and what is there is evidence."""
import glob
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import harness
from harness import ProgramTest, read

from pcapfile import frames, tcp
from test_live_privileges import own_network

PATIENCE_S = 30
PORT = 2525
CLEAN, BUSY = "clean@mx.example", "busy@mx.example"


class LiveEvidence(ProgramTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)
        self.log = self.path("findings.json")
        self.evidence = self.path("evidence.pcap")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notified.close)
        self.notified.bind(self.path("notify"))
        os.chmod(self.path("notify"), 0o777)
        self.notified.settimeout(PATIENCE_S)

    def start(self, *arguments):
        self.program = subprocess.Popen(
            [harness.PROGRAM, "-i", "lo", "--ports", str(PORT), "--output", "file:" + self.log, "-w", self.evidence,
             "--min-severity", "notice", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": self.path("notify")})
        self.addCleanup(self.end)
        while "READY=1" not in self.notified.recv(4096).decode():
            pass

    def end(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.communicate()

    def stop(self):
        self.program.send_signal(signal.SIGTERM)
        _, said = self.program.communicate(timeout=PATIENCE_S)
        self.assertEqual(self.program.returncode, 0, said)
        return said.decode()

    def converse(self, recipient, quit=True):
        """A session; the client's port, and with it the two ends when it is left open."""
        deferred = recipient == BUSY
        with socket.create_server(("127.0.0.1", PORT)) as server:
            client = socket.create_connection(("127.0.0.1", PORT))
            served = server.accept()[0]
        lines = [(None, "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example"),
                 ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
                 ("RCPT TO:<%s>" % recipient, "450 4.2.1 The mailbox is busy" if deferred else "250 2.1.5 Ok"),
                 ("RSET", "250 2.0.0 Ok")]
        port = client.getsockname()[1]
        self.say(client, served, lines + ([("QUIT", "221 2.0.0 Bye")] if quit else []))
        if not quit:
            return port, client, served
        client.close()
        served.close()
        return port

    def say(self, client, served, lines):
        for line, reply in lines:
            if line:
                client.sendall(line.encode() + b"\r\n")
                served.recv(4096)
            served.sendall(reply.encode() + b"\r\n")
            client.recv(4096)

    def events(self):
        lines = read(self.log).decode().splitlines() if os.path.exists(self.log) else []
        return [json.loads(line) for line in lines]

    def findings(self, count):
        """The first `count` deferrals, once they are there."""
        until = time.monotonic() + PATIENCE_S
        while True:
            found = [event for event in self.events() if event.get("rule", "").startswith("deferral.mailbox")]
            if len(found) >= count:
                return found
            self.assertIsNone(self.program.poll(), "it ended")
            self.assertLess(time.monotonic(), until, "%d findings, wanted %d" % (len(found), count))
            time.sleep(0.02)

    def assert_points(self, finding):
        """The packet that it names is the reply, in its connection, and the file has the connection from its SYN on."""
        kept = frames(finding["file"])
        packet = tcp(kept[finding["packet"] - 1][1])
        self.assertEqual(packet.ports, (PORT, finding["src_port"]))
        self.assertTrue(packet.payload.startswith(b"450 "), packet.payload)
        own = [found for found in (tcp(octets) for _, octets in kept) if finding["src_port"] in found.ports]
        self.assertEqual((own[0].flags & 0x3f, own[1].flags & 0x3f), (0x02, 0x12), "SYN, SYN ACK")

    def test_numbers(self):
        self.start("--workers", "2")
        ports = []
        for _ in range(4):
            self.converse(CLEAN)
            ports.append(self.converse(BUSY))
        found = self.findings(4)
        self.assertEqual({finding["src_port"] for finding in found}, set(ports))
        for finding in found:
            self.assertEqual(finding["file"], self.evidence)
            self.assert_points(finding)
        self.stop()
        kept = [tcp(octets) for _, octets in frames(self.evidence)]
        self.assertEqual({port for packet in kept for port in packet.ports} - {PORT}, set(ports))
        self.assertEqual(os.stat(self.evidence).st_mode & 0o777, 0o600)

    def test_told_while_it_goes_on(self):
        """What comes behind the finding is written too, and a second one finds its packet behind the first one's."""
        self.start()
        port, client, served = self.converse(BUSY, quit=False)
        self.assert_points(self.findings(1)[0])
        self.say(client, served, [("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"), ("RCPT TO:<c@mx.example>", "451 4.3.0 Later"),
                                  ("QUIT", "221 2.0.0 Bye")])
        client.close()
        served.close()
        self.stop()
        kept = [tcp(octets) for _, octets in frames(self.evidence)]
        said = b"".join(packet.payload for packet in kept if packet.ports == (PORT, port))
        self.assertTrue(said.endswith(b"221 2.0.0 Bye\r\n"), said)
        later = [event for event in self.events() if event.get("exchange") and event["exchange"]["code"] == 451]
        self.assertTrue(kept[later[0]["packet"] - 1].payload.startswith(b"451 "), later)

    def test_ring(self):
        """More than three files of a megabyte hold: the last three are there, and whoever is told names one of them."""
        self.start("-C", "1", "-W", "3", "--workers", "1")
        filler = b"x" * 30000
        for count in range(1, 10):
            port, client, served = self.converse(BUSY, quit=False)
            self.findings(count)
            for _ in range(16):
                client.sendall(filler + b"\r\n")
                got = 0
                while got < len(filler) + 2:
                    got += len(served.recv(65536))
                served.sendall(b"500 5.5.2 Line too long\r\n")
                client.recv(4096)
            client.close()
            served.close()
        self.stop()
        files = sorted(glob.glob(self.evidence + "*"))
        self.assertEqual(files, [self.evidence + str(index) for index in range(3)])
        named = {event["file"] for event in self.events() if event["event_type"] == "finding"}
        self.assertEqual(named, set(files))
        for file in files:
            self.assertLessEqual(os.path.getsize(file), 1000000)
            self.assertGreater(len(frames(file)), 0)
        last = [event for event in self.events() if event.get("rule") == "deferral.mailbox-busy"][-1]
        self.assert_points(last)


if __name__ == "__main__":
    if os.geteuid() != 0 or not own_network():
        print("skipped: needs root and network namespaces")
        sys.exit(77)
    harness.main()
