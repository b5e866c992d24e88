# SPDX-License-Identifier: BSD-2-Clause
"""Two hosts of the test's own, in network namespaces joined by a veth pair, and a sensor that watches one end of it."""
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness

CLIENT, SERVER = "192.0.2.1", "192.0.2.25"
DEADLINE_S = 30


def require():
    """Skips where namespaces cannot be made and entered: that takes root, and iproute2."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("skipped: network namespaces need root")
    name = "smtpscope-%d-probe" % os.getpid()
    try:
        made = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise unittest.SkipTest("skipped: iproute2 is missing")
    if made.returncode:
        raise unittest.SkipTest("skipped: no network namespaces here: %s" % made.stderr.decode().strip())
    entered = subprocess.run(["nsenter", "--net=/run/netns/" + name, "true"], stderr=subprocess.PIPE)
    subprocess.run(["ip", "netns", "del", name], check=True)
    if entered.returncode:
        raise unittest.SkipTest("skipped: a network namespace cannot be entered: %s" % entered.stderr.decode().strip())


def wait_for(condition, what, deadline_s=DEADLINE_S, why=lambda: ""):
    """Until the condition holds; its value. Fails with `what`, and what why() says then, when it does not within the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %d s in vain for %s; %s" % (deadline_s, what, why()))
        time.sleep(0.01)


class Network:
    """The hosts `client` and `server`; the interface is called veth0 in both."""

    def __init__(self, test):
        self.names = {host: "smtpscope-%d-%s" % (os.getpid(), host) for host in ("client", "server")}
        for name in self.names.values():
            subprocess.run(["ip", "netns", "add", name], check=True)
            test.addCleanup(subprocess.run, ["ip", "netns", "del", name], check=True)
        self.run("client", "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", self.names["server"])
        for host, address in (("client", CLIENT), ("server", SERVER)):
            self.run(host, "ip", "link", "set", "lo", "up")
            # Without IPv6, nothing but what the test sends is on the wire.
            self.run(host, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/veth0/disable_ipv6")
            self.run(host, "ip", "link", "set", "veth0", "mtu", "9000", "up")
            self.run(host, "ip", "address", "add", address + "/24", "dev", "veth0")

    def command(self, host, *words):
        """Not `ip netns exec`, which mounts: a root that is no mount point, as in a chroot, refuses that."""
        return ["nsenter", "--net=/run/netns/" + self.names[host], *words]

    def run(self, host, *words, **options):
        return subprocess.run(self.command(host, *words), check=options.pop("check", True), **options)

    def start(self, test, host, *words, **options):
        """A process on the host; ended with the test."""
        process = subprocess.Popen(self.command(host, *words), **options)
        test.addCleanup(end, process)
        return process

    def socket(self, host, *arguments):
        """A socket of the host, made in a thread that enters its namespace."""
        made = []

        def make():
            with open("/run/netns/" + self.names[host]) as namespace:
                setns(namespace.fileno())
            made.append(socket.socket(*arguments))
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]


def setns(descriptor):
    import ctypes
    CLONE_NEWNET = 0x40000000
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def end(process, number=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def frames(path):
    """The frames of a pcap file in the order of this machine's octets, of microseconds or nanoseconds."""
    data = harness.read(path)
    assert struct.unpack("=I", data[:4])[0] in (0xa1b2c3d4, 0xa1b23c4d), path
    at = 24
    while at + 16 <= len(data):
        length, = struct.unpack("=I", data[at + 8:at + 12])
        yield data[at + 16:at + 16 + length]
        at += 16 + length


class Manager:
    """Stands in for the service manager: NOTIFY_SOCKET of the program that tells it how it is, sd_notify(3)."""

    def __init__(self, test, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)  # the program is another user by then
        self.socket.settimeout(DEADLINE_S)

    def environment(self):
        """What the program is started with: nothing of ours but the path and what sanitizers are told."""
        kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": self.path, **kept}

    def wait(self, *words, said=lambda: ""):
        """Until it has told these, in this order."""
        for word in words:
            told = []
            while word not in told:
                try:
                    told = self.socket.recv(4096).decode().split("\n")
                except socket.timeout:
                    raise AssertionError("waited in vain for %s; standard error: %s" % (word, said()))


class Sensor:
    """The program on the server's veth0. It is ready when made: it said so, as to a service manager."""

    def __init__(self, test, network, *arguments, host="server", interface="veth0", command=None):
        self.test = test
        self.folder = tempfile.TemporaryDirectory()
        test.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o777)
        self.manager = Manager(test, self.folder.name)
        self.out_path, self.err_path = (os.path.join(self.folder.name, name) for name in ("out", "err"))
        words = command or [harness.PROGRAM, "-i", interface, "--format", "json", *arguments]
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = network.start(test, host, *words, env=self.manager.environment(), stdout=out, stderr=err)
        self.wait_notified("READY=1")

    def wait_notified(self, *words):
        self.manager.wait(*words, said=self.err)

    def err(self):
        return harness.read(self.err_path).decode("utf-8", "replace")

    def lines(self):
        return harness.lines(self.out_path)

    def events(self):
        return harness.events(self.out_path)

    def findings(self):
        return harness.events(self.out_path, "finding")

    def send_signal(self, number):
        self.process.send_signal(number)

    def resident_kb(self):
        with open("/proc/%d/statm" % self.process.pid) as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

    def stop(self, number=signal.SIGTERM):
        """Ends it; its events."""
        self.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        self.test.assertEqual(status, 0, self.err())
        return self.events()


# Not what depends on the time between packets, which a replay does not keep.
SESSION_RULES = [word for family in ("sequence", "rejection", "refusal", "deferral.mailbox-busy", "deferral.greylisted", "security")
                 for word in ("--rule", family)]


class ReplayTest(harness.ProgramTest):
    """Captures sent over the wire between the hosts."""

    @classmethod
    def setUpClass(cls):
        require()

    def setUp(self):
        super().setUp()
        self.network = Network(self)

    def sensor(self, *arguments, **options):
        return Sensor(self, self.network, *arguments, **options)

    def wire(self, interface="veth0"):
        """The client's end of it, to send frames with."""
        wire = self.network.socket("client", socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(wire.close)
        wire.bind((interface, 0))
        return wire

    def replay(self, path, wire=None, pause_s=0.0):
        wire = wire or self.wire()
        for frame in frames(path):
            wire.send(frame)
            if pause_s:
                time.sleep(pause_s)

    def offline(self, path, *arguments):
        return settled(harness.run("-r", path, "--format", "json", "--remediation", "none", *arguments).events())

    def assert_as_the_file(self, sensor, path, *arguments):
        """Ends it: it has told what the program, with the same arguments, tells of the file."""
        got, want = settled(sensor.stop()), self.offline(path, *arguments)
        self.assertTrue(want)
        self.assertEqual(list(differences(got, want)), [], "%s; %s" % (path, sensor.err()))


def differences(got, want):
    """One line for each finding that only one side has, or that differs, with the members that do."""
    sides = [{}, {}]
    for side, events in zip(sides, (got, want)):
        for text in events:
            event = json.loads(text)
            side.setdefault((event["src_port"], event["rule"]), []).append(event)
    for key in sorted(set(sides[0]) | set(sides[1])):
        mine, theirs = sides[0].get(key, []), sides[1].get(key, [])
        if len(mine) != len(theirs):
            yield "%s: got %d, wanted %d" % (key, len(mine), len(theirs))
        for a, b in zip(mine, theirs):
            odd = {name: (a.get(name), b.get(name)) for name in set(a) | set(b) if a.get(name) != b.get(name)}
            if odd:
                yield "%s: (got, wanted) %s" % (key, odd)


# What differs between watching and reading a file by its nature: numbers of packets and sessions, how times are rounded, who watches.
NUMBERS = ("session", "packet", "last_packet", "file", "timestamp", "last_timestamp", "flow_id", "sensor", "in_iface")


def settled(events):
    """The findings as they stood at last, without NUMBERS, in an order that does not depend on when they were told."""
    last = {}
    for number, event in enumerate(events):
        if event["event_type"] in ("finding", "update"):
            key = (event["session"], event["src_port"], event["id"]) if event["id"] else number
            if event["event_type"] == "update":
                assert key in last, "an update of what was never told: %s" % event
            last[key] = {name: value for name, value in event.items() if name not in NUMBERS and name != "event_type"}
    return sorted(json.dumps(event, sort_keys=True) for event in last.values())
