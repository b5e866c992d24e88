#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The program watching an interface: who it is then, what it may still do, and that it does its work like that."""
import os
import pwd
import shutil
import signal
import subprocess
import unittest

import harness
import live
from harness import read

EMPTY = "0" * 16
CAP_NET_RAW = 13


class Live(live.LiveTest):
    def setUp(self):
        super().setUp()
        self.user = pwd.getpwnam("nobody")

    def start(self, *arguments, **options):
        super().start("--user", "nobody", *arguments, **options)

    def wait_for_deferrals(self, count):
        self.wait("%d deferrals" % count, lambda: len(self.deferrals()) >= count)

    def assert_locked_up(self, seccomp, bounds=EMPTY):
        """Every thread, not only the first."""
        tasks = os.listdir("/proc/%d/task" % self.program.pid)
        for task in tasks:
            lines = read("/proc/%d/task/%s/status" % (self.program.pid, task)).decode().splitlines()
            status = {name: value.split() for name, value in (line.split(":", 1) for line in lines)}
            self.assertEqual(status["Uid"], [str(self.user.pw_uid)] * 4)
            self.assertEqual(status["Gid"], [str(self.user.pw_gid)] * 4)
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(status[name], [EMPTY], name)
            self.assertEqual(status["CapBnd"], [bounds])
            self.assertEqual(status["NoNewPrivs"], ["1"])
            self.assertEqual(status["Seccomp"], [seccomp])
        return tasks

    def test_threads(self):
        self.start("--workers", "2", "--metrics", "127.0.0.1:9425", "--format", "json", "--output", "file:" + self.log)
        self.assertGreater(len(self.assert_locked_up("2")), 2, "workers and outputs have threads of their own")
        self.stop()

    @unittest.skipUnless(shutil.which("setpriv"), "no setpriv")
    def test_as_a_service(self):
        """As the systemd unit starts it: never root, with the one capability that it needs, which it gives up."""
        self.start("--metrics", "127.0.0.1:9425", "--output", "file:" + self.log, before=(
            "setpriv", "--reuid=nobody", "--regid=" + str(self.user.pw_gid), "--clear-groups", "--inh-caps=-all,+net_raw",
            "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", "--no-new-privs"))
        self.assert_locked_up("2", "%016x" % (1 << CAP_NET_RAW))
        self.stop()

    def test_works_like_that(self):
        """Findings, a rotation from outside, a reload, statistics: all from inside the filter."""
        config = self.path("smtpscope.conf", ("format = json\noutput = file:%s\nrule = deferral\n" % self.log).encode())
        os.chmod(config, 0o644)
        self.start("-c", config)
        self.converse(live.BUSY)
        self.wait_for_deferrals(1)
        self.assertEqual(os.stat(self.log).st_uid, self.user.pw_uid)
        os.rename(self.log, self.log + ".old")
        self.reload()
        self.program.send_signal(signal.SIGUSR1)
        self.converse(live.BUSY)
        self.wait_for_deferrals(1)
        self.assert_locked_up("2")
        self.stop()

    def test_interface_after_a_reload(self):
        """What the workers were told at the start outlives the options that a reload replaces."""
        config = self.path("smtpscope.conf", b"rule = deferral\n")
        os.chmod(config, 0o644)
        self.start("-c", config, "--workers", "3", "--output", "file:" + self.log)
        self.addCleanup(subprocess.run, ["ip", "link", "set", "lo", "up"], check=True)
        for _ in range(2):
            self.reload()
        for state in ("down", "up"):
            subprocess.run(["ip", "link", "set", "lo", state], check=True)
            self.wait(state, lambda: len(self.told_of_lo()) > (state == "up"))
        told = self.told_of_lo() if self.stop() else []
        self.assertEqual(len(told), 2, "told once, whatever the number of workers: %s" % told)
        self.assertIn("down", told[0])
        self.assertIn("up", told[1])

    def test_reload_of_what_is_wrong(self):
        """Each thing that is wrong is told, then that the program goes on as it was; so with an output that it may not open."""
        config = self.path("smtpscope.conf", b"rule = deferral\n")
        os.chmod(config, 0o644)
        self.start("-c", config)
        for text, want in ((b"rul = deferral\n", "rul: no such name; is it rule?"),
                           (b"output = file:/proc/none\n", "smtpscope: --output file:/proc/none: No such file")):
            with open(config, "wb") as file:
                file.write(text)
            before = len(self.errors())
            self.reload()
            told = self.errors()[before:].splitlines()
            self.assertEqual(len(told), 2, told)
            self.assertIn(want, told[0])
            self.assertEqual(told[1], "smtpscope: the configuration stays as it was")
        self.stop()

    def told_of_lo(self):
        return [line for line in self.errors().splitlines() if line.startswith("smtpscope: lo: ")]

    def test_file_of_root(self):
        """Root, who may write there, is told why the program may not."""
        folder = self.path("closed")
        os.mkdir(folder, 0o700)
        for option in (("--output", "file:" + os.path.join(folder, "out")), ("--write", os.path.join(folder, "out.pcap"))):
            done = harness.run("-i", "lo", "--user", "nobody", *option)
            self.assert_status(done, 2)
            lines = done.err.splitlines()
            self.assertEqual(len(lines), 2, done.err)
            self.assertIn("Permission denied", lines[0])
            self.assertIn("as the user nobody", lines[1])

    def test_second_signal(self):
        """Whoever does not want to wait for an output that nobody reads asks twice."""
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        self.start("--format", "json", "--output", "file:" + fifo, "--output", "file:" + self.log)
        self.converse(live.BUSY)
        self.wait_for_deferrals(1)
        self.program.send_signal(signal.SIGINT)
        self.expect("STOPPING=1")
        self.program.send_signal(signal.SIGTERM)
        self.assertEqual(self.program.wait(harness.TIMEOUT_S), -signal.SIGTERM)

    def test_without_sandbox(self):
        self.start("--no-sandbox")
        self.assert_locked_up("0")
        self.assertIn("--no-sandbox", self.stop())


if __name__ == "__main__":
    live.main()
