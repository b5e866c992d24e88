#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
bench.py [OPTIONS] [CASE...]: speed and memory beside a bare pcap_loop over the same file and beside other analysers.

Runs in turns (A B A B) over files in the page cache; medians. It prints ratios and judges nothing: on a shared machine a time is no test.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from contenders import Capture, Failed, Tools, in_turns  # noqa: E402

BIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "release", "bin")
SAMPLE_S = 0.02
STARTS = 41  # a start takes milliseconds: many are had for little
COLUMNS = "%-34s %9s %9s %7s %7s %9s %9s %8s %8s  %s"


class Bench:
    """What the cases share: sizes, tools, the folder, the table."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.tools = Tools(options.bin, options.program, options.patience)
        self.wanted = []

    def capture(self, name, *arguments):
        return Capture(self.folder, self.tools, name, ["-e", self.options.seed, *arguments])

    def title(self, case, text, capture=None):
        print("\n%s: %s" % (case, text))
        if capture is not None:
            print("  mkcapture %s: %s" % (" ".join(capture.arguments), ", ".join("%d %s" % (n, what) for what, n in capture.holds.items())))

    def head(self):
        print(COLUMNS % ("", "median s", "least s", "ratio", "of CPU", "Mpacket/s", "Gbit/s", "CPU s", "MB", ""))

    def row(self, figures, ratio, processor=1.0, wanted=""):
        """Ratios of the median times and of the median processor times, which suffers less from what else the machine does."""
        seconds, capture = figures.median("wall"), figures.capture
        print(COLUMNS % ("  " + figures.contender.name, "%.3f" % seconds, "%.3f" % figures.least("wall"), "%.2f" % ratio, "%.2f" % processor,
                         "%.2f" % (capture.packets / seconds / 1e6), "%.2f" % (capture.octets * 8 / seconds / 1e9),
                         "%.3f" % figures.median("processor"), "%.1f" % figures.most("resident"), wanted))
        sys.stdout.flush()

    def note(self, case, what, got, limit, unit=""):
        """A row of the last table; returns the words beside the figure."""
        self.wanted.append((case, what, "%.2f%s" % (got, unit), "%s%g%s" % ("<= " if limit > 0 else ">= ", abs(limit), unit)))
        return "wanted %s" % self.wanted[-1][3]

    def against_bare(self, case, limits, capture):
        """The bare loop, then smtpscope by number of workers; `limits`: of the ratio, by that number."""
        pairs = [(self.tools.bare(), capture)]
        for workers in limits:
            if workers == 1 or self.tools.workers(workers):
                pairs.append((self.tools.smtpscope(workers), capture))
        counted = list(limits)[:len(pairs) - 1]
        if self.options.against:
            pairs.append((self.tools.smtpscope(program=self.options.against), capture))
        figures = in_turns(self.tools, self.folder, pairs, self.options.turns)
        self.head()
        self.row(figures[0], 1)
        for workers, each in zip(counted, figures[1:]):
            ratio, processor = each.beside(figures[0])
            what = "time / bare loop" + (", %d workers" % workers if workers > 1 else "")
            self.row(each, ratio, processor, self.note(case, what, ratio, limits[workers]))
        for each in figures[1 + len(counted):]:
            self.row(each, *each.beside(figures[0]))
        capture.remove()


# --- the cases

def case_smtp(bench, case):
    capture = bench.capture(case, "-s", bench.options.size, "-m", 12000, "-f", 20)
    bench.title(case, "SMTP only, messages of 12 kB, 20 % of sessions with findings", capture)
    bench.against_bare(case, {1: 2.0, 2: 1.4}, capture)


def case_tiny(bench, case):
    capture = bench.capture(case, "-s", bench.options.size, "-m", 1000, "-f", 20)
    bench.title(case, "SMTP only, messages of 1 kB, 20 % of sessions with findings", capture)
    bench.against_bare(case, {1: 4.0, 2: 4.0}, capture)


def case_mixed(bench, case):
    capture = bench.capture(case, "-s", bench.options.size, "-m", 12000, "-f", 20, "-o", 99, "-c", 10)
    bench.title(case, "1 % of packets are SMTP", capture)
    bench.against_bare(case, {1: 1.15, 2: 1.15}, capture)


def case_faulty(bench, case):
    capture = bench.capture(case, "-s", bench.options.size, "-m", 12000, "-f", 100)
    bench.title(case, "every session raises a finding", capture)
    bench.against_bare(case, {1: 3.0, 2: 3.0}, capture)


def case_damaged(bench, case):
    clean = bench.capture(case + "-clean", "-s", bench.options.size, "-m", 12000, "-f", 20)
    capture = bench.capture(case, "-s", bench.options.size, "-m", 12000, "-f", 20, "-r", 100, "-l", 20)
    bench.title(case, "of the segments of messages 10 % reordered, 2 % lost and resent, beside the clean case", capture)
    tool = bench.tools.smtpscope()
    pairs = [(tool.named("smtpscope, clean"), clean), (tool.named("smtpscope, reordered and resent"), capture)]
    figures = in_turns(bench.tools, bench.folder, pairs, bench.options.turns)
    ratio, processor = figures[1].beside(figures[0])
    bench.head()
    bench.row(figures[0], 1)
    bench.row(figures[1], ratio, processor, bench.note(case, "time a packet / clean case", ratio, 1.3))
    for each in (clean, capture):
        each.remove()


def case_open(bench, case):
    """Each number of sessions at once, in a capture of its own; all of one script and of tiny messages."""
    few = bench.capture(case + "-1000", "-n", bench.options.open[0], "-c", 1000, "-m", 300, "-f", 0)
    bench.title(case, "sessions open at once and interleaved: time a packet beside that of 1000 at once", few)
    for count in (count for count in bench.options.open if count > 1000):
        capture = bench.capture("%s-%d" % (case, count), "-n", count, "-c", count, "-m", 300, "-f", 0)
        tool = bench.tools.smtpscope()
        pairs = [(tool.named("smtpscope, 1000 open"), few), (tool.named("smtpscope, %d open" % count), capture)]
        figures = in_turns(bench.tools, bench.folder, pairs, bench.options.turns)
        ratio, processor = figures[1].beside(figures[0])
        bench.head()
        bench.row(figures[0], 1)
        bench.row(figures[1], ratio, processor, bench.note(case, "time a packet, %d open / 1000 open" % count, ratio, 2.5))
        if count <= 1000000:
            bench.note(case, "memory, %d open" % count, figures[1].most("resident"), 700, " MB")
        capture.remove()
    few.remove()


def case_idle(bench, case):
    captures = [bench.capture("%s-%d" % (case, count), "-n", count, "-i", 100) for count in (1, bench.options.idle)]
    bench.title(case, "sessions that stay open and say nothing behind EHLO", captures[1])
    tool = bench.tools.smtpscope()
    pairs = [(tool.named("smtpscope, %s" % capture.arguments[3]), capture) for capture in captures]
    none, many = in_turns(bench.tools, bench.folder, pairs, 1)
    octets = (many.most("resident") - none.most("resident")) * 1e6 / bench.options.idle
    bench.head()
    bench.row(none, 1)
    bench.row(many, *many.beside(none), "%.0f octets a session, %s" % (octets, bench.note(case, "memory of an idle session", octets, 600, " octets")))
    for each in captures:
        each.remove()


def resident_mb(pid):
    try:
        with open("/proc/%d/status" % pid, encoding="ascii") as file:
            return next((int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmRSS:")), None)
    except OSError:
        return None


def case_stream(bench, case):
    bench.title(case, "%d MB on standard input, by a pipe from the generator" % bench.options.stream)
    make = subprocess.Popen([bench.tools.mkcapture, "-s", str(bench.options.stream), "-f", "20", "-"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    with open(os.path.join(bench.folder, "out"), "wb") as out:
        read = subprocess.Popen([bench.tools.program, "-r", "-", "--format", "json"], stdin=make.stdout, stdout=out)
    make.stdout.close()
    begin, samples = time.monotonic(), []
    while read.poll() is None:
        sample = resident_mb(read.pid)
        if sample is not None:
            samples.append(sample)
        time.sleep(SAMPLE_S)
    if read.returncode or make.wait():
        raise Failed("stream: status %d" % read.returncode)
    samples = samples or [0]
    at = [samples[int((len(samples) - 1) * share)] for share in (0.1, 0.25, 0.5, 0.75, 1)]
    print("  %.1f s; MB resident at 10, 25, 50, 75, 100 %% of it: %s" % (time.monotonic() - begin, " ".join("%.1f" % mb for mb in at)))
    print("  at most %.1f MB: %s" % (max(samples), bench.note(case, "memory, %d MB streamed" % bench.options.stream, max(samples), 100, " MB")))


def case_start(bench, case):
    capture = bench.capture(case, "-n", 8, "-c", 1, "-m", 300, "-f", 100)
    bench.title(case, "from the start to the first octet of output", capture)
    tools = bench.tools
    pairs = [(contender.to_first_octet(), capture) for contender in (tools.bare(), tools.smtpscope(), tools.smtpscope_text())]
    for each in in_turns(bench.tools, bench.folder, pairs, STARTS):
        first = each.median("first") * 1000
        wanted = bench.note(case, each.contender.name, first, 10, " ms") if each.contender.name != "bare loop" else ""
        print("  %-20s median %.2f ms, least %.2f ms  %s" % (each.contender.name, first, each.least("first") * 1000, wanted))
    capture.remove()


def case_scan(bench, case):
    limits = {"avx2": -10, "sse2": -4}
    bench.title(case, "sweep over %d MB of message text in memory, whole and in segments of 1460 octets; by processor time; beside it reading alone" % bench.options.scan)
    done = subprocess.run([bench.tools.bench_scan, str(bench.options.scan), str(bench.options.turns)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed("bench_scan: status %d" % done.returncode)
    for line in done.stdout.splitlines():
        name, text, speed, best = line.split()
        judged = name in limits and text in ("text", "base64")
        wanted = bench.note(case, "%s, %s" % (name, text), float(speed), limits[name], " GB/s") if judged else ""
        print("  %-10s %-18s median %6.2f, best %6.2f GB/s  %s" % (name, text, float(speed), float(best), wanted))


def case_tools(bench, case):
    capture = bench.capture(case, "-s", bench.options.tools, "-m", 12000, "-f", 20)
    bench.title(case, "beside other analysers, where they are installed", capture)
    tools = bench.tools
    contenders = [tools.bare(), tools.smtpscope(), tools.smtpscope_text(), tools.smtpscope_silent(), *tools.others()]
    figures = in_turns(tools, bench.folder, [(contender, capture) for contender in contenders], bench.options.turns)
    bench.head()
    for each in figures:
        bench.row(each, *each.beside(figures[0]))
    capture.remove()


RUNGS = {"read": "read(2) alone", "records": "+ records found", "decode": "+ decode", "hash": "+ hash", "stream": "+ stream",
         "session": "+ session, message scanned", "judge": "+ judge, traces"}


def case_ladder(bench, case):
    """What each stage costs: processor time of one thread on one processor, by multiples of the bare loop."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    try:
        for name, size in (("12 kB", 12000), ("1 kB", 1000)):
            capture = bench.capture(case, "-s", bench.options.size, "-m", size, "-f", 20)
            bench.title(case, "messages of %s, the stages one upon the other, on one processor" % name, capture)
            ladder(bench, capture)
            capture.remove()
    finally:
        os.sched_setaffinity(0, processors)


def ladder(bench, capture):
    tools = bench.tools
    rungs = [tools.rung(step).named(text) for step, text in RUNGS.items()] + [tools.smtpscope().named("+ correlate, merge, JSON: all")]
    bare, *figures = in_turns(tools, bench.folder, [(each, capture) for each in [tools.bare(), *rungs]], bench.options.turns)
    print("%-34s %9s %9s %17s" % ("", "CPU s", "ratio", "step, ns/packet"))
    below = 0
    for each in figures:
        seconds = each.median("processor")
        print("  %-32s %9.3f %9.2f %17.0f" % (each.contender.name, seconds, seconds / bare.median("processor"), (seconds - below) / capture.packets * 1e9))
        below = seconds
    sys.stdout.flush()


CASES = {"smtp": case_smtp, "tiny": case_tiny, "mixed": case_mixed, "faulty": case_faulty, "damaged": case_damaged, "open": case_open,
         "idle": case_idle, "stream": case_stream, "start": case_start, "scan": case_scan, "tools": case_tools, "ladder": case_ladder}


def counts(text):
    return [int(count) for count in text.split(",")]


def options_read():
    full = os.environ.get("BENCH_FULL", "") not in ("", "0")
    parser = argparse.ArgumentParser(description="Sizes are in MB; BENCH_FULL=1 makes the defaults those of the full benchmark.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="of: %s (all)" % " ".join(CASES))
    parser.add_argument("--bin", type=os.path.abspath, default=BIN, help="folder of the built programs")
    parser.add_argument("--program", type=os.path.abspath, help="the smtpscope to measure (that in --bin)")
    parser.add_argument("--against", type=os.path.abspath, metavar="PROGRAM", help="another smtpscope, measured in the same turns")
    parser.add_argument("--folder", help="where the captures are written for a while (that of temporary files)")
    parser.add_argument("--ladder", action="store_true", help="what each stage costs: the case ladder alone")
    parser.add_argument("--patience", type=float, default=60, metavar="S",
                        help="seconds, of all, to wait for an idle machine and to measure again what was disturbed (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5 if full else 3)
    parser.add_argument("--size", type=int, default=1024 if full else 256, help="of a capture")
    parser.add_argument("--stream", type=int, default=10240 if full else 1024, help="of the stream on standard input")
    parser.add_argument("--scan", type=int, default=1024 if full else 256, help="of the text in memory")
    parser.add_argument("--tools", type=int, default=1024 if full else 32, help="of the capture that the other analysers read")
    parser.add_argument("--open", type=counts, default="100000,1000000,4000000" if full else "100000", metavar="N,N",
                        help="sessions at once")
    parser.add_argument("--idle", type=int, default=1000000 if full else 200000, help="idle sessions")
    options = parser.parse_args()
    if options.ladder:
        options.cases.append("ladder")
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error("no such case: %s" % ", ".join(sorted(unknown)))
    return options


def main():
    options = options_read()
    try:
        with tempfile.TemporaryDirectory(prefix="smtpscope-bench.", dir=options.folder) as folder:
            bench = Bench(options, folder)
            print("%d turns, medians; %d processors, load %.1f" % (options.turns, os.cpu_count(), os.getloadavg()[0]))
            for case in options.cases or CASES:
                CASES[case](bench, case)
            print("\n" + bench.tools.machine.said())
    except Failed as failure:
        sys.exit("bench: %s" % failure)
    if bench.wanted:
        print("\n%-10s %-44s %14s  %s" % ("case", "figure", "got", "wanted"))
    for row in bench.wanted:
        print("%-10s %-44s %14s  %s" % row)


if __name__ == "__main__":
    main()
