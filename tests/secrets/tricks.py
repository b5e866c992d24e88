# SPDX-License-Identifier: BSD-2-Clause
"""tricks.txt and readable.txt as sessions, the secrets in them, and the search for a secret in what a program says."""
import base64
import binascii
import html
import os
import random
import re
import string
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
sys.dont_write_bytecode = True
import dialogue  # noqa: E402
import tcpwire  # noqa: E402

# So many octets of a secret in a row are a leak: fewer may be anything.
TELLING = 8
GREET = ("S: 220 mx.example ESMTP",)
HELLO = GREET + ("C: EHLO c.example", "S: 250-mx.example", "S& 250-PIPELINING", "S& 250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER")
BYE = ("C: QUIT", "S: 221 bye")
SHORT = {"@greet": GREET, "@hello": HELLO, "@bye": BYE}
MODES = ("cut", "whole", "bytes", "random")


def encode(text):
    return base64.b64encode(text.encode("latin-1")).decode()


# What a trick's words may say of its password: which octets are in it. Without such a word it is a mixture.
SHAPES = {"signs": "&%#+!$?abc", "small": string.ascii_lowercase, "digits": string.digits}


def password_of(number, words=()):
    """Another one for each trick, so that what leaks tells where: letters, digits, and one octet that base64 has not."""
    for word in words:
        if word in SHAPES:
            return "".join(random.Random(number).choice(SHAPES[word]) for _ in range(14))
    chance = random.Random(number)
    letters = "".join(chance.choice(string.ascii_letters + string.digits) for _ in range(11))
    return letters[:2].capitalize() + "7" + letters[2:7] + "&" + letters[7:]


def spellings(password):
    """What stands for $NAME in a trick."""
    plain, clear = encode("\0bob\0" + password), encode(password)
    return {
        "PLAIN": plain, "B64": clear, "BASIC": encode("bob:" + password), "USER": encode("bob"),
        "XOAUTH": encode("user=bob@b.example\1auth=Bearer " + password + "\1\1"),
        "OAUTH": encode("n,a=bob@b.example,\1host=mx.example\1port=25\1auth=Bearer " + password + "\1\1"),
        "URL": urllib.parse.quote(password), "REV": "==" + clear.rstrip("="), "UP": plain.upper(), "LOW": password.lower(),
        "HEX": password.encode().hex(), "TAIL": password[2:], "H1": password[:7], "H2": password[7:], "P1": plain[:12],
        "P2": plain[12:], "PW": password,
    }


# A word of a spelling that is the same for every password, and no secret.
COMMON = ("bob", encode("\0bob")[:5], encode("bob:"), encode("user=bob@b.example\1auth=Bearer ")[:40],
          encode("n,a=bob@b.example,\1host=mx.example\1port=25\1auth=Bearer ")[:80])


class Trick:
    def __init__(self, name, words, number):
        self.name = name
        self.known = "known" in words
        self.password = password_of(number, words)
        self.spelled = spellings(self.password)
        self.lines = []
        self.shown = []

    def secrets(self):
        """In every spelling, in small letters."""
        return [self.spelled[key].lower() for key in ("PW", "B64", "PLAIN", "BASIC", "XOAUTH", "OAUTH", "HEX", "REV")]

    def dialogue(self):
        parsed, session = dialogue.Dialogue(self.name), None
        for line in self.lines:
            session = dialogue.parse_line(parsed, session, line, 0)
        return parsed


def load(name):
    tricks = []
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("== "):
                words = line.split()[1:]
                tricks.append(Trick(words[0], words[1:], len(tricks)))
            elif line.startswith("#") or not line.strip():
                continue
            elif line in SHORT:
                tricks[-1].lines += SHORT[line]
            elif line.startswith("shown: "):
                tricks[-1].shown.append(line[len("shown: "):])
            else:
                tricks[-1].lines.append(re.sub(r"\$([A-Z0-9]+)", lambda found: tricks[-1].spelled.get(found.group(1), found.group(0)), line))
    names = [trick.name for trick in tricks]
    if len(set(names)) != len(names):
        raise ValueError("%s: two tricks of one name" % name)
    return tricks


class Player:
    """Sessions one behind another in one capture, each from an address of its own."""

    def __init__(self):
        self.packets, self.count, self.time = [], 0, dialogue.START

    def play(self, trick, mode="cut", begin=0, lost=None, only=None):
        """`begin`: the first packet that is captured; `lost`: one that is not; `only`: the side that is."""
        parsed = trick.dialogue()
        for session in parsed.sessions:
            self.count += 1
            session.client = tcpwire.Endpoint("10.%d.%d.%d" % (self.count >> 16, self.count >> 8 & 255, self.count & 255), 40001)
            if only:
                session.captured = (only == "client", only == "server")
            packets = []
            self.time = dialogue.play_session(packets, session, self.time, mode, random.Random(self.count))
            self.packets += [packet for at, packet in enumerate(packets) if at >= begin and at != lost]
        return len(packets)

    def write(self, path):
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, self.packets)


def variants(player, trick):
    """A trick in every cut, of one side, from each packet on, and without each packet."""
    for mode in MODES:
        player.play(trick, mode)
    if trick.known:
        return
    player.play(trick, only="client")
    player.play(trick, only="server")
    for at in range(player.play(trick)):
        player.play(trick, begin=at)
        player.play(trick, lost=at)


def grams(text):
    return {text[at:at + TELLING] for at in range(len(text) - TELLING + 1)}


def decoded(text):
    """What base64, hexadecimal and percent codes in a text say, in all ways to read them."""
    for run in set(re.findall(r"[A-Za-z0-9+/_-]{11,}", text)):
        for skip in range(4):
            part = run[skip:].replace("-", "+").replace("_", "/")
            yield base64.b64decode(part[:len(part) // 4 * 4]).decode("latin-1")
    for run in set(re.findall(r"(?:[0-9a-fA-F]{2}[ :]?){8,}", text)):
        yield binascii.unhexlify(re.sub("[ :]", "", run)).decode("latin-1")
    yield urllib.parse.unquote(text)
    yield html.unescape(text)
    yield text[::-1]


class Search:
    """For the secrets of many tricks at once."""

    def __init__(self, tricks):
        self.of, shared = {}, set().union(*(grams(word.lower()) for word in COMMON))
        for trick in tricks:
            for gram in set().union(*(grams(secret) for secret in trick.secrets())):
                if self.of.setdefault(gram, trick.name) != trick.name:
                    shared.add(gram)
        for gram in shared:
            self.of.pop(gram, None)

    def leaks(self, text):
        """{trick: what shows} of a program's output."""
        found = {}
        squeezed = re.sub(r"\s+", "", text)  # a text may be folded
        for version in {text, squeezed, *decoded(text)}:
            low = version.lower()
            for gram in grams(low) & self.of.keys():
                at = low.index(gram)
                found.setdefault(self.of[gram], version[max(0, at - 60):at + 40])
        return found
