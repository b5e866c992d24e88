#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
cost.py PLUGIN MKCAPTURE [MEGABYTES]: tshark with the plugin beside tshark without it, on a capture of nothing but SMTP.

In turns, the least of each: processor time, as a shared machine's clock says little, and the highest resident set.
"""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import plugin  # noqa: E402

TIME_MAX, MEMORY_MAX = 1.30, 1.15
TURNS_MIN, TURNS_MAX = 3, 8  # a noisy machine needs more turns to show the least
MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def measure(command):
    out = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, check=True).stdout.split()
    if int(out[0]):
        raise AssertionError("%s: status %s" % (" ".join(command), out[0].decode()))
    return float(out[1]), int(out[2])


def compare(tshark, arguments):
    least = {}
    for turn in range(TURNS_MAX):
        for with_plugin in (False, True):
            now = measure(tshark.command(*arguments, plugin=with_plugin))
            before = least.get(with_plugin, now)
            least[with_plugin] = (min(before[0], now[0]), min(before[1], now[1]))
        time, memory = (least[True][i] / least[False][i] for i in (0, 1))
        good = time <= TIME_MAX and memory <= MEMORY_MAX
        if good and turn + 1 >= TURNS_MIN:
            break
    print("tshark %-2s  without %.2f s %d MiB, with %.2f s %d MiB: time x %.2f, memory x %.2f" % (
        " ".join(arguments[2:]), least[False][0], least[False][1] >> 10, least[True][0], least[True][1] >> 10, time, memory))
    return good


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: %s PLUGIN MKCAPTURE [MEGABYTES]" % sys.argv[0])
    if not os.path.exists(sys.argv[2]):
        plugin.skip("no " + sys.argv[2])
    tshark = plugin.Tshark(sys.argv[1])
    capture = os.path.join(tshark.top, "cost.pcap")
    subprocess.run([sys.argv[2], "-s", sys.argv[3] if len(sys.argv) > 3 else "100", capture], check=True, stderr=subprocess.DEVNULL)
    os.chmod(capture, 0o644)
    bad = False
    for options in ([], ["-2"]):
        bad |= not compare(tshark, ["-r", capture, *options])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
