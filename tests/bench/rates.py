#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
rates.py [OPTIONS]: what the kernel drops, by the rate. A capture is sent over a veth pair at fixed rates and at top speed, to a bare
libpcap loop that only counts and to smtpscope with one worker and with two. Runs in turns; of several turns the sums.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import liverun  # noqa: E402
import network  # noqa: E402

COLUMNS = "%-10s %-22s %10s %9s %9s %10s %10s %8s %8s %8s"


class Result:
    def __init__(self):
        self.sent = self.octets = self.seconds = self.seen = self.dropped = self.missed = self.processor = 0

    def sending(self, packets, octets, seconds):
        self.sent += packets
        self.octets += octets
        self.seconds += seconds

    def row(self, rate, name):
        print(COLUMNS % (rate, name, self.sent, "%.0f" % (self.sent / self.seconds / 1e3), "%.0f" % (self.octets * 8 / self.seconds / 1e6),
                         self.seen, self.dropped, "%.3f" % (100.0 * self.dropped / self.sent), self.missed,
                         "%.2f" % (self.processor / self.seconds)))
        sys.stdout.flush()


def processor_seconds(pid):
    """User's and system's, of all threads so far."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bare:
    name = "bare libpcap loop"

    def __init__(self, options):
        self.program = os.path.join(options.bin, "bare_live")

    def start(self, stage, net):
        self.process = net.start(stage, "server", self.program, "veth0", stdout=subprocess.PIPE, text=True)
        stage.assertEqual(self.process.stdout.readline(), "ready\n", "bare_live")
        return self.process

    def stop(self, result, wanted):
        self.process.send_signal(signal.SIGTERM)
        words = self.process.stdout.read().split()
        self.process.wait()
        result.seen += int(words[0])
        result.dropped += int(words[4])


class Program:
    def __init__(self, options, workers, more=()):
        self.options, self.workers = options, workers
        self.more = tuple(more)
        self.name = "smtpscope, %d worker%s" % (workers, "s" if workers > 1 else "")

    def start(self, stage, net):
        self.out = os.path.join(stage.folder, "out.json")
        self.sensor = network.Sensor(stage, net, "--workers", str(self.workers), "--summary", "--output", "file:" + self.out, *self.more)
        return self.sensor.process

    def stop(self, result, wanted):
        self.sensor.send_signal(signal.SIGTERM)
        if self.sensor.process.wait(network.DEADLINE_S):
            raise liverun.Failed(self.sensor.err())
        with open(self.out, encoding="utf-8") as file:
            stats = json.loads(file.readlines()[-1])
        os.unlink(self.out)
        result.seen += stats["packets"]
        result.dropped += stats["stages"]["capture"]["dropped"]
        if not stats["stages"]["capture"]["dropped"] and self.options.senders == 1:
            own = sum(count for rule, count in stats["findings"]["by_rule"].items() if rule.startswith("transport."))
            result.missed += wanted["findings"] - stats["findings"]["total"] + own


def run(contender, options, rate, capture, holds, result):
    with liverun.Stage() as stage:
        stage.folder = options.folder
        net = network.Network(stage)
        process = contender.start(stage, net)
        before = processor_seconds(process.pid)
        senders = [liverun.replay(stage, net, capture, *(("--topspeed",) if rate == "top" else ("--mbps", rate)))
                   for _ in range(options.senders)]
        packets, octets, seconds = zip(*map(liverun.replayed, senders))
        result.sending(sum(packets), sum(octets), max(seconds))
        result.processor += processor_seconds(process.pid) - before
        contender.stop(result, holds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=os.path.abspath, default=liverun.BIN, help="where smtpscope, mkcapture and bare_live are")
    parser.add_argument("--size", default=300, type=int, help="of the capture, in MB")
    parser.add_argument("--message", default=12000, type=int, help="octets of a message")
    parser.add_argument("--rates", default="500,1000,2000,4000,top", help="Mbit/s")
    parser.add_argument("--senders", default=1, type=int, help="at a time, of the same packets: more than one processor can send")
    parser.add_argument("--turns", default=1, type=int)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("arguments", nargs="*", help="more of them, for smtpscope")
    options = parser.parse_args()
    liverun.require(os.path.join(options.bin, "smtpscope"))
    with tempfile.TemporaryDirectory() as options.folder:
        os.chmod(options.folder, 0o777)
        capture = os.path.join(options.folder, "capture.pcap")
        holds = liverun.make_capture(options.bin, capture, "-s", options.size, "-m", options.message, "-f", 20)
        print("%d packets, %d sessions, %d findings, %d MB; %s" % (
            holds["packets"], holds["sessions"], holds["findings"], os.path.getsize(capture) >> 20, liverun.load()))
        print(COLUMNS % ("Mbit/s", "", "sent", "kpps", "Mbit/s", "seen", "dropped", "%", "missed", "CPUs"))
        for rate in options.rates.split(","):
            contenders = [Bare(options), *(Program(options, int(workers), options.arguments) for workers in options.workers.split(","))]
            results = [Result() for _ in contenders]
            for _ in range(options.turns):
                for contender, result in zip(contenders, results):
                    run(contender, options, rate, capture, holds, result)
            for contender, result in zip(contenders, results):
                result.row(rate, contender.name)
        print("missed: findings that are lacking where nothing was dropped. CPUs: of the receiver while the sender sends. %s" % liverun.load())
    return 0


if __name__ == "__main__":
    sys.exit(main())
