#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The program watching an interface: who it is then, what it may still do, and that it does its work like that."""
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import harness
from harness import ProgramTest, read

EMPTY = "0" * 16
CLONE_NEWNET = 0x40000000
PORT = 2525
CAP_NET_RAW = 13


def own_network():
    """This process, and what it starts, in a network of its own, where only lo is up."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        return False
    return subprocess.run(["ip", "link", "set", "lo", "up"], check=False).returncode == 0


class Live(ProgramTest):
    def setUp(self):
        super().setUp()
        self.user = pwd.getpwnam("nobody")
        os.chmod(self.folder, 0o777)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path("notify"))
        os.chmod(self.path("notify"), 0o777)
        self.manager.settimeout(harness.TIMEOUT_S)

    def start(self, *arguments, before=()):
        """The program, once it has told the service manager that it is ready; `before` starts it."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": self.path("notify")}
        process = subprocess.Popen([*before, harness.PROGRAM, "-i", "lo", "--ports", str(PORT), "--user", "nobody", *arguments],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.expect("READY=1")
        return process

    def expect(self, state):
        while True:
            if state in self.manager.recv(4096).decode().splitlines():
                return

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        _, said = process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual(process.returncode, 0, said)
        return said.decode()

    def assert_locked_up(self, process, seccomp, bounds=EMPTY):
        """Every thread, not only the first."""
        tasks = os.listdir("/proc/%d/task" % process.pid)
        for task in tasks:
            lines = read("/proc/%d/task/%s/status" % (process.pid, task)).decode().splitlines()
            status = {name: value.split() for name, value in (line.split(":", 1) for line in lines)}
            self.assertEqual(status["Uid"], [str(self.user.pw_uid)] * 4)
            self.assertEqual(status["Gid"], [str(self.user.pw_gid)] * 4)
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(status[name], [EMPTY], name)
            self.assertEqual(status["CapBnd"], [bounds])
            self.assertEqual(status["NoNewPrivs"], ["1"])
            self.assertEqual(status["Seccomp"], [seccomp])
        return tasks

    def converse(self):
        """A session with a deferral in it."""
        with socket.create_server(("127.0.0.1", PORT)) as server, socket.create_connection(("127.0.0.1", PORT)) as client:
            served = server.accept()[0]
            with served:
                for line, reply in ((None, "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example"),
                                    ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
                                    ("RCPT TO:<b@mx.example>", "450 4.2.0 Greylisted, try again later"), ("QUIT", "221 2.0.0 Bye")):
                    if line:
                        client.sendall(line.encode() + b"\r\n")
                        served.recv(1024)
                    served.sendall(reply.encode() + b"\r\n")
                    client.recv(1024)

    def wait_for_finding(self, path, count):
        end = time.monotonic() + harness.TIMEOUT_S
        found = []
        while time.monotonic() < end and len(found) < count:
            lines = read(path).decode().splitlines() if os.path.exists(path) else []
            found = [event for event in map(json.loads, lines) if event.get("rule", "").startswith("deferral.")]
            time.sleep(0.02)
        self.assertGreaterEqual(len(found), count, "no finding came")

    def test_threads(self):
        process = self.start("--workers", "2", "--metrics", "127.0.0.1:9425", "--format", "json", "--output", "file:" + self.path("out"))
        self.assertGreater(len(self.assert_locked_up(process, "2")), 2, "workers and outputs have threads of their own")
        self.stop(process)

    @unittest.skipUnless(shutil.which("setpriv"), "no setpriv")
    def test_as_a_service(self):
        """As the systemd unit starts it: never root, with the one capability that it needs, which it gives up."""
        process = self.start("--metrics", "127.0.0.1:9425", "--output", "file:" + self.path("out"), before=(
            "setpriv", "--reuid=nobody", "--regid=" + str(self.user.pw_gid), "--clear-groups", "--inh-caps=-all,+net_raw",
            "--ambient-caps=-all,+net_raw", "--bounding-set=-all,+net_raw", "--no-new-privs"))
        self.assert_locked_up(process, "2", "%016x" % (1 << CAP_NET_RAW))
        self.stop(process)

    def test_works_like_that(self):
        """Findings, a rotation from outside, a reload, statistics: all from inside the filter."""
        out = self.path("out.json")
        config = self.path("smtpscope.conf", ("format = json\noutput = file:%s\nrule = deferral\n" % out).encode())
        os.chmod(config, 0o644)
        process = self.start("-c", config)
        self.converse()
        self.wait_for_finding(out, 1)
        self.assertEqual(os.stat(out).st_uid, self.user.pw_uid)
        os.rename(out, out + ".old")
        process.send_signal(signal.SIGHUP)
        self.expect("RELOADING=1")
        self.expect("READY=1")
        process.send_signal(signal.SIGUSR1)
        self.converse()
        self.wait_for_finding(out, 1)
        self.assert_locked_up(process, "2")
        self.stop(process)

    def test_interface_after_a_reload(self):
        """What the workers were told at the start outlives the options that a reload replaces."""
        config = self.path("smtpscope.conf", b"rule = deferral\n")
        os.chmod(config, 0o644)
        process = self.start("-c", config, "--workers", "3", "--output", "file:" + self.path("out"))
        self.addCleanup(subprocess.run, ["ip", "link", "set", "lo", "up"], check=True)
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            self.expect("RELOADING=1")
            self.expect("READY=1")
        for state in ("down", "up"):
            subprocess.run(["ip", "link", "set", "lo", state], check=True)
            line = b"anew"
            while b"anew" in line:
                line = process.stderr.readline()
            self.assertTrue(line.startswith(b"smtpscope: lo: "), line)
            self.assertIn(state.encode(), line, "told once, whatever the number of workers")
        self.stop(process)

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
        process = self.start("--format", "json", "--output", "file:" + fifo, "--output", "file:" + self.path("out"))
        self.converse()
        self.wait_for_finding(self.path("out"), 1)
        process.send_signal(signal.SIGINT)
        self.expect("STOPPING=1")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.TIMEOUT_S), -signal.SIGTERM)

    def test_without_sandbox(self):
        process = self.start("--no-sandbox")
        self.assert_locked_up(process, "0")
        self.assertIn("--no-sandbox", self.stop(process))


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("ip") or not own_network():
        print("skipped: only root has privileges to drop, and a network to make")
        sys.exit(77)
    harness.main()
