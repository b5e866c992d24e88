#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Several workers over files say what one says, octet for octet; they end when they are asked to, and when nobody reads."""
import fcntl
import os
import signal
import subprocess
import sys
import time

import harness
from harness import run
import tcpwire

MADE = ("-n", "400", "-c", "150", "-m", "3000", "-f", "60", "-i", "20", "-r", "20", "-l", "20", "-d", "20", "-o", "20")
ONE_PROCESSOR = "one processor's 1"  # one worker, which has no thread of its own then
RUNS = (ONE_PROCESSOR, "1", "2", "3", "8")


def on(workers):
    """The words and the options of subprocess that make it so many."""
    if workers != ONE_PROCESSOR:
        return ["--workers", workers], {}
    return ["--workers", "1"], {"preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})}


class Workers(harness.ProgramTest):
    def made(self, *options):
        path = self.path("made.pcap")
        mkcapture = os.path.join(os.path.dirname(harness.PROGRAM), "mkcapture")
        subprocess.run([mkcapture, *MADE, *options, path], stderr=subprocess.DEVNULL, timeout=harness.TIMEOUT_S, check=True)
        return path

    def start(self, workers, *arguments, **options):
        words, extra = on(workers)
        process = subprocess.Popen([harness.PROGRAM, *words, *arguments], stderr=subprocess.PIPE,
                                   env={**os.environ, "LC_ALL": "C.UTF-8"}, **extra, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def wait_for(self, condition, what):
        until = time.monotonic() + harness.TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.01)

    def test_same_output(self):
        files = self.made(), harness.FAMILIES
        for options in ["--format", "json"], [], ["--detect"]:
            options = [*options, "--sessions", "--messages", "--summary"]
            done = [run("-r", files[0], "-r", files[1], *words, *options, **extra) for words, extra in map(on, RUNS)]
            for workers, other in zip(RUNS[1:], done[1:]):
                self.assertEqual(other.err, done[0].err)
                self.assertTrue(other.out == done[0].out, "%s workers, %s: not what one processor says" % (workers, options))

    def test_one_connection_has_all_to_say(self):
        """More in a few rounds than its worker's lane holds; the others have nothing to say and come to the end of their rounds."""
        batches, messages, packets = 1300, 60, []
        talk = tcpwire.Conversation(packets, tcpwire.Endpoint("198.51.100.1", 20000), tcpwire.Endpoint("192.0.2.25", 25))
        turns = [("S", b"220 mx ESMTP\r\n"), ("C", b"EHLO c\r\n"), ("S", b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")]
        turns += [("C", b"MAIL FROM:<>\r\nRCPT TO:<a>\r\nBDAT 1 LAST\r\nx" * messages), ("S", b"250 ok\r\n" * 3 * messages)] * batches
        for time_ns, (side, octets) in enumerate([("C", b""), ("S", b""), ("C", b"")] + turns):
            flags = {0: tcpwire.SYN, 1: tcpwire.SYN | tcpwire.ACK}.get(time_ns, tcpwire.ACK)
            talk.segment(1700000000 * 10**9 + time_ns * 1000, side, flags, octets)
        path = self.path("one.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        for workers in ("1", "2", "3"):
            with self.subTest(workers=workers):
                done = run("-r", path, "--workers", workers, "--messages", "--format", "json")
                self.assertEqual(done.out.count('"event_type":"message"'), batches * messages)

    def test_interrupted_while_it_waits_for_input(self):
        """All that was read is told, whoever of the workers has it."""
        octets, want = harness.read(self.made()), None
        for workers in RUNS:
            path = self.path("out")
            with open(path, "wb") as out:
                process = self.start(workers, "-r", "-", "--format", "json", "--summary", stdin=subprocess.PIPE, stdout=out)
            process.stdin.write(octets)
            process.stdin.flush()
            self.wait_for(lambda: b'"finding"' in harness.read(path), "nothing is told while the pipe is open")
            self.wait_for(lambda: int.from_bytes(fcntl.ioctl(process.stdin, 0x541B, b"\0\0\0\0"), sys.byteorder) == 0, "the pipe stays full")
            time.sleep(0.2)  # the last octets are read; nothing shows that it waits for more
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(harness.TIMEOUT_S), 0, process.stderr.read())
            process.stdin.close()
            process.stderr.close()
            got = sorted(harness.read(path).splitlines())
            want = want or got
            self.assertEqual(got, want, "%s workers" % workers)

    def test_blocked_output(self):
        """Nobody reads: a first signal may wait for who does, a second one ends the program."""
        path = self.made("-n", "2000", "-f", "100")
        for workers in RUNS:
            process = self.start(workers, "-r", path, "--format", "json", "--sessions", stdout=subprocess.PIPE, pipesize=4096)
            self.wait_for(lambda: int.from_bytes(fcntl.ioctl(process.stdout, 0x541B, b"\0\0\0\0"), sys.byteorder) == 4096,
                          "the pipe does not fill")
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            self.assertIsNone(process.poll(), "what was found is not waited for")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(10), -signal.SIGTERM, "%s workers" % workers)
            process.stdout.close()
            process.stderr.close()

    def test_interrupted_before_a_slow_reader(self):
        """The signal that ends the reading loses nothing of what is being written."""
        path = self.made("-n", "2000", "-f", "100")
        for workers in RUNS:
            process = self.start(workers, "-r", path, "--format", "json", "--sessions", "--summary", stdout=subprocess.PIPE,
                                 pipesize=4096)
            self.wait_for(lambda: int.from_bytes(fcntl.ioctl(process.stdout, 0x541B, b"\0\0\0\0"), sys.byteorder) == 4096,
                          "the pipe does not fill")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=harness.TIMEOUT_S)
            self.assertEqual((process.returncode, err), (0, b""), "%s workers" % workers)
            last = out.splitlines()[-1]
            self.assertIn(b'"event_type":"stats"', last)
            self.assertIn(b'"interrupted":true', last)


if __name__ == "__main__":
    harness.main()
