# SPDX-License-Identifier: BSD-2-Clause
"""What a NAME.truth.json says must be seen of one capture, in the terms of the program's output."""
import fnmatch
import json


VERBS = (None, ".", "(auth)", "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP",
         "STARTTLS", "AUTH", "ETRN", "ATRN", "TURN", "BURL", "XCLIENT", "XFORWARD", "SEND", "SOML", "SAML")


def first_word(line):
    """A command's verb; a line without one is no command line."""
    words = line.split()
    return words[0].upper() if words else "(raw)"


class Reply:
    """A reply that the capture shows, with what it answers."""

    def __init__(self, event, command, alternatives, visible):
        self.event = event                # index in the connection's events; None: the client never read it
        self.command = command            # as in the output: "MAIL", ".", "(auth)", None
        self.alternatives = alternatives  # other commands that are right as well; None: any
        self.visible = visible            # "yes" or "partial"
        self.code = None
        self.enhanced = None
        self.lines = 1

    def __str__(self):
        return "%s/%s%s" % (self.command or "-", self.code, " " + self.enhanced if self.enhanced else "")

    def names(self, command):
        """Is it the command, as far as the program shows it? Of a word that is no command it may show nothing."""
        return command == self.command or (command == "(hidden)" and self.command not in VERBS)

    def equals(self, exchange):
        if exchange["code"] != self.code:
            return False
        if self.visible == "yes" and self.enhanced is not False and exchange["enhanced"] != self.enhanced:
            return False
        return self.names(exchange["command"]) or self.alternatives is None or exchange["command"] in self.alternatives


class Connection:
    def __init__(self, raw, hidden, last_words):
        self.raw = raw
        self.hidden = hidden  # None: nothing of it is missing
        self.id = raw["id"]
        self.key = (raw["client_ip"], raw["client_port"], raw["server_ip"], raw["server_port"])
        self.states = {event["event"]: event["state"] for event in (hidden or {}).get("events", [])}
        self.last_words = last_words  # events in which the server says that it has had enough, and closes
        self.began = raw.get("visible_from_event", 0)
        self.end = raw.get("tls_from_event", len(raw["events"]))

    def gap_octets(self, direction):
        limit = self.raw["streams"][direction]["plain_bytes"]
        gaps = [gap for gap in (self.hidden or {}).get("gaps", []) if gap[0] == direction]
        return sum(max(0, min(offset + length, limit) - min(offset, limit)) for _, offset, length in gaps)

    def unread(self):
        """Octets and codes that were on the wire after the client had stopped reading."""
        unread = self.raw.get("wire_only") or {}
        return len(unread.get("s2c_after_client_stopped_reading", "").encode()), unread.get("codes", [])

    def octets(self):
        """Clear-text octets (client, server) that the capture shows."""
        streams = self.raw["streams"]
        return (streams["c2s"]["plain_bytes"] - self.gap_octets("c2s"),
                streams["s2c"]["plain_bytes"] - self.gap_octets("s2c") + self.unread()[0])

    def visible(self):
        """False: not one packet of it is in the file."""
        hidden = self.hidden
        return not hidden or hidden["syn_seen"] or hidden["synack_seen"] or any(self.octets())

    def command_of(self, event):
        """(command, alternatives) of the event that a reply answers."""
        events = self.raw["events"]
        if event is None:
            # Junk is answered line by line, and the truth does not say which line.
            raw = any(other["type"] == "raw" for other in events)
            return None, None if raw else ()
        kind = events[event]["type"]
        command = {"data": ".", "auth": "(auth)"}.get(kind) or first_word(events[event]["line"])
        # A lost command, or one of which the capture shows a part, may be unknown, or known by its reply.
        unknown = event < self.began or self.states.get(event) or (self.hidden and self.hidden_before(event))
        return command, None if unknown else ()

    def hidden_before(self, event):
        return any(lost <= event for lost in self.states) or not self.hidden["syn_seen"] or not self.hidden["synack_seen"]

    def replies(self):
        found = []
        for event in self.raw["events"][self.began:self.end]:
            state = self.states.get(event["i"], "yes")
            if event["type"] != "reply" or event.get("tls") or state == "lost":
                continue
            reply = Reply(event["i"], *self.command_of(event["to"]), state)
            if event["to"] is None and event["i"] in self.last_words:
                reply.alternatives = None  # sent by itself, or in place of the answer to the last command: the wire is the same
            elif event["code"] == 421 and reply.alternatives == ():
                reply.alternatives = (None,)  # it need not be an answer, and may have been sent before the command was
            reply.code, reply.enhanced, reply.lines = event["code"], event["enhanced"], len(event["lines"])
            found.append(reply)
        for code in self.unread()[1]:
            reply = Reply(None, None, None, "yes")
            reply.code, reply.enhanced = code, False
            found.append(reply)
        return found

    def messages(self):
        """The messages that were sent in clear."""
        ends = self.message_ends()
        if not any(not self.raw["events"][end].get("tls") for end in ends) or "tls_from_event" in self.raw:
            return []
        return [self.by_recipient(message, end) for message, end in zip(self.raw["messages"], ends) if self.was_asked_for(end)]

    def was_asked_for(self, end):
        """Was the text a message to the server? What a client sends although DATA was refused is a line after the other to it."""
        events = self.raw["events"]
        if events[end]["type"] == "data" and any(event["type"] == "send_failed" for event in events[:end]):
            return False  # the server had closed before
        commands = [event["i"] for event in events[:max(end, 0)] if event.get("verb") == "DATA"]
        codes = [event["code"] for event in events if event["type"] == "reply" and commands and event.get("to") == commands[-1]]
        return events[end]["type"] != "data" or not codes or codes[0] == 354

    def message_ends(self):
        """The events that end a message. A chunk that is not the last one ends it where nothing more of it came."""
        events = self.raw["events"]
        chunks = [event for event in events if event.get("verb") == "BDAT"]
        ends = [event["i"] for event in events if event["type"] == "data" or event.get("last")]
        return ends + [chunk["i"] for chunk in chunks] + [-1] * len(self.raw["messages"])

    def by_recipient(self, message, end):
        """The message, where each recipient has a reply of its own behind it (LMTP, PRDR), with what became of each."""
        events = self.raw["events"]
        codes = [event["code"] for event in events if event["type"] == "reply" and event.get("to") == end]
        if "prdr_replies" in message:
            codes = codes[1:-1]
        elif len(codes) < 2 and not any(event.get("verb") == "LHLO" for event in events):
            return message
        outcome = list(zip(message["rcpt_ok"], codes))
        return dict(message, rcpt_ok=[to for to, code in outcome if code < 400] or (message["rcpt_ok"] if not codes else []),
                    rcpt_refused=message["rcpt_refused"] + [to for to, code in outcome if code >= 400])

    def message_visible(self, message):
        """Can the outcome of this message be known from what the capture shows? Only asked of connections with losses."""
        events = self.raw["events"]
        sent = [event["i"] for event in events if event["type"] == "data" or event.get("verb") == "BDAT"]
        answers = [event for event in events if event["type"] == "reply" and event.get("to") in sent]
        return bool(sent) and not self.states and all(event["i"] >= self.began for event in answers) and message is not None


class Truth:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.raw = json.load(file)
        self.name = self.raw["name"]
        self.capture = self.raw["capture"]
        hidden = {entry["connection"]: entry for entry in self.raw.get("hidden") or []}
        enough = {(finding["connection"], finding["event"]) for finding in self.raw["expected_findings"]
                  if finding.get("cause") == "error_limit"}
        self.connections = [Connection(raw, hidden.get(raw["id"]), {event for connection, event in enough if connection == raw["id"]})
                            for raw in self.raw["connections"]]
        self.expected = [finding for finding in self.raw["expected_findings"] if finding.get("visible", "yes") != "lost"]
        self.must_not_flag = {entry["id"] for entry in self.raw["must_not_flag"]}
        self.noise_ports = set(self.capture.get("noise_ports") or [])

    def damaged(self):
        """Is the file itself damaged, so that the program says so by its exit status?"""
        return self.name.startswith("fmt_cut_file")


def load_causes(path):
    """cause or id -> globs; "folded" is one of them."""
    causes = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#") and line.strip():
                cause, globs = line.rstrip("\n").split("\t")
                causes[cause] = globs.split()
    return causes


def align(wanted, got, equal):
    """Pairs of indexes of a longest common subsequence: which of `got` is which of `wanted`."""
    prefix = 0
    while prefix < min(len(wanted), len(got)) and equal(wanted[prefix], got[prefix]):
        prefix += 1
    pairs = [(i, i) for i in range(prefix)]
    rest_wanted, rest_got = wanted[prefix:], got[prefix:]
    if not rest_wanted or not rest_got:
        return pairs
    best = [[0] * (len(rest_got) + 1) for _ in range(len(rest_wanted) + 1)]
    for i in range(len(rest_wanted) - 1, -1, -1):
        for j in range(len(rest_got) - 1, -1, -1):
            same = equal(rest_wanted[i], rest_got[j])
            best[i][j] = best[i + 1][j + 1] + 1 if same else max(best[i + 1][j], best[i][j + 1])
    i = j = 0
    while i < len(rest_wanted) and j < len(rest_got):
        if equal(rest_wanted[i], rest_got[j]) and best[i][j] == best[i + 1][j + 1] + 1:
            pairs.append((prefix + i, prefix + j))
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def rule_allowed(rule, globs):
    return any(fnmatch.fnmatchcase(rule, glob) for glob in globs)
