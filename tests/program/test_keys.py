#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Keys of TLS: logs that lack a session's, logs that do not open it, and blocks of secrets anywhere in a capture."""
import glob
import json
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


    def test_same_findings_as_in_clear(self):
        """What was said inside TLS, said once more in clear: the same is found."""
        compared = 0
        for path in sorted(glob.glob(os.path.join(SHARED, "a*.truth.json"))):
            with open(path, encoding="utf-8") as file:
                truth = json.load(file)
            name = truth["name"]
            if not os.path.exists(self.name(name, ".keys")) or truth["capture"].get("complete") is False:
                continue
            events = self.found("-r", self.name(name, ".pcap"), "--keylog", self.name(name, ".keys"))
            for connection in truth["connections"]:
                said = dialogue_of(connection)
                if not said or connection["tls"]["keys"] not in ("yes", "derivable"):
                    continue
                with self.subTest("%s, %s" % (name, connection["label"])):
                    inside = [event for event in events if event["event_type"] == "finding" and
                              event["src_port"] == connection["client_port"]]
                    self.assertEqual(essence_of(inside), essence_of(self.in_clear(said)))
                    compared += 1
        self.assertGreater(compared, 20)

    def in_clear(self, said):
        tool = os.path.join(harness.TOP, "tests", "tools", "dialogue2pcap")
        written = self.path("said.txt", said.encode())
        capture = self.path("said.pcap", subprocess.run([tool, written], stdout=subprocess.PIPE, check=True).stdout)
        done = run("-r", capture, "--format", "json")
        return done.events("finding")


# RFC 3207 4.2: what is missing inside TLS is missing because TLS began.
ALIASES = {"sequence.mail-after-starttls-without-ehlo": "sequence.mail-before-helo"}


def essence_of(findings):
    """Without what TLS, or its absence, is the subject of, how the connection ended, and what shows across sessions only."""
    return sorted((ALIASES.get(event["rule"], event["rule"]), event["severity"], event["verdict"] or "", event["fault"], event["confidence"], event["count"],
                   event["reason"] or "", (event["exchange"] or {}).get("code") or 0)
                  for event in findings if event["rule"].split(".")[0] not in ("tls", "transport") and
                  not event["rule"].startswith("security.starttls") and event["rule"] != "deferral.retry-too-soon" and
                  (event["exchange"] or {}).get("command") != "STARTTLS")


def dialogue_of(connection):
    """The session inside TLS as a dialogue; None where it has what a line of text does not show."""
    events = connection.get("inside_tls") or []
    if not connection.get("tls") or connection["tls"]["handshake"] != "ok" or not events or connection.get("undecryptable"):
        return None
    if not any(event.get("verb") == "QUIT" for event in events):
        return None  # it was cut off in the middle of something
    lines, group, greeting = [], None, connection["events"][0]
    if not connection["tls"]["implicit"]:
        lines += ["S: " + greeting["lines"][0]] + ["S& " + line for line in greeting["lines"][1:]]
    for event in events:
        if event["type"] == "reply":
            lines += [("S& " if i else "S: ") + line for i, line in enumerate(event["lines"])]
        elif event["type"] == "command" and event["verb"] not in ("BDAT", "AUTH"):
            lines.append(("C& " if event["group"] == group else "C: ") + event["line"])
            group = event["group"]
        elif event["type"] == "data":
            lines += ["C: Subject: x", "C& ", "C& x", "C& ."]
        elif event["type"] not in ("fin", "rst"):
            return None
        if event["type"] == "command" and event["verb"] in ("BDAT", "AUTH") or event.get("after_close"):
            return None
    return "\n".join(line.replace("\\", "\\\\") for line in lines) + "\n"


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
