# SPDX-License-Identifier: BSD-2-Clause
"""A capture file's frames, and the TCP in an Ethernet frame: what tests look into evidence with. The standard library only."""
import collections
import struct

MAGICS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD

Tcp = collections.namedtuple("Tcp", "ports seq flags payload")


def frames(path):
    """[(nanoseconds, octets)] of a pcap file in this machine's byte order; ValueError where it is none, or is cut off."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24 or struct.unpack_from("=I", data)[0] not in MAGICS:
        raise ValueError("%s is no pcap file: %r" % (path, data[:24]))
    unit = MAGICS[struct.unpack_from("=I", data)[0]]
    found, at = [], 24
    while at < len(data):
        seconds, fraction, caplen, length = struct.unpack_from("=IIII", data, at)
        if caplen > length or at + 16 + caplen > len(data):
            raise ValueError("%s: packet %d is damaged" % (path, len(found) + 1))
        found.append((seconds * 1000000000 + fraction * unit, data[at + 16:at + 16 + caplen]))
        at += 16 + caplen
    return found


def tcp(octets):
    """The TCP segment of an Ethernet frame with IPv4 or IPv6 without extensions."""
    ethertype = struct.unpack_from("!H", octets, 12)[0]
    if ethertype == ETHERTYPE_IPV4:
        at, end = 14 + (octets[14] & 15) * 4, 14 + struct.unpack_from("!H", octets, 16)[0]
    elif ethertype == ETHERTYPE_IPV6:
        at, end = 54, 54 + struct.unpack_from("!H", octets, 18)[0]
    else:
        raise ValueError("ethertype %#x" % ethertype)
    source, destination, seq = struct.unpack_from("!HHI", octets, at)
    return Tcp((source, destination), seq, octets[at + 13], octets[at + (octets[at + 12] >> 4) * 4:end])
