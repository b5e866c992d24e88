#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Real servers (aiosmtpd, Postfix) and real clients (swaks, Postfix) over a veth pair: the sensor says what the capture says."""
import os
import shutil
import subprocess
import unittest

import harness
import network

MAIN_CF = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail
maillog_file_prefixes = {folder}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {name}
mydestination =
mynetworks =
inet_interfaces = {address}
inet_protocols = ipv4
smtp_host_lookup = native
disable_dns_lookups = yes
default_database_type = hash
alias_maps =
local_recipient_maps =
smtp_tls_security_level = none
smtpd_tls_security_level = none
biff = no
{more}
"""
MASTER_CF = """{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Servers(network.ReplayTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for program in ("postfix", "swaks", "tcpdump"):
            if not shutil.which(program):
                raise unittest.SkipTest("skipped: %s is missing" % program)

    def aiosmtpd(self):
        server = self.network.start(self, "server", "/usr/bin/python3", os.path.join(harness.TOP, "tests", "tools", "smtp_server.py"),
                                    network.SERVER, "25", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(server.stdout.readline(), b"ready\n")

    def postfix(self, host, name, address, port, more):
        """An instance of Postfix of its own: configuration, queue and log in the test's folder."""
        folder = self.path(name)
        os.chmod(self.folder, 0o755)
        for part in ("conf", "queue", "data", "log"):
            os.makedirs(os.path.join(folder, part))
        shutil.chown(os.path.join(folder, "data"), "postfix")
        for file, text in (("main.cf", MAIN_CF.format(folder=folder, name=name + ".example", address=address, more=more)),
                           ("master.cf", MASTER_CF.format(port=port))):
            with open(os.path.join(folder, "conf", file), "w") as out:
                out.write(text)
        conf = os.path.join(folder, "conf")
        self.addCleanup(self.network.run, host, "postfix", "-c", conf, "stop", check=False,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = self.network.run(host, "postfix", "-c", conf, "start", check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        return conf

    def swaks(self, *arguments, port="25"):
        """One session; its outcome is the server's business."""
        self.network.run("client", "swaks", "--server", network.SERVER, "--port", port, "--helo", "client.example", "--from",
                         "sender@client.example", "--timeout", "20", *arguments, check=False, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def talk(self):
        for recipient in ("joe", "busy", "grey", "unknown", "busy,unknown", "joe,full"):
            self.swaks("--to", ",".join(name + "@server.example" for name in recipient.split(",")))
        self.swaks("--to", "joe@server.example", "--body", "a virus")
        self.swaks("--to", "joe@server.example", "--pipeline")
        self.swaks("--to", "joe@client.example", port="587")
        self.swaks("--to", "tempfail@server.example", port="587")
        self.swaks("--to", "joe@server.example", "--ehlo", "not_a_name!", port="587")
        self.lines(b"EHLO a.example\r\nVRFY joe\r\nRCPT TO:<joe@server.example>\r\nDATA\r\nQUIT\r\n", 25)
        self.lines(b"EHLO a.example\r\nETRN x.example\r\nMAIL FROM:<a@a.example>\r\nMAIL FROM:<b@a.example>\r\nQUIT\r\n", 587)

    def lines(self, lines, port):
        """A client of no standing: each line behind the answer to the one before."""
        client = self.network.socket("client", 2, 1)
        client.settimeout(network.DEADLINE_S)
        client.connect((network.SERVER, port))
        answers = client.makefile("rb")
        for line in [b"", *lines.splitlines(True)]:
            client.sendall(line)
            answer = answers.readline()
            while answer[3:4] == b"-":
                answer = answers.readline()
        answers.close()
        client.close()

    def submit(self, conf, recipient):
        self.network.run("client", "sendmail", "-C", conf, "-f", "sender@client.example", recipient,
                         input=b"Subject: test\n\nhello\n", env={**os.environ, "MAIL_CONFIG": conf})

    def test_the_sensor_says_what_the_capture_says(self):
        self.aiosmtpd()
        self.postfix("server", "server", network.SERVER, 587,
                     "smtpd_relay_restrictions = reject_unauth_destination\nrelay_domains = server.example\n"
                     "smtpd_recipient_restrictions = check_recipient_access inline:{tempfail@server.example=450}\n"
                     "smtpd_helo_required = yes\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\n"
                     "smtpd_fast_etrn_domains =\nsmtpd_peername_lookup = no\nrelay_transport = discard\n")
        client = self.postfix("client", "client", network.CLIENT, 2525,
                              "relayhost = [%s]:25\nsmtp_peername_lookup = no\nminimal_backoff_time = 300s\n" % network.SERVER)
        capture = self.path("capture.pcap")
        # At once, each packet takes the room of the largest there can be: there is room for all that come.
        tcpdump = self.network.start(self, "server", "tcpdump", "-i", "veth0", "-U", "--immediate-mode", "-s", "0", "-B", "65536", "-Z", "root",
                                     "-w", capture, "--time-stamp-precision=nano", stderr=subprocess.PIPE)
        self.assertIn(b"tcpdump: listening", tcpdump.stderr.readline())
        sensor = self.sensor("--workers", "2")
        self.talk()
        for recipient in ("joe", "grey", "unknown"):
            self.submit(client, recipient + "@server.example")
        network.wait_for(lambda: sum(event["rule"] == "deferral.greylisted" for event in sensor.findings()) == 2,
                         "Postfix's client to be deferred")
        self.network.run("client", "postfix", "-c", client, "stop", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        live = sensor.stop()
        packets = live[-1]["packets"]
        network.wait_for(lambda: sum(1 for _ in network.frames(capture)) >= packets, "tcpdump to write %d packets" % packets)
        network.end(tcpdump)
        offline = harness.run("-r", capture, "--format", "json", "--remediation", "none").events()
        rules = {event["rule"] for event in live if event["event_type"] == "finding"}
        for rule in ("deferral.greylisted", "deferral.mailbox-busy", "refusal.mailbox", "refusal.policy",
                     "sequence.rcpt-before-mail", "rejection.verify-disabled"):
            self.assertIn(rule, rules)
        self.assertEqual(list(network.differences(network.settled(live), network.settled(offline))), [])


if __name__ == "__main__":
    harness.main()
