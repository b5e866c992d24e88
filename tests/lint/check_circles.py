#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_circles.py NM OBJECT...: no file calls another that calls it back, be it by way of others; by the objects' symbols."""
import os
import re
import subprocess
import sys

# Circles that stay, each with its reason. A circle is named by its files; one that has become smaller stays allowed.
ALLOWED = (
    # The protocol asks for it: what a client sends behind DATA, AUTH or STARTTLS is read one way or another by the reply, which
    # comes later. So the client's octets are held, and the reply's pairing has them read.
    {"src/smtp/chunk.c", "src/smtp/client.c", "src/smtp/pairing.c", "src/smtp/proxy_header.c", "src/smtp/resync.c"},
)


def source_of(path):
    """src/room/file.c of the object that a build made of it."""
    return os.path.normpath(re.sub(r".*\.dir/(.*)\.o$", r"\1", path))


def symbols(nm, paths):
    """For each source: the external names that it defines, and those that it uses."""
    defined, used = {}, {}
    listed = subprocess.run([nm, "-P", "-g", "-A"] + paths, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        path, _, symbol = line.partition(": ")
        name, kind = symbol.split()[:2]
        source = source_of(path)
        for table in (defined, used):
            table.setdefault(source, set())
        (used if kind in "Uvw" else defined)[source].add(name)
    return defined, used


def edges_of(defined, used):
    home = {name: source for source, names in defined.items() for name in names}
    return {source: {home[name]: name for name in sorted(names) if name in home and home[name] != source}
            for source, names in used.items()}


def reached(edges, start):
    seen, todo = set(), [start]
    while todo:
        for target in edges[todo.pop()]:
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def circles(edges):
    """The sets of files of which each reaches all others."""
    reach = {source: reached(edges, source) for source in edges}
    found = {frozenset(other for other in reach[source] if source in reach[other]) for source in edges if source in reach[source]}
    return sorted(found, key=sorted)


def main():
    defined, used = symbols(sys.argv[1], [path for argument in sys.argv[2:] for path in argument.split(";")])
    edges = edges_of(defined, used)
    if not any(edges.values()):
        print("no calls between files: are these the objects?")
        return 1
    problems = 0
    for circle in circles(edges):
        if any(circle <= allowed for allowed in ALLOWED):
            continue
        problems += 1
        print("a circle of %d files:" % len(circle))
        for source in sorted(circle):
            for target, name in sorted(edges[source].items()):
                if target in circle:
                    print("    %s uses %s of %s" % (source, name, target))
    print("%d files, %d edges; circles: %s" % (len(edges), sum(map(len, edges.values())), problems or "none"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
