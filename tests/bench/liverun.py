# SPDX-License-Identifier: BSD-2-Clause
"""What soak.py and rates.py share: namespaces joined by a veth pair (tests/program/network.py), and tcpreplay into it."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "program"))
import harness  # noqa: E402
import network  # noqa: E402

BIN = os.path.normpath(os.path.join(HERE, "..", "..", "build", "release", "bin"))


class Failed(Exception):
    pass


class Stage(contextlib.ExitStack):
    """Stands in for a test where tests/program wants one: things are cleaned up behind it."""

    addCleanup = contextlib.ExitStack.callback

    @staticmethod
    def assertEqual(got, wanted, text):
        if got != wanted:
            raise Failed("got %s, wanted %s: %s" % (got, wanted, text))


def require(program):
    """Skips, with status 77, where it cannot be done."""
    harness.PROGRAM = os.path.abspath(program)
    try:
        network.require()
    except Exception as skipped:
        if type(skipped).__name__ != "SkipTest":
            raise
        print("SKIPPED: %s" % skipped)
        sys.exit(77)
    if not shutil.which("tcpreplay"):
        print("SKIPPED: tcpreplay is missing")
        sys.exit(77)


def make_capture(binaries, path, *arguments):
    """Writes it with mkcapture; what it holds: sessions, packets, octets, findings."""
    done = subprocess.run([os.path.join(binaries, "mkcapture"), *map(str, arguments), path], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed("mkcapture: %s" % done.stderr)
    return {word: int(number) for number, word in (part.split() for part in done.stderr.strip().split(", "))}


def replay(stage, net, path, *arguments):
    """tcpreplay from the client's end of the wire; wait with replayed()."""
    return net.start(stage, "client", "tcpreplay", "-q", "-K", "--no-flow-stats", "-i", "veth0", *map(str, arguments), path,
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def sent(net):
    """Packets that have left the client's end of the wire, as the interface has counted them."""
    done = net.run("client", "ip", "-s", "-j", "link", "show", "dev", "veth0", stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)[0]["stats64"]["tx"]["packets"]


def replayed(process):
    """(packets, octets, seconds) as tcpreplay says at its end. Caution: 4.5.4 counts more than it sends; see sent()."""
    text = process.stdout.read()
    if process.wait():
        raise Failed("tcpreplay: %s" % text)
    packets, octets, seconds = re.search(r"Actual: (\d+) packets \((\d+) bytes\) sent in ([0-9.]+) seconds", text).groups()
    failed = re.search(r"Failed packets:\s+(\d+)", text)
    if failed and int(failed.group(1)):
        raise Failed("tcpreplay could not send all: %s" % text)
    return int(packets), int(octets), float(seconds)


def load():
    """What else the machine does, for the foot of a table."""
    return "load average %.1f %.1f %.1f on %d processors" % (*os.getloadavg(), os.cpu_count())
