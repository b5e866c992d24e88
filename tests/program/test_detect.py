#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--detect: the same session whether its port is watched or found, whatever the number of workers; bounds are shown."""
import random

import harness
from harness import ProgramTest, run
import tcpwire
from pcapfile import frames, tcp

MS = 1000000
SMTP = (b"220 mx.example ESMTP Postfix\r\n", b"EHLO client.example\r\n", b"250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
        b"MAIL FROM:<a@example.com>\r\n", b"250 2.1.0 Ok\r\n", b"RCPT TO:<b@example.net>\r\n",
        b"450 4.2.0 <b@example.net>: Recipient address rejected: Greylisted\r\n", b"QUIT\r\n", b"221 2.0.0 Bye\r\n")
FTP = (b"220 ftp.example FTP server ready.\r\n", b"USER joe\r\n", b"331 Password required for joe.\r\n", b"QUIT\r\n", b"221 Goodbye.\r\n")
HTTP = (b"", b"GET / HTTP/1.1\r\nHost: www.example\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def conversation(packets, index, port, turns):
    """One connection; the server has the first turn."""
    client = tcpwire.Endpoint("198.51.%d.%d" % (index // 250, 1 + index % 250), 20000 + index)
    talk = tcpwire.Conversation(packets, client, tcpwire.Endpoint("192.0.2.25", port))
    time = (1700000000000 + index) * MS
    talk.handshake(time)
    for turn, octets in enumerate(turns):
        time += 7 * MS
        if octets:
            talk.segment(time, "C" if turn % 2 else "S", tcpwire.ACK | tcpwire.PSH, octets)
    talk.close(time + MS, "CS")


class Detect(ProgramTest):
    def write(self, packets):
        path = self.path("detect.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, sorted(packets, key=lambda packet: packet[0]))
        return path

    def mixed(self):
        """Connections at once on ports of all kinds, a third of them SMTP."""
        packets, chance = [], random.Random(1)
        for index in range(300):
            conversation(packets, index, chance.randrange(1024, 60000), (SMTP, FTP, HTTP)[index % 3])
        return self.write(packets)

    def test_found(self):
        path = self.mixed()
        found = run("-r", path, "--detect", "--format", "json", "--sessions")
        self.assert_status(found, 0)
        rules = found.rules()
        self.assertEqual(rules.count("security.unexpected-port"), 100)
        self.assertEqual(len(found.events("session")), 100)
        nothing = run("-r", path, "--format", "json", "--sessions")
        self.assertEqual(nothing.events(), [])

    def test_evidence(self):
        """Of connections on other ports, the SMTP is evidence, and nothing is kept of all else."""
        path, evidence = self.mixed(), self.path("evidence.pcap")
        for workers in "1", "3":
            found = run("-r", path, "--detect", "--format", "json", "--summary", "-w", evidence, "--workers", workers)
            self.assert_status(found, 0)
            clients = {event["src_port"] for event in found.events("finding")}
            self.assertEqual(len(clients), 100)
            kept = [tcp(octets) for _, octets in frames(evidence)]
            self.assertEqual({port for packet in kept for port in packet.ports if packet.flags & 0x3f == tcpwire.SYN and
                              port == packet.ports[0]}, clients)
            counters = found.events("stats")[0]["stages"]["evidence"]
            self.assertEqual(counters["written"], len(kept))
            self.assertLess(counters["octets_now"], 100 * 1024, "more than the numbers of what was written")
            again = run("-r", evidence, "--detect", "--format", "json")
            self.assertEqual(again.rules(), found.rules())

    def test_as_watched(self):
        """But for the finding that says where it was, all is as if the port were watched."""
        path = self.mixed()
        found = run("-r", path, "--detect", "--format", "json", "--sessions", "--messages")
        watched = run("-r", path, "--ports", "1-65535", "--format", "json", "--sessions", "--messages")
        clients = {event["src_port"] for event in found.events("session")}

        def plain(done):
            events = [event for event in done.events() if event["src_port"] in clients and event.get("rule") != "security.unexpected-port"]
            return [{key: value for key, value in event.items() if key not in ("id", "cause")} for event in events]
        self.assertEqual(plain(found), plain(watched))

    def test_workers(self):
        path = self.mixed()
        one = run("-r", path, "--detect", "--workers", "1", "--format", "json", "--sessions")
        for workers in ("2", "5"):
            many = run("-r", path, "--detect", "--workers", workers, "--format", "json", "--sessions")
            self.assertEqual(many.out, one.out, "%s workers" % workers)

    def test_flood(self):
        """More handshakes at once than are looked at: told, and SMTP among the last ones is still found."""
        packets = []
        for index in range(8000):
            talk = tcpwire.Conversation(packets, tcpwire.Endpoint("198.18.%d.%d" % (index // 250, index % 250), 1024 + index),
                                        tcpwire.Endpoint("192.0.2.25", 8080))
            talk.segment((1699999000000 + index) * MS, "C", tcpwire.SYN)
        conversation(packets, 1, 2525, SMTP)
        done = run("-r", self.write(packets), "--detect", "--workers", "1", "--format", "json", "--summary")
        self.assertEqual(done.rules().count("security.unexpected-port"), 1)
        undetected = done.events("stats")[0]["certainty"]["undetected"]
        self.assertGreaterEqual(undetected, 8000 - 4096)
        self.assertLess(undetected, 8000)
        counters = done.events("stats")[0]["stages"]["detect"]
        self.assertEqual(counters, {"opened": 8001, "followed": 1, "dismissed": 0, "undecided": 0, "evicted": undetected})
        text = run("-r", self.path("detect.pcap"), "--detect", "--workers", "1", "--summary")
        self.assertIn("not looked at", " ".join(text.out.split()))


if __name__ == "__main__":
    harness.main()
