#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
out_of_step.py [--all] [--seed N] [--verbose] PROGRAM [FOLDER...]: what becomes of the pairs when client and server are not in step.

Into each clean dialogue of tests/dialogue, and each clean connection that the truth files of the folders tell of, one line is put
that gets no reply, or one reply that answers no line, at each place. Behind the second anchor (a reply that can answer one thing
only) every pair must be right again; where fewer anchors follow, a wrong pair must not be certain. A seeded sample, or all.
"""
import argparse
import collections
import copy
import glob
import json
import os
import random
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import dialogue  # noqa: E402
import tcpwire  # noqa: E402

SAMPLE = 4000
PORT = 2525
PORTS = "25,587,2525"
LINES = [b"\r\n", b"XYZZY\r\n", b"XYZZY plugh\r\n", b"NOOP\r\n", b"RSET\r\n", b"\x00\xff\x01 junk\r\n", b"Subject: lost\r\n"]
REPLIES = [b"250 2.0.0 Ok\r\n", b"250 ok\r\n", b"500 5.5.2 Error: command not recognized\r\n", b"220 mx.example ESMTP\r\n",
           b"250-mx.example\r\n250 PIPELINING\r\n"]
MESSAGE_WORDS = re.compile(r"queued|accepted for delivery|message accepted|ok id=| qp ", re.I)


def is_anchor(exchange):
    """May the reply answer one kind of command only, by itself?"""
    if exchange["code"] in (211, 214, 220, 221, 235, 253, 334, 354):
        return True
    if exchange["code"] != 250:
        return False
    named = exchange["enhanced"] in ("2.1.0", "2.1.5", "2.6.0") or exchange["command"] in ("EHLO", "LHLO")
    return named or bool(MESSAGE_WORDS.search(exchange["text"] or ""))


class Base:
    """A clean session: what is said, and the pairs that are right."""

    def __init__(self, name, items):
        self.name = name
        self.items = items
        self.pairs = None


class Variant:
    def __init__(self, base, kind, items, before, extra):
        self.base = base
        self.kind = kind        # "line" or "reply"
        self.items = items
        self.before = before    # replies before the place, or to what was sent before it
        self.extra = extra      # octets that were put in


# --- clean sessions

def plain(item):
    return item.captured and not (item.conflict or item.late or item.unread) and item.action in (None, "fin", "rst")


def bases_of_dialogues(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.txt"))):
        spoken = dialogue.parse(path)
        session = spoken.sessions[0]
        whole = len(spoken.sessions) == 1 and session.captured == (True, True) and not session.midstream and session.end == "close"
        if whole and not spoken.options and all(plain(item) for item in session.items):
            yield Base(os.path.basename(path), [item for item in session.items if item.action is None])


def item_of(side, octets, joined):
    item = dialogue.Item(side, octets, 0)
    item.joined = joined
    return item


def client_octets(event):
    if event["type"] == "data":
        text = dialogue.message_octets(max(0, event["bytes"] - 5))
        return text + (b"\r\n.\r\n" if text else b".\r\n")
    if event["type"] == "auth":
        return b"AHVzZXIAcGFzc3dvcmQ=\r\n"
    return event["line"].encode("utf-8") + b"\r\n" + dialogue.message_octets(event.get("chunk") or 0)


def items_of_events(events):
    """What a connection's truth says was sent; None when it does not say all of it, or it is not SMTP in clear."""
    items, group = [], None
    for event in events:
        if event["type"] == "reply" and not event.get("incomplete"):
            items.append(item_of("S", "".join(line + "\r\n" for line in event["lines"]).encode("utf-8"), False))
            group = None
        elif event["type"] in ("command", "data", "auth") and not any(event.get(k) for k in ("eol", "early", "smuggled", "injected")):
            if event["type"] == "data" and event.get("terminator") not in (None, "b'\\r\\n.\\r\\n'"):
                return None
            items.append(item_of("C", client_octets(event), group is not None and event.get("group") == group))
            group = event.get("group")
        elif event["type"] not in ("fin",):
            return None
    return items


def bases_of_truth(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*_clean.truth.json"))):
        with open(path, encoding="utf-8") as file:
            truth = json.load(file)
        for connection in truth["connections"]:
            usable = "tls_from_event" not in connection and not connection.get("wire_only") and not truth.get("hidden")
            items = items_of_events(connection["events"]) if usable else None
            if items:
                yield Base("%s/%d" % (truth["name"], connection["id"]), items)


# --- places

def is_last_line(octets):
    return re.fullmatch(rb"\d\d\d(?:[ \r\n].*)?", octets.splitlines()[-1] + b"\n", re.S) is not None


def phases(items):
    """For each item: may something be put before it, and how many replies were complete, and commands sent, by then."""
    sent, found, replies, waiting_data, in_text, whole, tls, chunk = 0, [], 0, False, False, True, False, False
    for item in items:
        found.append((not (in_text or tls or chunk) and whole, replies, sent))
        if item.side == "S":
            codes = re.findall(rb"^(\d\d\d)(?:[ \r]|$)", item.octets, re.M)
            whole = is_last_line(item.octets)
            replies += len(codes)
            in_text = in_text or (waiting_data and b"354" in codes)
            tls = tls or (b"220" in codes and replies > 1)
            continue
        text = item.octets.upper()
        chunk = text.startswith(b"BDAT") and text.endswith(b"\n") and text.count(b"\n") == 1 and not re.match(rb"BDAT 0 ", text)
        sent += not in_text
        if in_text:
            in_text = not (text.endswith(b"\r\n.\r\n") or text == b".\r\n")
            waiting_data = waiting_data and in_text
            sent += not in_text
        elif text.startswith(b"DATA"):
            waiting_data = True
    return found


def looks_like_next(base, octets, before):
    """Would the reply be what the next command, or the greeting, is answered by? Then nobody could tell which one is the odd one."""
    if not before:
        return True
    following = base.pairs[before]["command"] if before < len(base.pairs) else ""
    return {b"220": following in (None, "STARTTLS", "XCLIENT"), b"250": following == "EHLO" and b"250-" in octets}.get(octets[:3], False)


def variants_of(base, chance):
    for at, (free, before, sent) in enumerate(phases(base.items)):
        if not free:
            continue
        if base.items[at].side == "C":
            line = item_of("C", chance.choice(LINES), False)
            items = copy.deepcopy(base.items)
            items[at].joined = chance.random() < 0.5
            yield Variant(base, "line", items[:at] + [line] + items[at:], max(before, 1 + sent), line.octets)
        reply = item_of("S", chance.choice(REPLIES), False)
        reply.unread = base.items[at].side == "S" and chance.random() < 0.5 and at > 0 and base.items[at - 1].side == "C"
        if not looks_like_next(base, reply.octets, before):
            yield Variant(base, "reply", base.items[:at] + [reply] + base.items[at:], before, reply.octets)


# --- measuring

def session_of(items, number):
    session = dialogue.Session()
    session.client = tcpwire.Endpoint("198.51.%d.%d" % (100 + number // 60000, 1 + number % 60000 // 1000), 2000 + number % 1000)
    session.server = tcpwire.Endpoint("192.0.2.25", PORT)
    session.items = items
    return session


def run(program, all_items):
    """The program's session and findings for each conversation, in order."""
    spoken = dialogue.Dialogue("")
    spoken.sessions = [session_of(items, number) for number, items in enumerate(all_items)]
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        tcpwire.write_pcap(file, dialogue.play(spoken, "cut", 1))
        file.flush()
        done = subprocess.run([program, "-r", file.name, "--format", "json", "--sessions", "--ports", PORTS], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=600, check=True)
    events = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]
    sessions = {(event["src_ip"], event["src_port"]): event for event in events if event["event_type"] == "session"}
    loud = {event.get("session") for event in events if event["event_type"] in ("finding", "deferral") and event["severity"] != "info"}
    found = [sessions.get((str(session.client.address), session.client.port)) for session in spoken.sessions]
    return [(session, session is not None and session["session"] in loud) for session in found]


def command_of(exchange):
    return (exchange["command"], exchange["argument"])


class Row:
    def __init__(self, name):
        self.name = name
        self.counts = collections.Counter()


COLUMNS = ("places", "at once", "1st anchor", "2nd anchor", "unsure", "WRONG", "pairs", "wrong pairs", "certain of them")


def measure(variant, session, row, problems):
    got = list(session["exchanges"]) if session else []
    extra = None
    row.counts["places"] += 1
    if variant.kind == "reply" and len(got) == len(variant.base.pairs) + 1:
        extra = got.pop(variant.before)
    if len(got) != len(variant.base.pairs):
        row.counts["WRONG"] += 1
        problems.append((variant, session, "%d replies, not %d" % (len(got), len(variant.base.pairs))))
        return
    later = range(variant.before, len(got))
    wrong = [i for i in later if command_of(got[i]) != command_of(variant.base.pairs[i])]
    anchors = [i for i in later if is_anchor(variant.base.pairs[i]) and  # of a run of RCPTs, each reply can answer any
               (not i or variant.base.pairs[i]["command"] != variant.base.pairs[i - 1]["command"])]
    sure = [i for i in wrong if got[i].get("confidence") != "likely"]
    row.counts["pairs"] += len(later)
    row.counts["wrong pairs"] += len(wrong)
    row.counts["certain of them"] += len(sure)
    if extra is not None and extra["command"] is not None and not wrong:
        sure = [variant.before] if extra.get("confidence") != "likely" else []
    last = max(wrong, default=-1)
    if not wrong:
        row.counts["at once"] += 1
    elif anchors and last < anchors[0]:
        row.counts["1st anchor"] += 1
    elif len(anchors) > 1 and last <= anchors[1]:
        row.counts["2nd anchor"] += 1
    elif len(anchors) < 2 and not sure:
        row.counts["unsure"] += 1
    else:
        row.counts["WRONG"] += 1
        problems.append((variant, session, "wrong to reply %d" % last))


def print_table(rows):
    table = [[""] + list(COLUMNS)] + [[row.name] + [str(row.counts[column]) for column in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join([line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]))


def words(exchanges):
    return " ".join("%s/%s%s" % (e["command"] or "-", e["code"], "?" if e.get("confidence") == "likely" else "") for e in exchanges)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("folders", nargs="*", help="of captures with truth")
    parser.add_argument("--all", action="store_true", help="every place, not a sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="bases whose name has this in it")
    parser.add_argument("--verbose", action="store_true", help="every problem, not the first few")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    bases = list(bases_of_dialogues(os.path.join(HERE, "..", "dialogue")))
    for folder in arguments.folders:
        bases += bases_of_truth(folder)
    bases = [base for base in bases if arguments.only in base.name]
    for base, (session, loud) in zip(bases, run(arguments.program, [base.items for base in bases])):
        base.pairs = session["exchanges"] if session and not loud else None
    bases = [base for base in bases if base.pairs]
    variants = [variant for base in bases for variant in variants_of(base, chance)]
    if not arguments.all and len(variants) > SAMPLE:
        variants = chance.sample(variants, SAMPLE)
    rows, problems = {kind: Row(kind) for kind in ("line", "reply")}, []
    for variant, (session, _) in zip(variants, run(arguments.program, [variant.items for variant in variants])):
        measure(variant, session, rows[variant.kind], problems)
    print("%d clean sessions" % len(bases))
    print_table(list(rows.values()))
    for variant, session, problem in problems[:None if arguments.verbose else 8]:
        print("%s: %r (%s) behind reply %d: %s\n  wanted %s\n  got    %s" % (
            variant.base.name, variant.extra, variant.kind, variant.before, problem, words(variant.base.pairs),
            words(session["exchanges"]) if session else "no session"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
