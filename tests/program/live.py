# SPDX-License-Identifier: BSD-2-Clause
"""The program watching lo in a network of the test's own, and sessions for it to see."""
import ctypes
import os
import signal
import socket
import subprocess
import sys

import harness
from harness import ProgramTest
from network import DEADLINE_S, Manager, wait_for

PORT = 2525
CLEAN, BUSY = "clean@mx.example", "busy@mx.example"
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000


def own_network(mounts=False):
    """This process, and what it starts, in a network of its own, where only lo is up; with mounts of its own, too."""
    if os.geteuid() or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET | (CLONE_NEWNS if mounts else 0)):
        return False
    commands = [["ip", "link", "set", "lo", "up"]] + ([["mount", "--make-rprivate", "/"]] if mounts else [])
    try:
        return all(subprocess.run(command, check=False).returncode == 0 for command in commands)
    except FileNotFoundError:
        return False


def main(mounts=False):
    """harness.main() in a network of its own; status 77 where there can be none."""
    if not own_network(mounts):
        print("SKIPPED: a network of its own wants root, network namespaces and ip(8)")
        sys.exit(77)
    harness.main()


class LiveTest(ProgramTest):
    PORTS = str(PORT)

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)
        self.log = self.path("findings.json")
        self.manager = Manager(self, self.folder)

    def start(self, *arguments, before=(), stdout=subprocess.DEVNULL):
        """The program on lo, once it has told the service manager that it is ready; `before` starts it."""
        ports = ("--ports", self.PORTS) if self.PORTS else ()
        with open(self.path("errors"), "wb") as errors:
            self.program = subprocess.Popen(
                [*before, harness.PROGRAM, "-i", "lo", *ports, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors,
                env=self.manager.environment())
        self.addCleanup(self.end)
        self.expect("READY=1")

    def expect(self, *words):
        """Until the program has told the service manager these, in this order."""
        self.manager.wait(*words, said=self.errors)

    def errors(self):
        return harness.read(self.path("errors")).decode("utf-8", "replace")

    def end(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.communicate()

    def stop(self):
        """Its standard error, after SIGTERM and status 0."""
        self.program.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        self.program.communicate(timeout=DEADLINE_S)
        self.assertEqual(self.program.returncode, 0, self.errors())
        return self.errors()

    def reload(self):
        self.program.send_signal(signal.SIGHUP)
        self.expect("RELOADING=1", "READY=1")

    def converse(self, recipient, quit=True, host="127.0.0.1"):
        """A session of a client of this address; the client's port, and with it the two ends when it is left open."""
        deferred = recipient == BUSY
        with socket.create_server(("127.0.0.1", PORT)) as server:
            client = socket.create_connection(("127.0.0.1", PORT), source_address=(host, 0))
            served = server.accept()[0]
        lines = [(None, "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example"),
                 ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
                 ("RCPT TO:<%s>" % recipient, "450 4.2.1 The mailbox is busy" if deferred else "250 2.1.5 Ok"),
                 ("RSET", "250 2.0.0 Ok")]
        port = client.getsockname()[1]
        self.say(client, served, lines + ([("QUIT", "221 2.0.0 Bye")] if quit else []))
        if not quit:
            return port, client, served
        client.close()
        served.close()
        return port

    def say(self, client, served, lines):
        for line, reply in lines:
            if line:
                client.sendall(line.encode() + b"\r\n")
                served.recv(4096)
            served.sendall(reply.encode() + b"\r\n")
            client.recv(4096)

    def events(self, kind=None):
        return harness.events(self.log, kind)

    def wait(self, what, condition):
        def holds():
            self.assertIsNone(self.program.poll(), "it ended: %s" % self.errors())
            return condition()
        return wait_for(holds, what, why=lambda: "%s%s" % (self.events(), self.errors()))

    def deferrals(self):
        return [event for event in self.events("finding") if event["rule"].startswith("deferral.")]

    def busy(self):
        return [event for event in self.events() if event.get("rule") == "deferral.mailbox-busy"]

    def findings(self, count):
        """The deferrals of BUSY, once there are so many."""
        self.wait("%d findings" % count, lambda: len(self.busy()) >= count)
        return self.busy()
