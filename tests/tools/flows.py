# SPDX-License-Identifier: BSD-2-Clause
"""The TCP flows of a capture file, and new captures of parts of them, each from a client's address of its own."""
import collections
import struct

import pcapfile
import tcpwire

Packet = collections.namedtuple("Packet", "time octets tcp from_client")


def flows(path):
    """{(client, server): [Packet]} of IPv4 and IPv6 over Ethernet, as captured; endpoints are (address, port). A SYN tells the client."""
    found, client_of = collections.OrderedDict(), {}
    for time, octets in pcapfile.frames(path):
        try:
            tcp = pcapfile.tcp(octets)
        except (ValueError, struct.error, IndexError):
            continue
        width, at = (4, 26) if octets[12:14] == b"\x08\0" else (16, 22)
        ends = tuple((octets[at + i * width:at + (i + 1) * width], tcp.ports[i]) for i in (0, 1))
        pair = frozenset(ends)
        if tcp.flags & (tcpwire.SYN | tcpwire.ACK) == tcpwire.SYN or pair not in client_of:
            client_of[pair] = ends[0] if tcp.flags & tcpwire.SYN or tcp.ports[0] > tcp.ports[1] else ends[1]
        client = client_of[pair]
        key = (client, ends[1] if client == ends[0] else ends[0])
        found.setdefault(key, []).append(Packet(time, octets, tcp, client == ends[0]))
    return found


def readdressed(packet, number):
    """The frame, its client at another address: 10.x.x.x, or fd00::x. Checksums are right."""
    octets = bytearray(packet.octets)
    ipv4 = octets[12:14] == b"\x08\0"
    width, at = (4, 26) if ipv4 else (16, 22)
    address = (bytes([10]) if ipv4 else b"\xfd" + bytes(12)) + number.to_bytes(3, "big")
    begin = at if packet.from_client else at + width
    octets[begin:begin + width] = address
    if ipv4:
        head = (octets[14] & 15) * 4
        octets[24:26] = b"\0\0"
        octets[24:26] = struct.pack("!H", tcpwire.checksum(bytes(octets[14:14 + head])))
        tcp, end = 14 + head, 14 + struct.unpack_from("!H", octets, 16)[0]
        pseudo = bytes(octets[26:34]) + struct.pack("!BBH", 0, 6, end - tcp)
    else:
        tcp, end = 54, 54 + struct.unpack_from("!H", octets, 18)[0]
        pseudo = bytes(octets[22:54]) + struct.pack("!IHBB", end - tcp, 0, 0, 6)
    octets[tcp + 16:tcp + 18] = b"\0\0"
    octets[tcp + 16:tcp + 18] = struct.pack("!H", tcpwire.checksum(pseudo + bytes(octets[tcp:end])))
    return bytes(octets)


class Collection:
    """Flows for one capture file, which the program can tell apart: finds the variant by the client's address."""

    def __init__(self):
        self.packets, self.labels = [], {}

    def add(self, packets, label):
        number = len(self.labels) + 1
        address = "10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
        if packets and packets[0].octets[12:14] != b"\x08\0":
            address = "fd00::%x" % number if number < 1 << 16 else "fd00::%x:%x" % (number >> 16, number & 0xFFFF)
        self.labels[address] = label
        self.packets += [(packet.time, readdressed(packet, number)) for packet in packets]

    def write(self, path):
        self.packets.sort(key=lambda packet: packet[0])
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, self.packets)

    def label(self, event):
        """Of the variant that an event of the program's JSON is about, or None."""
        return self.labels.get(event["src_ip"])
