#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--detect on an interface, in a network of its own, without privileges: nDPI is first needed when they are gone."""
import socket
import subprocess

import live
from network import DEADLINE_S

REMOTE_DESKTOP = bytes.fromhex("030000130ee000000000000100080003000000")
SERVER = ((None, b"220 mx.example ESMTP\r\n"), (b"EHLO client.example\r\n", b"250 mx.example\r\n"),
          (b"RCPT TO:<joe@mx.example>\r\n", b"503 5.5.1 MAIL first\r\n"), (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"))


def hold_session(port, turns=SERVER):
    """A session between two sockets of ours: (what the client says, what the server answers)."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as client:
            server, _ = listener.accept()
            for command, reply in turns:
                for sender, receiver, octets in ((client, server, command), (server, client, reply)):
                    left = len(octets or b"")
                    sender.sendall(octets or b"")
                    while left:
                        left -= len(receiver.recv(left))
            server.close()


class LiveDetect(live.LiveTest):
    PORTS = None  # those that --detect knows

    def start(self):
        super().start("--detect", "--workers", "2", "--output", "file:" + self.log)

    def told(self):
        return [(event["rule"], event["dest_port"], (event["detail"] or {}).get("text")) for event in self.events("finding")]

    def expect_finding(self, *finding):
        self.wait(finding, lambda: finding in self.told())

    def test_found(self):
        self.start()
        hold_session(2525)
        self.expect_finding("security.unexpected-port", 2525, "port 2525")
        self.expect_finding("sequence.rcpt-before-mail", 2525, "missing step: MAIL")
        hold_session(25, ((None, b"220 mx.example ESMTP\r\n"), (REMOTE_DESKTOP, None)))
        self.expect_finding("security.not-smtp", 25, "RDP")
        self.stop()
        self.assertNotIn("security.unexpected-port", [rule for rule, port, _ in self.told() if port == 25])

    def test_down_and_up(self):
        self.start()
        hold_session(2525)
        self.expect_finding("security.unexpected-port", 2525, "port 2525")
        ip("link", "set", "lo", "down")
        self.wait("down", lambda: "is down" in self.errors())
        ip("link", "set", "lo", "up")
        self.wait("up", lambda: "up again" in self.errors())
        hold_session(2626)
        self.expect_finding("security.unexpected-port", 2626, "port 2626")


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    live.main()
