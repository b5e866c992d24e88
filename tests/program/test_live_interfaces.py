#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that go and come while the program has no privileges, and several of them, as a tap gives one for each direction."""
import os
import struct
import time

import harness
import network
from network import SESSION_RULES

GREYLISTING = os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")


def from_server(frame):
    """The direction of a frame of Ethernet, IPv4 and TCP; the servers of the captures listen on port 25."""
    ports = 14 + (frame[14] & 15) * 4
    return struct.unpack(">H", frame[ports:ports + 2])[0] == 25


class Interfaces(network.ReplayTest):
    def ip(self, *words, host="server"):
        self.network.run(host, "ip", "link", *words)

    def add_interface(self, name):
        self.ip("add", name, "type", "veth", "peer", "name", name, "netns", self.network.names["server"], host="client")
        for host in ("client", "server"):
            self.network.run(host, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name)
            self.ip("set", name, "mtu", "9000", "up", host=host)

    def wait_err(self, sensor, text, count=1):
        network.wait_for(lambda: sensor.err().count(text) >= count, "%d times %r" % (count, text), why=sensor.err)

    def test_down_and_up(self):
        """Told once each way, however many workers there are; a finding of before, and one of afterwards."""
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                sensor = self.sensor("--workers", workers, *SESSION_RULES)
                want = len(self.offline(GREYLISTING, *SESSION_RULES))
                for turn in range(2):
                    self.replay(GREYLISTING)
                    network.wait_for(lambda: len(sensor.findings()) >= want * (turn + 1), "findings, turn %d" % turn, why=sensor.err)
                    if turn == 0:
                        self.ip("set", "veth0", "down")
                        self.wait_err(sensor, "veth0: the interface is down")
                        self.ip("set", "veth0", "up")
                        self.wait_err(sensor, "veth0: up again")
                sensor.stop()
                for text in ("the interface is down", "up again"):
                    self.assertEqual(sensor.err().count(text), 1, sensor.err())

    def test_deleted_and_made_anew(self):
        """Without privileges it cannot be opened again. It ends, having told so and all that it saw: a service manager starts it anew."""
        sensor = self.sensor(*SESSION_RULES)
        self.replay(GREYLISTING)
        want = self.offline(GREYLISTING, *SESSION_RULES)
        network.wait_for(lambda: len(sensor.findings()) >= len(want), "findings", why=sensor.err)
        self.ip("del", "veth0")
        self.wait_err(sensor, "veth0: the interface is ")  # gone, or down: it is that for a moment before
        self.add_interface("veth0")
        self.assertEqual(sensor.process.wait(network.DEADLINE_S), 2, sensor.err())
        self.assertEqual(sensor.err().count("a restart is needed"), 1, sensor.err())
        self.assertEqual(list(network.differences(network.settled(sensor.events()), want)), [])
        sensor = self.sensor(*SESSION_RULES)
        self.replay(GREYLISTING, self.wire())
        self.assert_as_the_file(sensor, GREYLISTING, *SESSION_RULES)

    def test_one_of_two_made_anew(self):
        """It does not go on with the other one alone, for weeks."""
        self.add_interface("veth1")
        for workers in ("1", "2"):
            sensor = self.sensor("-i", "veth1", "--workers", workers, *SESSION_RULES)
            self.replay(GREYLISTING)
            want = self.offline(GREYLISTING, *SESSION_RULES)
            network.wait_for(lambda: len(sensor.findings()) >= len(want), "findings", why=sensor.err)
            self.ip("del", "veth1")
            self.wait_err(sensor, "veth1: the interface is ")
            self.add_interface("veth1")
            self.assertEqual(sensor.process.wait(network.DEADLINE_S), 2, sensor.err())
            self.assertIn("a restart is needed", sensor.err())
            self.assertEqual(list(network.differences(network.settled(sensor.events()), want)), [])

    def test_frames_on_their_way_when_it_goes_down(self):
        """They are taken, and are no reason to say that it is up."""
        for workers in ("1", "2"):
            sensor = self.sensor("--workers", workers, *SESSION_RULES)
            self.replay(GREYLISTING)
            self.ip("set", "veth0", "down")
            self.wait_err(sensor, "veth0: the interface is down")
            want = self.offline(GREYLISTING, *SESSION_RULES)
            network.wait_for(lambda: len(sensor.findings()) >= len(want), "findings", why=sensor.err)
            self.ip("set", "veth0", "up")
            self.wait_err(sensor, "veth0: up again")
            sensor.stop()
            self.assertEqual([sensor.err().count(text) for text in ("is down", "up again")], [1, 1], sensor.err())

    def test_waiting_costs_nothing(self):
        """One interface that is down among several is no reason to be busy."""
        self.add_interface("veth1")
        sensor = self.sensor("-i", "veth1", *SESSION_RULES)
        self.ip("set", "veth1", "down")
        self.wait_err(sensor, "veth1: the interface is down")
        before, began = self.processor_seconds(sensor), time.monotonic()
        network.wait_for(lambda: time.monotonic() > began + 1, "a second")
        self.assertLess(self.processor_seconds(sensor) - before, 0.3)
        self.ip("set", "veth1", "up")
        self.wait_err(sensor, "veth1: up again")
        sensor.stop()

    def processor_seconds(self, sensor):
        fields = harness.read("/proc/%d/stat" % sensor.process.pid).decode().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_directions_apart(self):
        """Each direction on an interface of its own: what is said is said in order."""
        self.add_interface("veth1")
        for workers in ("1", "2"):
            for path in (GREYLISTING, harness.FAMILIES):
                with self.subTest(workers=workers, path=path):
                    sensor = self.sensor("-i", "veth1", "--workers", workers, *SESSION_RULES)
                    wires = (self.wire("veth0"), self.wire("veth1"))
                    for frame in network.frames(path):
                        wires[from_server(frame)].send(frame)
                    self.assert_as_the_file(sensor, path, *SESSION_RULES)

    def test_one_of_two_goes(self):
        self.add_interface("veth1")
        sensor = self.sensor("-i", "veth1", *SESSION_RULES)
        self.ip("set", "veth1", "down")
        self.wait_err(sensor, "veth1: the interface is down")
        self.replay(GREYLISTING)
        self.assert_as_the_file(sensor, GREYLISTING, *SESSION_RULES)


if __name__ == "__main__":
    harness.main()
