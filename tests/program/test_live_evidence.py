#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""-w while watching, in a network of its own: the numbers in findings are those of the evidence, and what is there is evidence."""
import glob
import os

import harness

import live
from live import BUSY, CLEAN, LiveTest, PORT

import exposition
from pcapfile import frames, tcp

METRICS = "127.0.0.1:9425"
FILE_HEADER = 24


class LiveEvidence(LiveTest):
    def start(self, *arguments):
        self.evidence = self.path("evidence.pcap")
        super().start("--output", "file:" + self.log, "--min-severity", "notice", "-w", self.evidence, *arguments)

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

    def test_metrics(self):
        """They count what stands in the file."""
        self.start("--metrics", METRICS)
        self.converse(CLEAN)
        self.converse(BUSY)
        self.findings(1)

        def counted():
            families = exposition.parse(exposition.scrape("http://%s/metrics" % METRICS))
            return [family.samples.get(("smtpscope_evidence_%s_total" % name, ()))
                    for name in ("packets", "bytes", "files", "lost_packets") for family in families.values()
                    if ("smtpscope_evidence_%s_total" % name, ()) in family.samples]

        def written():
            return [len(frames(self.evidence)), os.path.getsize(self.evidence) - FILE_HEADER, 1, 0]
        self.wait("the metrics say what is written", lambda: written()[0] > 10 and counted() == written())
        self.stop()

    def test_told_while_it_goes_on(self):
        """What comes behind the finding is written too, and a second one finds its packet behind the first one's."""
        self.start()
        port, client, served = self.converse(BUSY, quit=False)
        self.assert_points(self.findings(1)[0])
        self.say(client, served, [("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"), ("RCPT TO:<c@mx.example>", "451 4.3.0 Later"),
                                  ("QUIT", "221 2.0.0 Bye")])
        client.close()
        served.close()
        self.wait("both are told", lambda: len([event for event in self.events() if event.get("rule", "").startswith("deferral.")]) > 1)
        self.stop()
        kept = [tcp(octets) for _, octets in frames(self.evidence)]
        said = b"".join(packet.payload for packet in kept if packet.ports == (PORT, port))
        self.assertTrue(said.endswith(b"221 2.0.0 Bye\r\n"), said)
        later = [event for event in self.events() if event.get("exchange") and event["exchange"]["code"] == 451]
        self.assertTrue(kept[later[0]["packet"] - 1].payload.startswith(b"451 "), later)

    def test_moved_away(self):
        """As by logrotate: after a SIGHUP the file is there again, and findings point into it."""
        self.start()
        self.converse(BUSY)
        self.findings(1)
        os.rename(self.evidence, self.path("moved.pcap"))
        moved = len(frames(self.path("moved.pcap")))
        self.reload()
        self.converse(BUSY)
        self.assert_points(self.findings(2)[1])
        self.stop()
        kept = [tcp(octets) for _, octets in frames(self.evidence)]
        self.assertEqual(len({packet.ports for packet in kept if packet.flags & 0x3f == 0x02}), 1, "the second session's SYN")
        self.assertGreaterEqual(len(frames(self.path("moved.pcap"))), moved)

    def test_restart(self):
        """The evidence of the run before stays, and each run's findings point into its own."""
        self.start("-C", "1", "-W", "3")
        self.converse(BUSY)
        first = self.findings(1)[0]
        self.stop()
        before = harness.read(first["file"])
        self.start("-C", "1", "-W", "3")
        self.converse(BUSY)
        second = self.findings(2)[1]
        self.stop()
        self.assertEqual((first["file"], second["file"]), (self.evidence + "0", self.evidence + "1"))
        self.assertEqual(harness.read(first["file"]), before)
        self.assert_points(first)
        self.assert_points(second)

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
    live.main()
