#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the program loses while it watches is told as a finding: transport.capture-drops, transport.output-lost."""
import os
import re
import signal
import subprocess

import harness
import network

import dialogue
import tcpwire

# A ring of the kernel that a second of a stopped program fills, and more frames than fit into it.
BUFFER_KIB = "64"
FRAMES = 2000


class Losses(network.ReplayTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)
        self.log = self.path("log")

    def sensor(self, *arguments, **options):
        return super().sensor("--workers", "1", *arguments, **options)

    def rules(self, events, rule):
        return [event for event in events if event.get("rule") == rule]

    def test_capture_drops(self):
        """Stopped, it takes nothing from the ring, and the kernel drops what does not fit: all totals say how many."""
        sensor = self.sensor("-B", BUFFER_KIB)
        frame = next(frame for frame in network.frames(harness.FAMILIES) if len(frame) > 60)
        sensor.send_signal(signal.SIGSTOP)
        wire = self.wire()
        for _ in range(FRAMES):
            wire.send(frame)
        sensor.send_signal(signal.SIGCONT)
        network.wait_for(lambda: self.rules(sensor.findings(), "transport.capture-drops"), "the finding about dropped packets")
        sensor.send_signal(signal.SIGUSR1)
        network.wait_for(lambda: re.search(r"Certainty +\d+ packets lost before they were captured", sensor.err()), "it in the statistics",
                         why=sensor.err)
        events = sensor.stop()
        drops = self.rules(events, "transport.capture-drops")
        harness.check_schema(drops)
        told = sum(event["count"] for event in drops)
        counted = int(re.search(r"dropped by the kernel: (\d+)", sensor.err()).group(1))
        self.assertEqual(told, counted)
        self.assertEqual(told, events[-1]["certainty"]["dropped"])
        self.assertGreater(told, 0)
        self.assertLess(told, FRAMES)
        for event in drops:
            self.assertEqual((event["severity"], event["session"], event["src_ip"], event["fault"]), ("warning", None, None, "network"))
            self.assertEqual(event["detail"], {"word": "kernel-drops", "text": "%d packets dropped by the kernel" % event["count"]})
        self.assertEqual(events[-1]["findings"]["by_rule"]["transport.capture-drops"], len(drops))

    def test_output_lost(self):
        """The reader of standard output goes: what it is given then is lost, and the other output says so."""
        read, write = os.pipe()
        words = [harness.PROGRAM, "-i", "veth0", "--format", "json", "--workers", "1", "--output", "-", "--output", "file:" + self.log]
        program = self.network.start(self, "server", *words, stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        network.wait_for(lambda: os.path.exists(self.log) and self.sent_and_seen(), "the first findings in the file")
        os.close(read)
        before = len(self.logged())
        network.wait_for(lambda: self.sent_and_seen()[before:], "findings that standard output did not take")
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=network.DEADLINE_S)
        self.assertEqual(program.returncode, 0, errors)
        lost = self.rules(self.logged(), "transport.output-lost")
        harness.check_schema(lost)
        lines = [event for event in lost if event["detail"]["word"] == "lines-lost"]
        self.assertEqual(len(lines), 1, lost)
        self.assertEqual(lines[0]["detail"]["text"], "%d lines lost at -" % lines[0]["count"])
        self.assertGreater(lines[0]["count"], 0)

    def test_sessions_that_gave_way(self):
        """Four sessions at a time, and three may be followed: one gives way, which is a finding, and counted."""
        packets = []
        for port in range(40001, 40005):
            text = "session: client=192.0.2.1:%d\nS: 220 mx.example ESMTP\nC: EHLO c.example\nS: 250 mx.example\nC: QUIT\nS: 221 bye\n"
            packets += dialogue.play(dialogue.parse(self.path("dialogue.txt", (text % port).encode())))
        with open(self.path("four.pcap"), "wb") as file:
            tcpwire.write_pcap(file, sorted(packets))
        sensor = self.sensor("--max-sessions", "3")
        self.replay(self.path("four.pcap"))
        network.wait_for(lambda: self.rules(sensor.findings(), "transport.evicted"), "the finding about a session that gave way")
        events = sensor.stop()
        self.assertTrue(all(event["session"] for event in self.rules(events, "transport.evicted")))
        self.assertGreater(events[-1]["certainty"]["evicted"], 0)

    def sent_and_seen(self):
        self.replay(harness.FAMILIES)
        return self.logged()

    def logged(self):
        return harness.events(self.log)


if __name__ == "__main__":
    harness.main()
