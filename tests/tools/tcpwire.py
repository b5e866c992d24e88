# SPDX-License-Identifier: BSD-2-Clause
"""TCP conversations as packets, and packets as a pcap file: what dialogue2pcap writes with. Python's standard library only."""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
LINKTYPE_ETHERNET = 1
WINDOW = 65000
MAX_PAYLOAD = 60000  # what fits into one IP packet with room for headers: a TSO-sized segment


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Endpoint:
    def __init__(self, address, port):
        self.address = ipaddress.ip_address(address)
        self.port = port

    def __str__(self):
        return "%s:%d" % (self.address, self.port)


def frame(src, dst, seq, ack, flags, payload, window=WINDOW, urgent=0):
    """One Ethernet frame with an IPv4 or IPv6 packet with one TCP segment, checksums right."""
    tcp = struct.pack("!HHIIBBHHH", src.port, dst.port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 5 << 4, flags, window, 0, urgent) + payload
    addresses = src.address.packed + dst.address.packed
    if src.address.version == 4:
        pseudo = addresses + struct.pack("!BBH", 0, 6, len(tcp))
    else:
        pseudo = addresses + struct.pack("!IHBB", len(tcp), 0, 0, 6)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if src.address.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), seq & 0xFFFF, 0x4000, 64, 6, 0) + addresses
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        ethertype = 0x0800
    else:
        head = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + addresses
        ethertype = 0x86DD
    return b"\x02\0\0\0\0\2\x02\0\0\0\0\1" + struct.pack("!H", ethertype) + head + tcp


class Side:
    """One end of a conversation: what it has sent, and how much of the other's it has acknowledged."""

    def __init__(self, endpoint, isn):
        self.endpoint = endpoint
        self.snd_nxt = isn
        self.rcv_nxt = 0
        self.captured = True
        self.run_seq = isn + 1  # where the octets it sent last in one go begin
        self.last = None  # (seq, payload) of the last segment with octets, for retransmissions


class Conversation:
    """One TCP connection whose segments go to `packets`, a list of (time in ns, octets)."""

    def __init__(self, packets, client, server, isn=(1000, 90000), captured=(True, True)):
        self.packets = packets
        self.side = {"C": Side(client, isn[0]), "S": Side(server, isn[1])}
        for key, seen in zip("CS", captured):
            self.side[key].captured = seen
        self.side["C"].rcv_nxt, self.side["S"].rcv_nxt = self.side["S"].snd_nxt, self.side["C"].snd_nxt

    def other(self, key):
        return self.side["S" if key == "C" else "C"]

    def segment(self, time, key, flags, payload=b"", captured=True, seq=None, ack=None, window=WINDOW, urgent=0):
        """Sends one segment. `captured` False: it was sent and received, but is not in the file."""
        side, peer = self.side[key], self.other(key)
        if seq is None:
            seq = side.snd_nxt
            side.snd_nxt += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        if ack is None:
            ack = side.rcv_nxt
        if payload:
            side.last = (seq, payload)
        peer.rcv_nxt = max(peer.rcv_nxt, side.snd_nxt)
        if captured and side.captured:
            self.packets.append((time, frame(side.endpoint, peer.endpoint, seq, ack if flags & ACK else 0, flags, payload, window, urgent)))

    def handshake(self, time):
        self.segment(time, "C", SYN)
        self.segment(time + 100_000, "S", SYN | ACK)
        self.segment(time + 200_000, "C", ACK)

    def close(self, time, sides):
        """The FINs of `sides`, in this order, and the last acknowledgement."""
        for i, key in enumerate(sides):
            self.segment(time + i * 100_000, key, FIN | ACK)
        if sides:
            self.segment(time + len(sides) * 100_000, "S" if sides[-1] == "C" else "C", ACK)


def write_pcap(file, packets):
    """A pcap file of microsecond time stamps (the usual kind), little-endian."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, LINKTYPE_ETHERNET))
    for time, octets in packets:
        file.write(struct.pack("<IIII", time // 10**9, time % 10**9 // 1000, len(octets), len(octets)))
        file.write(octets)
