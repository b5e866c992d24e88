#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""recipients.py PROGRAM: where each recipient of one message has an answer of its own (LMTP, RFC 2033; Exim's PRDR), what the
program says of each is what the server's log says. with-packages.sh "dovecot-lmtpd exim4-daemon-heavy" makes the servers
seem installed."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "program"))
import harness
import network

SENDER = "sender@client.example"
DOVECOT = """protocols = lmtp
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
auth_username_format = %n
mail_location = maildir:{folder}/mail/%n
first_valid_uid = 1
mail_plugins = quota
plugin {{
  quota = maildir:User quota
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = 24
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
# joe and ann are healthy, full is over quota, broken's mailbox cannot be written; anybody else is unknown.
USERS = """joe::65534:65534::/nonexistent::
ann::65534:65534::/nonexistent::
full::65534:65534::/nonexistent::userdb_quota_rule=*:storage=1B
broken::65534:65534::/nonexistent::userdb_mail=maildir:/proc/nothing
"""
EXIM = """primary_hostname = server.example
exim_user = Debian-exim
local_interfaces = <; {address}
daemon_smtp_ports = 25
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
prdr_enable = true
log_selector = +smtp_confirmation
acl_smtp_rcpt = rcpt
acl_smtp_data_prdr = one
acl_smtp_data = all
host_lookup =
rfc1413_hosts =
begin acl
rcpt:
  deny local_parts = unknown
       message = 5.1.1 no such user here
  accept
one:
  deny local_parts = picky
       message = 5.7.1 this recipient wants no such content
  defer local_parts = full
       message = 4.2.2 over quota
  accept
all:
  deny condition = ${{if match{{$h_subject:}}{{virus}}}}
       message = 5.7.1 a virus
  accept
begin routers
all:
  driver = accept
  transport = blackhole
begin transports
blackhole:
  driver = appendfile
  file = /dev/null
  user = Debian-exim
"""


def message_id(number):
    """swaks's words for a message that the log names by its number."""
    return "--header", "Message-Id: <%d@client.example>" % number


def outcomes(sent, delivered):
    """For each message, which recipients' copies stand in the log as delivered: pairs of a name and the message's number."""
    wanted = [{name: (name, str(number)) in delivered for name in names} for number, names in enumerate(sent)]
    assert {True, False} == {outcome for message in wanted for outcome in message.values()}, "the log shows only one kind of outcome"
    return wanted


class Recipients(network.ReplayTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)
        for program in ("dovecot", "exim4", "swaks", "tcpdump"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin"):
                raise self.failureException("%s is missing: see this file's head" % program)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def recorded(self, port, talk):
        """The capture of what is said in `talk`."""
        capture = self.path("capture.pcap")
        tcpdump = self.network.start(self, "server", "tcpdump", "-i", "veth0", "-U", "--immediate-mode", "-s", "0", "-B", "65536", "-Z", "root",
                                     "-w", capture, "port", port, stderr=subprocess.PIPE)
        self.assertIn(b"tcpdump: listening", tcpdump.stderr.readline())
        talk()
        network.end(tcpdump)
        return capture

    def swaks(self, port, names, *arguments):
        self.network.run("client", "swaks", "--server", network.SERVER, "--port", port, "--helo", "client.example", "--from", SENDER, "--to",
                         ",".join(name + "@server.example" for name in names), "--timeout", "20", *arguments, check=False,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def wait_for_port(self, port, log):
        def answers():
            client = self.network.socket("client", 2, 1)
            try:
                client.connect((network.SERVER, int(port)))
                return client.recv(100)
            except OSError:
                return b""
            finally:
                client.close()
        network.wait_for(answers, "port " + port, why=lambda: harness.read(log).decode() if os.path.exists(log) else "")

    def told(self, capture, *arguments):
        """For each message in its order, of which recipients the program says that they were accepted."""
        messages = harness.run("-r", capture, "--format", "json", "--messages", *arguments).events("message")
        self.assertEqual({message["helo"] for message in messages}, {"client.example"})
        return [{recipient["to"].split("@")[0]: recipient["outcome"] == message["outcome"] == "accepted" for recipient in message["rcpt"]}
                for message in messages]

    def test_lmtp(self):
        log = self.path("log")
        self.write("users", USERS)
        conf = self.write("dovecot.conf", DOVECOT.format(folder=self.folder, address=network.SERVER))
        os.makedirs(self.path("mail"))
        os.chmod(self.path("mail"), 0o777)
        self.network.start(self, "server", "dovecot", "-F", "-c", conf)
        self.wait_for_port("24", log)
        sent = [["joe"], ["joe", "ann"], ["joe", "full", "unknown", "ann"], ["full"], ["unknown", "nobody"], ["broken", "ann"]]
        capture = self.recorded("24", lambda: [self.swaks("24", names, "--protocol", "LMTP", *message_id(number))
                                              for number, names in enumerate(sent)])
        text = harness.read(log).decode()
        saved = re.findall(r"lmtp\((\w+)\)<.*msgid=<(\d+)@client\.example>.*saved mail to INBOX", text)
        self.assertEqual(self.told(capture, "--ports", "24"), outcomes(sent, saved), text)

    def test_prdr(self):
        log = self.path("mainlog")
        conf = self.write("exim.conf", EXIM.format(folder=self.folder, address=network.SERVER))
        os.makedirs(self.path("spool"))
        shutil.chown(self.path("spool"), "Debian-exim", "Debian-exim")
        shutil.chown(self.folder, "Debian-exim", "Debian-exim")
        self.network.start(self, "server", "exim4", "-C", conf, "-bdf", "-oX", "25")
        self.wait_for_port("25", log)
        sent = [["joe"], ["joe", "ann"], ["joe", "picky", "ann"], ["joe", "full", "unknown", "picky"], ["picky", "full"]]
        subjects = ["mail"] * len(sent) + ["virus"]
        sent.append(["joe", "ann"])
        capture = self.recorded("25", lambda: [self.swaks("25", names, "--prdr", "--header", "Subject: " + subject, *message_id(number))
                                              for number, (names, subject) in enumerate(zip(sent, subjects))])
        text = harness.read(log).decode()
        numbers = dict(re.findall(r"(\S+) <= .* id=(\d+)@client\.example", text))
        delivered = [(name, numbers[queued]) for queued, name in re.findall(r"(\S+) => (\w+) <", text)]
        self.assertEqual(self.told(capture), outcomes(sent, delivered), text)


if __name__ == "__main__":
    harness.main()
