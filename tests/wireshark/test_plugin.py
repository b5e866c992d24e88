#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_plugin.py PROGRAM PLUGIN: fields, preferences, statistics, TLS with keys, TCP preferences, hostile captures."""
import json
import os
import random
import shutil
import ssl
import sys
import unittest
import unittest.mock

sys.dont_write_bytecode = True
import plugin  # noqa: E402
import tls  # noqa: E402

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PCAPS = os.path.join(TOP, "pcaps")
TCP_PREFERENCES = (
    ("-o", "tcp.desegment_tcp_streams:FALSE"),
    ("-o", "tcp.reassemble_out_of_order:TRUE"),
    ("-o", "tcp.analyze_sequence_numbers:FALSE"),
    ("-o", "tcp.relative_sequence_numbers:FALSE"),
    ("-o", "smtp.desegment_lines:FALSE"),
    ("-o", "tcp.no_subdissector_on_error:FALSE"),
)
# tshark 4.6 has a status of its own for captures that are damaged; before, it was 2.
DAMAGED_4_6 = 14
HOSTILE_ROUNDS = int(os.environ.get("SMTPSCOPE_HOSTILE_ROUNDS", "6"))
INSIDE_TLS = [
    ("C", "MAIL FROM:<a@example.test>"), ("S", "503 5.5.1 Send EHLO first"),
    ("C", "EHLO client.example.test"), ("S", "250-mx.example.test\r\n250-SIZE 100000\r\n250 8BITMIME"),
    ("C", "STARTTLS"), ("S", "503 5.5.1 TLS already active"),
    ("C", "MAIL FROM:<a@example.test>"), ("S", "250 2.1.0 Ok"),
    ("C", "RCPT TO:<b@example.test>"), ("S", "450 4.2.0 <b@example.test>: Recipient address rejected: Greylisted"),
    ("C", "RCPT TO:<c@example.test>"), ("S", "250 2.1.5 Ok"),
    ("C", "DATA"), ("S", "354 End data with <CR><LF>.<CR><LF>"),
    ("C", "Subject: long\r\n\r\n" + "All work and no play makes Jack a dull boy.\r\n" * 900 + "."), ("S", "250 2.0.0 Ok: queued as 1"),
    ("C", "QUIT"), ("S", "221 2.0.0 Bye"),
]
WANT_INSIDE = [(1, "sequence.mail-after-starttls-without-ehlo"), (5, "sequence.starttls-twice"), (9, "deferral.greylisted")]


class PluginTest(unittest.TestCase):
    maxDiff = None
    program = tshark = None

    def capture(self, name):
        return self.tshark.copy(os.path.join(PCAPS, name))

    def fields(self, path, names, *options, filter="smtpscope"):
        """Rows of field values."""
        wanted = [word for name in names for word in ("-e", name)]
        out = self.tshark.run("-r", path, "-2", "-Y", filter, "-T", "fields", *wanted, *options).stdout.decode()
        return [line.split("\t") for line in out.splitlines()]


class Fields(PluginTest):
    def test_request_and_response_name_each_other(self):
        path = self.capture("postfix-clean.pcap")
        rows = self.fields(path, ["frame.number", "smtpscope.request_in", "smtpscope.response_in", "smtpscope.time", "smtpscope.code"])
        requests = {row[0]: row[2] for row in rows if row[2] and "," not in row[2]}
        responses = {row[0]: row[1] for row in rows if row[1] and "," not in row[1]}
        self.assertGreater(len(requests), 20)
        for request, response in requests.items():
            if response in responses:
                self.assertEqual(responses[response], request)
        times = [float(value) for row in rows for value in row[3].split(",") if value]
        self.assertTrue(times and all(0 <= time < 60 for time in times))

    def test_outcomes(self):
        path = self.capture("all-three-families.pcap")
        rows = self.fields(path, ["smtpscope.message.outcome", "smtpscope.rcpt.outcome", "smtpscope.rcpt"], filter="smtpscope.message")
        outcomes = [word for row in rows for word in row[1].split(",")]
        self.assertEqual(sorted(outcomes), ["accepted"] * 3 + ["deferred"] * 3 + ["refused"])

    def test_json_has_the_remedy_in_full(self):
        out = self.tshark.run("-r", self.capture("all-three-families.pcap"), "-Y", "smtpscope.rule == deferral.mailbox-busy", "-T", "json",
                              "--no-duplicate-keys").stdout
        layers = json.loads(out)[0]["_source"]["layers"]
        self.assertIn("smtpscope.remedy.sender", json.dumps(layers["smtpscope"]))

    def test_expert_infos_without_a_tree(self):
        path = self.capture("all-three-families.pcap")
        for passes in ([], ["-2"]):
            out = self.tshark.run("-r", path, "-q", "-z", "expert", *passes).stdout.decode()
            for rule in ("deferral.mailbox-busy", "sequence.rcpt-before-mail", "refusal.policy"):
                self.assertIn(rule, out)

    def test_every_field_is_described(self):
        out = self.tshark.run("-G", "fields").stdout.decode("utf-8", "replace")
        rows = [line.split("\t") for line in out.splitlines() if "\tsmtpscope." in line and line.startswith("F\t")]
        self.assertGreater(len(rows), 40)
        self.assertEqual([row[2] for row in rows if ".expert" not in row[2] and not row[7].strip()], [])

    def test_session_of_every_packet(self):
        rows = self.fields(self.capture("postfix-clean.pcap"), ["frame.number", "smtpscope.session"])
        self.assertGreater(len({row[1] for row in rows}), 5)


class Preferences(PluginTest):
    def rules(self, *options, passes=("-2",)):
        return [finding[0] for _, finding in self.tshark.shown(self.capture("all-three-families.pcap"), *passes, *options)]

    def test_severity_and_family(self):
        everything = self.rules()
        self.assertEqual(self.rules("-o", "smtpscope.min_severity:error"), ["refusal.policy"])
        self.assertEqual(self.rules("-o", "smtpscope.family.security:FALSE"),
                         [rule for rule in everything if not rule.startswith("security.")])

    def test_info_column(self):
        path = self.capture("all-three-families.pcap")
        self.assertIn("[deferral.mailbox-busy]", self.tshark.run("-r", path).stdout.decode())
        self.assertNotIn("[deferral.mailbox-busy]", self.tshark.run("-r", path, "-o", "smtpscope.info_column:FALSE").stdout.decode())

    def test_language(self):
        """Also where the environment's locale is one that translates nothing."""
        catalogues = os.path.join(os.path.dirname(self.program), "..", "share", "locale")
        there = os.path.join(self.tshark.top, "locale")
        shutil.copytree(catalogues, there, dirs_exist_ok=True)
        path = self.capture("all-three-families.pcap")
        summaries = {}
        with unittest.mock.patch.dict(os.environ, {"TEXTDOMAINDIR": there}):
            for language in ("environment", "en", "fr", "de"):
                rows = self.fields(path, ["smtpscope.summary"], "-o", "smtpscope.language:" + language, filter="smtpscope.rule")
                self.assertTrue(rows)
                summaries[language] = rows
        self.assertEqual(summaries["environment"], summaries["en"])
        for language in ("fr", "de"):
            for english, other in zip(summaries["en"], summaries[language]):
                self.assertNotEqual(english, other, language)

    def test_disabled_protocol(self):
        out = self.tshark.run("-r", self.capture("all-three-families.pcap"), "--disable-protocol", "smtpscope", "-V").stdout.decode()
        self.assertNotIn("smtpscope", out)

    def test_other_port_by_decode_as_by_preference_by_greeting(self):
        packets = []
        session = tls.Session(packets, 2526)
        session.talk([("S", "220 mx ESMTP"), ("C", "MAIL FROM:<a@example.test>"), ("S", "503 5.5.1 EHLO first"), ("C", "QUIT"), ("S", "221 Bye")])
        session.close()
        path = os.path.join(self.tshark.top, "port.pcap")
        tls.write(path, packets)
        for options in (["-d", "tcp.port==2526,smtp"], ["-o", "smtpscope.ports:2526"], ["--enable-heuristic", "smtpscope_tcp"]):
            out = self.tshark.run("-r", path, "-q", "-z", "smtpscope,findings", *options).stdout.decode()
            self.assertIn("sequence.mail-before-helo", out)
            self.assertNotIn("transport.midstream", out)
            self.assertNotIn("transport.one-sided", out)
        self.assertIn("C: MAIL FROM", self.tshark.run("-r", path, "--enable-heuristic", "smtpscope_tcp").stdout.decode())
        self.assertNotIn("sequence.", self.tshark.run("-r", path, "-q", "-z", "smtpscope,findings").stdout.decode())


class Statistics(PluginTest):
    def test_tree_counts_each_finding_once(self):
        path = self.capture("all-three-families.pcap")
        for passes in ([], ["-2"]):
            out = self.tshark.run("-r", path, "-q", "-z", "smtpscope,tree", *passes).stdout.decode()
            rows = {line.split("  ")[0].strip(): line[37:].split()[0] for line in out.splitlines() if line[37:].split()}
            self.assertEqual(rows["Findings by family, rule and reason"], "13")
            self.assertEqual(rows["Recipients deferred, by reason"], "3")
            self.assertEqual(rows["RCPT"], "8")


class Tls(PluginTest):
    def make(self, name, version, port=587):
        pem = tls.certificate(self.tshark.top)
        if not pem:
            self.skipTest("no openssl here")
        keys = os.path.join(self.tshark.top, name + ".keys")
        packets = []
        session = tls.Session(packets, port)
        if port != 465:
            session.talk([("S", "220 mx.example.test ESMTP Postfix"), ("C", "EHLO client.example.test"),
                          ("S", "250-mx.example.test\r\n250 STARTTLS"), ("C", "STARTTLS"), ("S", "220 2.0.0 Ready to start TLS")])
        session.start_tls(pem, keys, version)
        if port == 465:
            session.talk([("S", "220 mx.example.test ESMTP Postfix")])
        numbers = session.talk(INSIDE_TLS)
        session.close()
        path = os.path.join(self.tshark.top, name + ".pcap")
        tls.write(path, packets)
        os.chmod(keys, 0o644)
        return path, keys, numbers

    def check(self, version, port):
        path, keys, numbers = self.make("%s-%d" % (version.name, port), version, port)
        want = [(numbers[line], rule) for line, rule in WANT_INSIDE if port != 465 or line != 1]
        for passes in ([], ["-2"]):
            shown = self.tshark.shown(path, "-o", "tls.keylog_file:" + keys, *passes)
            got = [(finding[1], finding[0]) for _, finding in shown if not finding[0].startswith("transport.")]
            self.assertEqual([pair for pair in got if pair in want], want, got)
            for frame, finding in shown:
                self.assertNotIn(finding[0], ("security.not-smtp", "transport.gap", "reply.missing", "command.malformed", "security.starttls-not-followed"))
        rows = self.fields(path, ["smtpscope.message.size", "smtpscope.message.outcome"], "-o", "tls.keylog_file:" + keys, filter="smtpscope.message")
        body = next(text for side, text in INSIDE_TLS if text.startswith("Subject"))
        self.assertEqual(rows, [[str(len(body) + 2), "accepted"]])
        tls_rows = self.fields(path, ["smtpscope.tls"], "-o", "tls.keylog_file:" + keys, filter="smtpscope.tls")
        self.assertGreater(len(tls_rows), 10)

    def test_starttls_1_3(self):
        self.check(ssl.TLSVersion.TLSv1_3, 587)

    def test_starttls_1_2(self):
        self.check(ssl.TLSVersion.TLSv1_2, 587)

    def test_implicit_1_3(self):
        self.check(ssl.TLSVersion.TLSv1_3, 465)

    def test_without_keys_as_the_program(self):
        path, _, _ = self.make("nokeys", ssl.TLSVersion.TLSv1_3)
        self.assertEqual(sorted(finding for finding, _ in self.tshark.listed(path)), sorted(plugin.program_findings(self.program, path)))


class TcpPreferences(PluginTest):
    """
    Wireshark's own order of things does not matter to plain SMTP. Each preference has a third of the captures, in turn; what
    came out of order meets them all.
    """

    def test_same_findings(self):
        names = sorted(name for name in os.listdir(PCAPS) if ".pcap" in name)
        for number, name in enumerate(names):
            path = self.capture(name)
            want = sorted(plugin.program_findings(self.program, os.path.join(PCAPS, name)), key=str)
            for options in TCP_PREFERENCES if "out-of-order" in name else TCP_PREFERENCES[number % 3::3]:
                with self.subTest(capture=name, options=options):
                    self.assertEqual(sorted((finding for finding, _ in self.tshark.listed(path, *options)), key=str), want)


class Hostile(PluginTest):
    def mutations(self, octets, seed):
        dice = random.Random(seed)
        damaged = bytearray(octets)
        for _ in range(dice.randrange(1, 200)):
            at = dice.randrange(24, len(damaged))
            damaged[at] = dice.choice((0, 0xff, dice.randrange(256), damaged[at] ^ 1 << dice.randrange(8)))
        if dice.random() < 0.3:
            del damaged[dice.randrange(24, len(damaged)):]
        return bytes(damaged)

    def test_damaged(self):
        names = sorted(name for name in os.listdir(PCAPS) if name.endswith(".pcap"))
        path = os.path.join(self.tshark.top, "damaged.pcap")
        for turn in range(HOSTILE_ROUNDS):
            name = names[turn % len(names)]
            with open(os.path.join(PCAPS, name), "rb") as file:
                octets = self.mutations(file.read(), turn)
            with open(path, "wb") as file:
                file.write(octets)
            os.chmod(path, 0o644)
            for options in (["-V"], ["-2", "-q", "-z", "smtpscope,findings", "-z", "smtpscope,tree", "-o", "tcp.reassemble_out_of_order:TRUE"]):
                done = self.tshark.run("-r", path, *options, status=None)
                with self.subTest(capture=name, seed=turn, options=options):
                    self.assertIn(done.returncode, (0, 1, 2, DAMAGED_4_6), done.stderr.decode("utf-8", "replace"))
                    self.assertNotIn(b"Dissector bug", done.stdout)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: %s PROGRAM PLUGIN [TEST...]" % sys.argv[0])
    PluginTest.program = os.path.abspath(sys.argv.pop(1))
    PluginTest.tshark = plugin.Tshark(sys.argv.pop(1))
    unittest.main(module="__main__", verbosity=2)


if __name__ == "__main__":
    main()
