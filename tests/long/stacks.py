#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Real TCP stacks that fail in the ways networks and hosts do: `stacks.py PROGRAM [SITUATION...]`

Each situation is played between a client and a server with a router between them, three network namespaces, and captured at both
ends. What the program says of each capture must be right, and of the same capture with one direction taken out it must blame
nobody. Situations run side by side: most of their time is TCP waiting. Skips, loudly, without root, namespaces and nft(8).
"""
import concurrent.futures
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "program"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
sys.dont_write_bytecode = True
import harness  # noqa: E402
import network  # noqa: E402

ADDRESSES = {4: {"client": "192.0.2.1", "near": "192.0.2.254", "far": "198.51.100.254", "server": "198.51.100.25"},
             6: {"client": "2001:db8:1::1", "near": "2001:db8:1::fe", "far": "2001:db8:2::fe", "server": "2001:db8:2::25"}}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
SO_TIMESTAMPNS = 35
FAMILIES = ("connection.", "network.")
MESSAGE = b"Subject: x\r\n\r\n" + b"a line of text of a message, no more\r\n" * 2000


class Tap(threading.Thread):
    """Writes what an interface sends and receives to a pcap file, with the kernel's time stamps."""

    def __init__(self, interface, path):
        super().__init__(daemon=True)
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        self.socket, self.ends = interface, threading.Event()
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.settimeout(0.1)
        self.start()

    def run(self):
        while True:
            try:
                frame, ancillary, _, _ = self.socket.recvmsg(70000, 64)
            except socket.timeout:
                if self.ends.is_set():
                    break
                continue
            seconds, ns = struct.unpack("qq", ancillary[0][2][:16])
            self.file.write(struct.pack("<IIII", seconds, ns, len(frame), len(frame)) + frame)
        self.file.close()
        self.socket.close()

    def stop(self):
        self.ends.set()
        self.join()


class Stage:
    """Client, router and server of one situation."""

    def __init__(self, name, folder):
        self.folder, self.cleanups = os.path.join(folder, name), []
        os.mkdir(self.folder)
        self.names = {host: "smtpscope-%d-%s-%s" % (os.getpid(), name, host) for host in ("client", "router", "server")}
        for namespace in self.names.values():
            subprocess.run(["ip", "netns", "add", namespace], check=True)
            self.addCleanup(subprocess.run, ["ip", "netns", "del", namespace], check=True)
        self.join("client", "near")
        self.join("server", "far")
        self.run("router", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
        for host, gateway in (("client", "near"), ("server", "far")):
            for version in 4, 6:
                self.run(host, "ip", "-%d" % version, "route", "add", "default", "via", ADDRESSES[version][gateway])
        self.taps = [Tap(self.wire(host), self.capture(host)) for host in ("client", "server")]

    # network.Network's, for any hosts
    command, socket, start = network.Network.command, network.Network.socket, network.Network.start

    def run(self, host, *words, **options):
        return subprocess.run(self.command(host, *words), check=options.pop("check", True), **options)

    def join(self, host, router):
        self.run(host, "ip", "link", "set", "lo", "up")
        self.run(host, "ip", "link", "add", "veth0", "type", "veth", "peer", "name", router, "netns", self.names["router"])
        for at, link, end in ((host, "veth0", host), ("router", router, router)):
            self.run(at, "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/%s/accept_dad" % link)
            self.run(at, "ip", "link", "set", link, "up")
            self.run(at, "ip", "address", "add", ADDRESSES[4][end] + "/24", "dev", link)
            self.run(at, "ip", "address", "add", ADDRESSES[6][end] + "/64", "dev", link)

    def addCleanup(self, function, *arguments, **options):
        self.cleanups.append((function, arguments, options))

    def wire(self, host):
        wire = self.socket(host, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.bind(("veth0", 3))
        return wire

    def capture(self, host):
        return os.path.join(self.folder, host + ".pcap")

    def set(self, host, name, value):
        self.run(host, "sh", "-c", "echo '%s' >/proc/sys/net/%s" % (value, name))

    def filter(self, host, hook, rule):
        """An nftables rule; what it is undone by."""
        self.run(host, "nft", "add", "table", "inet", "t")
        chain = "{ type %s hook %s priority 0; }" % ("nat" if hook == "postrouting" else "filter", hook)
        self.run(host, "nft", "add", "chain", "inet", "t", hook, chain)
        self.run(host, "nft", "add", "rule", "inet", "t", hook, rule)
        return lambda: self.run(host, "nft", "flush", "chain", "inet", "t", hook)

    def listen(self, backlog=5, version=4, receive=0):
        server = self.socket("server", FAMILY[version], socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        server.bind((ADDRESSES[version]["server"], 25))
        server.listen(backlog)
        self.addCleanup(server.close)
        return server

    def connect(self, version=4, receive=0):
        """A connected socket, or None."""
        client = self.socket("client", FAMILY[version], socket.SOCK_STREAM)
        self.addCleanup(client.close)
        if receive:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.settimeout(60)
        try:
            client.connect((ADDRESSES[version]["server"], 25))
        except OSError:
            return None
        return client

    def both(self, **options):
        server = self.listen(**options)
        client = self.connect()
        served = server.accept()[0]
        served.settimeout(60)
        self.addCleanup(served.close)
        return client, served

    def end(self):
        for tap in self.taps:
            tap.stop()
        for function, arguments, options in reversed(self.cleanups):
            function(*arguments, **options)


# --- SMTP, no more of it than a situation needs

def say(sender, receiver, line):
    sender.sendall(line + b"\r\n")
    got = b""
    while not got.endswith(b"\r\n"):
        got += receiver.recv(65536)


def begin(client, served, to=4):
    say(served, client, b"220 mx.example ESMTP")
    for line, reply in ((b"EHLO c.example", b"250 mx.example"), (b"MAIL FROM:<a@c.example>", b"250 ok"),
                        (b"RCPT TO:<b@mx.example>", b"250 ok"), (b"DATA", b"354 go on"))[:to]:
        say(client, served, line)
        say(served, client, reply)


def read_message(served):
    got = b""
    while not got.endswith(b"\r\n.\r\n"):
        got = got[-8:] + served.recv(65536)


def finish(client, served):
    say(served, client, b"250 queued")
    say(client, served, b"QUIT")
    say(served, client, b"221 bye")
    client.close()
    served.close()


def in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def send_quietly(sender, octets):
    try:
        sender.sendall(octets)
    except OSError:
        pass


# --- situations: what happens, and what is said at the client's end and at the server's

def clean(stage):
    client, served = stage.both()
    begin(client, served)
    reader = in_background(read_message, served)
    client.sendall(MESSAGE * 20 + b".\r\n")
    reader.join()
    finish(client, served)


def dropped(stage):
    stage.filter("server", "input", "tcp dport 25 drop")
    stage.set("client", "ipv4/tcp_syn_retries", 2)
    stage.connect()


def rejecting(where, how, version=4):
    def play(stage):
        stage.filter(*{"router": ("router", "forward"), "server": ("server", "input")}[where], "tcp dport 25 reject with " + how)
        stage.set("client", "ipv4/tcp_syn_retries", 1)
        stage.connect(version)
    return play


def mtu_black_hole(stage):
    """A narrow link behind the router, and nobody says so."""
    stage.run("router", "ip", "link", "set", "far", "mtu", "1400")
    stage.filter("router", "output", "icmp type destination-unreachable drop")
    narrow(stage, 12)


def mtu_told_in_vain(stage):
    """The router says so, and a filter on the client takes it away."""
    stage.run("router", "ip", "link", "set", "far", "mtu", "1400")
    stage.filter("client", "input", "icmp type destination-unreachable drop")
    narrow(stage, 12)


def narrow(stage, seconds):
    client, served = stage.both()
    begin(client, served)
    in_background(send_quietly, client, MESSAGE + b".\r\n")
    served.settimeout(seconds)
    try:
        read_message(served)
    except socket.timeout:
        served.sendall(b"421 4.4.2 mx.example timeout\r\n")
        served.close()
        client.recv(100)
        client.close()


def mtu_heeded(stage):
    stage.run("router", "ip", "link", "set", "far", "mtu", "1400")
    clean(stage)


SERVER = """
import os, socket, sys
server = socket.create_server(("198.51.100.25", 25))
print("ready", flush=True)
served = server.accept()[0]
lines = [b"220 mx.example ESMTP", b"250 mx.example", b"250 ok", b"250 ok", b"354 go on"]
for at, line in enumerate(lines):
    served.sendall(line + b"\\r\\n")
    if at < len(lines) - 1:
        served.recv(4096)
print("data", flush=True)
if "reads" in sys.argv:
    while True:
        served.recv(65536)
sys.stdin.read()
"""


def other_process(stage, *words):
    process = stage.start(stage, "server", sys.executable, "-c", SERVER, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"ready\n"
    return process


def stopping(goes_on):
    """The kernel accepts, and the process does not run."""
    def play(stage):
        process = other_process(stage)
        process.send_signal(signal.SIGSTOP)
        client = stage.connect()
        client.settimeout(12)
        try:
            client.recv(100)
        except socket.timeout:
            pass
        client.close()
        if goes_on:
            process.send_signal(signal.SIGCONT)
            process.wait(30)
        else:
            process.kill()
    return play


def killing(*words):
    def play(stage):
        process = other_process(stage, *words)
        client = stage.connect()
        for line in b"EHLO c.example", b"MAIL FROM:<a@c.example>", b"RCPT TO:<b@mx.example>", b"DATA":
            client.recv(100)
            client.sendall(line + b"\r\n")
        client.recv(100)
        assert process.stdout.readline() == b"data\n"
        client.sendall(MESSAGE[:3000])
        acknowledged(client)
        process.kill()
        process.wait()
        send_until_closed(client)
        client.close()
    return play


def acknowledged(sender):
    """All that was sent has arrived: SIOCOUTQ."""
    import fcntl
    network.wait_for(lambda: struct.unpack("i", fcntl.ioctl(sender, 0x5411, b"\0" * 4))[0] == 0, "an acknowledgement")


def send_until_closed(client):
    try:
        while client.send(b"some more of the message\r\n"):
            client.settimeout(1)
            if not client.recv(1):
                client.send(b"more\r\n")
                break
    except OSError:
        pass


def client_not_reading(stage):
    client, served = None, None
    server = stage.listen()
    client = stage.connect(receive=4096)
    served = server.accept()[0]
    stage.addCleanup(served.close)
    served.settimeout(60)
    say(served, client, b"220 mx.example ESMTP")
    say(client, served, b"HELP")
    help_text = b"214-%s\r\n" % (b"x" * 200) * 2000 + b"214 end\r\n"
    writer = in_background(served.sendall, help_text)
    time.sleep(14)  # what is measured
    got = 0
    while got < len(help_text):
        got += len(client.recv(65536))
    writer.join()
    say(client, served, b"QUIT")
    say(served, client, b"221 bye")
    client.close()
    served.close()


def server_not_reading(stage):
    client, served = stage.both(receive=4096)
    begin(client, served)
    writer = in_background(client.sendall, MESSAGE * 2 + b".\r\n")
    time.sleep(14)  # what is measured
    read_message(served)
    writer.join()
    finish(client, served)


def listen_queue_full(stage):
    """One waits to be accepted, and there is room for no more."""
    stage.set("client", "ipv4/tcp_syn_retries", 2)
    stage.listen(backlog=0)
    waiting = [stage.socket("client", socket.AF_INET, socket.SOCK_STREAM) for _ in range(3)]
    for client in waiting:
        client.setblocking(False)
        client.connect_ex((ADDRESSES[4]["server"], 25))
    time.sleep(9)  # until the last one gives up
    for client in waiting:
        client.close()


def nat_forgets(stage):
    stage.filter("router", "postrouting", "oifname far masquerade")
    stage.filter("router", "forward", "ct state invalid drop")
    stage.set("router", "netfilter/nf_conntrack_tcp_loose", 0)
    stage.set("router", "netfilter/nf_conntrack_tcp_timeout_established", 2)
    client, served = stage.both()
    begin(client, served, to=1)
    time.sleep(5)  # longer than the router remembers
    client.sendall(b"MAIL FROM:<a@c.example>\r\n")
    client.settimeout(14)
    try:
        client.recv(100)
    except OSError:
        pass
    client.close()


def cable_out(stage):
    """For a while nothing gets through, inside a message."""
    client, served = stage.both()
    begin(client, served)
    client.sendall(MESSAGE[:2000])
    acknowledged(client)
    undo = stage.filter("router", "forward", "drop")
    client.sendall(MESSAGE[2000:4000])
    time.sleep(16)  # what is measured
    undo()
    client.sendall(b"\r\n.\r\n")
    read_message(served)
    finish(client, served)


def lossy(stage):
    """Two of three of the client's packets are lost."""
    client, served = stage.both()
    begin(client, served)
    stage.filter("router", "forward", "iifname near numgen inc mod 3 < 2 drop")
    reader = in_background(read_message, served)
    for _ in range(80):
        client.sendall(b"a line of text\r\n")
        acknowledged(client)
    client.sendall(b".\r\n")
    reader.join()
    finish(client, served)


def client_pauses(stage):
    client, served = stage.both()
    begin(client, served)
    client.sendall(MESSAGE[:2000])
    time.sleep(31)  # what is measured
    client.sendall(b"\r\n.\r\n")
    read_message(served)
    finish(client, served)


def keep_alives_unanswered(stage):
    """The server's host goes away from an idle connection, and the client's kernel finds out."""
    client, served = stage.both()
    begin(client, served, to=1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 5)):
        client.setsockopt(socket.IPPROTO_TCP, option, value)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    stage.filter("server", "input", "drop")
    stage.filter("server", "output", "drop")
    try:
        client.recv(100)
    except OSError:
        pass
    client.close()


class Relay(threading.Thread):
    """Takes the router's place: frames of one side go to the other after a while."""

    def __init__(self, stage, delay_s):
        super().__init__(daemon=True)
        self.delay, self.sockets, self.ends = delay_s, {}, threading.Event()
        for host in "near", "far":
            self.sockets[host] = stage.socket("router", socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sockets[host].bind((host, 3))
        self.start()
        stage.addCleanup(self.ends.set)

    def run(self):
        import heapq
        import select
        waiting, other, count = [], {self.sockets["near"]: self.sockets["far"], self.sockets["far"]: self.sockets["near"]}, 0
        while not self.ends.is_set():
            pause = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            for source in select.select(list(other), [], [], min(pause, 0.1))[0]:
                frame, address = source.recvfrom(70000)
                if address[2] != 4:  # not PACKET_OUTGOING: what we sent ourselves
                    count += 1
                    heapq.heappush(waiting, (time.monotonic() + self.delay, count, other[source], frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(waiting)
                send_quietly(target, frame)


def offload_off(stage, host):
    """What is captured and sent again must be whole: no checksum left to the card, no segment larger than the wire."""
    import fcntl
    control = stage.socket(host, socket.AF_INET, socket.SOCK_DGRAM)
    import ctypes
    for command in 0x17, 0x1f, 0x24:  # ETHTOOL_STXCSUM, _STSO, _SGSO
        value = ctypes.create_string_buffer(struct.pack("II", command, 0))
        fcntl.ioctl(control, 0x8946, struct.pack("16sP8x", b"veth0", ctypes.addressof(value)))
    control.close()


def far_away(stage):
    """A long way and healthy: 300 ms there, 300 ms back."""
    for host in "client", "server":
        offload_off(stage, host)
        stage.run(host, "ip", "route", "del", "default")
    stage.run("client", "ip", "address", "add", "198.51.100.1/24", "dev", "veth0")
    stage.run("client", "ip", "address", "del", ADDRESSES[4]["client"] + "/24", "dev", "veth0")
    stage.set("router", "ipv4/ip_forward", 0)
    stage.run("router", "ip", "address", "flush", "dev", "far")
    Relay(stage, 0.3)
    client, served = stage.both()
    begin(client, served)
    reader = in_background(read_message, served)
    client.sendall(MESSAGE + b".\r\n")
    reader.join()
    finish(client, served)


NOTHING = None
SITUATIONS = {
    # name: (what happens, what is said at the client's end, what is said at the server's)
    "clean": (clean, NOTHING, NOTHING),
    "dropped": (dropped, ("connection.unanswered", "network", "SYNs"), ("connection.unanswered", "network", "SYNs")),
    **{"rejected-" + how.replace(" ", "-"): (rejecting("server", "icmp type " + how), ("connection.refused", "server", said + " (198.51.100.25)"),
                                             ("connection.refused", "server", said)) for how, said in (
        ("port-unreachable", "port unreachable"), ("prot-unreachable", "port unreachable"), ("host-unreachable", "host unreachable"),
        ("net-unreachable", "network unreachable"), ("admin-prohibited", "administratively prohibited"),
        ("host-prohibited", "administratively prohibited"), ("net-prohibited", "administratively prohibited"))},
    "router-admin-prohibited": (rejecting("router", "icmp type admin-prohibited"),
                                ("connection.refused", "network", "administratively prohibited (192.0.2.254)"), NOTHING),
    "router-host-unreachable": (rejecting("router", "icmp type host-unreachable"), ("connection.refused", "network", "host unreachable (192.0.2.254)"), NOTHING),
    "router-ipv6-prohibited": (rejecting("router", "icmpv6 type admin-prohibited", 6),
                               ("connection.refused", "network", "administratively prohibited (2001:db8:1::fe)"), NOTHING),
    "server-ipv6-port": (rejecting("server", "icmpv6 type port-unreachable", 6), ("connection.refused", "server", "port unreachable (2001:db8:2::25)"),
                         ("connection.refused", "server", "port unreachable")),
    "reset": (rejecting("server", "tcp reset"), ("connection.refused", "server", "by a RST"), ("connection.refused", "server", "by a RST")),
    "mtu-black-hole": (mtu_black_hole, ("network.path-mtu", "network", "by the client"), NOTHING),
    "mtu-told-in-vain": (mtu_told_in_vain, ("network.path-mtu", "network", "1400 octets pass"), NOTHING),
    "mtu-heeded": (mtu_heeded, NOTHING, NOTHING),
    "stopped-for-a-while": (stopping(True), ("connection.no-greeting", "server", "closed by the client after 12"),
                            ("connection.no-greeting", "server", "by the client after 12")),
    "stopped": (stopping(False), ("connection.no-greeting", "server", "closed by the client after 12"), ("connection.no-greeting", "server", "by the client after 12")),
    "killed-unread": (killing(), NOTHING, NOTHING),
    "killed-read": (killing("reads"), NOTHING, NOTHING),
    "client-not-reading": (client_not_reading, ("network.stall", "client", "its window was closed"), ("network.stall", "client", "its window was closed")),
    "server-not-reading": (server_not_reading, ("network.stall", "server", "its window was closed"), ("network.stall", "server", "its window was closed")),
    "listen-queue-full": (listen_queue_full, ("connection.unanswered", "network", "SYN"), ("connection.unanswered", "network", "SYN")),
    "nat-forgets": (nat_forgets, ("connection.lost", "network", "nothing came from the server"), NOTHING),
    "cable-out": (cable_out, ("network.stall", "network", "segments of the client were sent again"), NOTHING),
    "lossy": (lossy, ("network.loss", "network", "sent again"), NOTHING),
    "client-pauses": (client_pauses, ("network.stall", "client", "sent nothing for 31 seconds inside the message"),
                      ("network.stall", "client", "sent nothing for 31 seconds inside the message")),
    "keep-alives-unanswered": (keep_alives_unanswered, ("connection.lost", "network", "nothing came from the server"),
                               ("connection.lost", "network", "nothing came from the server")),
    "far-away": (far_away, NOTHING, NOTHING),
}
# Said, too, and of other families. At the server's end of a black hole the client is silent, and no more can be known there.
ALSO = {"killed-unread": (("data.connection-lost", "server"),) * 2, "killed-read": (("data.connection-lost", "server"),) * 2,
        "mtu-black-hole": (("deferral.timeout", "network"), ("deferral.timeout", "client")),
        "mtu-told-in-vain": (("deferral.timeout", "network"), ("deferral.timeout", "client"))}


def findings(path):
    done = harness.run("-r", path, "--format", "json")
    assert not done.status, done.err
    return [f for f in done.events("finding") if f["severity"] != "info"]


def brief(found):
    return "; ".join("%s (%s): %s" % (f["rule"], f["fault"], (f["detail"] or {}).get("text")) for f in found) or "nothing"


def one_direction(path, of_client):
    """The capture without the other side's packets, and without ICMP, which quotes them."""
    kept = path[:-5] + (".from-client" if of_client else ".from-server") + ".pcap"
    with open(path, "rb") as whole, open(kept, "wb") as file:
        file.write(whole.read(24))
        while head := whole.read(16):
            frame = whole.read(struct.unpack("<I", head[8:12])[0])
            at, protocol = (34, frame[23]) if frame[12:14] == b"\x08\0" else (54, frame[20])
            if protocol == 6 and (frame[at + 2:at + 4] == b"\0\x19") == of_client:
                file.write(head + frame)
    return kept


def problems_of(name, stage):
    _, *wanted = SITUATIONS[name]
    for at, (host, want) in enumerate(zip(("client", "server"), wanted)):
        found = findings(stage.capture(host))
        ours = [f for f in found if f["rule"].startswith(FAMILIES)]
        also = ALSO.get(name, (None, None))[at]
        if want and not any((f["rule"], f["fault"]) == want[:2] and want[2] in f["detail"]["text"] for f in ours):
            yield "at the %s: wanted %s, got %s" % (host, want, brief(found))
        for f in ours if not want else [f for f in ours if f["rule"] != want[0] and name != "listen-queue-full"]:
            yield "at the %s: not wanted: %s" % (host, brief([f]))
        if also and not any((f["rule"], f["fault"]) == also for f in found):
            yield "at the %s: wanted %s, got %s" % (host, also, brief(found))
        print("%-26s at the %-7s %s" % (name, host + ":", brief(found)), flush=True)
        for of_client in True, False:
            half = [f for f in findings(one_direction(stage.capture(host), of_client)) if f["rule"].startswith(FAMILIES)]
            blamed = [f for f in half if not (f["rule"] == "connection.unanswered" and of_client)]
            if blamed:
                yield "at the %s, one direction: %s" % (host, brief(blamed))


def play(name, folder):
    stage = Stage(name, folder)
    try:
        SITUATIONS[name][0](stage)
        time.sleep(0.3)  # for the last packets
    finally:
        stage.end()
    return list(problems_of(name, stage))


def main():
    harness.PROGRAM, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(SITUATIONS)
    try:
        network.require()
    except Exception as skipped:
        print("SKIPPED: %s" % skipped)
        return 77
    if not shutil.which("nft"):
        print("SKIPPED: nft(8) is missing")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(12) as pool:
        if os.environ.get("STACKS_KEEP"):
            folder = os.environ["STACKS_KEEP"]
        for name, done in [(name, pool.submit(play, name, folder)) for name in names]:
            for problem in done.result():
                failed += 1
                print("FAIL %s %s" % (name, problem), flush=True)
    print("%d situations, %d problems" % (len(names), failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
