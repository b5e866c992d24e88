#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
soak.py [OPTIONS]: a long watch in little. Sessions are sent over a veth pair in a loop, from other addresses each time: a tenth of them as
fast as tcpreplay can, so that what depends on the number of sessions at a time is at its highest, the rest at a rate. Once a second the
program's memory, descriptors and threads are looked at. Findings go to a file that is rotated, metrics are scraped. Fails when memory grows by more than 2 % behind the first tenth, when descriptors or threads become more, and when sessions or
findings are missing of which the program does not say that it lost them.
"""
import argparse
import glob
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import liverun  # noqa: E402
import network  # noqa: E402

TENTH = 10
SKIPPED = 77
# What the program itself lost, and what comes of sending the same again: not what mkcapture counts.
OWN_RULES = ("transport.", "deferral.retry-too-soon")
# Of mkcapture: small messages, for it is sessions that cost memory, and one session of ten with findings.
CAPTURE = ("-m", 500, "-f", 10)
METRICS_PORT = 9425
COLUMNS = "%7s %12s %10s %10s %10s %5s %8s %10s"


class Sample:
    def __init__(self, process, began):
        self.seconds = time.monotonic() - began
        with open("/proc/%d/status" % process) as file:
            fields = dict(line.rstrip("\n").split(":", 1) for line in file)
        self.anonymous, self.resident = (int(fields[name].split()[0]) for name in ("RssAnon", "VmRSS"))
        self.threads = int(fields["Threads"])
        self.descriptors = len(os.listdir("/proc/%d/fd" % process))
        self.packets = self.sessions = self.drops = 0

    def row(self):
        print(COLUMNS % ("%.0f" % self.seconds, self.packets, self.sessions, self.anonymous, self.resident, self.descriptors,
                         self.threads, self.drops))
        sys.stdout.flush()


def scrape(net):
    """The value of each metric, by its name and labels as they stand."""
    with net.socket("server", socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(network.DEADLINE_S)
        client.connect(("127.0.0.1", METRICS_PORT))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(1 << 16), b"")).decode()
    lines = text.split("\r\n\r\n", 1)[1].split("\n")
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}


def look(sensor, net, began):
    sample, metrics = Sample(sensor.process.pid, began), scrape(net)
    sample.packets = int(metrics["smtpscope_captured_packets_total"])
    sample.sessions = int(metrics["smtpscope_sessions_total"])
    sample.drops = int(metrics['smtpscope_dropped_packets_total{where="kernel"}'])
    return sample


def watch(sensor, net, sender, every_s):
    """A sample every so often while something is sent, and one when it has been."""
    began, samples = time.monotonic(), []
    print(COLUMNS % ("s", "packets", "sessions", "RssAnon kB", "VmRSS kB", "fds", "threads", "drops"))
    while sender.poll() is None:
        samples.append(look(sensor, net, began))
        if len(samples) % max(1, len(samples) // 20) == 0:
            samples[-1].row()
        try:
            sender.wait(every_s)
        except subprocess.TimeoutExpired:
            pass
    samples.append(look(sensor, net, began))
    samples[-1].row()
    return samples


def growth(first, rest, percent):
    """What grew too much. Memory: the last samples, by their median, for now and then a batch is on its
    way; descriptors, threads: by their least, for one may just be closing, while one that leaked stays."""
    before, peak = (max(sample.anonymous for sample in part) for part in (first, rest))
    last = rest[-max(2, len(rest) // TENTH):]
    after = statistics.median(sample.anonymous for sample in last)
    print("RssAnon: %d kB at most in the first tenth, %d kB at the end: %+.2f %%; %d kB at most" % (
        before, after, (after / before - 1) * 100, peak))
    if after > before * (1 + percent / 100):
        yield "memory grew by more than %g %%" % percent
    for what in ("descriptors", "threads"):
        if min(getattr(sample, what) for sample in last) > max(getattr(sample, what) for sample in first):
            yield "%s became more" % what


def missing(stats, wanted):
    """What was not seen though the program says that nothing was lost. """
    capture = stats["stages"]["capture"]
    lost = capture["dropped"] + capture["lost"] + stats["certainty"]["evicted"]
    own = sum(count for rule, count in stats["findings"]["by_rule"].items() if rule.startswith(OWN_RULES))
    got = {"packets": stats["packets"], "sessions": stats["sessions"], "findings": stats["findings"]["total"] - own}
    for name, value in got.items():
        print("%s: %d sent, %d seen%s" % (name, wanted[name], value, "; lost as it says: %d" % lost if lost else ""))
        if not lost and value != wanted[name]:
            print(stats["findings"]["by_rule"])
            yield "%s: %d of %d, and nothing was said to be lost" % (name, value, wanted[name])


def lines_written(pattern):
    count = 0
    for path in glob.glob(pattern):
        with open(path, "rb") as file:
            for line in file:
                json.loads(line)
                count += 1
    return count


def speed_of(options):
    return ("--topspeed",) if options.pps == "top" else ("--pps", options.pps)


def soak(options, folder, capture, holds, sessions_wanted):
    # Twice at least in the first tenth: a session that came again at once, from the same address, would be a retry.
    loops = max(2 * TENTH, options.sessions // options.loop)
    wanted = {name: holds[name] * loops for name in ("packets", "sessions", "findings")}
    out = os.path.join(folder, "out.json")
    arguments = ["--workers", str(options.workers), "--summary", "--metrics", "127.0.0.1:%d" % METRICS_PORT, "--stats", "10s",
                 "--output", "file:" + out, "--rotate-size", options.rotate_size, "--rotate-count", "2"]
    arguments += ["--sessions"] if sessions_wanted else []
    print("\n%d sessions, %d packets at %s a second, smtpscope %s" % (wanted["sessions"], wanted["packets"], options.pps, " ".join(arguments)))
    with liverun.Stage() as stage:
        net = network.Network(stage)
        sensor = network.Sensor(stage, net, *arguments)
        first, rest, before = [], [], liverun.sent(net)
        # The first tenth is short, and its most is what counts.
        for samples, count, speed, every_s in ((first, loops // TENTH, ("--topspeed",), 0.1),
                                               (rest, loops - loops // TENTH, speed_of(options), 1)):
            sender = liverun.replay(stage, net, capture, "--loop", count, "--unique-ip", *speed)
            samples += watch(sensor, net, sender, every_s)
            packets, octets, seconds = liverun.replayed(sender)
            print("sent %d packets in %.1f s: %.0f sessions a second, %.0f Mbit/s; %s" % (
                packets, seconds, holds["sessions"] * count / seconds, octets * 8 / seconds / 1e6, liverun.load()))
        sent = liverun.sent(net) - before
        sensor.send_signal(signal.SIGTERM)
        stage.assertEqual(sensor.process.wait(network.DEADLINE_S), 0, sensor.err())
        print(sensor.err().strip())
        with open(out, "rb") as file:
            last = json.loads(file.readlines()[-1])
        print("%d whole lines in the output files that are kept" % lines_written(out + "*"))
        for path in glob.glob(out + "*"):
            os.unlink(path)
        if sent < wanted["packets"]:
            print("SKIPPED: tcpreplay has sent %d packets of %d: what became of its sessions cannot be told" % (sent, wanted["packets"]))
            sys.exit(SKIPPED)
        return list(growth(first, rest, options.growth)) + list(missing(last, wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=os.path.abspath, default=liverun.BIN, help="where smtpscope and mkcapture are")
    parser.add_argument("--sessions", type=int, default=1000000)
    parser.add_argument("--loop", type=int, default=20000, help="sessions of the capture that is sent in a loop")
    parser.add_argument("--pps", default="150000", help="packets a second, or top")
    parser.add_argument("--growth", type=float, default=2, help="of memory behind the first tenth, in percent")
    parser.add_argument("--workers", default="1")
    parser.add_argument("--rotate-size", default="10M")
    parser.add_argument("--only", choices=("findings", "sessions"), help="without, or with, a line for each session; both without this")
    options = parser.parse_args()
    liverun.require(os.path.join(options.bin, "smtpscope"))
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        capture = os.path.join(folder, "capture.pcap")
        holds = liverun.make_capture(options.bin, capture, "-n", options.loop, *CAPTURE)
        for name in ("findings", "sessions"):
            if options.only in (None, name):
                wrong += ["%s: %s" % (name, text) for text in soak(options, folder, capture, holds, name == "sessions")]
    print("\n" + ("\n".join("WRONG: " + text for text in wrong) or "Nothing grew, nothing is missing."))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
