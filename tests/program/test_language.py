#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The program speaks the languages it has catalogues of: by --lang, and by the locale."""
import json
import os

import harness
from harness import FAMILIES, ProgramTest, run
import tcpwire

LANGUAGES = ("de", "fr")
# A word of each page that only that language has.
WORDS = {"de": "Postfach", "fr": "boîte aux lettres"}


def advice(*arguments, **options):
    """The texts of each rule, as explain gives them in JSON."""
    out = run("explain", *arguments, "--format", "json", **options).out
    return [json.loads(line) for line in out.splitlines()]


def texts(value):
    if isinstance(value, dict):
        return [text for key, part in value.items() if key not in ("rule", "id", "reference", "family", "severity", "software")
                for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return [value] if isinstance(value, str) and " " in value else []


# A message of one octet, in a session of which the server's first octet was not captured.
ONE_OCTET = {"en": ("1 octet by BDAT", "1 octet of the server is missing"), "de": ("1 Oktett mit BDAT", "1 Oktett des Servers fehlt"),
             "fr": ("1 octet par BDAT", "il manque 1 octet du serveur")}
# The detail of its finding.
ONE_OCTET_MISSING = {"en": "1 octet missing (replies)", "de": "1 Oktett fehlt (Antworten)", "fr": "1 octet manquant (réponses)"}


class Languages(ProgramTest):
    def test_one_octet(self):
        packets = []
        talk = tcpwire.Conversation(packets, tcpwire.Endpoint("198.51.100.1", 20000), tcpwire.Endpoint("192.0.2.25", 25))
        turns = (("C", b""), ("S", b""), ("C", b""), ("S", b"220 mx ESMTP\r\n"), ("C", b"EHLO c\r\n"), ("S", b"2"),
                 ("S", b"50-mx\r\n250 CHUNKING\r\n"), ("C", b"MAIL FROM:<>\r\n"), ("S", b"250 ok\r\n"), ("C", b"RCPT TO:<a>\r\n"),
                 ("S", b"250 ok\r\n"), ("C", b"BDAT 1 LAST\r\nx"), ("S", b"250 ok\r\n"), ("C", b"QUIT\r\n"), ("S", b"221 bye\r\n"))
        for index, (side, octets) in enumerate(turns):
            flags = {0: tcpwire.SYN, 1: tcpwire.SYN | tcpwire.ACK}.get(index, tcpwire.ACK)
            talk.segment(1700000000 * 10**9 + index * 10**6, side, flags, octets, captured=octets != b"2")
        path = self.path("one.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        for language, wanted in ONE_OCTET.items():
            out = run("-r", path, "--lang", language, "--sessions", "--messages").out
            for words in wanted:
                self.assertIn(words, out)
            gaps = [f["detail"]["text"] for f in run("-r", path, "--lang", language, "--format", "json").events("finding")
                    if f["rule"] == "transport.gap"]
            self.assertEqual(gaps, [ONE_OCTET_MISSING[language]])
            self.assertIn(ONE_OCTET_MISSING[language], out)

    def test_option(self):
        for language in LANGUAGES:
            out = run("explain", "450", "--lang", language).out
            self.assertIn(WORDS[language], out, language)

    def test_locale(self):
        for language in LANGUAGES:
            out = run("explain", "450", environment={"LC_ALL": "%s_XX.UTF-8" % language}).out
            self.assertIn(WORDS[language], out, language)

    def test_c_is_english(self):
        for locale in ("C", "C.UTF-8", "POSIX"):
            out = run("explain", "450", environment={"LC_ALL": locale, "LANGUAGE": "de"}).out
            self.assertNotIn(WORDS["de"], out, locale)

    def test_option_is_stronger_than_locale(self):
        out = run("explain", "450", "--lang", "en", environment={"LC_ALL": "de_DE.UTF-8"}).out
        self.assertNotIn(WORDS["de"], out)

    def test_every_rule_is_translated(self):
        rules = [json.loads(line)["rule"] for line in run("rules", "--format", "json").out.splitlines()]
        for rule in rules:
            english = texts(advice(rule, "--lang", "en"))
            self.assertTrue(english, rule)
            for language in LANGUAGES:
                there = texts(advice(rule, "--lang", language))
                self.assertEqual(len(there), len(english), "%s in %s" % (rule, language))
                same = [text for text in there if text in english and len(text.split()) > 6 and "=" not in text and "-" not in text]
                self.assertEqual(same, [], "%s in %s: left in English" % (rule, language))

    def test_findings(self):
        english = run("-r", FAMILIES, "--format", "json").events("finding")
        for language in LANGUAGES:
            there = run("-r", FAMILIES, "--format", "json", "--lang", language).events("finding")
            self.assertEqual([f["rule"] for f in there], [f["rule"] for f in english])
            for mine, theirs in zip(there, english):
                self.assertNotEqual(mine["summary"], theirs["summary"], mine["rule"])
                self.assertNotEqual(mine["remediation"]["meaning"], theirs["remediation"]["meaning"], mine["rule"])

    def test_what_is_wrong_with_a_file(self):
        text = self.path("text.pcap", b"220 mx.example ESMTP\r\n" * 10)
        with open(FAMILIES, "rb") as file:
            cut = self.path("cut.pcap", file.read()[:-1])
        # Some libpcaps ask for the permission before the name.
        permission = {"de": "keine Erlaubnis", "fr": "pas le droit de capturer"} if os.geteuid() else {}
        for arguments, words in ((("-r", text), {"de": "keine Mitschnittdatei", "fr": "pas un fichier de capture"}),
                                 (("-r", cut), {"de": "Paket 127", "fr": "paquet 127"}),
                                 (("-i", "none0"), {"de": "keine solche Schnittstelle", "fr": "aucune interface de ce nom"})):
            for language in LANGUAGES:
                said = run(*arguments, "--lang", language).err
                if permission.get(language, words[language]) not in said:
                    self.assertIn(words[language], said)

    def test_help(self):
        for language in LANGUAGES:
            lines = run("--lang", language, "--help").out.splitlines()
            self.assertLessEqual(len(lines), 51, language)
            self.assertLessEqual(max(map(len, lines)), 80, language)
            self.assertEqual(lines, run("--help", "--lang", language).out.splitlines(), "the order of the options")


if __name__ == "__main__":
    harness.main()
