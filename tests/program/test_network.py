#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What TCP shows before the first word and under a session: each situation as segments, and its near misses, which say nothing."""
import ipaddress
import struct
import unittest

import harness
from harness import ProgramTest, run
import tcpwire
from tcpwire import ACK, FIN, PSH, RST, SYN

SECOND = 10**9
FAMILIES = ("connection.", "network.")
FULL = b"x" * 1458 + b"\r\n"


class Talk(tcpwire.Conversation):
    """A conversation with a clock of its own: each segment comes some time behind the one before."""

    def __init__(self, packets, port=20000, server="192.0.2.25", captured=(True, True), start=1700000000 * SECOND):
        super().__init__(packets, tcpwire.Endpoint("198.51.100.1", port), tcpwire.Endpoint(server, 25), captured=captured)
        self.now = start

    def send(self, key, flags=ACK, payload=b"", after=0.01, **options):
        self.now += int(after * SECOND)
        self.segment(self.now, key, flags, payload, **options)

    def shake(self):
        self.send("C", SYN)
        self.send("S", SYN | ACK)
        self.send("C", ACK)

    def say(self, key, text, after=0.01):
        self.send(key, PSH | ACK, text, after)
        self.send("S" if key == "C" else "C", ACK, after=0.001)

    def begin(self):
        """To the 354."""
        self.shake()
        self.say("S", b"220 mx ESMTP\r\n")
        for line, reply in ((b"EHLO c.example", b"250 mx"), (b"MAIL FROM:<a@c.example>", b"250 ok"), (b"RCPT TO:<b@d.example>", b"250 ok"),
                            (b"DATA", b"354 go")):
            self.say("C", line + b"\r\n")
            self.say("S", reply + b"\r\n")

    def end(self):
        self.say("C", b"QUIT\r\n")
        self.say("S", b"221 bye\r\n")
        self.close(self.now + SECOND, "SC")

    def again(self, key, seq, payload, times, every, heard=True):
        """The same octets again and again; the other side, when it is heard, acknowledges what stands before them."""
        for _ in range(times):
            self.send(key, PSH | ACK, payload, every, seq=seq)
            if heard:
                self.send("S" if key == "C" else "C", ACK, after=0.01, ack=seq)


def syns(talk, times):
    seq = talk.side["C"].snd_nxt
    for attempt in range(times):
        talk.send("C", SYN, after=2 ** attempt if attempt else 0.01, seq=seq)


def unanswered(talk):
    syns(talk, 6)


def answered_late(talk):
    syns(talk, 3)
    talk.side["C"].snd_nxt += 1
    talk.side["S"].rcv_nxt = talk.side["C"].snd_nxt
    talk.send("S", SYN | ACK)
    talk.send("C", ACK)
    talk.say("S", b"220 mx ESMTP\r\n")
    talk.end()


def one_syn_at_the_end(talk):
    syns(talk, 1)


def answer_not_arriving(talk):
    """The client asks again and again, as it does not get what the server answers each time."""
    seq, answer = talk.side["C"].snd_nxt, talk.side["S"].snd_nxt
    for attempt in range(5):
        talk.send("C", SYN, after=2 ** attempt if attempt else 0.01, seq=seq)
        talk.send("S", SYN | ACK, seq=answer, ack=seq + 1)


def scanned(talk):
    """A probe that leaves behind the answer."""
    talk.send("C", SYN)
    talk.send("S", SYN | ACK)
    talk.send("C", RST)


def refused(talk):
    talk.send("C", SYN)
    talk.send("S", RST | ACK, after=0.02)


def reset_before_greeting(talk):
    talk.shake()
    talk.send("S", RST | ACK)


def closed_before_greeting(talk):
    talk.shake()
    talk.send("S", FIN | ACK, after=5)
    talk.send("C", FIN | ACK)
    talk.send("S", ACK)


def waited_in_vain(talk):
    talk.shake()
    talk.send("C", FIN | ACK, after=300)
    talk.send("S", FIN | ACK)
    talk.send("C", ACK)


def port_check(talk):
    talk.shake()
    talk.send("C", RST | ACK)


def port_check_closed(talk):
    talk.shake()
    talk.send("C", FIN | ACK)
    talk.send("S", FIN | ACK)
    talk.send("C", ACK)


def slow_greeting(talk):
    talk.shake()
    talk.say("S", b"220 mx ESMTP\r\n", after=120)
    talk.end()


def path_mtu(talk):
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    talk.again("C", seq, FULL, 8, 10)
    talk.send("S", PSH | ACK, b"421 4.4.2 timeout\r\n", after=200, ack=seq)
    talk.send("S", FIN | ACK, ack=seq)
    talk.send("C", RST)


def path_mtu_at_the_receiver(talk):
    """The full segments are not even seen there; a small one behind them is."""
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.side["C"].snd_nxt += 3 * len(FULL)
    talk.send("C", PSH | ACK, b"end\r\n.\r\n")
    talk.send("S", ACK, ack=seq)
    talk.send("S", PSH | ACK, b"421 4.4.2 timeout\r\n", after=300, ack=seq)
    talk.send("S", FIN | ACK, ack=seq)
    talk.send("C", FIN | ACK, seq=talk.side["C"].snd_nxt)
    talk.send("S", RST)


def smaller_got_through(talk):
    """The same, but behind a few tries it arrived: a bad moment of the path."""
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    talk.again("C", seq, FULL, 5, 1)
    talk.send("S", ACK)
    talk.say("C", b".\r\n")
    talk.say("S", b"250 queued\r\n")
    talk.end()


def lost_reply(talk):
    talk.begin()
    talk.say("C", b"text\r\n.\r\n")
    seq = talk.side["S"].snd_nxt
    talk.send("S", PSH | ACK, b"250 queued\r\n")
    talk.again("S", seq, b"250 queued\r\n", 7, 10)
    talk.send("C", FIN | ACK, ack=seq)


def vanished(talk):
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    talk.again("C", seq, FULL, 8, 10, heard=False)


def window_closed(talk, seconds=40):
    talk.begin()
    talk.send("C", PSH | ACK, b"text\r\n")
    talk.send("S", ACK, window=0)
    talk.send("S", ACK, after=seconds)
    talk.say("C", b".\r\n")
    talk.say("S", b"250 queued\r\n")
    talk.end()


def window_closed_shortly(talk):
    window_closed(talk, 2)


def fast_retransmit(talk):
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    talk.send("C", PSH | ACK, FULL, after=0.03, seq=seq)
    talk.send("S", ACK)
    talk.say("C", b".\r\n")
    talk.say("S", b"250 queued\r\n")
    talk.end()


def keep_alives(talk, key):
    for _ in range(5):
        talk.send(key, ACK, b"\n" if key == "C" else b"", after=60, seq=talk.side[key].snd_nxt - 1)
        talk.send("S" if key == "C" else "C", ACK)


def sent(talk):
    """A message, from behind the 354."""
    talk.say("C", b"text\r\n.\r\n")
    talk.say("S", b"250 queued\r\n")


def keep_alive(talk):
    """A connection that is kept open between two messages."""
    talk.begin()
    sent(talk)
    keep_alives(talk, "C")
    keep_alives(talk, "S")
    talk.end()


def keep_alives_unanswered(talk):
    """The server, or the way to it, is gone from an idle connection."""
    talk.begin()
    sent(talk)
    for _ in range(5):
        talk.send("C", ACK, after=75, seq=talk.side["C"].snd_nxt - 1)
    talk.send("C", RST, after=75)


def keep_alive_lost(talk):
    """One keep-alive is lost, the next one is answered."""
    talk.begin()
    sent(talk)
    for _ in range(3):
        talk.send("C", ACK, after=75, seq=talk.side["C"].snd_nxt - 1)
        talk.send("C", ACK, after=75, seq=talk.side["C"].snd_nxt - 1)
        talk.send("S", ACK)
    talk.end()


def greeted_too_late(talk):
    """The client had left by then."""
    talk.shake()
    talk.send("C", FIN | ACK, after=60)
    talk.send("S", ACK)
    talk.send("S", PSH | ACK, b"220 mx ESMTP\r\n", after=30)
    talk.send("C", RST)


def client_idle_in_message(talk):
    """It is alive, all that it sent has arrived, and its program does not go on."""
    talk.begin()
    keep_alives(talk, "C")
    sent(talk)
    talk.end()


def client_idle_in_transaction(talk):
    talk.shake()
    talk.say("S", b"220 mx ESMTP\r\n")
    for line in b"EHLO c.example", b"MAIL FROM:<a@c.example>":
        talk.say("C", line + b"\r\n")
        talk.say("S", b"250 ok\r\n")
    talk.say("C", b"RCPT TO:<b@d.example>\r\n", after=45)
    talk.say("S", b"250 ok\r\n")
    talk.end()


def idle_before_mail(talk):
    talk.begin()
    sent(talk)
    talk.say("C", b"NOOP\r\n", after=250)
    talk.say("S", b"250 ok\r\n")
    talk.end()


def client_slow_in_message(talk):
    """It thinks a while, as programs do that read from a queue."""
    talk.begin()
    for _ in range(10):
        talk.say("C", b"text\r\n", after=5)
    sent(talk)
    talk.end()


def slow_replies(talk):
    """A server that looks up much, and is healthy."""
    talk.begin()
    talk.say("C", b"text\r\n.\r\n")
    talk.say("S", b"250 queued\r\n", after=90)
    talk.end()


def recovered(talk):
    """The network was away for a while."""
    talk.begin()
    talk.send("C", PSH | ACK, FULL)
    seq = talk.side["C"].snd_nxt - len(FULL)
    for after in 1, 2, 4, 8:
        talk.send("C", PSH | ACK, FULL, after, seq=seq)
    talk.send("S", ACK)
    sent(talk)
    talk.end()


def recovered_at_the_receiver(talk):
    """The same loss before the capture: what stands behind it has come, and waits."""
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.side["C"].snd_nxt += len(FULL)
    talk.send("C", PSH | ACK, b"more\r\n")
    talk.send("S", ACK, ack=seq)
    talk.send("C", PSH | ACK, FULL, after=14, seq=seq)
    talk.send("S", ACK)
    sent(talk)
    talk.end()


def lossy(talk):
    """Many short waits: none is long, and together they are."""
    talk.begin()
    for _ in range(12):
        talk.send("C", PSH | ACK, FULL)
        seq = talk.side["C"].snd_nxt - len(FULL)
        for after in 0.3, 0.6, 1.2:
            talk.send("C", PSH | ACK, FULL, after, seq=seq)
        talk.send("S", ACK)
    sent(talk)
    talk.end()


def reply_late_by_the_network(talk):
    """The command arrived after two minutes only; the server answered at once."""
    talk.begin()
    talk.say("C", b"text\r\n")
    talk.send("C", PSH | ACK, b".\r\n")
    talk.again("C", talk.side["C"].snd_nxt - 3, b".\r\n", 3, 200, heard=False)
    talk.say("S", b"250 queued\r\n", after=50)
    talk.end()


def icmp(talk, kind, code, sender, number=0, after=0.005):
    """`sender`'s error about the last frame, which it quotes as RFC 792 and RFC 4443 2.4 ask."""
    quoted = talk.packets[-1][1][14:]
    sender = ipaddress.ip_address(sender)
    version6 = sender.version == 6
    message = struct.pack("!BBHI", kind, code, 0, number) + (quoted[:1000] if version6 else quoted[:28])
    to = quoted[8:24] if version6 else quoted[12:16]
    if version6:
        pseudo = sender.packed + to + struct.pack("!IHBB", len(message), 0, 0, 58)
        message = message[:2] + struct.pack("!H", tcpwire.checksum(pseudo + message)) + message[4:]
        head = struct.pack("!IHBB", 6 << 28, len(message), 58, 64) + sender.packed + to
    else:
        message = message[:2] + struct.pack("!H", tcpwire.checksum(message)) + message[4:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 7, 0, 64, 1, 0) + sender.packed + to
        head = head[:10] + struct.pack("!H", tcpwire.checksum(head)) + head[12:]
    talk.now += int(after * SECOND)
    talk.packets.append((talk.now, b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + (b"\x86\xdd" if version6 else b"\x08\0") + head + message))


ROUTER = "203.0.113.1"


def port_unreachable(talk):
    talk.send("C", SYN)
    icmp(talk, 3, 3, "192.0.2.25")


def prohibited(talk):
    for after in 0.01, 1, 2:
        talk.send("C", SYN, after=after, seq=talk.side["C"].snd_nxt)
        icmp(talk, 3, 13, ROUTER)


def host_unreachable(talk):
    talk.send("C", SYN)
    icmp(talk, 3, 1, ROUTER, after=3)


def prohibited_ipv6(talk):
    talk.side["C"].endpoint = tcpwire.Endpoint("2001:db8::1", 20000)
    talk.side["S"].endpoint = tcpwire.Endpoint("2001:db8:25::25", 25)
    talk.send("C", SYN)
    icmp(talk, 1, 1, "2001:db8:1::1")


def unreachable_for_a_moment(talk):
    """An error is a hint (RFC 1122 4.2.3.9): the next SYN got through."""
    talk.send("C", SYN, seq=talk.side["C"].snd_nxt)
    icmp(talk, 3, 1, ROUTER)
    talk.send("C", SYN, after=1)
    talk.send("S", SYN | ACK)
    talk.send("C", ACK)
    talk.say("S", b"220 mx ESMTP\r\n")
    talk.end()


def too_big_ignored(talk):
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    icmp(talk, 3, 4, ROUTER, 1400)
    talk.again("C", seq, FULL, 8, 10)
    talk.send("S", PSH | ACK, b"421 4.4.2 timeout\r\n", after=200, ack=seq)
    talk.send("S", FIN | ACK, ack=seq)
    talk.send("C", RST)


def too_big_heeded(talk):
    """RFC 1191: what was too big is sent in smaller segments, and nothing is wrong."""
    talk.begin()
    seq = talk.side["C"].snd_nxt
    talk.send("C", PSH | ACK, FULL)
    icmp(talk, 3, 4, ROUTER, 1400)
    talk.send("C", PSH | ACK, FULL[:1360], seq=seq)
    talk.send("S", ACK, ack=seq + 1360)
    talk.send("C", PSH | ACK, FULL[1360:], seq=seq + 1360)
    talk.send("S", ACK)
    talk.say("C", b".\r\n")
    talk.say("S", b"250 queued\r\n")
    talk.end()


# What is said, by whom -> (rule, fault, words of the detail); None: nothing at or above notice.
SITUATIONS = (
    (unanswered, ("connection.unanswered", "network", "6 SYNs")),
    (answered_late, None),
    (one_syn_at_the_end, None),
    (answer_not_arriving, ("connection.unanswered", "network", "5 SYN-ACKs")),
    (scanned, None),
    (refused, ("connection.refused", "server", "20 ms")),
    (reset_before_greeting, ("connection.no-greeting", "server", "reset by the server")),
    (closed_before_greeting, ("connection.no-greeting", "server", "closed by the server after 5")),
    (waited_in_vain, ("connection.no-greeting", "server", "closed by the client after 300")),
    (port_check, None),
    (port_check_closed, None),
    (slow_greeting, None),
    (path_mtu, ("network.path-mtu", "network", "1460 octets")),
    (path_mtu_at_the_receiver, ("network.path-mtu", "network", "4380 octets")),
    (smaller_got_through, None),
    (lost_reply, ("network.loss", "network", "by the server")),
    (vanished, ("connection.lost", "network", "from the server")),
    (window_closed, ("network.stall", "server", "40 seconds")),
    (window_closed_shortly, None),
    (fast_retransmit, None),
    (keep_alive, None),
    (keep_alives_unanswered, ("connection.lost", "network", "nothing came from the server for 300 seconds")),
    (keep_alive_lost, None),
    (greeted_too_late, ("connection.no-greeting", "server", "closed by the client after 60")),
    (idle_before_mail, None),
    (client_slow_in_message, None),
    (slow_replies, None),
    (client_idle_in_message, ("network.stall", "client", "client sent nothing for 300 seconds inside the message")),
    (client_idle_in_transaction, ("network.stall", "client", "it sent nothing for 45 seconds")),
    (recovered, ("network.stall", "network", "sent again for 14 seconds")),
    (recovered_at_the_receiver, ("network.stall", "network", "sent again for 14 seconds")),
    (lossy, ("network.loss", "network", "52560 octets")),
    (reply_late_by_the_network, ("network.stall", "network", "sent again for 4")),
    (port_unreachable, ("connection.refused", "server", "port unreachable (192.0.2.25)")),
    (prohibited, ("connection.refused", "network", "administratively prohibited (203.0.113.1)")),
    (host_unreachable, ("connection.refused", "network", "host unreachable (203.0.113.1)")),
    (prohibited_ipv6, ("connection.refused", "network", "administratively prohibited")),
    (unreachable_for_a_moment, None),
    (too_big_ignored, ("network.path-mtu", "network", "1400 octets pass")),
    (too_big_heeded, None),
)


class Network(ProgramTest):
    def findings(self, packets, *arguments):
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, sorted(packets, key=lambda packet: packet[0]))
        return [f for f in run("-r", path, "--format", "json", *arguments).events("finding") if f["rule"].startswith(FAMILIES)]

    def test_situations(self):
        for situation, want in SITUATIONS:
            with self.subTest(situation=situation.__name__):
                packets = []
                situation(Talk(packets))
                found = [f for f in self.findings(packets) if f["severity"] != "info"]
                self.assertEqual(len(found), 1 if want else 0, found)
                if want:
                    self.assertEqual((found[0]["rule"], found[0]["fault"]), want[:2])
                    self.assertIn(want[2], found[0]["detail"]["text"])

    def test_one_direction(self):
        """What was not captured is not blamed."""
        for situation, _ in SITUATIONS:
            if situation in (port_unreachable, prohibited, host_unreachable, prohibited_ipv6, unreachable_for_a_moment):
                continue  # the client's side alone is all there is
            for captured in ((True, False), (False, True)):
                with self.subTest(situation=situation.__name__, captured=captured):
                    packets = []
                    situation(Talk(packets, captured=captured))
                    if situation in (unanswered, one_syn_at_the_end, refused, answer_not_arriving):
                        continue  # without a word of the other side, there is nothing to tell one side by
                    self.assertEqual([f["rule"] for f in self.findings(packets) if f["severity"] != "info"], [])

    def test_effects_have_the_network_as_cause(self):
        packets = []
        path_mtu(Talk(packets))
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        found = {f["rule"]: f for f in run("-r", path, "--format", "json").events("finding")}
        for rule in ("deferral.timeout", "transport.reset"):
            if rule in found:
                self.assertEqual((found[rule]["cause"], found[rule]["fault"]), (found["network.path-mtu"]["id"], "network"), rule)
        self.assertIn("deferral.timeout", found)

    def test_a_message_that_did_not_arrive_is_lost(self):
        """Its end was sent, and never acknowledged: no server can have taken it."""
        packets = []
        path_mtu_at_the_receiver(Talk(packets))
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        found = {f["rule"]: f for f in run("-r", path, "--format", "json").events("finding")}
        self.assertEqual(found["data.connection-lost"]["cause"], found["network.path-mtu"]["id"])
        self.assertEqual(found["data.connection-lost"]["fault"], "network")
        self.assertNotIn("data.outcome-unknown", found)

    def test_a_flood_is_one_finding_a_minute(self):
        packets = []
        for port in range(1024, 11024):
            syns(Talk(packets, port=port, start=(1700000000 + port // 100) * SECOND), 3)
        found = self.findings(packets)
        self.assertEqual({f["rule"] for f in found}, {"connection.unanswered"})
        self.assertEqual(sum(f["count"] for f in found), 10000)
        self.assertLessEqual(len(found), 4)

    def test_attempts_are_counted(self):
        packets = []
        for port, situation in ((20000, unanswered), (20001, answer_not_arriving), (20002, refused), (20003, port_check)):
            situation(Talk(packets, port=port))
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, sorted(packets, key=lambda packet: packet[0]))
        stream = run("-r", path, "--format", "json", "--summary").events("stats")[0]["stages"]["stream"]
        self.assertEqual((stream["attempts"], stream["unanswered"], stream["rejected"]), (4, 2, 1))
        self.assertIn("0; 4 attempts to connect came to nothing: 2 unanswered, 1 refused", run("-r", path).out)

    def test_a_session_in_trouble_has_figures(self):
        for situation, side, key, want in ((window_closed, "server", "window_closed_ms", 40000), (path_mtu, "client", "tries", 9),
                                           (path_mtu_at_the_receiver, "client", "octets_not_arrived", 4380)):
            with self.subTest(situation=situation.__name__):
                packets = []
                situation(Talk(packets))
                for workers in ("1", "3"):
                    self.assertEqual(self.session(packets, "--workers", workers)["network"][side][key], want)
        packets = []
        slow_greeting(Talk(packets))
        network = self.session(packets)["network"]
        self.assertEqual((network["client"], network["server"]), (None, None))
        self.assertEqual(network["handshake_us"], {"client": 10000, "server": 10000})
        self.assertEqual(network["longest_stall"], {"kind": "reply-late", "side": "server", "ms": 120020})

    def test_the_longest_stall_has_its_kind(self):
        for situation, kind, side, ms in ((window_closed, "receiver-limited", "server", 40010), (recovered, "network-limited", "client", 15020),
                                          (client_idle_in_message, "sender-limited", "client", 300060), (slow_replies, "reply-late", "server", 90000)):
            with self.subTest(situation=situation.__name__):
                packets = []
                situation(Talk(packets))
                stall = self.session(packets)["network"]["longest_stall"]
                self.assertEqual((stall["kind"], stall["side"]), (kind, side))
                self.assertAlmostEqual(stall["ms"], ms, delta=100)

    def test_a_reply_that_the_network_made_late_is_not_the_servers(self):
        packets = []
        reply_late_by_the_network(Talk(packets))
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        found = {f["rule"]: f for f in run("-r", path, "--format", "json").events("finding")}
        self.assertEqual(found["reply.late"]["fault"], "network")

    def session(self, packets, *arguments):
        path = self.path("talk.pcap")
        with open(path, "wb") as file:
            tcpwire.write_pcap(file, packets)
        return run("-r", path, "--format", "json", "--sessions", *arguments).events("session")[0]

    def test_workers_agree(self):
        packets = []
        for index, (situation, _) in enumerate(SITUATIONS):
            situation(Talk(packets, port=20000 + index, server="192.0.2.%d" % (index + 1)))
        self.assertEqual(self.findings(packets, "--workers", "1"), self.findings(packets, "--workers", "3"))


if __name__ == "__main__":
    harness.main()
