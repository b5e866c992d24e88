#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tricks that hide a session from whoever watches it: SECURITY.md's table says what becomes of each, and this test makes it.

`test_evasion.py PROGRAM` compares; with EVASION_TABLE=1 in the environment the table is printed.
"""
import os
import struct

import harness
from harness import ProgramTest, run

import tcpwire
from tcpwire import ACK, FIN, PSH, RST, SYN, URG, checksum

CLIENT, SERVER = tcpwire.Endpoint("192.0.2.200", 40000), tcpwire.Endpoint("192.0.2.10", 25)
TABLE = os.path.join(harness.TOP, "SECURITY.md")
# What the session says; the forged octets take the place of MAIL's, or stand around it.
LINES = (("S", "220 mx.example ESMTP Postfix"), ("C", "EHLO c.example"), ("S", "250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME"),
         ("C", "RCPT TO:<joe@example.com>"), ("S", "503 5.5.1 Error: need MAIL command"), ("C", "MAIL FROM:<a@b.example>"),
         ("S", "250 2.1.0 Ok"), ("C", "RCPT TO:<busy@example.com>"), ("S", "450 4.2.1 mailbox busy"), ("C", "VRFY joe"),
         ("S", "502 5.5.1 VRFY command is disabled"), ("C", "QUIT"), ("S", "221 2.0.0 Bye"))
WANT = {"sequence.rcpt-before-mail", "deferral.mailbox-busy", "rejection.verify-disabled"}
VICTIM = "MAIL FROM:<a@b.example>\r\n".encode()
FORGED = ("RSET\r\n" * 9).encode()[:len(VICTIM) - 2] + b"\r\n"


class Packet:
    """A segment between the two; the fields that are wrong in forged ones can be said."""

    def __init__(self, side, seq, ack, flags, payload=b"", **odd):
        self.side, self.seq, self.ack, self.flags, self.payload, self.odd = side, seq, ack, flags, payload, odd

    def addresses(self):
        pair = (CLIENT, SERVER) if self.side == "C" else (SERVER, CLIENT)
        return pair, pair[0].address.packed + pair[1].address.packed

    def tcp(self):
        (src, dst), addresses = self.addresses()
        options = self.odd.get("options", b"")
        head = struct.pack("!HHIIBBHHH", src.port, dst.port, self.seq & 0xFFFFFFFF, self.ack & 0xFFFFFFFF, (5 + len(options) // 4) << 4,
                           self.flags, 65000, 0, self.odd.get("urgent", 0)) + options + self.payload
        total = checksum(addresses + struct.pack("!BBH", 0, 6, len(head)) + head) ^ (0x5A5A if self.odd.get("bad_sum") else 0)
        return head[:16] + struct.pack("!H", total) + head[18:]

    def ip(self, octets, ident=0, place=0x4000, **odd):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(octets) + self.odd.get("beyond", 0), ident, place, odd.get("hops", 64), 6,
                           0) + self.addresses()[1]
        total = checksum(head) ^ (0x1234 if self.odd.get("bad_head") else 0)
        tag = b"\x81\0\0\x07" if self.odd.get("vlan") else b""
        return b"\x02\0\0\0\0\2\x02\0\0\0\0\1" + tag + b"\x08\0" + head[:10] + struct.pack("!H", total) + head[12:] + octets

    def frames(self):
        return [self.ip(self.tcp(), hops=self.odd.get("hops", 64))]

    def cut(self, at=32):
        """Its two fragments."""
        octets = self.tcp()
        return [(octets[:at], 0x2000), (octets[at:], at // 8)]


def session():
    """The packets as they are sent, and where the victim stands among them."""
    at = {"C": 1001, "S": 90001}
    packets = [Packet("C", 1000, 0, SYN), Packet("S", 90000, 1001, SYN | ACK), Packet("C", 1001, 90001, ACK)]
    for side, line in LINES:
        other = "S" if side == "C" else "C"
        octets = line.encode() + b"\r\n"
        victim = len(packets) if octets == VICTIM else None
        packets += [Packet(side, at[side], at[other], PSH | ACK, octets)]
        at[side] += len(octets)
        packets += [Packet(other, at[other], at[side], ACK)]
        if victim is not None:
            found = victim
    return packets + [Packet("S", at["S"], at["C"], FIN | ACK), Packet("C", at["C"], at["S"] + 1, FIN | ACK),
                      Packet("S", at["S"] + 1, at["C"] + 1, ACK)], found


def before(**odd):
    """Forged octets in the place of the victim's, ahead of them."""
    def trick(victim):
        fields = {"seq": 0, "ack": 0, "flags": PSH | ACK, "payload": FORGED, **odd}
        return [Packet("C", victim.seq + fields.pop("seq"), victim.ack + fields.pop("ack"), fields.pop("flags"), fields.pop("payload"),
                       **fields)], [victim], []
    return trick


def behind(*forged):
    """Other packets than octets, ahead of the victim: (side, from the next sequence number, from the acknowledgement, flags, odd)."""
    def trick(victim):
        return [Packet(side, (victim.seq if side == "C" else victim.ack) + seq, (victim.ack if side == "C" else victim.seq) + ack, flags,
                       b"", **odd) for side, seq, ack, flags, odd in forged], [victim], []
    return trick


def fragments(order, **odd):
    """The victim in two fragments with forged ones among them: "1" and "2" are true, "a" and "b" have other octets in their places."""
    def trick(victim):
        true = victim.cut()
        false = Packet("C", victim.seq, victim.ack, victim.flags, FORGED).cut()
        pieces = {"1": (true[0], 64), "2": (true[1], 64), "a": (false[0], odd.get("hops", 64)), "b": (false[1], odd.get("hops", 64)),
                  "p": ((struct.pack("!HH", 80, 81) + true[0][0][4:], 0x2000), odd.get("hops", 64)), "e": ((b"x" * 8, 100), 64)}
        frames = []
        for letter in order:
            if letter == "s":
                frames += [victim.ip(b"y" * 32, ident=1000 + i, place=0x2000) for i in range(300)]
                continue
            (octets, place), hops = pieces[letter]
            frames.append(victim.ip(octets, ident=7, place=place, hops=hops))
        return [], [], frames
    return trick


SIGNED = b"\x13\x12" + bytes(16) + b"\1\1"
TRICKS = (
    ("no trick", before(payload=b"", flags=ACK)),
    ("octets with a wrong TCP checksum", before(bad_sum=True)),
    ("octets with a wrong IP header checksum", before(bad_head=True)),
    ("octets with an IP length beyond the frame", before(beyond=64)),
    ("octets with few hops left", before(hops=2)),
    ("octets without ACK", before(flags=PSH, ack=0)),
    ("octets without any flag", before(flags=0)),
    ("octets that acknowledge what was never sent", before(ack=1 << 25)),
    ("octets that acknowledge what is long past", before(ack=-(1 << 25))),
    ("octets with an unexpected signature (RFC 2385)", before(options=SIGNED)),
    ("octets of another VLAN", before(vlan=True)),
    ("octets far beyond the window", before(seq=1 << 26)),
    ("octets that a receiver would take as well", before()),
    ("RST with a wrong checksum", behind(("C", 0, 0, RST, {"bad_sum": True}))),
    ("RST with few hops left", behind(("C", 0, 0, RST, {"hops": 2}))),
    ("RST inside the window, not at its edge", behind(("C", 300, 0, RST, {}))),
    ("RST of either side, outside the window", behind(("C", 1 << 27, 0, RST, {}), ("S", 1 << 27, 0, RST, {}))),
    ("FIN of both sides with a wrong checksum", behind(("C", 0, 0, FIN | ACK, {"bad_sum": True}), ("S", 0, 0, FIN | ACK, {"bad_sum": True}))),
    ("SYN where the next octet is", behind(("C", -1, 0, SYN, {}))),
    ("SYN and SYN-ACK, spoofed from afar", behind(("C", 77777, 0, SYN, {"hops": 9}), ("S", 999999, 77778, SYN | ACK, {"hops": 9}))),
    ("an acknowledgement of half a gigaoctet", behind(("C", 0, 1 << 29, ACK, {}))),
    ("an urgent octet in the line", lambda victim: ([Packet("C", victim.seq, victim.ack, victim.flags | URG, victim.payload, urgent=1)], [], [])),
    ("fragments, another first one before", fragments("a12")),
    ("fragments, another first one behind", fragments("1a2")),
    ("fragments, another last one before", fragments("b12")),
    ("fragments, both others before", fragments("ab12")),
    ("fragments, another first one with few hops left", fragments("a12", hops=1)),
    ("fragments, one that says the datagram ends elsewhere", fragments("1e2")),
    ("fragments, one of other ports before", fragments("p12", hops=1)),
    ("fragments, 300 of other datagrams between", fragments("1s2")),
)


class Evasion(ProgramTest):
    def outcome(self, trick):
        packets, at = session()
        ahead, victim, frames = trick(packets[at])
        sent = [frame for packet in packets[:at] + ahead + victim for frame in packet.frames()] + frames
        sent += [frame for packet in packets[at + 1:] for frame in packet.frames()]
        path = self.path("trick.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, [(10**18 + i * 1_000_000, frame) for i, frame in enumerate(sent)])
        done = run("-r", path, "--format", "json", "--workers", "1")
        self.assertIn(done.status, (0, 3), done.err)
        certain = {event["rule"] for event in done.events("finding") if event["confidence"] == "certain"}
        told = {rule for rule in certain if rule.startswith("transport.")}
        if certain - told - WANT:
            return "certain and false: " + ", ".join(sorted(certain - told - WANT))
        if WANT <= certain:
            return "seen through" + (", and reported" if told else "")
        return "reported: " + ", ".join("`%s`" % rule for rule in sorted(told)) if told else "fooled silently"

    def test_table(self):
        rows = ["| %s | %s |" % (name, self.outcome(trick)) for name, trick in TRICKS]
        if os.environ.get("EVASION_TABLE"):
            print("\n".join(rows))
        self.assertFalse([row for row in rows if "fooled" in row or "false" in row])
        with open(TABLE, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual([row for row in rows if row not in lines], [], "rows that SECURITY.md has not, or has otherwise")


if __name__ == "__main__":
    harness.main()
