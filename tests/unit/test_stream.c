/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments of one connection, in tables: what is delivered, in which order, what is a gap, how it ends. */
#include "unit.h"

#include "streams_record.h"

#define SEGMENTS_MAX 16

/* `seq` and `ack` count from the initial numbers: 0 is the SYN, 1 the first octet. No flags: ACK. */
struct segment {
    char side;         /* 'c' or 's'; 0 ends the row */
    const char *flags; /* letters of SFRA; "" a plain ACK */
    uint32_t seq, ack;
    const char *data;
    uint32_t missing;
    uint32_t ms; /* since the one before */
};

#define HANDSHAKE                                                                                                              \
    {'c', "S", 0, 0, NULL, 0, 0}, {'s', "SA", 0, 1, NULL, 0, 0},                                                               \
    {                                                                                                                          \
        'c', "A", 1, 1, NULL, 0, 0                                                                                             \
    }

static const struct stream_row {
    const char *label;
    struct segment segments[SEGMENTS_MAX];
    const char *want;
    bool show_acked;
} streams[] = {
    {"nothing but a handshake is never told", {HANDSHAKE}, "", false},
    {"one exchange and an orderly close",
     {HANDSHAKE,
      {'s', "", 1, 1, "220", 0, 0},
      {'c', "", 1, 4, "QUIT", 0, 0},
      {'s', "", 4, 5, "221", 0, 0},
      {'s', "FA", 7, 5, NULL, 0, 0},
      {'c', "FA", 5, 8, NULL, 0, 0},
      {'s', "", 8, 6, NULL, 0, 0}},
     "open:40000 s0:220(0) c0:QUIT(3) s3:221(4) close:FIN/s(cs)",
     true},
    {"a FIN with data",
     {HANDSHAKE, {'c', "FA", 1, 1, "QUIT", 0, 0}, {'s', "FA", 1, 6, "221", 0, 0}},
     "open:40000 c0:QUIT s0:221 close:FIN/c(cs)",
     false},
    {"half closed: the other side goes on",
     {HANDSHAKE, {'c', "FA", 1, 1, NULL, 0, 0}, {'s', "", 1, 2, "abc", 0, 0}, {'s', "", 4, 2, "def", 0, 0}},
     "open:40000 s0:abc s3:def close:FIN/c(c)",
     false},
    {"both close at once",
     {HANDSHAKE, {'c', "FA", 1, 1, NULL, 0, 0}, {'s', "FA", 1, 1, NULL, 0, 0}},
     "open:40000 close:FIN/c(cs)",
     false},
    {"both open at once",
     {{'c', "S", 0, 0, NULL, 0, 0}, {'s', "S", 0, 0, NULL, 0, 0}, {'c', "", 1, 1, "a", 0, 0}},
     "open:40000 c0:a close:END/c()",
     false},
    {"a SYN-ACK first: it is the server",
     {{'s', "SA", 0, 1, NULL, 0, 0}, {'s', "", 1, 1, "220", 0, 0}, {'c', "", 1, 4, "Q", 0, 0}},
     "open:40000 s0:220 c0:Q close:END/c()",
     false},
    {"out of order",
     {HANDSHAKE, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 1, 1, "abc", 0, 0}},
     "open:40000 c0:abc c3:def close:END/c()",
     false},
    {"out of order, backwards",
     {HANDSHAKE, {'c', "", 7, 1, "ghi", 0, 0}, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 1, 1, "abc", 0, 0}},
     "open:40000 c0:abc c3:def c6:ghi close:END/c()",
     false},
    {"sent again",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 1, 1, "abc", 0, 0}},
     "open:40000 c0:abc close:END/c()",
     false},
    {"sent again with more",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 1, 1, "abcdef", 0, 0}},
     "open:40000 c0:abc c3:def close:END/c()",
     false},
    {"overlap of held segments that agree",
     {HANDSHAKE, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 3, 1, "cdefg", 0, 0}, {'c', "", 1, 1, "ab", 0, 0}},
     "open:40000 c0:ab c2:cdefg close:END/c()",
     false},
    {"overlap of held segments that differ",
     {HANDSHAKE, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 3, 1, "cXefg", 0, 0}, {'c', "", 1, 1, "ab", 0, 0}},
     "open:40000 c2! c0:ab c2:cXefg close:END/c()",
     false},
    {"delivered, then sent again and different",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 1, 1, "abX", 0, 0}},
     "open:40000 c0:abc c0! close:END/c()",
     false},
    {"delivered in two parts, then sent again in one and different",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 1, 1, "abcdeXghi", 0, 0}},
     "open:40000 c0:abc c3:def c0! c6:ghi close:END/c()",
     false},
    {"delivered in two parts, then sent again in one",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 4, 1, "def", 0, 0}, {'c', "", 3, 1, "cdefghi", 0, 0}},
     "open:40000 c0:abc c3:def c6:ghi close:END/c()",
     false},
    {"an earlier command of a pipelined group, sent again and different",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 9, 1, "DATA", 0, 0},
      {'c', "", 1, 1, "MAIX", 0, 0},
      {'c', "", 5, 1, "RXPT", 0, 0}},
     "open:40000 c0:MAIL c4:RCPT c8:DATA c0! c4! close:END/c()",
     false},
    {"each command of a pipelined group, sent again",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 9, 1, "DATA", 0, 0},
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 9, 1, "DATA", 0, 0}},
     "open:40000 c0:MAIL c4:RCPT c8:DATA close:END/c()",
     false},
    {"a reply behind which another came, sent again and different",
     {HANDSHAKE, {'s', "", 1, 1, "250-one", 0, 0}, {'s', "", 8, 1, "250 two", 0, 0}, {'s', "", 1, 1, "250-oNe", 0, 0}},
     "open:40000 s0:250-one s7:250 two s0! close:END/c()",
     false},
    {"several in one, sent again",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 9, 1, "DATA", 0, 0},
      {'c', "", 1, 1, "MAILRCPTDATA", 0, 0},
      {'c', "", 1, 1, "MAILRCPTDATA354", 0, 0}},
     "open:40000 c0:MAIL c4:RCPT c8:DATA c12:354 close:END/c()",
     false},
    {"several in one, sent again and different in the first, the second, or the last",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 9, 1, "DATA", 0, 0},
      {'c', "", 1, 1, "XAILRCPTDATA", 0, 0},
      {'c', "", 1, 1, "MAILRCPXDATA", 0, 0},
      {'c', "", 5, 1, "RCPTDATX", 0, 0}},
     "open:40000 c0:MAIL c4:RCPT c8:DATA c0! c0! c4! close:END/c()",
     false},
    {"sent again with other boundaries: what is there of each part is not compared",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL", 0, 0},
      {'c', "", 5, 1, "RCPT", 0, 0},
      {'c', "", 3, 1, "ILRC", 0, 0},
      {'c', "", 3, 1, "xxxx", 0, 0},
      {'c', "", 2, 1, "AILR", 0, 0}},
     "open:40000 c0:MAIL c4:RCPT close:END/c()",
     false},
    {"the first half, sent again and different",
     {HANDSHAKE,
      {'c', "", 1, 1, "MAIL FROM:<someone@client.example>  RCPT TO:<another@server.example>", 0, 0},
      {'c', "", 1, 1, "MAIL FROM:<someone@client.example>  RCPT TO:<ano", 0, 0},
      {'c', "", 1, 1, "MAIL FROM:<anyone.@client.example>  RCPT TO:<ano", 0, 0}},
     "open:40000 c0:M.. c0! close:END/c()",
     false},
    {"all but the first octet and the last, sent again and different",
     {HANDSHAKE,
      {'c', "", 1, 1, "NOOP", 0, 0},
      {'c', "", 5, 1, "RSET", 0, 0},
      {'c', "", 9, 1, "QUIT", 0, 0},
      {'c', "", 2, 1, "OOPRXETQUI", 0, 0}},
     "open:40000 c0:NOOP c4:RSET c8:QUIT c1! close:END/c()",
     false},
    {"too far back to be compared, and just not",
     {HANDSHAKE,
      {'c', "", 1, 1, "1", 0, 0},
      {'c', "", 2, 1, "2", 0, 0},
      {'c', "", 3, 1, "3", 0, 0},
      {'c', "", 4, 1, "4", 0, 0},
      {'c', "", 1, 1, "x", 0, 0},
      {'c', "", 2, 1, "x", 0, 0}},
     "open:40000 c0:1 c1:2 c2:3 c3:4 c1! close:END/c()",
     false},
    {"a gap between: what stood before it is not compared",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 7, 0},
      {'c', "", 11, 1, "def", 0, 0},
      {'c', "", 1, 1, "abX", 7, 0},
      {'c', "", 8, 1, "XXXdef", 0, 0},
      {'c', "", 8, 1, "XXXdeX", 0, 0}},
     "open:40000 c0:abc c3+7 c10:def c7! close:END/c()",
     false},
    {"cut by the snapshot length when it is sent again",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 0, 0},
      {'c', "", 4, 1, "def", 0, 0},
      {'c', "", 1, 1, "abcd", 2, 0},
      {'c', "", 1, 1, "aXc", 3, 0}},
     "open:40000 c0:abc c3:def c0! close:END/c()",
     false},
    {"a keep-alive's octet behind several parts, one of a single octet",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 0, 0},
      {'c', "", 4, 1, "d", 0, 0},
      {'c', "", 4, 1, "x", 0, 0},
      {'c', "", 5, 1, "e", 0, 0},
      {'c', "", 1, 1, "abcde", 0, 0}},
     "open:40000 c0:abc c3:d c4:e close:END/c()",
     false},
    {"a keep-alive without and with an octet",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 0, 0},
      {'c', "", 3, 1, NULL, 0, 0},
      {'c', "", 3, 1, "x", 0, 0},
      {'c', "", 4, 1, "d", 0, 0}},
     "open:40000 c0:abc c3:d close:END/c()",
     false},
    {"a zero window probe and what follows it",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'c', "", 4, 1, "d", 0, 0}, {'c', "", 4, 1, "def", 0, 0}},
     "open:40000 c0:abc c3:d c4:ef close:END/c()",
     false},
    {"the reply captured before its command",
     {HANDSHAKE, {'s', "", 1, 5, "250", 0, 0}, {'c', "", 1, 1, "NOOP", 0, 0}},
     "open:40000 c0:NOOP(0) s0:250(4) close:END/c()",
     true},
    {"a lost command: its reply tells",
     {HANDSHAKE, {'s', "", 1, 5, "250", 0, 0}, {'c', "", 5, 4, "QUIT", 0, 3000}},
     "open:40000 c0+4 s0:250 c4:QUIT close:END/c()",
     false},
    {"two lost commands with their replies between",
     {HANDSHAKE, {'s', "", 1, 5, "one", 0, 0}, {'s', "", 4, 9, "two", 0, 0}, {'c', "", 9, 7, "c", 0, 3000}},
     "open:40000 c0+4 s0:one c4+4 s3:two c8:c close:END/c()",
     false},
    {"a hole that was acknowledged, given up after a while",
     {HANDSHAKE, {'c', "", 5, 1, "later", 0, 0}, {'s', "", 1, 10, NULL, 0, 0}, {'s', "", 1, 10, "x", 0, 2500}},
     "open:40000 c0+4 c4:later s0:x close:END/c()",
     false},
    {"an open hole waits, and is filled",
     {HANDSHAKE, {'c', "", 5, 1, "later", 0, 0}, {'s', "", 1, 1, "x", 0, 30000}, {'c', "", 1, 1, "abcd", 0, 20000}},
     "open:40000 s0:x c0:abcd c4:later close:END/c()",
     false},
    {"an open hole is given up in the end",
     {HANDSHAKE, {'c', "", 5, 1, "later", 0, 0}, {'s', "", 1, 1, "x", 0, 61000}},
     "open:40000 c0+4 c4:later s0:x close:END/c()",
     false},
    {"a hole at the close", {HANDSHAKE, {'c', "", 5, 1, "later", 0, 0}}, "open:40000 c0+4 c4:later close:END/c()", false},
    {"octets lost at the end, as their acknowledgement shows",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "", 1, 20, NULL, 0, 0}},
     "open:40000 c0:abc c3+15 close:END/c()",
     false},
    {"an acknowledgement of what was not sent, taken back by its sender",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 0, 0},
      {'s', "", 1, 500000000, NULL, 0, 0},
      {'s', "", 1, 4, NULL, 0, 0},
      {'c', "", 4, 1, NULL, 0, 0}},
     "open:40000 c0:abc close:END/c()",
     false},
    {"the same, taken back with octets",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "", 1, 500000000, NULL, 0, 0}, {'s', "", 1, 4, "250", 0, 0}},
     "open:40000 c0:abc s0:250 close:END/c()",
     false},
    {"the same, belied by the one it speaks of",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "", 1, 500000000, NULL, 0, 0}, {'c', "R", 4, 0, NULL, 0, 0}},
     "open:40000 c0:abc close:RST/c()",
     false},
    {"octets lost at the end: an older acknowledgement, captured later, does not take the newer back",
     {HANDSHAKE,
      {'c', "", 1, 1, "abc", 0, 0},
      {'s', "", 1, 4, "250", 0, 0},
      {'s', "", 4, 20, NULL, 0, 0},
      {'s', "", 1, 4, "250", 0, 0}},
     "open:40000 c0:abc s0:250 c3+15 close:END/c()",
     false},
    {"a lost FIN is no gap",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "FA", 1, 5, NULL, 0, 0}, {'s', "", 2, 5, NULL, 0, 3000}},
     "open:40000 c0:abc close:FIN/c(cs)",
     false},
    {"cut by the snapshot length",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 7, 0}, {'c', "", 11, 1, "def", 0, 0}},
     "open:40000 c0:abc c3+7 c10:def close:END/c()",
     false},
    {"both sides wait for one another",
     {HANDSHAKE,
      {'c', "", 1, 4, "abc", 0, 0},
      {'s', "", 1, 4, "def", 0, 0},
      {'c', "", 4, 4, NULL, 0, 3000},
      {'c', "", 4, 4, "g", 0, 0}},
     "open:40000 c0:abc s0:def c3:g close:END/c()",
     false},
    {"reset",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "R", 1, 0, NULL, 0, 0}},
     "open:40000 c0:abc close:RST/s()",
     false},
    {"reset, and what was on its way comes",
     {HANDSHAKE, {'s', "R", 1, 0, NULL, 0, 0}, {'c', "", 1, 1, "abc", 0, 10}},
     "open:40000 c0:abc close:RST/s()",
     false},
    {"a refused connection", {{'c', "S", 0, 0, NULL, 0, 0}, {'s', "RA", 3000000000u, 1, NULL, 0, 0}}, "", false},
    {"reset far out of the window is nobody's",
     {HANDSHAKE, {'c', "", 1, 1, "abc", 0, 0}, {'s', "R", 1000000000, 0, NULL, 0, 0}, {'c', "", 4, 1, "def", 0, 5000}},
     "open:40000 c0:abc c3:def close:END/c()",
     false},
    {"the text of a reset is no data",
     {HANDSHAKE, {'c', "", 1, 1, "a", 0, 0}, {'c', "R", 2, 0, "bye", 0, 0}},
     "open:40000 c0:a close:RST/c()",
     false},
    {"reset after the close",
     {HANDSHAKE, {'c', "FA", 1, 1, NULL, 0, 0}, {'s', "FA", 1, 2, NULL, 0, 0}, {'c', "R", 2, 0, NULL, 0, 0}},
     "open:40000 close:FIN/c(cs)",
     false},
    {"a SYN again is the same connection",
     {HANDSHAKE, {'c', "S", 0, 0, NULL, 0, 0}, {'c', "", 1, 1, "a", 0, 0}},
     "open:40000 c0:a close:END/c()",
     false},
    {"the ports again, another number",
     {HANDSHAKE,
      {'c', "", 1, 1, "a", 0, 0},
      {'c', "S", 70000, 0, NULL, 0, 0},
      {'s', "SA", 90000, 70001, NULL, 0, 0},
      {'c', "", 70001, 90001, "b", 0, 0}},
     "open:40000 c0:a close:REUSED/c() open:40000 c0:b close:END/c()",
     false},
    {"the ports again after the close, the same number",
     {HANDSHAKE, {'c', "FA", 1, 1, NULL, 0, 0}, {'s', "FA", 1, 2, NULL, 0, 0}, HANDSHAKE, {'c', "", 1, 1, "b", 0, 0}},
     "open:40000 close:FIN/c(cs) open:40000 c0:b close:END/c()",
     false},
    {"late segments of a closed connection open none",
     {HANDSHAKE, {'c', "FA", 1, 1, "a", 0, 0}, {'s', "FA", 1, 3, NULL, 0, 0}, {'c', "FA", 1, 1, "a", 0, 100}},
     "open:40000 c0:a close:FIN/c(cs)",
     false},
    {"from the middle on",
     {{'s', "", 500, 70, "250", 0, 0}, {'c', "", 70, 503, "QUIT", 0, 0}},
     "open-midstream:40000 s0:250 c0:QUIT close:END/c()",
     false},
    {"the SYN captured behind the first octets",
     {{'c', "", 1, 1, "a", 0, 0}, {'c', "S", 0, 0, NULL, 0, 0}},
     "open:40000 c0:a close:END/c()",
     false},
    {"one side alone",
     {{'c', "S", 0, 0, NULL, 0, 0},
      {'c', "", 1, 1, "a", 0, 0},
      {'c', "", 2, 4, "b", 0, 0},
      {'c', "", 3, 9, "c", 0, 0},
      {'c', "", 4, 12, "d", 0, 0},
      {'c', "", 5, 12, "e", 0, 3000}},
     "open:40000 c0:a s0+3 c1:b s3+5 c2:c s8+3 c3:d c4:e close:END/c()",
     false},
    {"a stray ACK and a stray RST open nothing", {{'c', "", 9, 9, NULL, 0, 0}, {'s', "R", 9, 9, NULL, 0, 0}}, "", false},
    {"a handshake, and words within the minute that it is waited for",
     {HANDSHAKE, {'c', "", 1, 1, "a", 0, 59900}},
     "open:40000 c0:a close:END/c()",
     false},
    {"a handshake waits for words as long as any connection",
     {HANDSHAKE, {'c', "", 1, 1, "a", 0, 899000}},
     "open:40000 c0:a close:END/c()",
     false},
    {"a SYN is forgotten behind a minute",
     {{'c', "S", 0, 0, NULL, 0, 0}, {'c', "", 1, 1, "a", 0, 61000}},
     "open-midstream:40000 c0:a close:END/c()",
     false},
    {"a SYN that is sent again waits for another minute",
     {{'c', "S", 0, 0, NULL, 0, 0}, {'c', "S", 0, 0, NULL, 0, 59000}, {'c', "", 1, 1, "a", 0, 59000}},
     "open:40000 c0:a close:END/c()",
     false},
    {"silent for too long",
     {HANDSHAKE, {'c', "", 1, 1, "a", 0, 0}, {'c', "", 2, 1, "b", 0, 901000}},
     "open:40000 c0:a close:IDLE/c() open-midstream:40000 c0:b close:END/c()",
     false},
};

static uint8_t flags_of(const char *letters)
{
    uint8_t flags = *letters ? 0 : SMTPSCOPE_TCP_ACK;

    for (; *letters; letters++)
        flags |= *letters == 'S'   ? SMTPSCOPE_TCP_SYN
                 : *letters == 'F' ? SMTPSCOPE_TCP_FIN
                 : *letters == 'R' ? SMTPSCOPE_TCP_RST
                                   : SMTPSCOPE_TCP_ACK;
    return flags;
}

static void row_feed(struct smtpscope_streams *state, const struct segment *segments, const uint32_t isn[2],
                     const uint16_t ports[2])
{
    smtpscope_time time = SMTPSCOPE_SECOND;

    for (size_t i = 0; i < SEGMENTS_MAX && segments[i].side; i++) {
        const struct segment *from = &segments[i];
        bool server = from->side == 's';
        struct smtpscope_endpoint ends[2] = {record_end(1, ports[0]), record_end(2, ports[1])};
        size_t len = from->data ? strlen(from->data) : 0;
        struct unit_guarded data = unit_guarded_init(from->data, len);
        struct smtpscope_segment segment = {
            .src = ends[server],
            .dst = ends[!server],
            .flags = flags_of(from->flags),
            .seq = isn[server] + from->seq,
            .ack = isn[!server] + from->ack,
            .data = data.data,
            .len = (uint32_t)len,
            .missing = from->missing,
            .time = time += from->ms * (SMTPSCOPE_SECOND / 1000),
            .packet = i + 1,
        };

        smtpscope_streams_expire(state, time);
        smtpscope_streams_segment(state, &segment);
        unit_guarded_fini(&data);
    }
}

/* At several initial numbers, so that each row also wraps somewhere. */
static void test_rows(void **unused)
{
    static const uint32_t starts[] = {1000, UINT32_MAX, UINT32_MAX - 1, UINT32_MAX - 4, 0x7ffffffe};
    static const uint16_t ports[2] = {40000, 25};
    static struct records records;
    bool failed = false;

    (void)unused;
    for (size_t i = 0; i < unit_count(streams); i++)
        for (size_t j = 0; j < unit_count(starts); j++) {
            struct smtpscope_stream_config config = record_config(&records);
            struct smtpscope_streams *state;

            memset(&records, 0, sizeof records);
            records.show_acked = streams[i].show_acked;
            state = smtpscope_streams_new(&config);
            row_feed(state, streams[i].segments, (const uint32_t[]){starts[j], starts[(j + 2) % unit_count(starts)]}, ports);
            smtpscope_streams_flush(state);
            smtpscope_streams_free(state);
            if (records.log_len)
                records.log[records.log_len - 1] = '\0';
            if (!strcmp(records.log, streams[i].want))
                continue;
            print_error("%s, from %u\n  want %s\n  has  %s\n", streams[i].label, starts[j], streams[i].want, records.log);
            failed = true;
            break;
        }
    assert_false(failed);
}

static const struct side_row {
    const char *label;
    uint16_t client_port, server_port;
    struct segment first, second;
    const char *want;
} sides[] = {
    {"the handshake against the ports",
     25,
     587,
     {'c', "S", 0, 0, NULL, 0, 0},
     {'c', "", 1, 1, "220 x", 0, 0},
     "open:25 c0:220 x "},
    {"a SYN to the watched port", 1024, 25, {'c', "S", 0, 0, NULL, 0, 0}, {'c', "", 1, 1, "a", 0, 0}, "open:1024 c0:a "},
    {"a SYN from the watched port", 1024, 587, {'s', "S", 0, 0, NULL, 0, 0}, {'s', "", 1, 1, "a", 0, 0}, "open:1024 s0:a "},
    {"a SYN-ACK alone", 25, 587, {'s', "SA", 0, 1, NULL, 0, 0}, {'s', "", 1, 1, "a", 0, 0}, "open:25 s0:a "},
    {"midstream, the watched port", 1024, 587, {'s', "", 9, 9, "xyz", 0, 0}, {0}, "open-midstream:1024 s0:xyz "},
    {"midstream, both watched, who greets", 587, 25, {'s', "", 9, 9, "220 mx", 0, 0}, {0}, "open-midstream:587 s0:220 mx "},
    {"midstream, both watched, who does not", 587, 25, {'c', "", 9, 9, "EHLO x", 0, 0}, {0}, "open-midstream:587 c0:EHLO x "},
    {"no watched port", 1024, 80, {'c', "S", 0, 0, NULL, 0, 0}, {'c', "", 1, 1, "a", 0, 0}, ""},
};

static void test_sides(void **unused)
{
    static struct records records;

    (void)unused;
    for (size_t i = 0; i < unit_count(sides); i++) {
        struct smtpscope_stream_config config = record_config(&records);
        struct segment row[SEGMENTS_MAX] = {sides[i].first, sides[i].second};
        struct smtpscope_streams *state;

        memset(&records, 0, sizeof records);
        state = smtpscope_streams_new(&config);
        row_feed(state, row, (const uint32_t[]){5, 5}, (const uint16_t[]){sides[i].client_port, sides[i].server_port});
        smtpscope_streams_flush(state);
        smtpscope_streams_free(state);
        if (strncmp(records.log, sides[i].want, strlen(sides[i].want)))
            print_error("%s\n  want %s\n  has  %s\n", sides[i].label, sides[i].want, records.log);
        assert_memory_equal(records.log, sides[i].want, strlen(sides[i].want));
    }
}

static struct smtpscope_segment other_port(char side, uint8_t flags, const char *data)
{
    struct smtpscope_endpoint client = record_end(1, 40000), server = record_end(2, 10025);
    bool back = side == 's';

    return (struct smtpscope_segment){.src = back ? server : client,
                                      .dst = back ? client : server,
                                      .flags = flags,
                                      .seq = flags & SMTPSCOPE_TCP_SYN ? 9 : 10,
                                      .ack = 10,
                                      .data = (const uint8_t *)data,
                                      .len = data ? (uint32_t)strlen(data) : 0,
                                      .time = SMTPSCOPE_SECOND,
                                      .packet = 1};
}

/* A connection on no watched port: none of ours, until it is to be followed; from then on its segments are. */
static void test_follow(void **unused)
{
    static struct records records;
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *state = smtpscope_streams_new(&config);
    struct smtpscope_segment syn = other_port('c', SMTPSCOPE_TCP_SYN, NULL),
                             answer = other_port('s', SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, NULL),
                             greeting = other_port('s', SMTPSCOPE_TCP_ACK, "220");
    struct smtpscope_segment hello = other_port('c', SMTPSCOPE_TCP_ACK, "EHLO"), another = hello;
    struct smtpscope_stream_stats stats;

    (void)unused;
    assert_false(smtpscope_streams_segment(state, &syn));
    assert_false(smtpscope_streams_segment(state, &greeting));
    assert_string_equal(records.log, "");
    smtpscope_streams_follow(state, &syn);
    smtpscope_streams_follow(state, &answer);
    smtpscope_streams_follow(state, &greeting);
    assert_true(smtpscope_streams_segment(state, &hello));
    assert_string_equal(records.log, "open:40000 s0:220 c0:EHLO ");
    assert_true(records.first->flow->unexpected);
    another.src.port++;
    assert_false(smtpscope_streams_segment(state, &another));
    smtpscope_streams_stats(state, &stats);
    assert_int_equal(stats.flows, 1);
    smtpscope_streams_flush(state);
    smtpscope_streams_free(state);
}

#define RESENT 8192 /* of so many a few go unnoticed, see recent.h */

/* Sends one octet group again, each time with other octets: a bit for each that is told to differ. */
static void conflicts_note(uint64_t hash_seed, uint8_t told[RESENT / 8])
{
    static struct records records;
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_stream_stats before = {0}, after;
    struct smtpscope_streams *state;
    uint32_t data = 0;

    memset(&records, 0, sizeof records);
    config.hash_seed = hash_seed;
    state = smtpscope_streams_new(&config);
    for (unsigned i = 0; i < 2 + RESENT; i++, data++, before = after) {
        bool server = i == 1;
        struct smtpscope_segment segment = {.src = server ? record_end(2, 25) : record_end(1, 40000),
                                            .dst = server ? record_end(1, 40000) : record_end(2, 25),
                                            .flags = (i < 2 ? SMTPSCOPE_TCP_SYN : 0) | (i > 0 ? SMTPSCOPE_TCP_ACK : 0),
                                            .seq = i < 2 ? 9 : 10,
                                            .ack = 10,
                                            .data = (const uint8_t *)&data,
                                            .len = i < 2 ? 0 : sizeof data,
                                            .time = 1750000000123456789,
                                            .packet = i + 1};

        smtpscope_streams_segment(state, &segment);
        smtpscope_streams_stats(state, &after);
        if (after.conflicts > before.conflicts)
            told[(i - 2) / 8] |= (uint8_t)(1u << (i - 2) % 8);
    }
    assert_between(before.conflicts, RESENT - RESENT / 256, RESENT - 1);
    smtpscope_streams_flush(state);
    smtpscope_streams_free(state);
}

/* What is found in a capture does not depend on a seed that is another one in each run. */
static void test_conflicts_repeat(void **unused)
{
    uint8_t first[RESENT / 8] = {0}, second[RESENT / 8] = {0};

    (void)unused;
    conflicts_note(7, first);
    conflicts_note(0x9e3779b97f4a7c15u, second);
    assert_memory_equal(first, second, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_sides), cmocka_unit_test(test_follow),
                                       cmocka_unit_test(test_conflicts_repeat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
