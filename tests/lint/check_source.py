#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_source.py [TOP]: who may include what (the tables of stages and rooms), that no struct tag means two things, what the
sans-IO core may not touch, sizes, licence lines."""
import os
import re
import sys

# Stage -> the stages, or single headers, that it may include with quotes. Its own is always right.
PUBLIC = "smtpscope"
MAY_INCLUDE = {
    "include": set(),
    "base": {"smtpscope/types.h"},  # the allocator
    "capture": {"smtpscope/types.h", "base"},  # the time
    "decode": {PUBLIC, "base"},
    "stream": {PUBLIC, "base"},
    "detect": {PUBLIC, "stream", "base"},
    "tls": {PUBLIC, "base"},
    "smtp": {PUBLIC, "base"},
    "rules": {PUBLIC, "base"},
    "correlate": {PUBLIC, "base"},
    "follow": {PUBLIC, "base", "stream", "tls", "smtp", "rules"},
    "advice": {PUBLIC, "base"},
    "output": {PUBLIC, "advice", "base"},
    "store": {PUBLIC, "base", "output/format.h"},
    "app": {PUBLIC, "base", "capture", "decode", "stream", "tls", "detect", "smtp", "rules", "correlate", "follow", "advice", "output", "store"},
    "plugins": {PUBLIC},
}
# Room -> the rooms of its stage that it may include. A stage without a row has no rooms; "" is what lies in none.
ROOMS = {
    "app": {
        "process": set(),
        "options": {"process", "sessions", "publish"},
        "explain": {"process"},
        "history": {"process"},
        "handoff": {"process"},
        "keys": {"process"},
        "sessions": {"handoff"},
        "publish": {"handoff", "process"},
        "files": {"handoff", "keys", "sessions", "publish", "process", "options"},
        "live": {"handoff", "keys", "sessions", "publish", "process", "options"},
        "": {"options", "explain", "process", "files", "live", "history"},
    },
    "rules": {
        "reading": set(),
        "": {"reading"},
    },
    "smtp": {
        "syntax": set(),
        "scan": set(),
        "state": {"syntax", "scan"},
        "shown": {"state", "syntax"},
        "matching": {"state", "syntax"},
        "": {"syntax", "scan", "state", "shown", "matching"},
    },
    "output": {
        "": set(),
        "sink": set(),
        "metrics": {"", "sink"},
    },
}
# Header -> the files that may include it besides those of its own room.
DOORS = {
    "app/options/options.h": r"src/app/(main\.c|files/analyse\.[ch]|live/watch\.[ch])",
    "app/options/configs.h": r"src/app/(files/analyse\.c|live/watch\.c)",
}
# Header of another library -> the stages that may include it.
LIBRARIES = {
    r"pcap.*": {"capture", "app"},
    r"(ndpi/)?ndpi.*": {"detect"},
    r"zlib\.h|zstd\.h": {"capture"},
    r"xxhash\.h": {"base"},
    r"libpsl\.h": {"correlate"},
    r"sqlite3\.h": {"store"},
    r"cap-ng\.h|seccomp\.h|systemd/.*": {"app"},
    r"microhttpd\.h": {"output"},
    r"libintl\.h": {"base", "advice", "plugins"},
    r"openssl/.*": {"tls"},
}
# ... and those of which one file knows that they are there.
LIBRARY_FILES = {r"openssl/.*": os.path.join("src", "tls", "crypto.c")}
CORE = {"stream", "tls", "smtp", "rules", "correlate", "follow", "advice"}
CLOCK = "base/clock.h"
CORE_HEADERS = re.compile(r"stdio\.h|time\.h|sys/time\.h|unistd\.h|fcntl\.h|sys/socket\.h|pthread\.h|syslog\.h|signal\.h")
CORE_CALLS = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|[fsd]?printf|vs?n?printf|snprintf|puts|fputs|perror|fopen|open|read|write|"
    r"getenv|exit|abort|time|clock|clock_gettime|gettimeofday|localtime|gmtime)\s*\(")
MAX_FUNCTION_LINES = 80
MAX_FILE_LINES = 600
GENERATED = {os.path.join("src", "rules", "reading", "learned.def")}
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
SPDX_PLUGINS = "SPDX-License-Identifier: GPL-2.0-or-later"  # Wireshark's own
COMMENTS = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def files_below(top, folder, endings):
    for path, folders, names in os.walk(os.path.join(top, folder)):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "build", "__")))
        for name in sorted(names):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(path, name), top)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        return file.read()


def bare_code(text):
    """The text without comments and without what is inside literals; lines stay where they are."""
    def blank(match):
        kept = '""' if match.group()[0] == '"' else " "
        return kept + "\n" * match.group().count("\n")
    return COMMENTS.sub(blank, text)


def includes(text):
    """(line number, '<' or '"', name) of each #include."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def stage_of(path):
    parts = path.split(os.sep)
    return parts[1] if parts[0] == "src" else parts[0]


def room_of(path):
    """The folder within its stage; "" for a file that lies in none. `path` may be as it is included, without src/."""
    parts = os.path.dirname(path).split(os.sep)
    return os.sep.join(parts[2:] if parts[0] == "src" else parts[1:])


def check_room(path, where, name):
    if name in DOORS and room_of(path) != room_of(name) and not re.fullmatch(DOORS[name], path):
        yield where, "%s includes %s" % (path, name), "only %s" % DOORS[name]
    rooms = ROOMS.get(stage_of(path))
    if rooms is None or "/" not in name or stage_of(os.path.join("src", name)) != stage_of(path):
        return
    room, target = room_of(path), room_of(name)
    if room not in rooms:
        yield where, "a room %s" % room, "a row of it in ROOMS"
    elif target != room and target not in rooms[room]:
        yield where, "%s includes %s" % (room or "no room", name), "may include: %s" % (", ".join(sorted(rooms[room])) or "itself")


def cycle_of(edges):
    """Names that lead from one to the next and back to the first; empty when there are none."""
    def walk(name, way):
        if name in way:
            return way[way.index(name):] + [name]
        if name in done:
            return []
        for target in sorted(edges.get(name, ())):
            found = walk(target, way + [name])
            if found:
                return found
        done.add(name)
        return []

    done = set()
    return next(filter(None, (walk(name, []) for name in sorted(edges))), [])


def check_tables():
    """The tables themselves allow no way back."""
    tables = [("MAY_INCLUDE", MAY_INCLUDE)] + [("ROOMS of %s" % stage, rooms) for stage, rooms in ROOMS.items()]
    for name, edges in tables:
        cycle = cycle_of(edges)
        if cycle:
            yield "check_source.py", "%s: %s" % (name, " -> ".join(each or '""' for each in cycle)), "no circle"


def check_tags(texts):
    """A tag means one thing: whoever looks for it finds one place."""
    places = {}
    for path, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r"(?:static )?(?:const )?(?:struct|enum|union) (\w+) \{", line)
            if found:
                places.setdefault(found.group(1), []).append("%s:%d" % (path, number))
    for tag, where in sorted(places.items()):
        if len(where) > 1:
            yield where[0], "%s is also in %s" % (tag, ", ".join(where[1:])), "a name of its own"


def check_includes(path, text):
    stage = stage_of(path)
    for number, kind, name in includes(text):
        where = "%s:%d" % (path, number)
        if name == CLOCK and stage in CORE:
            yield where, "%s includes %s" % (stage, name), "no clock in the sans-IO core: time is an argument"
        if kind == '"':
            target = name.split("/")[0] if "/" in name else stage
            own = target == stage or (stage == "include" and target == PUBLIC)
            yield from check_room(path, where, name)
            if not own and not {target, name} & MAY_INCLUDE[stage]:
                yield where, "%s includes %s" % (stage, name), "%s may include: %s" % (stage, ", ".join(sorted(MAY_INCLUDE[stage])) or "itself")
            continue
        for library, stages in LIBRARIES.items():
            if re.fullmatch(library, name) and stage not in stages:
                yield where, "%s includes <%s>" % (stage, name), "only in: %s" % ", ".join(sorted(stages))
        for library, file in LIBRARY_FILES.items():
            if re.fullmatch(library, name) and path != file:
                yield where, "%s includes <%s>" % (path, name), "only in: %s" % file
        if stage in CORE and CORE_HEADERS.fullmatch(name):
            yield where, "%s includes <%s>" % (stage, name), "no stdio, clock or system calls in the sans-IO core"


def check_own_header_first(path, text):
    own = os.path.splitext(os.path.basename(path))[0] + ".h"
    folder = os.path.dirname(path)
    if not path.endswith(".c") or not os.path.exists(os.path.join(TOP, folder, own)):
        return
    first = next(includes(text), (1, '"', "nothing"))
    if os.path.basename(first[2]) != own:
        yield "%s:%d" % (path, first[0]), "includes %s first" % first[2], "its own header, %s, first" % own


def check_core_calls(path, code):
    if stage_of(path) not in CORE:
        return
    for number, line in enumerate(code.split("\n"), 1):
        found = CORE_CALLS.search(line)
        if found and not line.lstrip().startswith("#"):
            yield "%s:%d" % (path, number), "calls %s()" % found.group(1), "neither memory, output, clock nor environment but through arguments"


def check_sizes(path, code):
    lines = code.rstrip("\n").split("\n")
    if len(lines) > MAX_FILE_LINES and path not in GENERATED:
        yield path, "%d lines" % len(lines), "at most %d" % MAX_FILE_LINES
    begin = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin is not None:
            if number - begin - 1 > MAX_FUNCTION_LINES:
                yield "%s:%d" % (path, begin), "a function of %d lines" % (number - begin - 1), "at most %d" % MAX_FUNCTION_LINES
            begin = None


def check_layout(path, text, code):
    for number, line in enumerate(code.split("\n"), 1):
        if "//" in line:
            yield "%s:%d" % (path, number), "a // comment", "/* */"
    for number, line in enumerate(text.split("\n"), 1):
        if line.rstrip() != line or "\t" in line:
            yield "%s:%d" % (path, number), "a tab or white space at the end", "neither"


def check_licence(path, text):
    """One SPDX line, first; behind the line that names the interpreter where there is one."""
    head = text.split("\n", 3)[:2]
    wanted = SPDX_PLUGINS if path.startswith("plugins") else SPDX
    if wanted not in head[1 if head[0].startswith("#!") and len(head) > 1 else 0]:
        yield "%s:1" % path, head[0][:60] or "nothing", wanted


def check_all(top):
    c_files = [path for folder in ("include", "src", "plugins") for path in files_below(top, folder, (".c", ".h", ".def"))]
    texts = {path: read(top, path) for path in c_files}
    yield from check_tables()
    yield from check_tags(texts)
    for path, text in texts.items():
        code = bare_code(text)
        yield from check_includes(path, text)
        yield from check_own_header_first(path, text)
        yield from check_core_calls(path, code)
        yield from check_sizes(path, code)
        yield from check_layout(path, text, code)
    licensed = c_files + list(files_below(top, "tests", (".c", ".h", ".py", ".sh", "CMakeLists.txt")))
    licensed += list(files_below(top, "cmake", (".cmake", ".sh"))) + ["CMakeLists.txt", "run.sh", "test.sh", ".ci/run"]
    for path in licensed:
        yield from check_licence(path, read(top, path))


TOP = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def main():
    problems = list(check_all(TOP))
    for where, got, want in problems:
        print("%s\n    got     %s\n    wanted  %s" % (where, got, want))
    print("source checks: %s" % ("%d problems" % len(problems) if problems else "all right"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
