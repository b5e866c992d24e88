#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""No secret leaves the program: tests/secrets/tricks.txt in every cut, all outputs searched. And what must stay readable."""
import glob
import json
import os
import sys

import harness
from harness import ProgramTest, events, run

sys.path.insert(0, os.path.join(harness.TOP, "tests", "secrets"))
import tricks  # noqa: E402

ALL = ("--sessions", "--messages", "--summary")


def strings(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


class Secrets(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tricks = tricks.load("tricks.txt")
        self.search = tricks.Search(self.tricks)
        self.found = {}

    def look(self, texts, where):
        for name, shows in self.search.leaks("\n".join(sorted(set(texts)))).items():
            self.found.setdefault(name, (where, shows))

    def look_at(self, done, where):
        """Through JSON as what its texts say, else line by line; a text is folded at spaces alone."""
        self.assertIn(done.status, (0, 3), done.err)
        self.look(done.err.splitlines(), where + ", errors")
        json_lines = done.out.startswith("{")
        self.look((text for event in done.events() for text in strings(event)) if json_lines else done.out.splitlines(), where)
        return done

    def tell(self):
        self.assertGreaterEqual(len(self.tricks), 100)
        self.assertFalse(self.found, "\n%d leak:\n%s" % (len(self.found), "\n".join(
            "%-32s %s: %r" % (name, *shows) for name, shows in sorted(self.found.items()))))

    def capture(self, name, play, which):
        player = tricks.Player()
        for trick in which:
            play(player, trick)
        path = self.path(name)
        player.write(path)
        return path

    def test_every_cut(self):
        path = self.capture("all.pcap", tricks.variants, self.tricks)
        self.look_at(run("-r", path, "--format", "json", *ALL), "json")
        self.look_at(run("-r", path, *ALL), "text")
        log, evidence = self.path("log"), self.path("evidence.pcap")
        self.look_at(run("-r", path, "--detect", "--output", "file:" + log, "-w", evidence, "-C", "1"), "detected")
        self.look((text for event in events(log) for text in strings(event)), "a file of output")
        self.look(map(os.path.basename, glob.glob(evidence + "*")), "names of evidence")
        self.tell()

    def test_each_alone(self):
        """In text like findings are one, with the first as an example: so each trick by itself."""
        for trick in self.tricks:
            path = self.capture("one.pcap", tricks.Player.play, [trick])
            self.look_at(run("-r", path, *ALL), "text of one")
        self.tell()

    def test_readable(self):
        missing = []
        for trick in tricks.load("readable.txt"):
            for mode in tricks.MODES:
                path = self.capture("one.pcap", lambda player, one: player.play(one, mode), [trick])
                done = run("-r", path, "--format", "json", *ALL)
                self.assert_status(done, 0)
                texts = [text for event in done.events("session") for text in strings(event)]
                missing += ["%s, %s: %s" % (trick.name, mode, shown) for shown in trick.shown
                            if not any(json.loads('"%s"' % shown) in text for text in texts)]
        self.assertFalse(missing, "\nhidden:\n" + "\n".join(missing))


if __name__ == "__main__":
    harness.main()
