#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is made to cost much: the time that a packet takes stays near what any packet takes."""
import resource

import harness
from harness import run
import tcpwire

ROUNDS = 400
TIMES = 10  # as much as hostile rounds may take, for ordinary ones of as many octets


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Hostile(harness.ProgramTest):
    def cost(self, name, rounds):
        """Processor time of a session of so many rounds, each (side, octets, captured)."""
        packets = []
        talk = tcpwire.Conversation(packets, tcpwire.Endpoint("198.51.100.1", 20000), tcpwire.Endpoint("192.0.2.25", 25))
        talk.handshake(1700000000 * 10**9)
        turns = [("S", b"220 mx ESMTP\r\n", True), ("C", b"EHLO c\r\n", True), ("S", b"250-mx\r\n250 PIPELINING\r\n", True)]
        for number, (side, octets, captured) in enumerate(turns + rounds, 1):
            talk.segment(1700000000 * 10**9 + number * 10000, side, tcpwire.ACK, octets, captured=captured)
        path = self.path(name)
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        before = spent()
        self.assert_status(run("-r", path, "--format", "json", "--workers", "1"), 0)
        return spent() - before

    def test_thousands_of_commands_that_replies_behind_gaps_may_answer(self):
        pipelined = [("C", b"NOOP\r\n" * 2000, True)] * 2
        reply = [("S", b"250-" + b"x" * 60 + b"\r\n", True)] * 120 + [("S", b"250 ok\r\n", True)]
        gap = [("S", b"250 ok\r\n", False)]
        ordinary = self.cost("ordinary.pcap", pipelined + reply * ROUNDS)
        hostile = self.cost("hostile.pcap", pipelined + (gap + reply) * ROUNDS)
        self.assertLess(hostile, TIMES * ordinary, "seconds")


if __name__ == "__main__":
    harness.main()
