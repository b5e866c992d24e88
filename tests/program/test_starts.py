#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Captures that begin in the middle of sessions: what is not known is not said for certain, and TLS is no bad SMTP."""
import collections
import glob
import os
import struct

import harness
from harness import PCAPS, ProgramTest, run

import flows

CAPTURES = sorted(glob.glob(os.path.join(PCAPS, "*.pcap")) + glob.glob(os.path.join(harness.TOP, "..", "shared", "captures*", "*.pcap")))
PORTS = "25,465,587,2525"
# More of one flow are like those that are taken.
STARTS_MAX = 60


def is_hello(packet):
    return packet.from_client and packet.tcp.payload[:2] == b"\x16\x03"


def tls_begin(packets):
    """The client's first TLS record; None where there is none, or the flow began with it."""
    first = next((at for at, packet in enumerate(packets) if packet.tcp.payload), 0)
    return next((at for at, packet in enumerate(packets) if is_hello(packet) and at > first), None)


class Starts(ProgramTest):
    def findings(self, collection, name):
        """{label: {(rule, confidence)}}, of sessions; closing and transport say what was not captured."""
        path = self.path(name)
        collection.write(path)
        done = run("-r", path, "--format", "json", "--ports", PORTS)
        self.assertIn(done.status, (0, 3), done.err)
        found = collections.defaultdict(set)
        for event in done.events("finding"):
            if collection.label(event) is not None:
                found[collection.label(event)].add((event["rule"], event["confidence"]))
        return found

    def starts(self, choose):
        """Flows, each whole and from chosen packets on; calls choose(packets)."""
        for path in CAPTURES:
            try:
                of_file = flows.flows(path)
            except (ValueError, struct.error):
                continue
            collection = flows.Collection()
            for number, packets in enumerate(of_file.values()):
                chosen = choose(packets)
                if chosen:
                    collection.add(packets, (number, 0))
                step = max(1, len(chosen) // STARTS_MAX)
                for at in chosen[::step]:
                    collection.add(packets[at:], (number, at))
            if collection.labels:
                yield path, collection

    def test_inside_tls(self):
        """From each packet of a session behind its ClientHello on: nothing is certain."""
        wrong, count = collections.Counter(), 0

        def inside(packets):
            begin = tls_begin(packets)
            return list(range(begin, len(packets))) if begin is not None else []

        for path, collection in self.starts(inside):
            found = self.findings(collection, "starts.pcap")
            for label in collection.labels.values():
                count += label[1] > 0
                for rule, confidence in found[label] if label[1] else ():
                    if confidence == "certain" and rule != "transport.midstream":
                        wrong[rule, os.path.basename(path)] += 1
        self.assertGreater(count, 50)  # pcaps/ alone has so many
        self.assertFalse(wrong, "certain, of %d starts: %s" % (count, wrong))


if __name__ == "__main__":
    harness.main()
