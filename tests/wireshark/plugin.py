# SPDX-License-Identifier: BSD-2-Clause
"""Running tshark with the plugin under test, as a user that may load plugins: Wireshark gives none to root."""
import collections
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

SKIPPED = 77
TIMEOUT_S = 300
PORTS = "25,587,465,2525"


def skip(why):
    print("skipped: " + why)
    raise SystemExit(SKIPPED)


class Tshark:
    """tshark beside a copy of the plugin in a folder that anyone may read."""

    def __init__(self, plugin, tshark="tshark"):
        if not shutil.which(tshark):
            skip("no tshark here")
        self.tshark = tshark
        self.folder = tempfile.TemporaryDirectory(prefix="smtpscope-wireshark.")
        self.top = self.folder.name
        os.chmod(self.top, 0o755)
        epan = os.path.dirname(os.path.abspath(plugin))
        self.series = os.path.basename(os.path.dirname(epan))
        self.plugins = os.path.join(self.top, "plugins")
        here = os.path.join(self.plugins, self.series, "epan")
        os.makedirs(here)
        shutil.copy(plugin, here)
        self.without = os.path.join(self.top, "none")
        self.home = os.path.join(self.top, "home")
        for path in (self.without, self.home):
            os.makedirs(path)
        self.user = []
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
            self.user = ["setpriv", "--reuid=%d" % nobody.pw_uid, "--regid=%d" % nobody.pw_gid, "--clear-groups"]

    def environment(self, plugin=True):
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": self.home, "XDG_RUNTIME_DIR": self.home, "LC_ALL": "C.UTF-8",
                       "WIRESHARK_PLUGIN_DIR": self.plugins if plugin else self.without}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS") or name in ("SMTPSCOPE_PRELOAD", "TEXTDOMAINDIR"):
                environment[name] = value
        preload = environment.pop("SMTPSCOPE_PRELOAD", "")
        if preload:  # an instrumented plugin in a host that is not
            environment["LD_PRELOAD"] = preload
            environment["WIRESHARK_DEBUG_WMEM_OVERRIDE"] = "simple"  # each piece from malloc, or the sanitizer sees none
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return environment

    def command(self, *arguments, plugin=True):
        environment = ["%s=%s" % pair for pair in self.environment(plugin).items()]
        return [*self.user, "env", "-i", *environment, self.tshark, *arguments]

    def run(self, *arguments, plugin=True, status=(0,)):
        done = subprocess.run(self.command(*arguments, plugin=plugin), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S)
        if status is not None and done.returncode not in status:
            raise AssertionError("tshark %s: status %d\n%s" % (" ".join(arguments), done.returncode, done.stderr.decode("utf-8", "replace")))
        return done

    def copy(self, path):
        """The path of a copy of a capture that anyone may read."""
        to = os.path.join(self.top, os.path.basename(path))
        shutil.copyfile(path, to)
        os.chmod(to, 0o644)
        return to

    # --- findings, each a Finding

    def listed(self, path, *options):
        """What -z smtpscope,findings says: (finding, the frame in which it was told; 0 at the end) of each."""
        out = self.run("-r", path, "-q", "-o", "smtpscope.ports:" + PORTS, "-z", "smtpscope,findings", *options, status=(0, 2)).stdout.decode()
        lines = [line.split("\t") for line in out.splitlines() if "\t" in line]
        rows = [dict(zip(lines[0], line)) for line in lines[1:]]
        for row in rows:
            row["exchange"] = exchange_line(*(None if row[name] in ("-", "0") else row[name] for name in ("command", "argument", "code", "enhanced", "text")))
        return [(finding_of(lambda name: None if row[name] == "-" else row[name]), int(row["told"])) for row in rows]

    def shown(self, path, *options):
        """What the trees say: (frame, finding) of each."""
        out = self.run("-r", path, "-o", "smtpscope.ports:" + PORTS, "-Y", "smtpscope.rule", "-T", "pdml", "-J", "smtpscope frame", *options,
                       status=(0, 2)).stdout
        found = []
        for packet in xml.etree.ElementTree.fromstring(whole_pdml(out)).iter("packet"):
            number = int(packet.find("./proto[@name='frame']/field[@name='frame.number']").get("show"))
            for tree in packet.iterfind("./proto[@name='smtpscope']/field"):
                values = {field.get("name"): field.get("show") for field in tree}
                if "smtpscope.rule" in values:
                    found.append((number, finding_of(lambda name: values.get(TREE_NAMES.get(name, "smtpscope." + name)))))
        return found


# What is compared, of both sides; whatever is missing there is None, or 0 where it counts.
NUMBERS = ("packet", "count", "folded", "last_packet")
WORDS = ("severity", "reason", "reason_evidence", "verdict", "fault", "confidence", "retry", "cause", "state", "server", "exchange", "detail")
Finding = collections.namedtuple("Finding", ("rule",) + NUMBERS + WORDS)
UNPRINTABLE = re.compile(r"(\\x[0-9a-fA-F]{1,2}|\\[abfnrtv]|[^!-~])+")
TREE_NAMES = {"cause": "smtpscope.cause.rule"}


def finding_of(member):
    """`member` gives each member's text, or None."""
    numbers = {name: int(member(name) or 0) for name in NUMBERS}
    numbers["last_packet"] = numbers["last_packet"] or numbers["packet"]
    return Finding(rule=member("rule"), **numbers, **{name: printable(member(name)) for name in WORDS})


def printable(text):
    """Each side has its own way to show octets that are not printable ASCII: a run of them is as good as a space."""
    return text and UNPRINTABLE.sub(" ", text.replace("\\\\", "\\").replace('\\"', '"')).strip()


def exchange_line(command, argument, code, enhanced, text, lines=None):
    """"RCPT TO:<a@example.org> -> 450 4.2.0 try again"; None where there is none."""
    said = " ".join(filter(None, (command, argument)))
    replied = " ".join(str(part) for part in (code, enhanced, text) if part) if code else ""
    return " -> ".join(filter(None, (said, replied))) or None


def whole_pdml(out):
    """tshark does not close what a damaged capture cuts short."""
    text = out.decode("utf-8", "replace")
    end = text.rfind("</packet>")
    if "</pdml>" in text:
        return text
    return text[:end + len("</packet>")] + "</pdml>" if end >= 0 else "<pdml></pdml>"


def program_findings(program, path):
    done = subprocess.run([program, "-r", path, "--format", "json", "--ports", PORTS], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=TIMEOUT_S)
    if done.returncode not in (0, 3):
        raise AssertionError("%s -r %s: status %d\n%s" % (program, path, done.returncode, done.stderr.decode()))
    events = [json.loads(line) for line in done.stdout.decode().splitlines()]
    findings = [event for event in events if event["event_type"] == "finding"]
    rules = {(event["session"], event["id"]): event["rule"] for event in findings if event["id"]}
    for event in findings:
        event["cause"] = rules.get((event["session"], event["cause"]))
        event["detail"] = event["detail"] and event["detail"]["text"]
        event["exchange"] = event["exchange"] and exchange_line(**event["exchange"])
    return [finding_of(event.get) for event in findings]
