# SPDX-License-Identifier: BSD-2-Clause
"""SMTP inside TLS as a capture, with the keys: both ends in memory, every octet of real TLS, no socket."""
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import tcpwire  # noqa: E402
from tcpwire import ACK, PSH  # noqa: E402

SEGMENT = 1400
STEP = 1_000_000


def certificate(folder):
    """A key and a certificate that nobody trusts; None without openssl."""
    path = os.path.join(folder, "server.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.example.test", "-days", "2", "-keyout", path, "-out", path + ".crt"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    with open(path, "a", encoding="ascii") as to, open(path + ".crt", encoding="ascii") as more:
        to.write(more.read())
    return path


class Session:
    """One connection, first in clear. `say(side, text)` returns the number of its last packet."""

    def __init__(self, packets, port, client_port=40000, time=1_750_000_000 * 10**9, start=1000):
        self.packets = packets
        self.time = time
        self.wire = tcpwire.Conversation(packets, tcpwire.Endpoint("192.0.2.1", client_port), tcpwire.Endpoint("192.0.2.2", port),
                                         isn=(start, start + 70000))
        self.wire.handshake(self.time)
        self.tls = None

    def send(self, side, octets):
        for at in range(0, len(octets), SEGMENT):
            self.time += STEP
            self.wire.segment(self.time, side, PSH | ACK, octets[at:at + SEGMENT])
        return len(self.packets)

    def start_tls(self, pem, keys, version):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pem)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        client.minimum_version = client.maximum_version = version
        client.keylog_filename = keys
        self.pipes = {"C": (ssl.MemoryBIO(), ssl.MemoryBIO()), "S": (ssl.MemoryBIO(), ssl.MemoryBIO())}
        self.tls = {"C": client.wrap_bio(*self.pipes["C"]), "S": server.wrap_bio(*self.pipes["S"], server_side=True)}
        done = set()
        while len(done) < 2:
            for side in "CS":
                try:
                    self.tls[side].do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
                self.flush(side)
        return len(self.packets)

    def flush(self, side):
        octets = self.pipes[side][1].read()
        self.pipes["S" if side == "C" else "C"][0].write(octets)
        self.send(side, octets)

    def say(self, side, text):
        octets = text.encode("latin-1")
        if self.tls is None:
            return self.send(side, octets)
        self.tls[side].write(octets)
        self.flush(side)
        peer = self.tls["S" if side == "C" else "C"]
        try:
            while peer.read(65536):
                pass
        except ssl.SSLWantReadError:
            pass
        return len(self.packets)

    def talk(self, lines):
        """Pairs of side and text; the numbers of their last packets."""
        return [self.say(side, text + "\r\n") for side, text in lines]

    def close(self):
        self.time += STEP
        self.wire.close(self.time, "CS")


def write(path, packets):
    with open(path, "wb") as file:
        tcpwire.write_pcap(file, packets)
    os.chmod(path, 0o644)
