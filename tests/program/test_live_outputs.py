#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Live, in a network of its own: readers that are killed, a storm of SIGHUP, a full disk. It goes on, and says what it lost."""
import glob
import itertools
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time

import harness
import live
from network import DEADLINE_S

import exposition
import pcapfile

METRICS = "127.0.0.1:9425"
DISK_OCTETS = 4 << 20
SESSION = "EHLO client.example\r\n", "MAIL FROM:<a@client.example>\r\n", "RCPT TO:<user-%d@mx.example>\r\n", "QUIT\r\n"
REPLIES = {b"EHLO": b"250 mx.example\r\n", b"MAIL": b"250 2.1.0 Ok\r\n", b"NOOP": b"250 Ok\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}
RECIPIENTS = itertools.count()  # another one each time: no session is a retry of another


class Busy(socketserver.StreamRequestHandler):
    """A server that defers every recipient."""

    def handle(self):
        self.wfile.write(b"220 mx.example ESMTP\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            self.wfile.write(REPLIES.get(verb, b"450 4.2.1 The mailbox is busy\r\n"))
            if verb == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def hold_session(noops=0):
    with socket.create_connection(("127.0.0.1", 25), timeout=DEADLINE_S) as connection:
        lines = connection.makefile("rb")
        recipient = next(RECIPIENTS)
        lines.readline()
        connection.sendall(b"NOOP\r\n" * noops)
        for _ in range(noops):
            lines.readline()
        for command in SESSION:
            connection.sendall((command % recipient if "%" in command else command).encode())
            lines.readline()
        lines.read()


def readable_lines(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text and not text.endswith("\n"):
        raise AssertionError("%s ends in half a line: %s" % (path, text[-80:]))
    return [json.loads(line) for line in text.splitlines()]


class Reader:
    """Takes the lines of a Unix stream socket until it is killed."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen(1)
        self.listener.settimeout(DEADLINE_S)
        self.connection = None
        self.ended = threading.Event()

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(DEADLINE_S)
        self.file = self.connection.makefile("rb")

    def read_on(self):
        self.taken = self.file.read()
        self.ended.set()

    def line(self):
        if not self.connection:
            self.accept()
        return json.loads(self.file.readline())

    def finding(self):
        while True:
            event = self.line()
            if event["event_type"] == "finding" and event["session"] is not None:  # the program's own losses have none
                return event

    def kill(self):
        if self.connection:
            self.file.close()
            self.connection.close()
        self.listener.close()


class LiveOutputs(live.LiveTest):
    PORTS = "25"

    def setUp(self):
        super().setUp()
        self.socket = self.path("socket")
        self.server = Server(("127.0.0.1", 25), Busy)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def start(self, *arguments, **options):
        super().start("--metrics", METRICS, *arguments, **options)
        self.wait("it serves metrics", lambda: self.metrics() is not None)

    def metrics(self):
        try:
            return exposition.parse(exposition.scrape("http://%s/metrics" % METRICS))
        except OSError:
            return None

    def metric(self, name, **labels):
        key = (name, tuple(sorted(labels.items())))
        return next((family.samples[key] for family in self.metrics().values() if key in family.samples), None)

    def wait_metric(self, want, name, **labels):
        self.wait("%s%s is %s" % (name, labels, want), lambda: self.metric(name, **labels) == want)

    def losses(self):
        return [event for event in self.events("finding") if event["rule"] == "transport.output-lost"]

    def test_reader_killed_and_back(self):
        reader = Reader(self.socket)
        output = "unix:" + self.socket
        self.start("--output", output, "--output", "file:" + self.log)
        hold_session()
        self.assertEqual(reader.finding()["rule"], "deferral.mailbox-busy")
        reader.kill()
        self.wait_metric(0, "smtpscope_output_connected", output=output)
        hold_session()
        self.wait_metric(2, "smtpscope_deferrals_total", reason="mailbox-busy")
        self.wait("it says so", lambda: re.search("%s: .+; it is tried again" % output, self.errors()))
        reader = Reader(self.socket)
        self.addCleanup(reader.kill)
        self.assertEqual(reader.finding()["rule"], "deferral.mailbox-busy")
        self.wait("it says that it is back", lambda: "%s: lines are taken again" % output in self.errors())
        self.assertEqual(self.metric("smtpscope_output_dropped_lines_total", output=output), 0)
        self.assertEqual(self.metric("smtpscope_sessions_total"), 2)
        self.stop()
        rules = [event["rule"] for event in readable_lines(self.log) if event["event_type"] == "finding"]
        self.assertEqual(rules.count("deferral.mailbox-busy"), 2)

    def test_loss_is_told(self):
        """A reader that does not read: nothing waits for it, and once it reads again every output says what that cost."""
        reader = Reader(self.socket)
        self.addCleanup(reader.kill)
        output = "unix:" + self.socket
        self.start("--sessions", "--output", output, "--output", "file:" + self.log)
        reader.accept()
        sessions = 0
        while not self.metric("smtpscope_output_dropped_lines_total", output=output):
            for _ in range(3):
                hold_session(noops=10000)
            sessions += 3
            self.assertLess(sessions, 50, "the queue never fills up")
        self.wait_metric(sessions, "smtpscope_deferrals_total", reason="mailbox-busy")
        threading.Thread(target=reader.read_on, daemon=True).start()
        self.wait("the loss is told", self.losses)
        lost = self.metric("smtpscope_output_dropped_lines_total", output=output)
        self.stop()
        losses = self.losses()
        self.assertEqual(sum(event["count"] for event in losses), lost)
        self.assertIn(output, losses[0]["detail"]["text"])
        self.assertEqual(len(self.events("session")), sessions)
        reader.ended.wait(DEADLINE_S)
        there = [json.loads(line) for line in reader.taken.decode().splitlines()]
        self.assertEqual(len([event for event in there if event.get("rule") == "transport.output-lost"]), len(losses))
        self.assertEqual(len(there) + lost, len(readable_lines(self.log)))
        harness.check_schema(losses)

    def test_manager_does_not_read(self):
        """The service manager is not waited for; once it reads it is told that the last reload is done."""
        self.start("--output", "file:" + self.log)
        for number in range(20):  # two messages each: more than its socket has room for
            os.rename(self.log, "%s.%d" % (self.log, number))
            self.program.send_signal(signal.SIGHUP)
            self.wait("reload %d" % number, lambda: os.path.exists(self.log))
        hold_session()
        self.wait_metric(1, "smtpscope_deferrals_total", reason="mailbox-busy")
        said = []
        self.manager.socket.setblocking(False)
        try:
            while True:
                said.append(self.manager.socket.recv(4096))
        except BlockingIOError:
            self.manager.socket.settimeout(DEADLINE_S)
        self.assertIn(b"READY=1", said)
        if said[-1] != b"READY=1":
            self.expect("READY=1")
        self.stop()

    def test_storm_of_hangups(self):
        """As logrotate, but worse: no line is lost, doubled or torn, and there is no session that is not seen."""
        self.start("--output", "file:" + self.log)
        for number in range(20):
            hold_session()
            if os.path.exists(self.log):
                os.rename(self.log, "%s.%d" % (self.log, number))
            for _ in range(50):
                self.program.send_signal(signal.SIGHUP)
        self.wait_metric(20, "smtpscope_deferrals_total", reason="mailbox-busy")
        self.stop()
        events = [event for path in glob.glob(self.log + "*") for event in readable_lines(path)]
        ports = [event["src_port"] for event in events if event["event_type"] == "finding" and event["rule"] == "deferral.mailbox-busy"]
        self.assertEqual(len(ports), 20)
        self.assertEqual(len(set(ports)), 20)
        self.assertGreater(len(glob.glob(self.log + "*")), 1)

    def nearly_full_disk(self):
        """Its path; it has room when `filler` is gone from there."""
        disk = self.path("disk")
        os.mkdir(disk)
        command("mount", "-t", "tmpfs", "-o", "size=%d,mode=777" % DISK_OCTETS, "smtpscope", disk)
        self.addCleanup(command, "umount", "-l", disk)
        with open(os.path.join(disk, "filler"), "wb") as file:
            file.write(bytes(DISK_OCTETS - 4096))
        return disk

    def test_disk_full(self):
        disk = self.nearly_full_disk()
        output = "file:%s/log" % disk
        self.start("--output", output)
        sessions = 0
        while not self.metric("smtpscope_output_failures_total", output=output):
            hold_session()
            sessions += 1
            self.assertLess(sessions, 1000, "the disk never fills up")
        self.wait_metric(sessions, "smtpscope_deferrals_total", reason="mailbox-busy")
        readable_lines(os.path.join(disk, "log"))
        os.unlink(os.path.join(disk, "filler"))
        self.wait_metric(0, "smtpscope_output_queue_lines", output=output)
        hold_session()
        self.stop()
        rules = [event["rule"] for event in readable_lines(os.path.join(disk, "log")) if event["event_type"] == "finding"]
        self.assertEqual(rules.count("deferral.mailbox-busy"), sessions + 1)

    def test_disk_of_the_evidence_full(self):
        """What is written once there is room again is told, and findings point into it."""
        disk = self.nearly_full_disk()
        self.start("--output", "file:" + self.log, "--rule", "deferral", "-w", os.path.join(disk, "evidence.pcap"))
        sessions = 0
        while not self.metric("smtpscope_evidence_lost_packets_total"):
            hold_session()
            sessions += 1
            self.assertLess(sessions, 1000, "the disk never fills up")
        self.wait("it says so", lambda: re.search(r"--write .+: No space left on device; it is tried again", self.errors()))
        os.unlink(os.path.join(disk, "filler"))
        hold_session()
        self.wait("it says that it works", lambda: re.search(r"--write .+: packets are written again", self.errors()))
        self.wait("all is told", lambda: len(self.deferrals()) == sessions + 1)
        self.stop()
        found = self.deferrals()[-1]
        kept = pcapfile.frames(found["file"])
        self.assertTrue(pcapfile.tcp(kept[found["packet"] - 1][1]).payload.startswith(b"450 "))
        counters = self.events("stats")[0]["stages"]["evidence"]
        self.assertEqual((counters["written"], counters["files"]), (len(kept), 1))

    def test_standard_output_is_closed(self):
        """From the start: nothing else that is opened takes its place."""
        self.start("--output", "-", "--output", "file:" + self.log, before=("sh", "-c", 'exec "$0" "$@" <&- >&-'))
        hold_session()
        self.wait("it says so", lambda: "--output -: Bad file descriptor" in self.errors())
        self.wait("the file has the finding", self.deferrals)
        self.stop()

    def test_reader_of_standard_output_goes(self):
        """With another output left it goes on."""
        self.start("--output", "-", "--output", "file:" + self.log, stdout=subprocess.PIPE)
        self.program.stdout.close()
        self.wait_metric(0, "smtpscope_output_connected", output="-")
        hold_session()
        self.wait("the file has the finding", lambda: os.path.getsize(self.log) > 0)
        self.stop()

    def test_dashboard(self):
        """Each expression of it asks for what a live run serves."""
        self.start("--output", "file:" + self.log)
        hold_session()
        self.wait_metric(1, "smtpscope_deferrals_total", reason="mailbox-busy")
        self.wait("reply times", lambda: self.metric("smtpscope_reply_time_seconds_count", command="RCPT") == 1)
        with open(os.path.join(harness.TOP, "share", "grafana", "smtpscope.json"), encoding="utf-8") as file:
            self.assertGreater(exposition.check_dashboard(json.load(file), self.metrics()), 20)
        self.assertEqual(self.metric("smtpscope_replies_total", **{"command": "RCPT", "class": "4"}), 1)
        self.assertGreater(self.metric("smtpscope_captured_packets_total"), 10)
        self.assertGreater(self.metric("smtpscope_last_packet_time_seconds"), time.time() - 60)
        self.stop()


def command(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    live.main(mounts=True)
