# SPDX-License-Identifier: BSD-2-Clause
"""What is measured on a capture: commands, run in turns, and what each run took."""
import os
import shutil
import statistics
import subprocess
import time


class Failed(Exception):
    pass


def processor_seconds():
    """Of all processors together: how long they worked, or another machine had them, so far. None where nobody says."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Machine:
    """Is it idle but for what is measured? Runs that something else disturbs are thrown away, as long as patience lasts."""
    SAMPLE_S = 0.25
    DISTURBED = 0.05  # of one processor
    TICKS_S = 0.03  # what /proc/stat cannot tell

    def __init__(self, patience):
        self.patience, self.thrown, self.kept, self.waited = patience, 0, 0, 0.0

    def wait(self):
        """Until nobody else works."""
        while self.patience > self.waited:
            before, begin = processor_seconds(), time.monotonic()
            if before is None:
                return
            time.sleep(self.SAMPLE_S)
            if processor_seconds() - before <= self.DISTURBED * self.SAMPLE_S + self.TICKS_S / 3:
                return
            self.waited += time.monotonic() - begin

    def measured(self, run):
        """What run() returns, of a run that was not disturbed; or of any, when patience is at its end."""
        while True:
            self.wait()
            before, begin = processor_seconds(), time.monotonic()
            result = run()
            took = time.monotonic() - begin
            if before is None or processor_seconds() - before - result.processor <= self.DISTURBED * took + self.TICKS_S:
                return result
            if self.waited >= self.patience:
                self.kept += 1
                return result
            self.waited += took
            self.thrown += 1

    def said(self):
        words = "%d disturbed runs were thrown away" % self.thrown
        return words + (", %d were kept: the machine was never idle for long" % self.kept if self.kept else "")


class Capture:
    """A file that mkcapture made, and what mkcapture says is in it."""

    def __init__(self, folder, tools, name, arguments):
        self.path = os.path.join(folder, name + ".pcap")
        self.arguments = [str(argument) for argument in arguments]
        done = subprocess.run([tools.mkcapture, *self.arguments, self.path], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failed("mkcapture %s: %s" % (" ".join(self.arguments), done.stderr))
        self.holds = {word: int(number) for number, word in (part.split() for part in done.stderr.strip().split(", "))}
        self.packets, self.octets = self.holds["packets"], self.holds["octets"]

    def cache(self):
        """Reads the file once, so that every run finds it in the page cache."""
        with open(self.path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass

    def remove(self):
        os.unlink(self.path)


class Run:
    """One run of a command: seconds of wall time, of processor time, up to the first octet of output; MB of memory at most."""

    def __init__(self, line):
        status, wall, processor, resident, first = (int(word) for word in line.split())
        self.status, self.wall, self.processor = status, wall / 1e9, processor / 1e9
        self.resident, self.first = resident * 1024 / 1e6, first / 1e9


class Contender:
    """A command on a capture. `output`: a file's name in the folder, or -f to wait for the first octet."""

    def __init__(self, name, command, output="out", findings=False):
        self.name, self.command, self.output, self.findings = name, command, output, findings

    def named(self, name):
        return Contender(name, self.command, self.output, self.findings)

    def to_first_octet(self):
        return Contender(self.name, self.command, output="-f")

    def run(self, tools, folder, capture):
        output = self.output if self.output == "-f" else os.path.join(folder, self.output)
        command = [tools.measure, output, *self.command(capture.path)]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run = Run(done.stdout) if done.returncode == 0 else None
        if run is None or run.status:
            raise Failed("%s: status %s: %s" % (" ".join(command), run.status if run else done.returncode, done.stderr[-1000:]))
        if self.findings:
            self.check(output, capture)
        return run

    def check(self, output, capture):
        """A wrong result is not worth measuring."""
        with open(output, "rb") as file:
            found = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        wanted = capture.holds["findings"] + capture.holds["lacking"]
        if found != wanted:
            raise Failed("%s: %d findings in %s, of which mkcapture says that there are %d" % (self.name, found, capture.path, wanted))


class Figures:
    """All runs of one contender on one capture."""

    def __init__(self, contender, capture):
        self.contender, self.capture, self.runs = contender, capture, []

    def median(self, what):
        return statistics.median(getattr(run, what) for run in self.runs)

    def beside(self, other):
        """Time a packet, and processor time a packet, by those of the other."""
        packets = self.capture.packets / other.capture.packets
        return tuple(self.median(what) / other.median(what) / packets for what in ("wall", "processor"))

    def least(self, what):
        return min(getattr(run, what) for run in self.runs)

    def most(self, what):
        return max(getattr(run, what) for run in self.runs)


def in_turns(tools, folder, pairs, turns):
    """A B A B: each contender on its capture, then all again. Returns their figures in the same order."""
    figures = [Figures(contender, capture) for contender, capture in pairs]
    for capture in {id(capture): capture for _, capture in pairs}.values():
        capture.cache()
    for _ in range(turns):
        for each in figures:
            each.runs.append(tools.machine.measured(lambda: each.contender.run(tools, folder, each.capture)))
    return figures


class Tools:
    """The programs of the build and those of the system."""

    def __init__(self, folder, program=None, patience=0):
        self.machine = Machine(patience)
        for name in ("mkcapture", "bare_loop", "measure", "bench_scan", "ladder"):
            setattr(self, name, os.path.join(folder, name))
        self.program = os.path.abspath(program or os.path.join(folder, "smtpscope"))
        if not os.path.exists(self.measure) or not os.path.exists(self.program):
            raise Failed("not built: cmake --build --preset release --target bench")

    def bare(self):
        return Contender("bare loop", lambda path: [self.bare_loop, path])

    def rung(self, step):
        """The stages up to and with one of them."""
        return Contender(step, lambda path: [self.ladder, step, path])

    def workers(self, count, program=None):
        """The option, where the program has it."""
        done = subprocess.run([program or self.program, "--help"], stdout=subprocess.PIPE, text=True)
        return ["--workers", str(count)] if "--workers" in done.stdout else []

    def smtpscope(self, workers=1, program=None):
        """JSON to a file."""
        arguments = ["--format", "json", *self.workers(workers, program)]
        name = (program or "smtpscope") + ", json" + (", %d workers" % workers if workers > 1 else "")
        return Contender(name, lambda path: [program or self.program, "-r", path, *arguments], findings=True)

    def smtpscope_text(self):
        workers = self.workers(1)
        return Contender("smtpscope, text", lambda path: [self.program, "-r", path, *workers])

    def smtpscope_silent(self):
        """All is judged, nothing is written: of this rule the captures have none."""
        arguments = ["--format", "json", "--rule", "transport.one-sided", *self.workers(1)]
        return Contender("smtpscope, no output", lambda path: [self.program, "-r", path, *arguments])

    def tshark(self):
        fields = "frame.number", "smtp.req.command", "smtp.req.parameter", "smtp.response.code", "smtp.rsp.parameter"
        named = [word for field in fields for word in ("-e", field)]
        return Contender("tshark, fields", lambda path: ["tshark", "-n", "-r", path, "-Y", "smtp", "-T", "fields", *named])

    def suricata(self):
        return Contender("suricata, no rules", lambda path: ["suricata", "-r", path, "-k", "none", "-S", "/dev/null", "-l", "."])

    def zeek(self):
        return Contender("zeek, smtp.log", lambda path: ["zeek", "-C", "-b", "-r", path, "base/protocols/smtp"])

    def others(self):
        """Those of the other analysers that are installed."""
        return [getattr(self, name)() for name in ("tshark", "suricata", "zeek") if shutil.which(name)]
