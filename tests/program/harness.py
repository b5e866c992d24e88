# SPDX-License-Identifier: BSD-2-Clause
"""Running the program under test: `python3 test_X.py PROGRAM`."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "..", ".."))
PCAPS = os.path.join(TOP, "pcaps")
FAMILIES = os.path.join(PCAPS, "all-three-families.pcap")
SCHEMA = os.path.join(TOP, "share", "smtpscope.schema.json")
TIMEOUT_S = 120
PROGRAM = None

sys.path.insert(0, os.path.join(TOP, "tests", "tools"))


class Done:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode("utf-8") if done.stdout is not None else ""
        self.err = done.stderr.decode("utf-8", "replace") if done.stderr is not None else ""

    def events(self, kind=None):
        found = [json.loads(line) for line in self.out.splitlines()]
        return [event for event in found if kind is None or event["event_type"] == kind]

    def rules(self):
        return sorted(event["rule"] for event in self.events("finding"))


def run(*arguments, stdin=subprocess.DEVNULL, **options):
    """Runs the program with a plain environment; `input=` gives it standard input."""
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", **options.pop("environment", {})}
    for name, value in os.environ.items():
        if name.endswith("SAN_OPTIONS"):
            environment[name] = value
    options.setdefault("stdout", subprocess.PIPE)
    if "input" not in options:
        options["stdin"] = stdin
    return Done(subprocess.run([PROGRAM, *arguments], stderr=subprocess.PIPE, env=environment, timeout=TIMEOUT_S, **options))


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, octets=None):
        """A path in the test's own folder; with `octets`, of a file that has them."""
        path = os.path.join(self.folder, name)
        if octets is not None:
            with open(path, "wb") as file:
                file.write(octets)
        return path

    def assert_status(self, done, status):
        self.assertEqual(done.status, status, "standard error: %s" % done.err)

    def assert_one_line(self, done, *words):
        """One line on standard error, with the words in it."""
        lines = [line for line in done.err.splitlines() if not line.startswith("profiling:")]  # gcov's, as another user
        self.assertEqual(len(lines), 1, "wanted one line, got: %s" % done.err)
        for word in words:
            self.assertIn(word, lines[0])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def lines(path):
    """The lines of a file that may just be written to: what stands behind the last line end is not looked at."""
    return [line.decode("utf-8") for line in read(path).split(b"\n")[:-1]] if os.path.exists(path) else []


def events(path, kind=None):
    """Those of a file of JSON lines, which may just be written to."""
    found = [json.loads(line) for line in lines(path)]
    return [event for event in found if kind is None or event["event_type"] == kind]


def validator():
    """Of the schema that the project publishes; None without python3-jsonschema."""
    if not jsonschema:
        return None
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def check_schema(events):
    """Each event follows the schema, where that can be checked."""
    checked = validator()
    for event in events if checked else ():
        checked.validate(event)


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit("usage: %s PROGRAM" % sys.argv[0])
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    done = unittest.main(module="__main__", verbosity=2, exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if done.skipped and len(done.skipped) >= done.testsRun else 0)  # what CTest takes as skipped
