#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The machine's clock is set back and put right again while sessions are open: told once each, and nothing else is noticed. It takes root,
and SMTPSCOPE_TEST_CLOCK=1, for everything on the machine sees its clock ten seconds behind for a second."""
import os
import socket
import sys
import time

import harness
import network

GREYLISTING = os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")
# Not what depends on the time between packets, which the replay does not keep.
SESSION_RULES = [word for family in ("sequence", "rejection", "refusal", "deferral.mailbox-busy", "deferral.greylisted", "security")
                 for word in ("--rule", family)]
BACK_S = 10


class Clock(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        network.require()

    def set_clock(self, distance):
        """From the monotonic clock, which nobody sets."""
        time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + distance)

    def offline(self, path):
        return network.settled(harness.run("-r", path, "--format", "json", *SESSION_RULES).events())

    def test_back_and_forth(self):
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                self.run_one(workers)

    def run_one(self, workers):
        self.network = network.Network(self)
        wire = self.network.socket("client", socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(wire.close)
        wire.bind(("veth0", 0))
        sensor = network.Sensor(self, self.network, "--workers", workers, *SESSION_RULES)
        frames = list(network.frames(harness.FAMILIES))
        distance = time.time() - time.monotonic()
        try:
            for frame in frames[:len(frames) // 2]:
                wire.send(frame)
            self.set_clock(distance - BACK_S)
            for frame in frames[len(frames) // 2:]:
                wire.send(frame)
            network.wait_for(lambda: "the clock was set by -10 s" in sensor.err(), "the step back", 3)
        finally:
            self.set_clock(distance)
        for frame in network.frames(GREYLISTING):
            wire.send(frame)
        network.wait_for(lambda: "the clock was set by +10 s" in sensor.err(), "the step forth")
        events = sensor.stop()
        self.assertEqual(sensor.err().count("the clock was set"), 2, sensor.err())
        want = sorted(self.offline(harness.FAMILIES) + self.offline(GREYLISTING))
        self.assertEqual(list(network.differences(network.settled(events), want)), [])
        self.doCleanups()


if __name__ == "__main__":
    if os.environ.get("SMTPSCOPE_TEST_CLOCK") != "1":
        print("SKIPPED: SMTPSCOPE_TEST_CLOCK=1 lets it set the machine's clock")
        sys.exit(77)
    harness.main()
