# SPDX-License-Identifier: BSD-2-Clause
"""Reads a text dialogue (tests/dialogue/README.md describes the format) and plays it as TCP conversations."""
import random
import re
import shlex

import tcpwire
from tcpwire import ACK, FIN, PSH, RST, URG

START = 1_750_000_000 * 10**9  # any fixed time: captures of one dialogue are equal octet by octet
STEP = 1_000_000               # between two written lines, in ns
CLOSE_STEP = 5_000_000
MODES = ("cut", "whole", "bytes", "random", "shuffled")
UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
EXPECTATION_KEYS = ("expect", "allow", "forbid", "near-miss", "exchanges", "messages", "modes", "ports", "detect", "title")


class DialogueError(Exception):
    pass


def unescape(text):
    """Text as written -> (octets, whether a CRLF follows). Escapes: \\r \\n \\t \\0 \\\\ \\xNN \\{N text} and a final \\c."""
    octets = bytearray()
    i = 0
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    while i < len(text):
        if text[i] != "\\":
            octets += text[i].encode("utf-8")
            i += 1
            continue
        if text[i:] == "\\c":
            return bytes(octets), False
        kind = text[i + 1:i + 2]
        digits = re.match(r"\\h\{([0-9a-f]*)\}", text[i:])
        repeat = re.match(r"\\\{(\d+) ([^}]*)\}", text[i:])
        if kind in simple:
            octets += simple[kind]
            i += 2
        elif kind == "x":
            octets.append(int(text[i + 2:i + 4], 16))
            i += 4
        elif digits:
            octets += bytes.fromhex(digits.group(1))
            i += digits.end()
        elif repeat:
            octets += unescape(repeat.group(2))[0] * int(repeat.group(1))
            i += repeat.end()
        else:
            raise DialogueError("unknown escape in %r" % text)
    return bytes(octets), True


def message_octets(count):
    """`count` octets of text in lines, for message bodies and BDAT chunks; no line is a lone dot."""
    line = b"All work and no play makes Jack a dull boy. 0123456789\r\n"
    return (line * (count // len(line) + 1))[:count]


def tls_record(kind, version, body):
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def tls_octets(what, count):
    """Records that look like TLS 1.2: a hello of either side, or application data."""
    noise = random.Random(count).randbytes
    if what == "client-hello":
        body = b"\x03\x03" + noise(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
        return tls_record(22, b"\x03\x01", b"\x01" + len(body).to_bytes(3, "big") + body)
    if what == "server-hello":
        body = b"\x03\x03" + noise(32) + b"\0" + b"\x13\x01" + b"\0"
        return tls_record(22, b"\x03\x03", b"\x02" + len(body).to_bytes(3, "big") + body)
    return tls_record(23, b"\x03\x03", noise(count))


class Item:
    """One thing that a side does."""

    def __init__(self, side, octets, line):
        self.side = side
        self.octets = octets
        self.line = line       # its line in the file, for messages
        self.action = None     # "fin", "rst", "again", or None for octets
        self.captured = True   # False: lost to the capture
        self.joined = False    # in the segment of the item before
        self.unread = False    # does not acknowledge what the other side sent last
        self.conflict = False  # in the place of the last segment's octets
        self.urgent = False    # its first octet is sent as urgent
        self.late = False      # captured behind the next item
        self.wait = 0          # ns before it


class Session:
    def __init__(self):
        self.client = None
        self.server = None
        self.midstream = False
        self.captured = (True, True)
        self.reuse = False
        self.isn = (1000, 90000)
        self.items = []
        self.end = "close"
        self.after = 0         # ns between the session before and this one
        self.wait = 0          # ns between the last item and what comes next


class Expectation:
    def __init__(self, rule, conditions, line):
        self.rule = rule
        self.conditions = conditions
        self.line = line

    def __str__(self):
        return " ".join([self.rule] + ["%s=%s" % pair for pair in self.conditions.items()])


class Dialogue:
    def __init__(self, path):
        self.path = path
        self.sessions = []
        self.expect, self.allow, self.forbid = [], [], []
        self.near_miss = []    # the rules that this is the near miss of: forbidden too
        self.exchanges, self.messages = [], []
        self.modes = MODES
        self.options = []      # of the program
        self.title = ""


def parse_header(dialogue, key, value, number):
    words = shlex.split(value)
    if key == "expect":
        conditions = dict(word.split("=", 1) for word in words[1:])
        dialogue.expect.append(Expectation(words[0], conditions, number))
    elif key == "allow":
        dialogue.allow += words
    elif key in ("forbid", "near-miss"):
        dialogue.forbid += words
        dialogue.near_miss += words if key == "near-miss" else []
    elif key == "exchanges":
        dialogue.exchanges.append(words)
    elif key == "messages":
        dialogue.messages += words
    elif key == "modes":
        dialogue.modes = tuple(words)
    elif key == "ports":
        dialogue.options += ["--ports", value.strip()]
    elif key == "detect":
        if words != ["on"]:
            raise DialogueError("%s:%d: detect: on" % (dialogue.path, number))
        dialogue.options.append("--detect")
    else:
        dialogue.title = value.strip()


def parse_time(text):
    count, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(count) * UNITS[unit]


def parse_endpoint(text, port):
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::(\d+))?", text)
    if bracketed:
        return tcpwire.Endpoint(bracketed.group(1), int(bracketed.group(2) or port))
    address, _, given = text.partition(":")
    return tcpwire.Endpoint(address, int(given or port))


def parse_session(sessions, value):
    """`session:` and its words; addresses default to those of the session before, the client's port to the next one."""
    session, before = Session(), sessions[-1] if sessions else None
    words = shlex.split(value)
    ipv6 = "ipv6" in words
    client = "2001:db8::c" if ipv6 else str(before.client.address) if before else "198.51.100.7"
    server = "2001:db8::25" if ipv6 else str(before.server.address) if before else "192.0.2.25"
    session.client = tcpwire.Endpoint(client, before.client.port + 1 if before else 40001)
    session.server = tcpwire.Endpoint(server, before.server.port if before else 25)
    for word in words:
        key, _, argument = word.partition("=")
        if key == "client":
            session.client = parse_endpoint(argument, session.client.port)
        elif key == "server":
            session.server = parse_endpoint(argument, session.server.port)
        elif key == "after":
            session.after = parse_time(argument)
        elif key == "midstream":
            session.midstream = True
        elif key == "only":
            session.captured = (argument == "client", argument == "server")
        elif key == "reuse":
            session.client = tcpwire.Endpoint(str(before.client.address), before.client.port)
            session.isn = (before.isn[0] + 10**8, before.isn[1] + 10**8)
        elif key == "isn":
            session.isn = tuple(int(number, 0) for number in argument.split(","))
        elif key != "ipv6":
            raise DialogueError("unknown word in session: %s" % word)
    sessions.append(session)
    return session


def parse_octets(text):
    """What stands behind "C: " or "S: " -> octets."""
    text_only = re.fullmatch(r"\[(octets|tls) ([\w-]+)(?: (\d+))?\]", text)
    if text_only:
        if text_only.group(1) == "octets":
            return message_octets(int(text_only.group(2)))
        return tls_octets(text_only.group(2), int(text_only.group(3) or 64))
    repeat = re.fullmatch(r"@repeat (\d+) (.*)", text)
    octets, line_end = unescape(repeat.group(2) if repeat else text)
    return (octets + (b"\r\n" if line_end else b"")) * (int(repeat.group(1)) if repeat else 1)


def parse_item(side, joined, text, number):
    item = Item(side, b"", number)
    item.joined = joined
    while True:
        flag = re.match(r"\[(lost|unread|conflict|late|urgent)\] ?", text)
        if not flag:
            break
        if flag.group(1) == "lost":
            item.captured = False
        else:
            setattr(item, flag.group(1), True)
        text = text[flag.end():]
    gap = re.fullmatch(r"\[gap (\d+)\]", text)
    action = re.fullmatch(r"\[(fin|rst|again)\]", text)
    if gap:
        item.octets, item.captured = b"?" * int(gap.group(1)), False
    elif action:
        item.action = action.group(1)
    else:
        item.octets = parse_octets(text)
    return item


def parse_line(dialogue, session, line, number):
    """One line that is no comment; returns the session that goes on."""
    spoken = re.match(r"([CS])([:&])(?: (.*))?$", line)
    wait = re.fullmatch(r"wait (\d+(?:ms|s|m|h))", line)
    header = re.match(r"([a-z-]+):\s*(.*)$", line)
    if header and header.group(1) in EXPECTATION_KEYS:
        parse_header(dialogue, header.group(1), header.group(2), number)
        return session
    if header and header.group(1) == "session":
        return parse_session(dialogue.sessions, header.group(2))
    if session is None:
        session = parse_session(dialogue.sessions, "")
    if spoken:
        item = parse_item(spoken.group(1), spoken.group(2) == "&", spoken.group(3) or "", number)
        item.wait, session.wait = session.wait, 0
        session.items.append(item)
    elif wait:
        session.wait += parse_time(wait.group(1))
    elif header and header.group(1) == "end" and header.group(2) in ("open", "close"):
        session.end = header.group(2)
    else:
        raise DialogueError("cannot read this line: %s" % line)
    return session


def parse(path):
    dialogue, session = Dialogue(path), None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            try:
                session = parse_line(dialogue, session, line, number)
            except (DialogueError, ValueError, IndexError) as error:
                raise DialogueError("%s:%d: %s" % (path, number, error)) from error
    return dialogue


def runs(items):
    """Groups items that one side sent in one go: what "whole" merges, and what the other modes cut anew."""
    grouped = []
    for item in items:
        last = grouped[-1][-1] if grouped else None
        plain = lambda i: i.action is None and not (i.conflict or i.late or i.urgent)
        if last and plain(item) and plain(last) and item.side == last.side and not item.wait and item.unread == last.unread:
            grouped[-1].append(item)
        else:
            grouped.append([item])
    return grouped


def cut_sizes(mode, items, chance):
    """The lengths of the segments that carry the octets of `items`."""
    total = sum(len(item.octets) for item in items)
    if mode == "cut":
        sizes = []
        for item in items:
            if item.joined and sizes:
                sizes[-1] += len(item.octets)
            else:
                sizes.append(len(item.octets))
        return sizes
    sizes, left = [], total
    while left:
        want = {"whole": left, "bytes": 1}.get(mode) or chance.choice((1, 2, 3, 7, 20, 100, 1460))
        sizes.append(min(left, want, tcpwire.MAX_PAYLOAD))
        left -= sizes[-1]
    return sizes


def segments_of(mode, items, chance):
    """The octets of one run as (payload, captured) pieces; a piece never spans captured and lost octets."""
    octets = b"".join(item.octets for item in items)
    known = b"".join((b"\1" if item.captured else b"\0") * len(item.octets) for item in items)
    begin, pieces = 0, []
    for size in cut_sizes(mode, items, chance):
        end = begin + size
        while begin < end:
            until = known.find(bytes([known[begin] ^ 1]), begin, end)
            until = min(until if until >= 0 else end, begin + tcpwire.MAX_PAYLOAD)
            pieces.append((octets[begin:until], known[begin] == 1))
            begin = until
    return pieces


def play_octets(conversation, time, mode, items, chance):
    """Sends one run; in mode "shuffled" neighbours change places in the capture and some come twice."""
    side, at = items[0].side, len(conversation.packets)
    ack = conversation.other(side).run_seq if items[0].unread else None
    seq = conversation.side[side].run_seq if items[0].conflict else None
    if seq is None:
        conversation.side[side].run_seq = conversation.side[side].snd_nxt
    for i, (payload, captured) in enumerate(segments_of(mode, items, chance)):
        urgent = items[0].urgent and i == 0
        flags = PSH | ACK | (URG if urgent else 0)
        conversation.segment(time + i * 1000, side, flags, payload, captured, seq, ack, urgent=int(urgent))
        seq = seq + len(payload) if items[0].conflict else None
    if mode == "shuffled":
        sent = conversation.packets[at:]
        times = [when for when, _ in sent]
        frames = [octets for _, octets in sent]
        for i in range(len(frames) - 1):
            if chance.random() < 0.3:
                frames[i], frames[i + 1] = frames[i + 1], frames[i]
        conversation.packets[at:] = list(zip(times, frames))
        if frames and chance.random() < 0.3:
            conversation.packets.append((times[-1] + 500, chance.choice(frames)))


def play_action(conversation, time, item):
    flags = {"fin": FIN | ACK, "rst": RST | ACK, "again": PSH | ACK}[item.action]
    if item.action == "again":
        seq, payload = conversation.side[item.side].last
        conversation.segment(time, item.side, flags, payload, seq=seq)
    else:
        conversation.segment(time, item.side, flags, captured=item.captured)


def play_session(packets, session, time, mode, chance):
    """Plays one session from `time` on; returns the time at its end."""
    conversation = tcpwire.Conversation([], session.client, session.server, session.isn, session.captured)
    conversation.handshake(time)
    if session.midstream:
        conversation.packets = []
    handshake, conversation.packets = conversation.packets, packets
    packets += handshake
    closers = set()
    held = None
    for items in runs(session.items):
        time += STEP + items[0].wait
        at = len(packets)
        if items[0].action:
            play_action(conversation, time, items[0])
            closers |= {"fin": {items[0].side}, "rst": {"C", "S"}, "again": set()}[items[0].action]
        else:
            play_octets(conversation, time, mode, items, chance)
        time += 1000 * (len(packets) - at)
        if held:  # what was late comes now, with this packet's time
            packets += [(time, octets) for _, octets in held]
            held = None
        if items[0].late:
            held, packets[at:] = packets[at:], []
    time += CLOSE_STEP + session.wait
    if session.end == "close":
        last = next((item.side for item in reversed(session.items) if not item.action), "C")
        conversation.close(time, [key for key in (last, "S" if last == "C" else "C") if key not in closers])
    return time + CLOSE_STEP


def play(dialogue, mode="cut", seed=1):
    """The packets of a dialogue, a list of (time in ns, frame)."""
    packets, time, chance = [], START, random.Random("%d %s" % (seed, mode))
    for session in dialogue.sessions:
        time = play_session(packets, session, time + session.after, mode, chance)
    return packets
