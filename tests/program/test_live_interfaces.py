#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that go and come while the program has no privileges, and several of them, as a tap gives one for each direction."""
import os
import socket
import struct

import harness
import network

GREYLISTING = os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")
# Not what depends on the time between packets, which the replay does not keep.
SESSION_RULES = [word for family in ("sequence", "rejection", "refusal", "deferral.mailbox-busy", "deferral.greylisted", "security")
                 for word in ("--rule", family)]


def from_server(frame):
    """The direction of a frame of Ethernet, IPv4 and TCP; the servers of the captures listen on port 25."""
    ports = 14 + (frame[14] & 15) * 4
    return struct.unpack(">H", frame[ports:ports + 2])[0] == 25


class Interfaces(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        network.require()

    def setUp(self):
        super().setUp()
        self.network = network.Network(self)

    def ip(self, *words, host="server"):
        self.network.run(host, "ip", "link", *words)

    def wire(self, interface="veth0"):
        wire = self.network.socket("client", socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(wire.close)
        wire.bind((interface, 0))
        return wire

    def add_interface(self, name):
        self.ip("add", name, "type", "veth", "peer", "name", name, "netns", self.network.names["server"], host="client")
        for host in ("client", "server"):
            self.network.run(host, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name)
            self.ip("set", name, "mtu", "9000", "up", host=host)

    def offline(self, path):
        return network.settled(harness.run("-r", path, "--format", "json", *SESSION_RULES).events())

    def replay(self, path, wire):
        for frame in network.frames(path):
            wire.send(frame)

    def wait_err(self, sensor, text, count=1):
        network.wait_for(lambda: sensor.err().count(text) >= count, "%d of %r in %r" % (count, text, sensor.err()))

    def assert_same(self, sensor, path):
        got, want = network.settled(sensor.stop()), self.offline(path)
        self.assertTrue(want)
        self.assertEqual(list(network.differences(got, want)), [], sensor.err())

    def test_down_and_up(self):
        """Told once each way, however many workers there are; a finding of before, and one of afterwards."""
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                sensor = network.Sensor(self, self.network, "--workers", workers, *SESSION_RULES)
                want = len(self.offline(GREYLISTING))
                for turn in range(2):
                    self.replay(GREYLISTING, self.wire())
                    network.wait_for(lambda: len(sensor.findings()) >= want * (turn + 1), "findings, turn %d: %s" % (turn, sensor.err()))
                    if turn == 0:
                        self.ip("set", "veth0", "down")
                        self.wait_err(sensor, "veth0: the interface is down")
                        self.ip("set", "veth0", "up")
                        self.wait_err(sensor, "veth0: up again")
                sensor.stop()
                for text in ("the interface is down", "up again"):
                    self.assertEqual(sensor.err().count(text), 1, sensor.err())

    def test_directions_apart(self):
        """Each direction on an interface of its own: what is said is said in order."""
        self.add_interface("veth1")
        for workers in ("1", "2"):
            for path in (GREYLISTING, harness.FAMILIES):
                with self.subTest(workers=workers, path=path):
                    sensor = network.Sensor(self, self.network, "-i", "veth1", "--workers", workers, *SESSION_RULES)
                    wires = (self.wire("veth0"), self.wire("veth1"))
                    for frame in network.frames(path):
                        wires[from_server(frame)].send(frame)
                    self.assert_same(sensor, path)

    def test_one_of_two_goes(self):
        self.add_interface("veth1")
        sensor = network.Sensor(self, self.network, "-i", "veth1", *SESSION_RULES)
        self.ip("set", "veth1", "down")
        self.wait_err(sensor, "veth1: the interface is down")
        self.replay(GREYLISTING, self.wire("veth0"))
        self.assert_same(sensor, GREYLISTING)


if __name__ == "__main__":
    harness.main()
