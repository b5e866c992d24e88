#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--detect on an interface, in a network of its own, without privileges: nDPI is first needed when they are gone."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import harness
from harness import ProgramTest

PATIENCE_S = 30
OWN_NETWORK = "SMTPSCOPE_TEST_OWN_NETWORK"
REMOTE_DESKTOP = bytes.fromhex("030000130ee000000000000100080003000000")
SERVER = ((None, b"220 mx.example ESMTP\r\n"), (b"EHLO client.example\r\n", b"250 mx.example\r\n"), (b"RCPT TO:<joe@mx.example>\r\n", b"503 5.5.1 MAIL first\r\n"),
          (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"))


def hold_session(port, turns=SERVER):
    """A session between two sockets of ours: (what the client says, what the server answers)."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            server, _ = listener.accept()
            for command, reply in turns:
                for sender, receiver, octets in ((client, server, command), (server, client, reply)):
                    left = len(octets or b"")
                    sender.sendall(octets or b"")
                    while left:
                        left -= len(receiver.recv(left))
            server.close()


class LiveDetect(ProgramTest):
    def setUp(self):
        super().setUp()
        self.findings, self.found = [], threading.Condition()
        with open(self.path("errors"), "wb") as errors:
            self.program = subprocess.Popen([harness.PROGRAM, "-i", "lo", "--detect", "--workers", "2", "--format", "json"],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        self.addCleanup(self.end)
        threading.Thread(target=self.read, daemon=True).start()

    def end(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        self.program.stdout.close()

    def errors(self):
        return harness.read(self.path("errors")).decode()

    def read(self):
        for line in self.program.stdout:
            event = json.loads(line)
            with self.found:
                if event["event_type"] == "finding":
                    self.findings.append((event["rule"], event["dest_port"], (event["detail"] or {}).get("text")))
                self.found.notify_all()

    def wait(self, what, condition, again=None):
        """Until the condition holds; does `again` meanwhile, once a second."""
        until = time.monotonic() + PATIENCE_S
        with self.found:
            while not condition():
                self.assertIsNone(self.program.poll(), "it ended: %s" % self.errors())
                self.assertLess(time.monotonic(), until, "never: %s; but %s %s" % (what, self.findings, self.errors()))
                if again:
                    again()
                self.found.wait(1)

    def expect(self, finding, again=None):
        self.wait(finding, lambda: finding in self.findings, again)

    def test_found(self):
        self.expect(("security.unexpected-port", 2525, "port 2525"), lambda: hold_session(2525))
        self.expect(("sequence.rcpt-before-mail", 2525, "missing step: MAIL"))
        hold_session(25, ((None, b"220 mx.example ESMTP\r\n"), (REMOTE_DESKTOP, None)))
        self.expect(("security.not-smtp", 25, "RDP"))
        self.program.send_signal(signal.SIGTERM)
        self.assertEqual(self.program.wait(PATIENCE_S), 0, self.errors())
        self.assertNotIn("security.unexpected-port", [rule for rule, port, _ in self.findings if port == 25])

    def test_down_and_up(self):
        self.expect(("security.unexpected-port", 2525, "port 2525"), lambda: hold_session(2525))
        ip("link", "set", "lo", "down")
        self.wait("down", lambda: self.errors().count("is down") >= 1)
        ip("link", "set", "lo", "up")
        self.wait("up", lambda: "up again" in self.errors())
        self.expect(("security.unexpected-port", 2626, "port 2626"), lambda: hold_session(2626))


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def main():
    if not os.environ.get(OWN_NETWORK):
        probe = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL, check=False)
        if os.geteuid() or probe.returncode:
            print("SKIPPED: --detect on an interface; a network of its own wants root, unshare(1) and ip(8)")
            return 77
        os.environ[OWN_NETWORK] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    ip("link", "set", "lo", "up")
    return harness.main()


if __name__ == "__main__":
    sys.exit(main())
