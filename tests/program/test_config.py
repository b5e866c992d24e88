#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The configuration file: what is right, what is told of what is wrong, and which of file and command line is stronger."""
import os
import random
import re

import harness
from harness import FAMILIES, ProgramTest, run

EXAMPLE = os.path.join(harness.TOP, "share", "smtpscope.conf.example")
RIGHT = """\
# a comment
interface = eth0
interface=eth1\t# not the last
ports = 25, 587,2500-2599
filter = host 192.0.2.1 and not port 26
no-promiscuous-mode = yes
rule = sequence.*
  rule = deferral
min-severity = notice
output = file:/var/log/a file
output = syslog:tcp:[2001:db8::1]:601
output = syslog:udp:log.example:514
output = journald
output = -
rotate-size = 100 MB
rotate-count = 3
write = /tmp/x.pcap
file-size = 5
file-count = 2
metrics = [::1]:9425
aggregate = 5m
stats = 60
workers = auto
max-sessions = 1000
user = nobody
no-sandbox = false

lang = de\r
"""
# A line that is wrong, and what the message about it has to say.
WRONG = [
    ("intreface = eth0", ["intreface", "is it interface?"]),
    ("xyzzy = 1", ["xyzzy", "smtpscope.conf(5)"]),
    ("read = x.pcap", ["read", "only on the command line"]),
    ("help = yes", ["help", "only on the command line"]),
    ("ports = 99999", ["ports 99999", "2500-2599"]),
    ("ports = ,", ["ports"]),
    ("ports", ["name = value"]),
    ("ports =", ["ports", "missing"]),
    ("= 25", ["no name before the ="]),
    ("detect = maybe", ["detect maybe", "no, yes"]),
    ("format = xml", ["format xml", "text, json"]),
    ("min-severity = loud", ["loud", "error, warning, notice, info"]),
    ("rule = nonsense.*", ["nonsense.*", "smtpscope rules"]),
    ("filter = prot 25", ["prot 25", "pcap-filter(7)"]),
    ("workers = 0", ["workers 0", "auto", "1 to "]),
    ("workers = 99999", ["workers 99999"]),
    ("buffer-size = 99999999999999999999999", ["buffer-size"]),
    ("snapshot-length = -1", ["snapshot-length -1"]),
    ("rotate-size = 10X", ["10X", "10M"]),
    ("rotate-size = 99999999999G", ["99999999999G"]),
    ("aggregate = soon", ["soon", "5m"]),
    ("stats = 99999d", ["99999d"]),
    ("output = smoke", ["smoke", "syslog:udp:HOST:PORT"]),
    ("output = file:", ["file:"]),
    ("output = syslog:tcp:2001:db8::1:601", ["syslog:tcp"]),
    ("output = syslog:udp:host", ["syslog:udp:host"]),
    ("output = unix:/" + 200 * "x", ["unix:/"]),
    ("metrics = localhost", ["127.0.0.1:9425"]),
    ("metrics = [127.0.0.1]:80", ["127.0.0.1:9425"]),
    ("metrics = 127.0.0.1:0", ["127.0.0.1:9425"]),
    ("user = no-such-user", ["no-such-user"]),
    ("lang = la", ["la", "en, fr, de"]),
]


class Config(ProgramTest):
    def check(self, text, *arguments):
        path = self.path("smtpscope.conf", text if isinstance(text, bytes) else text.encode())
        return run("--check-config", "--config", path, *arguments), path

    def assert_wrong(self, text, *words):
        done, path = self.check(text)
        self.assert_status(done, 2)
        self.assertEqual(done.out, "")
        self.assert_one_line(done, *words)
        return done

    def test_right(self):
        done, path = self.check(RIGHT)
        self.assert_status(done, 0)
        self.assertIn(path, done.out)
        self.assertEqual(done.err, "")

    def test_nothing_in_it(self):
        for text in ("", "\n\n", "# only a comment", "\ufeffports = 25"):
            self.assert_status(self.check(text)[0], 0)

    def test_example(self):
        self.assert_status(run("--check-config", "-c", EXAMPLE), 0)

    def test_example_with_everything_in_it(self):
        """Each line that is commented out is right, too, and every name of the manual's is there."""
        with open(EXAMPLE, encoding="utf-8") as file:
            text = file.read()
        lines = re.findall(r"^#?([a-z-]+ = .*)$", text, re.M)
        self.assertGreater(len(lines), 30)
        for line in lines:
            needed = "output = -\nrotate-size = 1M\nwrite = x\nfile-size = 1\n"
            needed = "".join(one + "\n" for one in needed.splitlines() if one.split()[0] != line.split()[0])
            self.assert_status(self.check(needed + line)[0], 0)

    def test_each_error(self):
        for line, words in WRONG:
            with self.subTest(line=line):
                self.assert_wrong("\n# two lines in front\n" + line + "\n", ":3: ", *words)

    def test_all_errors_at_once(self):
        done, path = self.check("\n".join(line for line, _ in WRONG[:12]))
        self.assert_status(done, 2)
        lines = done.err.splitlines()
        self.assertEqual(len(lines), 12, done.err)
        for i, line in enumerate(lines, 1):
            self.assertIn("%s:%d: " % (path, i), line)

    def test_errors_end_somewhere(self):
        done, path = self.check("nonsense\n" * 10000)
        self.assert_status(done, 2)
        self.assertLess(len(done.err.splitlines()), 30)

    def test_given_twice(self):
        self.assert_wrong("ports = 25\nports = 26\n", ":2: ", "line 1")
        self.assert_wrong("interface = eth0\ninterface = eth0\n", ":2: ", "twice")
        self.assert_wrong("interface = eth0\ninterface = any\n", ":2: ", "any")
        self.assert_wrong("output = -\noutput = -\n", ":2: ", "twice")

    def test_needs(self):
        self.assert_wrong("file-size = 1\n", ":1: ", "write")
        self.assert_wrong("write = x\nfile-count = 1\n", ":2: ", "file-size")
        self.assert_wrong("output = -\nrotate-count = 1\n", ":2: ", "rotate-size")
        done, path = self.check("file-count = 1\nrotate-count = 1\n")
        self.assert_status(done, 2)
        self.assertEqual(sorted(line.split(": ")[1] for line in done.err.splitlines()), [path + ":1", path + ":2"])

    def test_no_text(self):
        """One line for whatever is no configuration at all."""
        with open(FAMILIES, "rb") as file:
            capture = file.read()
        with open(harness.PROGRAM, "rb") as file:
            program = file.read(1 << 16)
        for octets, words in ((capture, ["no text"]), (program, ["no text"]), (b"ports = 25\0\n", ["no text", "0x00"]),
                              (b"ports = 25\n\x1b[2J\n", [":2:", "no text"]), (b"#" * 100000, ["line"]),
                              (b"# x\n" * 500000, ["larger"]), (b"\n" * (1 << 21), ["larger"])):
            self.assert_wrong(octets, *words)

    def test_damaged(self):
        """The example with octets changed, lost and moved: right or wrong, but told of in lines that name the file."""
        random.seed(5321)
        with open(EXAMPLE, "rb") as file:
            whole = b"".join(line for line in re.sub(rb"(?m)^#(?=[a-z])", b"", file.read()).splitlines(True)
                             if b"filter" not in line and b"= any" not in line)
        self.assert_status(self.check(whole)[0], 0)
        for _ in range(60):
            octets = bytearray(whole)
            for _ in range(random.choice((1, 3, 30))):
                begin = random.randrange(len(octets))
                end = begin + random.choice((1, 1, 8, 80))
                octets[begin:end] = random.choice((b"", b"=", b"\n", b"#", b"\xff", octets[begin:end] * 2, bytes([random.randrange(256)])))
            done, path = self.check(bytes(octets))
            self.assertIn(done.status, (0, 2), octets)
            self.assertEqual(bool(done.err), done.status == 2)
            for line in done.err.splitlines():
                self.assertTrue(line.startswith("smtpscope: %s:" % path), line)

    def test_no_newline_at_the_end(self):
        self.assert_status(self.check("ports = 25")[0], 0)
        self.assert_wrong("ports = 0", ":1: ")

    def test_no_file(self):
        for path, word in ((self.folder, "directory"), (self.path("none"), "No such file"), ("/dev/zero", "larger")):
            done = run("--check-config", "-c", path)
            self.assert_status(done, 2)
            self.assert_one_line(done, path, word)

    def test_no_terminal_controls(self):
        done, path = self.check("ports = 25\nuser = \u009b31m\u202e\n")
        self.assert_status(done, 2)
        self.assertNotIn("\u009b", done.err)
        self.assertNotIn("\u202e", done.err)

    def test_without_config(self):
        done = run("--check-config")
        self.assert_status(done, 2)
        self.assert_one_line(done, "--config")


class Strength(ProgramTest):
    """What both say is as the command line says."""

    def findings(self, text, *arguments):
        path = self.path("smtpscope.conf", text.encode())
        done = run("-r", FAMILIES, "-c", path, *arguments)
        self.assert_status(done, 0)
        return done

    def test_file_alone(self):
        done = self.findings("format = json\nrule = deferral\n")
        self.assertTrue(done.rules())
        self.assertTrue(all(rule.startswith("deferral.") for rule in done.rules()))

    def test_nothing_to_watch(self):
        done = run("-c", self.path("smtpscope.conf", b"ports = 25\n"))
        self.assert_status(done, 2)
        self.assert_one_line(done, "smtpscope.conf", "interface = NAME")

    def test_lists_are_replaced(self):
        for order in ((), ("--format", "json")):
            done = self.findings("format = json\nrule = deferral\nrule = rejection\n", "--rule", "sequence", "--rule", "refusal", *order)
            families = {rule.split(".")[0] for rule in done.rules()}
            self.assertTrue(families)
            self.assertLessEqual(families, {"sequence", "refusal"})

    def test_values_are_replaced(self):
        self.assertEqual(self.findings("ports = 2525\nformat = json\n").rules(), [])
        self.assertTrue(self.findings("ports = 2525\nformat = json\n", "--ports", "25").rules())
        self.assertTrue(self.findings("format = text\n", "--format", "json").rules())

    def test_order_of_the_options_is_no_matter(self):
        path = self.path("smtpscope.conf", b"ports = 2525\nformat = json\n")
        self.assertTrue(run("--ports", "25", "-c", path, "-r", FAMILIES).rules())

    def test_interface_of_the_file(self):
        """-r is stronger than the file's interface."""
        self.assertTrue(self.findings("interface = any\nformat = json\nmetrics = 127.0.0.1:9425\n").rules())

    def test_language(self):
        done = self.findings("lang = de\n")
        self.assertTrue(done.out == run("-r", FAMILIES, "--lang", "de").out, "not as with --lang de")
        self.assertFalse(done.out == self.findings("lang = de\n", "--lang", "en").out, "--lang en is not stronger")

    def test_wrong_file(self):
        path = self.path("smtpscope.conf", b"ports = x\n")
        done = run("-r", FAMILIES, "-c", path)
        self.assert_status(done, 2)
        self.assert_one_line(done, ":1: ")
        self.assertEqual(done.out, "")


if __name__ == "__main__":
    harness.main()
