# SPDX-License-Identifier: BSD-2-Clause
"""The program watching lo in a network of the test's own, and sessions for it to see."""
import json
import os
import signal
import socket
import subprocess
import time

import harness
from harness import ProgramTest, read

PATIENCE_S = 30
PORT = 2525
CLEAN, BUSY = "clean@mx.example", "busy@mx.example"


class LiveTest(ProgramTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)
        self.log = self.path("findings.json")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notified.close)
        self.notified.bind(self.path("notify"))
        os.chmod(self.path("notify"), 0o777)
        self.notified.settimeout(PATIENCE_S)

    def start(self, *arguments):
        self.program = subprocess.Popen(
            [harness.PROGRAM, "-i", "lo", "--ports", str(PORT), "--output", "file:" + self.log, "--min-severity", "notice",
             *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": self.path("notify")})
        self.addCleanup(self.end)
        while "READY=1" not in self.notified.recv(4096).decode():
            pass

    def end(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.communicate()

    def stop(self):
        self.program.send_signal(signal.SIGTERM)
        _, said = self.program.communicate(timeout=PATIENCE_S)
        self.assertEqual(self.program.returncode, 0, said)
        return said.decode()

    def converse(self, recipient, quit=True, host="127.0.0.1"):
        """A session of a client of this address; the client's port, and with it the two ends when it is left open."""
        deferred = recipient == BUSY
        with socket.create_server(("127.0.0.1", PORT)) as server:
            client = socket.create_connection(("127.0.0.1", PORT), source_address=(host, 0))
            served = server.accept()[0]
        lines = [(None, "220 mx.example ESMTP"), ("EHLO client.example", "250 mx.example"),
                 ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
                 ("RCPT TO:<%s>" % recipient, "450 4.2.1 The mailbox is busy" if deferred else "250 2.1.5 Ok"),
                 ("RSET", "250 2.0.0 Ok")]
        port = client.getsockname()[1]
        self.say(client, served, lines + ([("QUIT", "221 2.0.0 Bye")] if quit else []))
        if not quit:
            return port, client, served
        client.close()
        served.close()
        return port

    def say(self, client, served, lines):
        for line, reply in lines:
            if line:
                client.sendall(line.encode() + b"\r\n")
                served.recv(4096)
            served.sendall(reply.encode() + b"\r\n")
            client.recv(4096)

    def events(self):
        lines = read(self.log).decode().splitlines() if os.path.exists(self.log) else []
        return [json.loads(line) for line in lines]

    def wait(self, what, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertIsNone(self.program.poll(), "it ended")
            self.assertLess(time.monotonic(), until, "never: %s; there is %s" % (what, self.events()))
            time.sleep(0.02)

    def busy(self):
        return [event for event in self.events() if event.get("rule") == "deferral.mailbox-busy"]

    def findings(self, count):
        """The deferrals of BUSY, once there are so many."""
        self.wait("%d findings" % count, lambda: len(self.busy()) >= count)
        return self.busy()
