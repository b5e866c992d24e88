#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is left after privileges are dropped: read off the running process, and proved by calls that kill it."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import harness
from harness import ProgramTest, read

KILLED = ("execve", "fork", "alg", "bind", "ptrace", "mount", "bpf", "setuid", "unshare", "kill", "chmod", "setrlimit", "thread")
# The leak checker's runtime needs these itself.
NOT_SANITIZED = ("fork", "ptrace", "kill", "thread", "setrlimit")
FAILING = {"packet": "EPERM", "netlink": "EAFNOSUPPORT", "code": "EACCES"}
DONE = ("sockets", "files", "threads", "names")
EMPTY = "0" * 16


def probe():
    """Its copy where any user may start it: the build may stand below a home of root's."""
    if not hasattr(probe, "folder"):
        probe.folder = tempfile.TemporaryDirectory()
        os.chmod(probe.folder.name, 0o755)
        shutil.copy(os.path.join(os.path.dirname(harness.PROGRAM), "sandbox_probe"), probe.folder.name)
    return os.path.join(probe.folder.name, "sandbox_probe")


def sanitized():
    return b"-fsanitize" in read(os.path.join(os.path.dirname(os.path.dirname(harness.PROGRAM)), "CMakeCache.txt"))


def status_of(process):
    lines = (line.split(":", 1) for line in read("/proc/%d/status" % process.pid).decode().splitlines())
    return {name: value.split() for name, value in lines}


def run_probe(*arguments, **options):
    return harness.Done(subprocess.run([probe(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, timeout=harness.TIMEOUT_S, **options))


class Privileges(ProgramTest):
    def setUp(self):
        super().setUp()
        self.user = pwd.getpwnam("nobody")
        os.chmod(self.folder, 0o777)  # the user has to be able to write there

    def start(self, *arguments, **options):
        """The running probe, behind the drop."""
        process = subprocess.Popen([probe(), *arguments, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        line = process.stdout.readline()
        self.assertEqual(line, b"ready\n", process.stderr.read() if not line else "")
        return process

    def assert_dropped(self, status, bounds=EMPTY):
        for name in ("Uid", "Gid"):
            wanted = str(self.user.pw_uid if name == "Uid" else self.user.pw_gid)
            self.assertEqual(status[name], [wanted] * 4, name)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(status[name], [EMPTY], name)
        self.assertEqual(status["CapBnd"], [bounds])
        self.assertEqual(status["NoNewPrivs"], ["1"])
        self.assertNotIn("0", status["Groups"], "root's groups are still there")

    def test_status(self):
        status = status_of(self.start("nobody", "filter"))
        self.assert_dropped(status)
        self.assertEqual(status["Seccomp"], ["2"], "2: filtered")

    def test_default_user(self):
        try:
            self.user = pwd.getpwnam("smtpscope")
        except KeyError:
            pass
        self.assert_dropped(status_of(self.start("-", "filter")))

    def test_without_sandbox(self):
        process = self.start("nobody", "open")
        status = status_of(process)
        self.assert_dropped(status)
        self.assertEqual(status["Seccomp"], ["0"])
        _, complaint = process.communicate()
        self.assertIn(b"--no-sandbox", complaint, "it has to be warned about")
        self.assertEqual(run_probe("nobody", "open", "execve").status, 0)

    def test_bounded_by_others(self):
        """A manager that gave no CAP_SETPCAP: the bounding set cannot be emptied; the rest is."""
        process = self.start("nobody", "filter", preexec_fn=drop_setpcap)
        bounds = status_of(process)["CapBnd"][0]
        self.assertNotEqual(bounds, EMPTY)
        self.assert_dropped(status_of(process), bounds)

    def test_not_root(self):
        process = self.start("-", "filter", user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        bounds = status_of(process)["CapBnd"][0]
        self.assert_dropped(status_of(process), bounds)
        self.assertEqual(status_of(process)["Seccomp"], ["2"])

    def test_wrong_user(self):
        done = run_probe("no-such-user", "filter", "wait")
        self.assert_status(done, 2)
        self.assert_one_line(done, "no-such-user", "no such user")
        done = run_probe("root", "filter", "wait", user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        self.assert_status(done, 2)
        self.assert_one_line(done, "only root")

    def test_forbidden_kills(self):
        for action in KILLED:
            if sanitized() and action in NOT_SANITIZED:
                continue
            with self.subTest(action=action):
                done = run_probe("nobody", "filter", action, self.folder)
                self.assertEqual(done.status, -signal.SIGSYS, "%s: %s %s" % (action, done.out, done.err))
                # Newer C libraries block all signals around these two, SIGSYS among them, and then nothing can be said.
                if done.err or action not in ("fork", "thread"):
                    self.assert_one_line(done, "smtpscope: its own filter refused the system call ", "--no-sandbox")

    def test_refused(self):
        for action, error in FAILING.items():
            if sanitized() and action == "code":
                continue
            with self.subTest(action=action):
                done = run_probe("nobody", "filter", action)
                self.assert_status(done, 1)
                self.assertEqual(done.out, "errno %s\n" % error)

    def test_needed(self):
        for action in DONE:
            with self.subTest(action=action):
                self.assertEqual(run_probe("nobody", "filter", action, self.path("out")).status, 0)
        self.assertEqual(run_probe("nobody", "filter", "abort").status, -signal.SIGABRT)

    def local_socket(self, name):
        """A socket of its own for each: nobody reads, and only some datagrams wait."""
        path = self.path(name)
        local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(local.close)
        local.bind(path)
        os.chmod(path, 0o777)
        return path

    def test_outputs(self):
        """Each kind of output, opened, filled, reopened and closed from inside the filter."""
        path = self.path("out")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
            udp.bind(("127.0.0.1", 0))
            for spec in ["-", "file:" + path, "syslog:udp:127.0.0.1:%d" % udp.getsockname()[1],
                         "syslog:tcp:localhost:%d" % tcp.getsockname()[1],
                         *(kind + ":" + self.local_socket(kind) for kind in ("unix", "syslog", "journald"))]:
                with self.subTest(spec=spec):
                    self.assert_status(run_probe("nobody", "filter", "output", spec), 0)
        self.assertTrue(os.path.exists(path + ".1"), "no rotation")
        self.assertEqual(os.stat(path).st_uid, self.user.pw_uid)

    def test_reload(self):
        """The configuration can be read again, with all that its checks ask the system for."""
        path = self.path("smtpscope.conf", b"interface = any\nfilter = host localhost and port smtp and not tcp[tcpflags] = 0\n"
                         b"user = nobody\noutput = journald\nrule = deferral\n")
        os.chmod(path, 0o644)
        self.assert_status(run_probe("nobody", "filter", "reload", path), 0)

    def test_metrics(self):
        process = subprocess.Popen([probe(), "nobody", "filter", "metrics"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.kill)
        port = int(process.stdout.readline())
        for _ in range(3):
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=harness.TIMEOUT_S) as answer:
                self.assertIn(b"smtpscope_", answer.read())
        process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual(process.returncode, 0)

    def test_notify(self):
        """What the service manager is told, from inside the filter."""
        path = self.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            os.chmod(path, 0o777)
            manager.settimeout(harness.TIMEOUT_S)
            done = run_probe("nobody", "filter", "notify", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"})
            self.assert_status(done, 0)
            told = [manager.recv(4096).decode() for _ in range(4)]
        self.assertEqual(told[0], "READY=1\nSTATUS=status of the probe")
        self.assertRegex(told[1], r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(told[2:], ["WATCHDOG=1", "STOPPING=1"])


def drop_setpcap():
    """In the child: CAP_SETPCAP leaves the bounding set, and with the next program the others."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(24, 8, 0, 0, 0):  # PR_CAPBSET_DROP, CAP_SETPCAP
        raise OSError(ctypes.get_errno(), "PR_CAPBSET_DROP")


class Reading(ProgramTest):
    """-r as root: another user, no capability, a filter, before the first octet; and files that only root may open."""

    def setUp(self):
        super().setUp()
        if os.geteuid():
            self.skipTest("only root becomes another user")
        os.chmod(self.folder, 0o700)
        self.capture = self.path("capture.pcap")
        shutil.copy(harness.FAMILIES, self.capture)
        os.chmod(self.capture, 0o600)

    def waiting(self, *arguments):
        """The program's status while it waits for the first octet of its standard input."""
        process = subprocess.Popen([harness.PROGRAM, "-r", "-", *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.addCleanup(process.communicate)
        status = status_of(process)
        for _ in range(2000):
            if status["Seccomp"] == ["2"] or process.poll() is not None:
                break
            time.sleep(0.005)
            status = status_of(process)
        return status

    def test_before_the_first_octet(self):
        status = self.waiting()
        self.assertEqual(status["Uid"], [str(pwd.getpwnam("nobody").pw_uid)] * 4)
        self.assertEqual((status["CapEff"], status["CapPrm"], status["NoNewPrivs"]), ([EMPTY], [EMPTY], ["1"]))

    def test_where_files_are_rotated(self):
        status = self.waiting("-w", self.path("evidence.pcap"), "-C", "1")
        self.assertEqual((status["Uid"], status["CapEff"], status["Seccomp"]), (["0"] * 4, [EMPTY], ["2"]))

    def test_user(self):
        self.assertEqual(self.waiting("--user", "daemon")["Uid"][0], str(pwd.getpwnam("daemon").pw_uid))

    def test_files_of_root(self):
        log, evidence = self.path("log"), self.path("evidence.pcap")
        many = [self.path("%d.pcap" % i) for i in range(40)]
        for path in many:
            shutil.copy(self.capture, path)
            os.chmod(path, 0o600)
        alone = harness.run("-r", self.capture, "--output", "file:" + log, "-w", evidence, "--format", "json")
        self.assert_status(alone, 0)
        self.assertTrue(os.path.getsize(log) and os.path.getsize(evidence))
        together = harness.run("-r", *many, "--format", "json", "--summary")
        self.assert_status(together, 0)
        self.assertTrue(together.events("finding"))

    def test_what_others_can_write(self):
        for option, name in (("--config", "conf"), ("--keylog", "keys")):
            path = self.path(name)
            with open(path, "w", encoding="ascii") as file:
                file.write("# nothing\n")
            os.chmod(path, 0o646)
            done = harness.run("-r", self.capture, option, path)
            self.assert_status(done, 2)
            self.assertIn("anybody on this machine can write it", done.err)
            self.assertEqual(len(done.err.splitlines()), 1)

    def test_links_where_others_make_names(self):
        victim = self.path("victim")
        for mode, followed in ((0o1777, False), (0o755, True)):
            folder = self.path("folder%o" % mode)
            os.mkdir(folder)
            os.chmod(folder, mode)
            for options in (("-w", "%s"), ("--output", "file:%s")):
                with open(victim, "w", encoding="ascii") as file:
                    file.write("precious")
                link = os.path.join(folder, options[0])
                os.symlink(victim, link)
                done = harness.run("-r", self.capture, options[0], options[1] % link)
                self.assertEqual(done.status == 0, followed, done.err)
                self.assertEqual(read(victim) != b"precious", followed)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: only root has privileges to drop")
        sys.exit(77)
    harness.main()
