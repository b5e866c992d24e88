#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check_source.py [TOP]: who may include what (the table of stages), what the sans-IO core may not touch, sizes, licence lines."""
import os
import re
import sys

# Stage -> the folders, or single headers, that it may include with quotes. Its own folder is always right.
PUBLIC = "smtpscope"
MAY_INCLUDE = {
    "include": set(),
    "base": {"smtpscope/types.h"},  # the allocator
    "capture": {"smtpscope/types.h", "base"},  # the time
    "decode": {PUBLIC, "base"},
    "stream": {PUBLIC, "base"},
    "detect": {PUBLIC, "stream", "base"},
    "smtp": {PUBLIC, "base"},
    "rules": {PUBLIC, "base"},
    "correlate": {PUBLIC, "base"},
    "advice": {PUBLIC, "base"},
    "output": {PUBLIC, "advice", "base"},
    "app": {PUBLIC, "base", "capture", "decode", "stream", "detect", "smtp", "rules", "correlate", "advice", "output"},
}
# Header of another library -> the stages that may include it.
LIBRARIES = {
    r"pcap.*": {"capture", "app"},
    r"(ndpi/)?ndpi.*": {"detect"},
    r"zlib\.h|zstd\.h": {"capture"},
    r"jansson\.h": {"output", "app"},
    r"cap-ng\.h|seccomp\.h|systemd/.*": {"app"},
    r"microhttpd\.h": {"output"},
    r"libintl\.h": {"base", "advice"},
}
CORE = {"stream", "smtp", "rules", "advice"}
CLOCK = "base/clock.h"
CORE_HEADERS = re.compile(r"stdio\.h|time\.h|sys/time\.h|unistd\.h|fcntl\.h|sys/socket\.h|pthread\.h|syslog\.h|signal\.h")
CORE_CALLS = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|[fsd]?printf|vs?n?printf|snprintf|puts|fputs|perror|fopen|open|read|write|"
    r"getenv|exit|abort|time|clock|clock_gettime|gettimeofday|localtime|gmtime)\s*\(")
MAX_FUNCTION_LINES = 80
MAX_FILE_LINES = 600
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
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
    return "include" if parts[0] == "include" else parts[1]


def check_includes(path, text):
    stage = stage_of(path)
    for number, kind, name in includes(text):
        where = "%s:%d" % (path, number)
        if name == CLOCK and stage in CORE:
            yield where, "%s includes %s" % (stage, name), "no clock in the sans-IO core: time is an argument"
        if kind == '"':
            target = name.split("/")[0] if "/" in name else stage
            own = target == stage or (stage == "include" and target == PUBLIC)
            if not own and not {target, name} & MAY_INCLUDE[stage]:
                yield where, "%s includes %s" % (stage, name), "%s may include: %s" % (stage, ", ".join(sorted(MAY_INCLUDE[stage])) or "itself")
            continue
        for library, stages in LIBRARIES.items():
            if re.fullmatch(library, name) and stage not in stages:
                yield where, "%s includes <%s>" % (stage, name), "only in: %s" % ", ".join(sorted(stages))
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
    if len(lines) > MAX_FILE_LINES:
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
    if SPDX not in head[1 if head[0].startswith("#!") and len(head) > 1 else 0]:
        yield "%s:1" % path, head[0][:60] or "nothing", SPDX


def check_all(top):
    c_files = [path for folder in ("include", "src") for path in files_below(top, folder, (".c", ".h", ".def"))]
    for path in c_files:
        text = read(top, path)
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
