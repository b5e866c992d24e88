#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the program reads: files of every kind, standard input, several files, and what is no capture at all."""
import gzip
import json
import os
import select
import shutil
import struct
import subprocess
import unittest

import harness
from harness import FAMILIES, ProgramTest, read, run

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def without_files(done):
    """Events but for the name of the file they come from."""
    events = done.events()
    for event in events:
        event.pop("file", None)
    return events


class Formats(ProgramTest):
    def setUp(self):
        super().setUp()
        self.wanted = without_files(run("-r", FAMILIES, "--format", "json", "--sessions"))
        self.assertTrue(self.wanted)

    def check(self, *arguments, **options):
        done = run(*arguments, "--format", "json", "--sessions", **options)
        self.assert_status(done, 0)
        self.assertEqual(without_files(done), self.wanted)

    def test_standard_input(self):
        self.check("-r", "-", input=read(FAMILIES))

    def test_gzip(self):
        self.check("-r", self.path("a.pcap.gz", gzip.compress(read(FAMILIES))))

    def test_gzip_on_standard_input(self):
        self.check("-r", "-", input=gzip.compress(read(FAMILIES)))

    def test_gzip_of_several_members(self):
        octets = read(FAMILIES)
        self.check("-r", self.path("a.pcap.gz", gzip.compress(octets[:5000]) + gzip.compress(octets[5000:])))

    @unittest.skipUnless(shutil.which("zstd"), "no zstd here")
    def test_zstd(self):
        packed = subprocess.run(["zstd", "-q", "-c", FAMILIES], stdout=subprocess.PIPE, check=True).stdout
        self.check("-r", self.path("a.pcap.zst", packed))

    def test_any_name(self):
        self.check("-r", self.path("capture", gzip.compress(read(FAMILIES))))

    def test_other_byte_order(self):
        octets, swapped, at = read(FAMILIES), b"", 24
        swapped = struct.pack(">IHHiIII", *struct.unpack("<IHHiIII", octets[:24]))
        while at < len(octets):
            head = struct.unpack("<IIII", octets[at:at + 16])
            swapped += struct.pack(">IIII", *head) + octets[at + 16:at + 16 + head[2]]
            at += 16 + head[2]
        self.check("-r", self.path("big.pcap", swapped))

    def test_two_files_in_the_order_of_their_packets(self):
        octets, at = read(FAMILIES), 24
        for _ in range(20):
            at += 16 + struct.unpack("<I", octets[at + 8:at + 12])[0]
        early, late = self.path("b.pcap", octets[:at]), self.path("a.pcap", octets[:24] + octets[at:])
        both = [run("-r", late, early, "--format", "json", "--sessions"), run("-r", early, "-r", late, "--format", "json", "--sessions")]
        for done in both:
            self.assert_status(done, 0)
            self.assertEqual(done.rules(), sorted(event["rule"] for event in self.wanted if event["event_type"] == "finding"))


class Checksums(ProgramTest):
    """A segment that was damaged on the way is one its receiver did not take; then it came again."""

    def setUp(self):
        super().setUp()
        self.octets, damaged, at, segments = read(FAMILIES), b"", 24, 0
        while at < len(self.octets):
            end = at + 16 + struct.unpack("<I", self.octets[at + 8:at + 12])[0]
            frame = self.octets[at:end]
            if frame.endswith(b"\r\n"):
                segments += 1
                damaged += frame[:-4] + bytes([frame[-4] ^ 1]) + frame[-3:] if segments % 2 else b""
            damaged += frame
            at = end
        self.damaged = (segments + 1) // 2
        self.assertGreater(self.damaged, 10)
        self.capture = self.path("damaged.pcap", self.octets[:24] + damaged)

    def said(self, *arguments):
        """[what was said in the sessions], and how many segments were left out."""
        events = run(*arguments, "--format", "json", "--sessions", "--summary").events()
        said = [[(exchange["command"], exchange["argument"], exchange["code"], exchange["text"]) for exchange in event["exchanges"]]
                for event in events if event["event_type"] == "session"]
        return said, events[-1]["certainty"]["damaged_segments"]

    def test_dropped_as_by_their_receivers(self):
        """The checksums of the same connection's other segments are right, so nobody believes these."""
        said, damaged = self.said("-r", self.capture)
        self.assertEqual(said, self.said("-r", FAMILIES)[0])
        self.assertEqual(damaged, 0)

    def test_left_out(self):
        for workers in ("1", "2"):
            said, damaged = self.said("-r", self.capture, "--verify-checksums", "--workers", workers)
            self.assertEqual(said, self.said("-r", FAMILIES)[0])
            self.assertEqual(damaged, self.damaged)


class Pipes(ProgramTest):
    """What a pipe brought is analysed and told before it brings more."""

    def check(self, *arguments):
        with subprocess.Popen([harness.PROGRAM, "-r", "-", "--format", "json", *arguments], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"}) as program:
            program.stdin.write(read(FAMILIES))
            program.stdin.flush()
            ready = select.select([program.stdout], [], [], harness.TIMEOUT_S)[0]
            self.assertTrue(ready, "nothing is told while the pipe is open")
            first = os.read(program.stdout.fileno(), 1 << 20)
            program.stdin.close()
            rest = program.stdout.read()
        found = [json.loads(line)["event_type"] for line in (first + rest).splitlines()]
        self.assertEqual(len(found), len(run("-r", FAMILIES, "--format", "json").events()))

    def test_one_worker(self):
        self.check("--workers", "1")

    def test_two_workers(self):
        self.check("--workers", "2")


class Damage(ProgramTest):
    """Each says one line that names the file and the reason."""

    def test_no_such_file(self):
        path = self.path("absent.pcap")
        done = run("-r", path)
        self.assert_status(done, 2)
        self.assert_one_line(done, path)

    def test_directory(self):
        done = run("-r", self.folder)
        self.assert_status(done, 2)
        self.assert_one_line(done, self.folder, "directory")

    def test_empty_file(self):
        path = self.path("empty.pcap", b"")
        done = run("-r", path)
        self.assert_status(done, 2)
        self.assert_one_line(done, path)

    def test_not_a_capture(self):
        for octets in (b"PK\3\4 this is no capture at all, but long enough", b"short", bytes(1000), b"220 mx.example ESMTP\r\n" * 100):
            path = self.path("text.pcap", octets)
            done = run("-r", path)
            self.assert_status(done, 2)
            self.assert_one_line(done, path)

    @unittest.skipIf(os.geteuid() == 0 and not shutil.which("setpriv"), "root may read everything")
    def test_no_permission(self):
        path = self.path("secret.pcap", HEADER)
        os.chmod(path, 0)
        os.chmod(self.folder, 0o755)
        command = [harness.PROGRAM, "-r", path]
        if os.geteuid() == 0:
            if subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", harness.PROGRAM, "--version"], capture_output=True).returncode:
                self.skipTest("another user cannot run the program here")
            command = ["setpriv", "--reuid", "65534", "--clear-groups"] + command
        done = harness.Done(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.TIMEOUT_S))
        self.assert_status(done, 2)
        self.assert_one_line(done, path)

    def test_no_packets(self):
        done = run("-r", self.path("none.pcap", HEADER), "--format", "json")
        self.assert_status(done, 0)
        self.assertEqual((done.out, done.err), ("", ""))

    def test_packets_of_no_octets(self):
        done = run("-r", self.path("zero.pcap", HEADER + struct.pack("<IIII", 1, 0, 0, 0) * 50), "--format", "json")
        self.assert_status(done, 0)
        self.assertEqual(done.out, "")

    def test_truncated(self):
        octets = read(FAMILIES)
        path = self.path("cut.pcap", octets[:len(octets) * 3 // 5])
        done = run("-r", path, "--format", "json")
        self.assert_status(done, 3)
        self.assert_one_line(done, path, "packet")
        self.assertTrue(done.rules(), "what is there is analysed")

    def test_truncated_gzip(self):
        path = self.path("cut.pcap.gz", gzip.compress(read(FAMILIES))[:3000])
        done = run("-r", path, "--format", "json", "--sessions")
        self.assert_status(done, 3)
        self.assert_one_line(done, path)
        self.assertTrue(done.events(), "what is there is analysed")

    def test_a_length_that_lies(self):
        octets = read(FAMILIES)
        path = self.path("lies.pcap", octets + struct.pack("<IIII", 1, 0, 0x7FFFFFFF, 0x7FFFFFFF) + bytes(100))
        done = run("-r", path, "--format", "json")
        self.assert_status(done, 3)
        self.assert_one_line(done, path)
        self.assertTrue(done.rules())

    def test_every_cut(self):
        """Cut anywhere, it never crashes, and it ends with 0, 2 or 3."""
        octets = read(FAMILIES)[:4000]
        for end in list(range(0, 100)) + list(range(100, len(octets), 97)):
            done = run("-r", self.path("cut.pcap", octets[:end]), "--format", "json")
            self.assertIn(done.status, (0, 2, 3), "cut at %d: %s" % (end, done.err))
            self.assertEqual(bool(done.err), done.status != 0, "cut at %d: %s" % (end, done.err))


if __name__ == "__main__":
    harness.main()
