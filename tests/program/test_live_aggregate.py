#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--aggregate, in a network of the test's own: of deferrals that are alike the first is told at once, and once more with all of them."""
import os
import time

import harness
import live
from live import BUSY, LiveTest

from pcapfile import frames, tcp

WINDOW_S, ATTEMPTS = 3, 5
HOSTS = ["127.0.0.%d" % number for number in range(1, 8)]


class LiveAggregate(LiveTest):
    def start(self, *arguments):
        super().start("--output", "file:" + self.log, "--min-severity", "notice", *arguments)

    def updates(self, count):
        """Those of the finding, when there are so many."""
        def those():
            return [event for event in self.events() if event["event_type"] == "update" and event["rule"] == "deferral.mailbox-busy"]
        self.wait("%d updates" % count, lambda: len(those()) >= count)
        return those()

    def wait_counted(self, count):
        """Until statistics say that so many were found, one line or not."""
        self.wait("%d counted" % count, lambda: any(
            event["event_type"] == "stats" and event["findings"]["by_rule"].get("deferral.mailbox-busy") == count
            for event in self.events()))

    def converse_quickly(self):
        """When a conversation of each host began, and their ports; a machine too busy for one window has another attempt."""
        for _ in range(ATTEMPTS):
            self.start("--aggregate", "%ds" % WINDOW_S, "-w", self.path("evidence.pcap"), "--workers", "1")
            begun = time.monotonic()
            ports = [self.converse(BUSY, host=host) for host in HOSTS]
            if time.monotonic() - begun < WINDOW_S * 2 / 3:
                return begun, ports
            self.stop()
            os.unlink(self.log)
        self.fail("%d conversations never fit into a window of %d s" % (len(HOSTS), WINDOW_S))

    def test_one_for_many(self):
        begun, ports = self.converse_quickly()
        first = self.findings(1)
        self.assertEqual([(event["event_type"], event["count"], event["src_port"]) for event in first], [("finding", 1, ports[0])])
        self.assertNotIn("clients", first[0])
        found = self.updates(1)
        self.assertGreater(time.monotonic() - begun, WINDOW_S - 0.1)
        self.assertEqual(len(found), 1)
        self.assertEqual((found[0]["session"], found[0]["id"]), (first[0]["session"], first[0]["id"]))
        self.assertEqual((found[0]["count"], found[0]["clients"], found[0]["client_count"]), (7, HOSTS[:5], 7))
        self.assertEqual((found[0]["src_ip"], found[0]["src_port"]), (HOSTS[0], ports[0]))
        harness.check_schema(found)
        self.assertLess(found[0]["timestamp"], found[0]["last_timestamp"])
        kept = [tcp(octets) for _, octets in frames(found[0]["file"])]
        self.assertEqual(kept[found[0]["packet"] - 1].ports[1], ports[0])
        self.assertEqual(kept[found[0]["last_packet"] - 1].ports[1], ports[-1])
        self.stop()
        self.assertEqual([event["event_type"] for event in self.events() if event.get("rule") == "deferral.mailbox-busy"], ["finding", "update"])
        stats = [event for event in self.events() if event["event_type"] == "stats"][-1]
        self.assertEqual(stats["findings"]["by_rule"]["deferral.mailbox-busy"], 7, "each counts")

    def test_end_and_reload(self):
        """What is open comes out when a reload takes the option away, and at the end."""
        config = self.path("smtpscope.conf", b"aggregate = 1h\nstats = 1s\n")
        os.chmod(config, 0o644)
        self.start("-c", config)
        self.converse(BUSY)
        self.converse(BUSY)
        self.wait_counted(2)
        with open(config, "w", encoding="utf-8") as file:
            file.write("stats = 1s\n")
        self.reload()
        found = self.updates(1)
        self.assertEqual([(event["count"], event["client_count"]) for event in found], [(2, 1)])
        port = self.converse(BUSY)
        found = self.findings(3)
        self.assertNotIn("clients", found[2])
        self.assertEqual(found[2]["src_port"], port)
        with open(config, "w", encoding="utf-8") as file:
            file.write("stats = 1s\naggregate = 1h\n")
        self.reload()
        self.converse(BUSY)
        self.converse(BUSY)
        self.wait_counted(5)
        self.assertEqual(len(self.findings(4)), 4)
        self.stop()
        found = [event for event in self.busy() if event["event_type"] == "update"]
        self.assertEqual([(event["count"], event["client_count"]) for event in found[1:]], [(2, 1)])


if __name__ == "__main__":
    live.main()
