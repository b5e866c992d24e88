#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""-w with -r: what is written is read again with the same findings, and has the connections with findings and no others."""
import glob
import json
import os
import struct

import harness
from harness import PCAPS, ProgramTest, run

import tcpwire
from pcapfile import frames, tcp

CAPTURES = sorted(glob.glob(os.path.join(PCAPS, "*.pcap")))
WHERE = ("session", "file", "packet", "last_packet")


def findings(done):
    """All of each finding but where it stands, which another file has elsewhere."""
    return sorted(json.dumps({key: value for key, value in event.items() if key not in WHERE}, sort_keys=True)
                  for event in done.events("finding"))


def fragments(octets):
    """An Ethernet frame with IPv4 as one or several, with 24 octets of the datagram each."""
    head, data = octets[14:34], octets[34:]
    made = []
    for offset in range(0, len(data), 24):
        part = data[offset:offset + 24]
        place = offset // 8 | (0x2000 if offset + 24 < len(data) else 0)
        changed = head[:2] + struct.pack("!HHH", 20 + len(part), struct.unpack_from("!H", data, 6)[0], place) + head[8:10] + b"\0\0" + head[12:]
        changed = changed[:10] + struct.pack("!H", tcpwire.checksum(changed)) + changed[12:]
        made.append(octets[:14] + changed + part)
    return made


class Evidence(ProgramTest):
    def analyse(self, *arguments, status=0):
        done = run("--format", "json", *arguments)
        self.assert_status(done, status)
        return done

    def test_read_again(self):
        self.assertGreater(len(CAPTURES), 10)
        for capture in CAPTURES:
            for workers in "1", "3":
                with self.subTest(capture=os.path.basename(capture), workers=workers):
                    evidence = self.path("evidence.pcap")
                    first = self.analyse("-r", capture, "-w", evidence, "--workers", workers)
                    again = self.analyse("-r", evidence)
                    self.assertGreater(len(findings(first)), 0)
                    self.assertEqual(findings(again), findings(first))

    def test_numbers_are_those_of_the_file_read(self):
        without = self.analyse("-r", harness.FAMILIES)
        done = self.analyse("-r", harness.FAMILIES, "-w", self.path("evidence.pcap"))
        self.assertEqual(done.out, without.out)

    def conversation(self, client, deferred, isn=1000):
        """A session of one recipient as frames."""
        server, client = tcpwire.Endpoint("192.0.2.25", 25), tcpwire.Endpoint("192.0.2.1", client)
        seq = {server: 2000, client: isn}
        made = []

        def send(src, dst, flags, payload=b""):
            made.append(tcpwire.frame(src, dst, seq[src], seq[dst] if flags & tcpwire.ACK else 0, flags, payload))
            seq[src] += len(payload) + bool(flags & (tcpwire.SYN | tcpwire.FIN))

        send(client, server, tcpwire.SYN)
        send(server, client, tcpwire.SYN | tcpwire.ACK)
        send(client, server, tcpwire.ACK)
        for line, reply in (None, "220 mx"), ("HELO a", "250 mx"), ("MAIL FROM:<a@b>", "250 Ok"), \
                ("RCPT TO:<c@d>", "450 4.2.1 Mailbox busy" if deferred else "250 Ok"), ("RSET", "250 Ok"), ("QUIT", "221 Bye"):
            if line:
                send(client, server, tcpwire.ACK | tcpwire.PSH, line.encode() + b"\r\n")
            send(server, client, tcpwire.ACK | tcpwire.PSH, reply.encode() + b"\r\n")
        send(server, client, tcpwire.ACK | tcpwire.FIN)
        send(client, server, tcpwire.ACK | tcpwire.FIN)
        send(server, client, tcpwire.ACK)
        return made

    def capture(self, conversations):
        """One behind the other, a millisecond between frames."""
        octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
        for number, made in enumerate(frame for conversation in conversations for frame in conversation):
            octets += struct.pack("<IIII", 1700000000 + number // 1000, number % 1000 * 1000, len(made), len(made)) + made
        return self.path("made.pcap", octets)

    def ports(self, path):
        return {port for _, octets in frames(path) for port in tcp(octets).ports} - {25}

    def test_faulty_ones_only_and_whole(self):
        faulty = self.conversation(40002, True)
        capture = self.capture([self.conversation(40001, False), faulty, self.conversation(40003, False),
                                self.conversation(40002, False, isn=700000)])
        evidence = self.path("evidence.pcap")
        done = self.analyse("-r", capture, "-w", evidence, "--rule", "deferral.mailbox*")
        self.assertEqual(done.rules(), ["deferral.mailbox-busy"])
        self.assertEqual([octets for _, octets in frames(evidence)], faulty, "the same port was used again, without a fault")

    def test_fragments(self):
        """Of what came in fragments all of them are evidence, in either order, and say the same when they are read again."""
        for order in 1, -1:
            made = [part for octets in self.conversation(40001, True) for part in fragments(octets)[::order]]
            evidence = self.path("evidence.pcap")
            done = self.analyse("-r", self.capture([made]), "-w", evidence, "--rule", "deferral.mailbox*")
            self.assertEqual(done.rules(), ["deferral.mailbox-busy"])
            self.assertGreater(len(made), len(self.conversation(40001, True)))
            self.assertEqual([octets for _, octets in frames(evidence)], made)
            self.assertEqual(findings(self.analyse("-r", evidence, "--rule", "deferral.mailbox*")), findings(done))

    def test_nothing_found(self):
        """A capture that can be opened, without a packet."""
        evidence = self.path("evidence.pcap")
        self.analyse("-r", harness.FAMILIES, "-w", evidence, "--rule", "sequence.nested-mail")
        self.assertEqual(frames(evidence), [])
        self.assertEqual(os.stat(evidence).st_mode & 0o777, 0o600)

    def test_ring(self):
        """As tcpdump names them: FILE0 to FILE2, and none is larger than it may be, nor does a connection straddle two."""
        capture = self.capture(self.conversation(40000 + number, True) for number in range(2000))
        evidence = self.path("evidence.pcap")
        self.analyse("-r", capture, "-w", evidence, "-C", "1", "-W", "3", "--rule", "deferral.mailbox*")
        files = sorted(glob.glob(evidence + "*"))
        self.assertEqual(files, [evidence + str(number) for number in range(3)])
        seen = [self.ports(path) for path in files]
        for path in files:
            self.assertLessEqual(os.path.getsize(path), 1000000)
        self.assertEqual(len(seen[0] | seen[1] | seen[2]), sum(map(len, seen)))
        self.assertEqual(max(seen[0] | seen[1] | seen[2]), 41999)
        for number in range(3):
            os.unlink(evidence + str(number))
        self.analyse("-r", capture, "-w", evidence, "-C", "1", "--rule", "deferral.mailbox*")
        files = sorted(glob.glob(evidence + "*"))
        self.assertEqual(files, [evidence] + [evidence + str(number) for number in range(1, len(files))])
        self.assertEqual(set().union(*map(self.ports, files)), set(range(40000, 42000)))

    def test_cannot_be_written(self):
        done = run("-r", harness.FAMILIES, "-w", self.path("missing/evidence.pcap"))
        self.assert_status(done, 2)
        self.assert_one_line(done, "--write", "missing/evidence.pcap", "No such file")
        done = run("-r", harness.FAMILIES, "-w", "-")
        self.assert_status(done, 2)
        self.assert_one_line(done, "--write -")

    def test_input_is_not_written_over(self):
        made = self.capture([self.conversation(40001, True)])
        before = harness.read(made)
        link = self.path("link.pcap")
        os.symlink(made, link)
        for source, evidence in (made, made), (made, link), ("-", made):
            with open(made, "rb") as standard_input:
                done = run("-r", source, "-w", evidence, stdin=standard_input)
            self.assert_status(done, 2)
            self.assert_one_line(done, "--write", "captures that are read")
            self.assertEqual(harness.read(made), before)

    def test_disk_full(self):
        """Said once, counted; the findings are all there."""
        done = run("-r", harness.FAMILIES, "-w", "/dev/full", "--format", "json")
        self.assert_status(done, 2)
        lines = done.err.splitlines()
        self.assertEqual(len(lines), 2, done.err)
        self.assertIn("No space left", lines[0])
        self.assertRegex(lines[1], r"\d+ packets could not be written")
        self.assertEqual(findings(done), findings(self.analyse("-r", harness.FAMILIES)))

    def test_counted(self):
        done = self.analyse("-r", harness.FAMILIES, "-w", self.path("evidence.pcap"), "--summary")
        counters = done.events("stats")[0]["stages"]["evidence"]
        self.assertEqual(counters["written"], len(frames(self.path("evidence.pcap"))))
        self.assertEqual((counters["files"], counters["lost"], counters["evicted"]), (1, 0, 0))

    def test_long_message(self):
        """Of a message of a thousand frames the middle is cut to its headers: what is there is still one capture of them all."""
        made = self.conversation(40001, True)
        server, client = tcpwire.Endpoint("192.0.2.25", 25), tcpwire.Endpoint("192.0.2.1", 40001)
        middle = [tcpwire.frame(client, server, 50000 + number * 8000, 2000, tcpwire.ACK, b"x" * 8000) for number in range(1000)]
        evidence = self.path("evidence.pcap")
        self.analyse("-r", self.capture([made[:-6] + middle + made[-6:]]), "-w", evidence, "--rule", "deferral")
        kept = frames(evidence)
        self.assertEqual(len(kept), len(made) + len(middle))
        self.assertLess(os.path.getsize(evidence), 2 << 20)
        self.assertEqual([octets for _, octets in kept[-6:]], made[-6:])
        for (_, octets), whole in zip(kept, made[:-6] + middle + made[-6:]):
            self.assertTrue(whole.startswith(octets))


if __name__ == "__main__":
    harness.main()
