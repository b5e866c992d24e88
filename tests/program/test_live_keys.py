#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A key log that is followed on an interface, in a network of its own: it appears, grows, is replaced and cut off."""
import os
import socket
import ssl
import subprocess
import threading
import unittest

import live
from network import DEADLINE_S

PORT = 465
TURNS = ((None, b"220 mx.example ESMTP\r\n"), (b"EHLO client.example\r\n", b"250 mx.example\r\n"),
         (b"RCPT TO:<%s@mx.example>\r\n", b"503 5.5.1 MAIL first\r\n"), (b"QUIT\r\n", b"221 2.0.0 Bye\r\n"))


class LiveKeys(live.LiveTest):
    PORTS = str(PORT)

    def setUp(self):
        super().setUp()
        key, certificate = self.path("key.pem"), self.path("certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                        "-subj", "/CN=mx.example", "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(certificate, key)
        self.keys = os.path.join(self.folder, "keys.log")

    def client(self, version=None):
        """What writes its keys to the log as it is now, and stays with that file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.maximum_version = version
        context.keylog_filename = self.keys
        os.chmod(self.keys, 0o644)
        return context

    def session(self, context, name):
        """One session, in which `name` is refused; seen when its finding is there, made inside TLS."""
        with socket.create_server(("127.0.0.1", PORT)) as listener:
            serving = threading.Thread(target=self.serve, args=(listener,))
            serving.start()
            with socket.create_connection(("127.0.0.1", PORT), timeout=DEADLINE_S) as plain:
                with context.wrap_socket(plain) as talk:
                    for command, reply in TURNS:
                        if command:
                            talk.sendall(command % name if b"%s" in command else command)
                        self.receive(talk, len(reply))
            serving.join()

    def serve(self, listener):
        plain, _ = listener.accept()
        with self.server.wrap_socket(plain, server_side=True) as talk:
            for command, reply in TURNS:
                if command:
                    talk.recv(1000)
                talk.sendall(reply)

    @staticmethod
    def receive(talk, left):
        while left:
            left -= len(talk.recv(left))

    def names(self):
        """Who was refused inside TLS."""
        return [event["exchange"]["argument"] for event in self.events("finding")
                if event["rule"] == "sequence.rcpt-before-mail" and event.get("tls")]

    def expect_name(self, name):
        self.wait(name, lambda: any(name.decode() in argument for argument in self.names()))

    def watch(self, *arguments):
        self.start("--keylog", self.keys, "--output", "file:" + self.log, *arguments)

    def test_followed(self):
        self.watch()
        self.assertIn("is waited for", self.errors())
        first = self.client()
        self.session(first, b"appears")
        self.expect_name(b"appears")
        self.session(first, b"grows")
        self.expect_name(b"grows")
        os.rename(self.keys, self.keys + ".1")
        second = self.client(ssl.TLSVersion.TLSv1_2)
        self.session(second, b"replaced")
        self.expect_name(b"replaced")
        self.session(first, b"still-in-the-old-one")
        self.expect_name(b"still-in-the-old-one")
        os.truncate(self.keys, 0)
        self.session(second, b"cut-off")
        self.expect_name(b"cut-off")
        self.stop()
        self.assertEqual(len(self.names()), 5)

    def test_late_keys(self):
        """The log is put in its place when the session is over already: it waited."""
        self.watch()
        real, self.keys = self.keys, self.keys + ".hidden"
        self.session(self.client(), b"late")
        os.rename(self.keys, real)
        self.expect_name(b"late")
        self.stop()


if __name__ == "__main__":
    if not ssl.HAS_TLSv1_3:
        raise unittest.SkipTest("no TLS 1.3 here")
    live.main()
