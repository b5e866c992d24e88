#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Keys of TLS: logs that lack a session's, logs that do not open it, and blocks of secrets anywhere in a capture."""
import os
import shutil
import subprocess
import unittest

import harness
from harness import ProgramTest, run

SHARED = os.path.normpath(os.path.join(harness.TOP, "..", "shared", "captures-tls"))
SESSION = os.path.join(harness.TOP, "tests", "dialogue", "tls-clean.txt")
RANDOM = "72" * 32  # of its ClientHello
SECRET = "5a" * 48


class Stated(ProgramTest):
    """What is said of a session whose keys are missing: tls.no-keys, or do not open it: tls.wrong-keys."""

    def told(self, *lines):
        tool = os.path.join(harness.TOP, "tests", "tools", "dialogue2pcap")
        capture = self.path("session.pcap", subprocess.run([tool, SESSION], stdout=subprocess.PIPE, check=True).stdout)
        log = self.path("keys.log", "".join("%s\n" % line for line in lines).encode())
        os.chmod(log, 0o600)
        arguments = ("--keylog", log) if lines else ()
        done = run("-r", capture, *arguments, "--format", "json", "--sessions")
        self.assert_status(done, 0)
        return done.rules(), done.events("session")[0]["tls"]["decrypted"]

    def test_no_log(self):
        self.assertEqual(self.told(), ([], "no"))

    def test_another_session(self):
        self.assertEqual(self.told("CLIENT_RANDOM %s %s" % ("aa" * 32, SECRET)), (["tls.no-keys"], "no-keys"))

    def test_another_secret(self):
        self.assertEqual(self.told("CLIENT_RANDOM %s %s" % (RANDOM, SECRET)), (["tls.wrong-keys"], "wrong-keys"))


@unittest.skipUnless(os.path.isdir(SHARED), "no captures of TLS beside the checkout")
class Captures(ProgramTest):
    """The same capture with its keys in a log, and in blocks of it."""

    def found(self, *arguments):
        done = run(*arguments, "--ports", "25,465,587", "--format", "json", "--sessions")
        self.assert_status(done, 0)
        events = done.events()
        for event in events:
            event.pop("file", None)
        return events

    def name(self, name, ending):
        return os.path.join(SHARED, name + ending)

    def test_secrets_in_the_capture(self):
        for name in ("a01_pf25_13_aes128", "a04_pf465_12_aes128", "a17_resume_13", "a35_big_message"):
            with self.subTest(name):
                with_log = self.found("-r", self.name(name, ".pcap"), "--keylog", self.name(name, ".keys"))
                self.assertEqual(self.found("-r", self.name(name, ".pcapng")), with_log)

    @unittest.skipUnless(shutil.which("editcap"), "no editcap here")
    def test_injected_secrets(self):
        for name in ("a09_exim25_13", "a18_resume_12_ticket"):
            with self.subTest(name):
                injected = os.path.join(self.folder, name + ".pcapng")
                subprocess.run(["editcap", "--inject-secrets", "tls," + self.name(name, ".keys"), self.name(name, ".pcap"),
                                injected], check=True)
                with_log = self.found("-r", self.name(name, ".pcap"), "--keylog", self.name(name, ".keys"))
                self.assertEqual(self.found("-r", injected), with_log)

    def test_secrets_between_and_behind_packets(self):
        """Blocks as eCapture writes them, one a line of the log, at any place."""
        name = "a01_pf25_13_aes128"
        with open(self.name(name, ".pcapng"), "rb") as file:
            blocks = list(blocks_of(file.read()))
        secrets = [block for block in blocks if kind_of(block) == SECRETS]
        packets = [block for block in blocks if kind_of(block) != SECRETS]
        wanted = self.found("-r", self.name(name, ".pcap"), "--keylog", self.name(name, ".keys"))
        for place in (len(packets) // 2, len(packets)):
            moved = self.path("moved.pcapng", b"".join(packets[:place] + secrets + packets[place:]))
            self.assertEqual(self.found("-r", moved), wanted)

    def test_no_inference(self):
        arguments = ("-r", self.name("b33_pfq_aiosmtpd", ".pcap"))
        told = [event["tls"].get("inferred") for event in self.found(*arguments) if event["event_type"] == "session"]
        self.assertTrue(all(told))
        told = [event["tls"].get("inferred") for event in self.found(*arguments, "--no-inference")
                if event["event_type"] == "session"]
        self.assertFalse(any(told))


SECRETS = 10  # draft-ietf-opsawg-pcapng 4.7


def kind_of(block):
    return int.from_bytes(block[:4], "little")


def blocks_of(octets):
    while octets:
        length = int.from_bytes(octets[4:8], "little")
        yield octets[:length]
        octets = octets[length:]


if __name__ == "__main__":
    harness.main()
