#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--format eve and csv beside json: the same findings, in the shape that others read; and what the formats for programs have."""
import csv
import io
import json
import os
import unittest

import harness
from harness import FAMILIES, PCAPS, ProgramTest, run

EVE_SCHEMA = os.path.join(harness.TOP, "share", "smtpscope-eve.schema.json")
CAPTURES = sorted(os.path.join(PCAPS, name) for name in os.listdir(PCAPS) if ".pcap" in name)
SEVERITIES = {"error": 1, "warning": 2, "notice": 3, "info": 3}


def lines(*arguments):
    done = run(*arguments)
    if done.status:
        raise AssertionError("%s: %s" % (arguments, done.err))
    return [json.loads(line) for line in done.out.splitlines()]


class Eve(ProgramTest):
    def test_alerts_are_the_findings(self):
        alerts, findings = lines(FAMILIES, "--format", "eve"), run(FAMILIES, "--format", "json").events("finding")
        self.assertTrue(findings)
        self.assertEqual(len(alerts), len(findings))
        for alert, finding in zip(alerts, findings):
            self.assertEqual(alert["event_type"], "alert")
            for key in ("src_ip", "src_port", "dest_ip", "dest_port", "proto", "community_id", "flow_id"):
                self.assertEqual(alert[key], finding[key], key)
            self.assertEqual(alert["timestamp"], finding["timestamp"][:26] + "+0000")
            self.assertEqual(alert["pcap_cnt"], finding["packet"])
            self.assertEqual(alert["alert"]["metadata"]["smtpscope_rule"], [finding["rule"]])
            self.assertEqual(alert["alert"]["severity"], SEVERITIES[finding["severity"]])
            self.assertEqual(alert["alert"]["category"], finding["rule"].split(".")[0])
            self.assertIn(finding["rule"], alert["alert"]["signature"])
            if finding["exchange"] and finding["exchange"]["code"]:
                self.assertEqual(alert["smtp"]["reply_code"], finding["exchange"]["code"])
                self.assertEqual(alert["smtp"]["reply"], "\n".join(finding["exchange"]["lines"]))

    def test_messages(self):
        found = [event for event in lines(FAMILIES, "--format", "eve", "--messages") if event["event_type"] == "smtp"]
        messages = run(FAMILIES, "--format", "json", "--messages").events("message")
        self.assertTrue(messages)
        self.assertEqual(len(found), len(messages))
        for event, message in zip(found, messages):
            self.assertEqual(event["smtp"]["rcpt_to"], ["<%s>" % rcpt["to"] for rcpt in message["rcpt"]])
            self.assertEqual(event["smtp"].get("mail_from", "<None>"), "<%s>" % message["mail_from"])
            self.assertEqual(event["smtp"].get("queue_id"), message["queue_id"])

    @unittest.skipUnless(harness.jsonschema, "python3-jsonschema is not installed")
    def test_schema(self):
        with open(EVE_SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        kind = harness.jsonschema.validators.validator_for(schema)
        kind.check_schema(schema)
        checks = kind(schema)
        count = 0
        for capture in CAPTURES:
            for event in lines(capture, "--format", "eve", "--messages", "--sensor-name", "here"):
                self.assertEqual([error.message for error in checks.iter_errors(event)], [], (capture, event))
                count += 1
        self.assertGreater(count, 100)


class Csv(ProgramTest):
    def test_rows_are_the_findings(self):
        for capture in CAPTURES:
            done = run(capture, "--format", "csv", "--sessions", "--messages", "--summary")
            self.assert_status(done, 0)
            rows = list(csv.DictReader(io.StringIO(done.out, newline="")))
            findings = run(capture, "--format", "json").events("finding")
            self.assertEqual(len(rows), len(findings))
            for row, finding in zip(rows, findings):
                self.assertNotIn(None, row.values())
                exchange = finding["exchange"] or {"command": None, "argument": None, "code": None, "enhanced": None, "lines": []}
                want = (finding["timestamp"], finding["rule"], finding["severity"], finding["dest_ip"], finding["src_port"],
                        finding["packet"], finding["count"], exchange["code"], exchange["enhanced"], exchange["command"])
                got = tuple(row[key] for key in ("timestamp", "rule", "severity", "server", "client_port", "packet", "count", "code",
                                                 "enhanced", "command"))
                self.assertEqual(got, tuple("" if value is None else str(value) for value in want))

    def test_no_findings(self):
        done = run(FAMILIES, "--format", "csv", "--ports", "2525")
        self.assertEqual(done.out.count("\n"), 1)
        self.assertTrue(done.out.startswith("timestamp,severity,rule,"))

    def test_a_text_is_no_formula_and_stays_in_its_cell(self):
        import dialogue
        import tcpwire
        text = ("S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250 mx.example\nC: MAIL FROM:<a@b.example>\n"
                "S: 450 =cmd|' /C calc'!A0,\"x\"\nC: QUIT\nS: 221 bye\n")
        with open(self.path("formula.pcap"), "wb") as file:
            tcpwire.write_pcap(file, sorted(dialogue.play(dialogue.parse(self.path("formula.txt", text.encode())))))
        rows = [row for row in csv.DictReader(io.StringIO(run(self.path("formula.pcap"), "--format", "csv").out, newline=""))
                if row["code"] == "450"]
        self.assertEqual([row["reply"] for row in rows], ["'=cmd|' /C calc'!A0,\"x\""])


class Members(ProgramTest):
    def test_remediation(self):
        for how, want in (("full", {"audience", "meaning", "sender", "receiver", "settings"}), ("brief", {"audience", "first"}), ("none", None)):
            done = run(FAMILIES, "--format", "json", "--remediation", how)
            self.assert_status(done, 0)
            harness.check_schema(done.events())
            for finding in done.events("finding"):
                self.assertEqual(set(finding["remediation"]) if "remediation" in finding else None, want)
        self.assertEqual(run(FAMILIES, "--format", "json").out, run(FAMILIES, "--format", "json", "--remediation", "full").out)

    def test_sensor_and_flow(self):
        done = run(FAMILIES, "--format", "json", "--sessions", "--messages", "--summary", "--sensor-name", "gate \"7\"")
        harness.check_schema(done.events())
        self.assertEqual({event["sensor"] for event in done.events()}, {"gate \"7\""})
        flows = {}
        for event in done.events("session") + done.events("finding") + done.events("message"):
            flows.setdefault(event["session"], set()).add(event["flow_id"])
        self.assertTrue(all(len(ids) == 1 for ids in flows.values()), flows)
        self.assertEqual(len(set.union(*flows.values())), len(flows))
        self.assertNotIn("sensor", run(FAMILIES, "--format", "json").out)

    def test_lists_have_text_and_json(self):
        for arguments in (("rules",), ("explain", "450"), ("compare", "450", "503")):
            for form in ("csv", "eve"):
                done = run(*arguments, "--format", form)
                self.assert_status(done, 2)
                self.assertEqual(done.out, "")


if __name__ == "__main__":
    harness.main()
