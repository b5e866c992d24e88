#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""secrets.py PLUGIN: no secret in what the plugin shows, in the tree, the columns, the lists: tests/secrets/tricks.txt in two cuts.

Wireshark's own dissectors show passwords, so of the tree only the plugin's part is looked at, and the columns without what is above TCP.
"""
import os
import sys
import tempfile

import plugin

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "secrets"))
sys.dont_write_bytecode = True
import tricks  # noqa: E402

OPTIONS = ("-o", "smtpscope.ports:" + plugin.PORTS)
OTHERS = ("smtp", "imf", "http", "sip", "rtsp", "ssh", "tls")
ALONE = tuple(word for name in OTHERS for word in ("--disable-protocol", name))
OUTPUTS = {
    "tree": ("-T", "pdml", "-J", "smtpscope"),
    "json": ("-T", "json", "-J", "smtpscope"),
    "columns": (*ALONE, "-T", "tabs"),
    "findings": ("-q", "-z", "smtpscope,findings"),
    "experts": ("-q", *ALONE, "-z", "expert"),
}


def captures(folder, table):
    for mode in ("cut", "whole"):
        player = tricks.Player()
        for trick in table:
            player.play(trick, mode)
        path = os.path.join(folder, mode + ".pcap")
        player.write(path)
        yield path


def main():
    tshark = plugin.Tshark(sys.argv[1])
    table = tricks.load("tricks.txt")
    search, found = tricks.Search(table), {}
    with tempfile.TemporaryDirectory() as folder:
        for path in captures(folder, table):
            readable = tshark.copy(path)
            for name, options in OUTPUTS.items():
                out = tshark.run("-r", readable, *OPTIONS, *options).stdout.decode("utf-8", "replace")
                if "rejection.unknown-command" not in out:
                    sys.exit("%s: the plugin says nothing" % name)
                for trick, shows in search.leaks("\n".join(sorted(set(out.splitlines())))).items():
                    found.setdefault(trick, (os.path.basename(path), name, shows))
    for trick, shows in sorted(found.items()):
        print("%-32s %s, %s: %r" % (trick, *shows))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
