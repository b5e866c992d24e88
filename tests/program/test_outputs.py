#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--output over capture files: several at once have the same lines, and nothing is lost but with status 2."""
import glob
import json
import os
import socket
import subprocess
import threading

import harness
from harness import FAMILIES, ProgramTest, read, run

ALL = ("--sessions", "--messages", "--summary")
# So often that its lines do not fit into the queue of an output, 4 MiB.
MANY = (FAMILIES,) * 200
DEADLINE_S = 60


class Outputs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.log, self.other = self.path("log"), self.path("other")

    def want(self, *arguments, files=(FAMILIES,)):
        done = run("-r", *files, "--format", "json", *arguments)
        self.assert_status(done, 0)
        return done.out

    def text(self, path):
        return read(path).decode()

    def test_same_lines(self):
        for workers in ("1", "2"):
            for options in ((), ALL, ("--rule", "deferral", "--min-severity", "warning")):
                for path in (self.log, self.other):
                    if os.path.exists(path):
                        os.unlink(path)
                words = ("--workers", workers, *options)
                want = self.want(*words)
                done = run("-r", FAMILIES, *words, "--output", "file:" + self.log, "--output", "-", "--output", "file:" + self.other)
                self.assert_status(done, 0)
                self.assertEqual(done.err, "")
                self.assertEqual(self.text(self.log), want)
                self.assertEqual(self.text(self.other), want)
                self.assertEqual(done.out, run("-r", FAMILIES, *words).out)

    def test_json_everywhere(self):
        want = self.want(*ALL)
        done = run("-r", FAMILIES, *ALL, "--format", "json", "--output", "-", "--output", "file:" + self.log)
        self.assertEqual(done.out, want)
        self.assertEqual(self.text(self.log), want)

    def test_file_alone(self):
        """Standard output stays empty; a second run appends."""
        for times in (1, 2):
            done = run("-r", FAMILIES, "--output", "file:" + self.log)
            self.assert_status(done, 0)
            self.assertEqual((done.out, done.err), ("", ""))
            self.assertEqual(self.text(self.log), self.want() * times)

    def test_status_of_findings(self):
        self.assert_status(run("-r", FAMILIES, "--fail-on", "error", "--output", "file:" + self.log), 1)

    def test_cannot_be_opened(self):
        done = run("-r", FAMILIES, "--output", "file:%s/no/such/folder" % self.folder)
        self.assert_status(done, 2)
        self.assert_one_line(done, "no/such/folder")
        self.assertEqual(done.err.count("no/such/folder"), 1, done.err)
        self.assertEqual(done.out, "")

    def test_rotation(self):
        want = self.want(*ALL)
        done = run("-r", FAMILIES, *ALL, "--output", "file:" + self.log, "--rotate-size", "8K", "--rotate-count", "50")
        self.assert_status(done, 0)
        old = sorted(glob.glob(self.log + ".*"), key=lambda path: -int(path.rsplit(".", 1)[1]))
        self.assertGreater(len(old), 2)
        texts = [self.text(path) for path in (*old, self.log)]
        self.assertEqual("".join(texts), want)
        for text in texts:
            self.assertTrue(len(text.encode()) <= 8 * 1024 or text.count("\n") == 1, len(text))

    def test_reader_of_a_socket_gets_all(self):
        """More than the queue holds: the analysis waits for the reader."""
        want = self.want(*ALL, files=MANY).encode()
        self.assertGreater(len(want), 5 << 20)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(self.path("socket"))
        listener.listen(1)
        listener.settimeout(DEADLINE_S)
        got = []

        def take():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                got.append(stream.read())
        thread = threading.Thread(target=take)
        thread.start()
        done = run("-r", *MANY, *ALL, "--output", "unix:" + self.path("socket"))
        thread.join()
        self.assert_status(done, 0)
        self.assertEqual(done.err, "")
        self.assertTrue(got[0] == want, "%d octets of %d" % (len(got[0]), len(want)))

    def test_reader_of_standard_output_goes(self):
        """As head(1): no failure, and the file has it all the same."""
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb") as gone:
            done = run("-r", *MANY, "--format", "json", "--output", "-", "--output", "file:" + self.log, stdout=gone)
        self.assert_status(done, 0)
        self.assertEqual(self.text(self.log), self.want(files=MANY))

    def test_disk_full(self):
        """The lines that are there are whole, the others counted, another output has them all."""
        if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("skipped: a disk of its own wants root and unshare(1)")
        disk = self.path("disk")
        os.mkdir(disk)
        for files in ((FAMILIES,), MANY):
            want = self.want(*ALL, files=files)
            script = 'mount -t tmpfs -o size=16k smtpscope "$1" && shift && "$@"; status=$?; cat "$0"; exit $status'
            words = (harness.PROGRAM, "-r", *files, *ALL, "--lang", "en", "--output", "file:%s/log" % disk, "--output", "file:" + self.log)
            done = harness.Done(subprocess.run(["unshare", "--mount", "sh", "-c", script, disk + "/log", disk, *words],
                                               stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.TIMEOUT_S))
            self.assert_status(done, 2)
            whole = done.out.count("\n")
            self.assert_one_line(done, "file:%s/log" % disk, "%d lines were lost" % (want.count("\n") - whole), os.strerror(28))
            self.assertTrue(want.startswith(done.out), "what is on the disk is not the beginning of it all")
            self.assertGreater(whole, 0)
            for line in done.out.splitlines():
                json.loads(line)
            self.assertEqual(self.text(self.log), want)
            os.unlink(self.log)


if __name__ == "__main__":
    harness.main()
