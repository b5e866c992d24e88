#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--annotate: findings as comments on their packets, which any Wireshark shows; all else of a capture stays as it is."""
import collections
import gzip
import shutil
import struct
import subprocess
import unittest

import harness
from harness import FAMILIES, ProgramTest, read, run

from pcapfile import frames

SECTION, INTERFACE, SIMPLE, NAMES, ENHANCED = 0x0a0d0d0a, 1, 3, 4, 6
COMMENT = 1
OURS = b"smtpscope: "


def blocks(octets):
    """(type, body, options) of each block: in front of the options the body, its padding as it is."""
    at, order = 0, "<"
    found = []
    while at < len(octets):
        if octets[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            order = ">" if octets[at + 8:at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
        kind, length = struct.unpack_from(order + "II", octets, at)
        assert length % 4 == 0 and struct.unpack_from(order + "I", octets, at + length - 4)[0] == length, (at, kind, length)
        body = octets[at + 8:at + length - 4]
        fixed = {SECTION: 16, INTERFACE: 8}.get(kind, len(body))
        if kind == ENHANCED:
            fixed = 20 + (struct.unpack_from(order + "I", body, 12)[0] + 3 & ~3)
        options, rest = [], body[fixed:]
        while rest:
            code, size = struct.unpack_from(order + "HH", rest)
            if code:
                options.append((code, rest[4:4 + size]))
            rest = rest[4 + (size + 3 & ~3):] if code else b""
        found.append((kind, body[:fixed], options))
        at += length
    return found


def block(order, kind, body, *options):
    body += b"\0" * (-len(body) % 4)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
    if options:
        body += struct.pack(order + "HH", 0, 0)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(order, packets, simple=False):
    """A capture of one interface with a name, names of hosts, a comment on the first packet; each packet an enhanced or simple one."""
    octets = block(order, SECTION, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), (COMMENT, b"of somebody"))
    octets += block(order, INTERFACE, struct.pack(order + "HHI", 1, 0, 0), (2, b"eth7"), (9, b"\x06"))
    octets += block(order, NAMES, struct.pack(order + "HH", 1, 9) + b"\xc0\0\2\1mx\0\0\0\0" + struct.pack(order + "HH", 0, 0))
    for number, (time, packet) in enumerate(packets):
        if simple:
            octets += block(order, SIMPLE, struct.pack(order + "I", len(packet)) + packet)
            continue
        stamp = time // 1000
        head = struct.pack(order + "IIIII", 0, stamp >> 32, stamp & 0xffffffff, len(packet), len(packet))
        octets += block(order, ENHANCED, head + packet, *([(COMMENT, b"the first")] if not number else []))
    return octets


class Annotate(ProgramTest):
    def annotate(self, *captures):
        """The annotated capture, and how many findings each packet of it has."""
        out = self.path("out.pcapng")
        done = run(*captures, "--annotate", out, "--format", "json")
        self.assert_status(done, 0)
        self.assertEqual(done.err, "")
        return read(out), done.events("finding")

    def comments(self, octets):
        """The numbers of the packets that have comments of ours, once for each."""
        packets = [found for found in blocks(octets) if found[0] in (ENHANCED, SIMPLE)]
        return [number for number, (_, _, options) in enumerate(packets, 1) for code, value in options
                if code == COMMENT and value.startswith(OURS)]

    def test_pcap(self):
        octets, findings = self.annotate(FAMILIES)
        self.assertTrue(findings)
        self.assertEqual(self.comments(octets), sorted(finding["packet"] for finding in findings))
        found = blocks(octets)
        self.assertEqual([len(body) - 20 + 3 & ~3 for kind, body, _ in found if kind == ENHANCED],
                         [len(packet) + 3 & ~3 for _, packet in frames(FAMILIES)])
        said = [value.decode() for _, _, options in found for code, value in options if code == COMMENT]
        for finding in findings:
            text = (finding["exchange"] or {}).get("text") or ""
            self.assertTrue(any(finding["rule"] in comment and text in comment for comment in said), finding)
        self.assertIn("Summary", said[0])

    def test_pcapng_stays_as_it_is(self):
        packets = frames(FAMILIES)
        for order in "<>":
            before = pcapng(order, packets)
            octets, findings = self.annotate(self.path("in.pcapng", before))
            self.assertEqual(self.comments(octets), sorted(finding["packet"] for finding in findings))
            after = [(kind, body, [option for option in options if not option[1].startswith(OURS) and b"Summary" not in option[1]])
                     for kind, body, options in blocks(octets)]
            self.assertEqual(after, blocks(before), order)

    def test_simple_packets(self):
        before = pcapng("<", frames(FAMILIES), simple=True)
        octets, findings = self.annotate(self.path("in.pcapng", before))
        self.assertTrue(findings)
        self.assertEqual(self.comments(octets), sorted(finding["packet"] for finding in findings))
        found = [body[20:] if kind == ENHANCED else body[4:] for kind, body, _ in blocks(octets) if kind in (SIMPLE, ENHANCED)]
        self.assertEqual(found, [body[4:] for kind, body, _ in blocks(before) if kind == SIMPLE])

    def test_several_and_compressed(self):
        first, second = self.path("a.pcapng.gz", gzip.compress(pcapng("<", frames(FAMILIES)))), self.path("b.pcap", read(FAMILIES))
        octets, findings = self.annotate(first, second)
        found = blocks(octets)
        self.assertEqual(sum(kind == SECTION for kind, _, _ in found), 2)
        count = collections.Counter(finding["file"] for finding in findings)
        self.assertEqual(set(count), {first, second})
        self.assertEqual(len(self.comments(octets)), len(findings))

    def test_chosen(self):
        octets, findings = self.annotate(FAMILIES, "--rule", "deferral")
        self.assertEqual({finding["rule"].split(".")[0] for finding in findings}, {"deferral"})
        self.assertEqual(len(self.comments(octets)), len(findings))

    @unittest.skipUnless(shutil.which("tshark"), "tshark is not installed")
    def test_tshark_shows_them(self):
        octets, findings = self.annotate(FAMILIES)
        shown = subprocess.run(["tshark", "-r", self.path("out.pcapng"), "-Y", "frame.comment", "-T", "fields", "-E", "occurrence=a",
                                "-E", "aggregator=|", "-e", "frame.number", "-e", "frame.comment"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout.decode()
        count = collections.Counter()
        for line in shown.splitlines():
            number, comments = line.split("\t", 1)
            count[int(number)] += comments.count("smtpscope: ")
        self.assertEqual(count, collections.Counter(finding["packet"] for finding in findings))

    def test_wrong(self):
        own = self.path("own.pcap", read(FAMILIES))
        done = run(own, "--annotate", own)
        self.assert_status(done, 2)
        self.assert_one_line(done, own, "one of the captures")
        self.assertEqual(read(own), read(FAMILIES))
        done = run("-r", "-", "--annotate", self.path("x.pcapng"), input=read(FAMILIES))
        self.assert_status(done, 2)
        self.assert_one_line(done, "-", "twice")
        done = run(FAMILIES, "--annotate", self.path("no/x.pcapng"))
        self.assert_status(done, 2)
        self.assert_one_line(done, "no/x.pcapng", "No such file")

    def test_damaged(self):
        """What is whole of a capture that was cut is there."""
        for name, whole in (("cut.pcap", read(FAMILIES)), ("cut.pcapng", pcapng("<", frames(FAMILIES)))):
            done = run(self.path(name, whole[:-7]), "--annotate", self.path("out.pcapng"), "--format", "json")
            self.assert_status(done, 3)
            kept = [kind for kind, _, _ in blocks(read(self.path("out.pcapng"))) if kind == ENHANCED]
            self.assertEqual(len(kept), len(frames(FAMILIES)) - 1)


if __name__ == "__main__":
    harness.main()
