#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""flood.py PROGRAM CAPTURE: the sessions of CAPTURE inside a flood of a million SYNs that nobody answers. They are judged as without
it, the flood is at most one finding a server and minute, and memory stays where the table of flows has its bound."""
import heapq
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile

SYNS, SERVERS, SECONDS = 1000000, 4, 600
MEMORY_MOST = 512 << 20
PCAP = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")


def records(path):
    """(seconds, microseconds, frame) of a little-endian pcap file of Ethernet, in the order of their times."""
    with open(path, "rb") as file:
        data = file.read()
    magic, *_, linktype = PCAP.unpack_from(data)
    if magic not in (0xA1B2C3D4, 0xA1B23C4D) or linktype != 1:
        sys.exit("%s: no pcap file of Ethernet" % path)
    scale, at, found = 1000 if magic == 0xA1B23C4D else 1, PCAP.size, []
    while at < len(data):
        seconds, fraction, length, _ = RECORD.unpack_from(data, at)
        found.append((seconds, fraction // scale, data[at + RECORD.size : at + RECORD.size + length]))
        at += RECORD.size + length
    return sorted(found, key=lambda record: record[:2])


def flood(start):
    """SYNs from forged addresses; checksums are left out, as offload leaves them."""
    ethernet = bytes(12) + b"\x08\0"
    for index in range(SYNS):
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, 6, 0, 0x0B000000 + index, 0xCB007100 + index % SERVERS)
        tcp = struct.pack("!HHIIBBHHH", 1024 + index % 60000, 25, index, 0, 5 << 4, 2, 65000, 0, 0)
        yield start + index * SECONDS // SYNS, index % 1000000, ethernet + ip + tcp


def judge(program, path):
    done = subprocess.run([program, "-r", path, "--format", "json"], stdout=subprocess.PIPE, check=False)
    if done.returncode > 1:
        sys.exit("%s: status %d" % (path, done.returncode))
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(findings):
    return sorted((f["rule"], f["timestamp"], f["src_ip"], f["src_port"], f["severity"], str(f["verdict"]), str(f["fault"])) for f in findings)


def main():
    program, capture = sys.argv[1:]
    honest = records(capture)
    want = judge(program, capture)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "flood.pcap")
        with open(path, "wb") as file:
            file.write(PCAP.pack(0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for seconds, micro, frame in heapq.merge(honest, flood(honest[0][0] - SECONDS // 2), key=lambda record: record[:2]):
                file.write(RECORD.pack(seconds, micro, len(frame), len(frame)) + frame)
        found = judge(program, path)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    attempts = [f for f in found if f["rule"] == "connection.unanswered" and f["dest_ip"].startswith("203.0.113.")]
    rest = [f for f in found if f not in attempts]
    print("%d findings of %d attempts, %d others, %d MB" % (len(attempts), sum(f["count"] for f in attempts), len(rest), memory >> 20))
    faults = []
    if not attempts or len(attempts) > SERVERS * (SECONDS // 60 + 2):
        faults.append("%d findings of the flood" % len(attempts))
    if told(rest) != told(want):
        faults.append("sessions are judged otherwise: %d findings instead of %d" % (len(rest), len(want)))
    if memory > MEMORY_MOST:
        faults.append("%d MB" % (memory >> 20))
    sys.exit("; ".join(faults) or 0)


if __name__ == "__main__":
    main()
