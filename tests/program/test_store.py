#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""--store, export, mail: what became of deferred mail over several captures, in whatever order they are read."""
import csv
import io
import json
import os
import resource
import signal
import sqlite3
import struct

import harness
from harness import PCAPS, ProgramTest, run

CAPTURE = os.path.join(PCAPS, "greylisting-and-retry.pcap")
DAY_S = 86400


def octets_of(path):
    with open(path, "rb") as file:
        return file.read()


def records(path):
    """(seconds, the rest of its head, octets) of each packet of a capture in little-endian microseconds."""
    data = octets_of(path)
    at, found = 24, []
    while at < len(data):
        seconds, rest, length, _ = struct.unpack_from("<IIII", data, at)
        found.append((seconds, rest, data[at + 16:at + 16 + length]))
        at += 16 + length
    return data[:24], found


class Store(ProgramTest):
    def write(self, name, head, packets, later_s=0):
        return self.path(name, head + b"".join(
            struct.pack("<IIII", seconds + later_s, rest, len(octets), len(octets)) + octets for seconds, rest, octets in packets))

    def read(self, store, *captures, status=0, options=(), **more):
        done = run("-r", *captures, "--store", store, "--format", "json", *options, **more)
        self.assert_status(done, status)
        return done

    def export(self, store):
        done = run("export", store, "--format", "json")
        self.assert_status(done, 0)
        return [json.loads(line) for line in done.out.splitlines()]

    def fates(self, store):
        return [(row["rcpt"], row["outcome"], row["fate"]) for row in self.export(store)]

    def halves(self):
        """Of the capture: before and behind its longest silence, in which the sender waits."""
        head, packets = records(CAPTURE)
        waits = [after[0] - before[0] for before, after in zip(packets, packets[1:])]
        middle = waits.index(max(waits)) + 1
        return head, packets[:middle], packets[middle:]

    def test_two_halves_are_one_story(self):
        head, first, second = self.halves()
        first, second = self.write("first.pcap", head, first), self.write("second.pcap", head, second)
        self.read(self.path("whole.db"), CAPTURE)
        whole = self.fates(self.path("whole.db"))
        self.assertIn("deferral.resolved", [fate for _, _, fate in whole])
        for name, order in (("in-order.db", (first, second)), ("behind.db", (second, first))):
            with self.subTest(name):
                for capture in order:
                    self.read(self.path(name), capture)
                self.assertEqual(self.fates(self.path(name)), whole)
        only = self.path("only.db")
        self.read(only, first)
        self.assertEqual({(outcome, fate) for _, outcome, fate in self.fates(only)}, {("deferred", None)})

    def test_read_again(self):
        for capture in sorted(os.listdir(PCAPS)):
            if not capture.endswith(".pcap"):
                continue
            with self.subTest(capture):
                store, capture = self.path("%s.db" % capture), os.path.join(PCAPS, capture)
                self.read(store, capture, options=("--workers", "1"))
                for form in "text", "json":
                    before = run("export", store, "--format", form).out
                    for workers in "1", "3":
                        self.read(store, capture, options=("--workers", workers))
                        self.assertEqual(run("export", store, "--format", form).out, before)
                self.read(self.path("other.db"), capture, options=("--min-severity", "error", "--rule", "data"))
                self.assertEqual(run("export", self.path("other.db")).out, run("export", store).out)
                os.unlink(self.path("other.db"))

    def test_what_was_not_captured_is_unknown(self):
        head, first, second = self.halves()
        other = [(seconds, rest, octets[:26] + b"\x0a\x09" + octets[28:]) for seconds, rest, octets in second]
        early = self.write("early.pcap", head, first)
        late = self.write("late.pcap", head, other[:1], 6 * DAY_S)
        both = self.path("both.pcap", octets_of(early) + octets_of(late)[24:])
        self.read(self.path("seen.db"), both)
        self.assertEqual({fate for _, _, fate in self.fates(self.path("seen.db"))}, {"deferral.abandoned"})
        self.read(self.path("blind.db"), early)
        self.read(self.path("blind.db"), late)
        self.assertEqual({fate for _, _, fate in self.fates(self.path("blind.db"))}, {"unknown"})

    def test_mail(self):
        store = self.path("store.db")
        self.read(store, CAPTURE)
        rcpt = self.export(store)[0]["rcpt"]
        done = run("mail", store, rcpt.upper())
        self.assert_status(done, 0)
        self.assertIn("deferral.resolved", done.out)
        self.assertIn("greylisted", done.out)
        done = run("mail", store, rcpt, "--format", "json")
        self.assertEqual([json.loads(line) for line in done.out.splitlines()],
                         [row for row in self.export(store) if row["rcpt"] == rcpt])
        done = run("mail", store, "nobody@example.org")
        self.assert_status(done, 0)
        self.assertEqual(done.out, "no mail to nobody@example.org was seen\n")

    def test_csv(self):
        store = self.path("store.db")
        self.read(store, CAPTURE)
        rows = list(csv.DictReader(io.StringIO(run("export", store).out)))
        wanted = self.export(store)
        self.assertEqual([row["rcpt"] for row in rows], [row["rcpt"] for row in wanted])
        self.assertEqual([row["text"] for row in rows], [row["text"] or "" for row in wanted])

    def test_hostile_words(self):
        store = self.path("store.db")
        self.read(store, CAPTURE)
        with sqlite3.connect(store) as database:
            database.execute("UPDATE mail SET sender = ?, helo = ?", ("=cmd|' /C calc'!A0", "a\x1b[2J\u202e\x00\"<b>,\n"))
        database.close()
        row = list(csv.DictReader(io.StringIO(run("export", store).out)))[0]
        self.assertEqual(row["mail_from"], "'=cmd|' /C calc'!A0")
        self.assertEqual(self.export(store)[0]["helo"], "a\x1b[2J\u202e\x00\"<b>,\n")
        for done in run("export", store), run("mail", store, row["rcpt"]):
            for octet in "\x1b", "\u202e", "\x00":
                self.assertNotIn(octet, done.out)

    def test_what_is_no_store(self):
        for name, octets in (("text", b"This is no database of any kind, however long one reads it. " * 20), ("other.db", None)):
            path = self.path(name, octets)
            if octets is None:
                with sqlite3.connect(path) as database:
                    database.execute("CREATE TABLE mail(x)")
                database.close()
            before = octets_of(path)
            for arguments in (("-r", CAPTURE, "--store", path), ("export", path), ("mail", path, "a@b")):
                with self.subTest(name, arguments=arguments[0]):
                    done = run(*arguments)
                    self.assert_status(done, 2)
                    self.assertEqual(done.err.count("\n"), 1)
                    self.assertEqual(octets_of(path), before)
        done = run("export", self.path("none.db"))
        self.assert_status(done, 2)
        self.assertFalse(os.path.exists(self.path("none.db")))

    def test_later_version(self):
        store = self.path("store.db")
        self.read(store, CAPTURE)
        with sqlite3.connect(store) as database:
            database.execute("PRAGMA user_version = 1000")
        database.close()
        for arguments in (("-r", CAPTURE, "--store", store), ("export", store)):
            done = run(*arguments)
            self.assert_status(done, 2)
            self.assertIn("later version", done.err)

    def test_full_disk(self):
        store = self.path("store.db")
        self.read(store, CAPTURE)
        before = self.export(store)

        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        done = self.read(store, harness.FAMILIES, status=2, preexec_fn=no_room)
        self.assertIn("--store %s" % store, done.err)
        self.assertEqual(self.export(store), before)


if __name__ == "__main__":
    harness.main()
