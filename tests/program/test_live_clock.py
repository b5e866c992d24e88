#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The machine's clock is set back and put right again while sessions are open: told once each, and nothing else is noticed. It takes root,
and SMTPSCOPE_TEST_CLOCK=1, for everything on the machine sees its clock ten seconds behind for a second."""
import os
import sys
import time

import harness
import network

GREYLISTING = os.path.join(harness.PCAPS, "greylisting-and-retry.pcap")
# Not what depends on the time between packets, which the replay does not keep.
SESSION_RULES = [word for family in ("sequence", "rejection", "refusal", "deferral.mailbox-busy", "deferral.greylisted", "security")
                 for word in ("--rule", family)]
BACK_S = 10


class Clock(network.ReplayTest):
    def set_clock(self, distance):
        """From the monotonic clock, which nobody sets."""
        time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + distance)

    def test_one_worker(self):
        self.set_and_restore("1")

    def test_two_workers(self):
        self.set_and_restore("2")

    def set_and_restore(self, workers):
        wire = self.wire()
        sensor = self.sensor("--workers", workers, *SESSION_RULES)
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
        self.replay(GREYLISTING, wire)
        network.wait_for(lambda: "the clock was set by +10 s" in sensor.err(), "the step forth")
        events = sensor.stop()
        self.assertEqual(sensor.err().count("the clock was set"), 2, sensor.err())
        want = sorted(self.offline(harness.FAMILIES, *SESSION_RULES) + self.offline(GREYLISTING, *SESSION_RULES))
        self.assertEqual(list(network.differences(network.settled(events), want)), [])


if __name__ == "__main__":
    if os.environ.get("SMTPSCOPE_TEST_CLOCK") != "1":
        print("SKIPPED: SMTPSCOPE_TEST_CLOCK=1 lets it set the machine's clock")
        sys.exit(77)
    harness.main()
