/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions as scripts: each string is what one side says in one go. Its first character is the side, "C" or "S"; "B" stands for
 * the message's body and its end. "%" is replaced by the session's number, so that addresses differ.
 */
#include "mkcapture.h"

#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define SAID_MAX 1024
#define NUMBER_DIGITS 8

#define BEGIN                                                                                                                       \
    "S220 mx.example ESMTP Postfix\r\n", "CEHLO client%.example\r\n",                                                               \
        "S250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"         \
        "250-DSN\r\n250 CHUNKING\r\n"
#define END "CQUIT\r\n", "S221 2.0.0 Bye\r\n", NULL

static const char *const delivered[] = {
    BEGIN,
    "CMAIL FROM:<alice%@client.example> BODY=8BITMIME\r\nRCPT TO:<joe%@mx.example> NOTIFY=NEVER\r\nDATA\r\n",
    "S250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n",
    "B",
    "S250 2.0.0 Ok: queued as 4F2A1C8D9E%\r\n",
    END,
};
static const char *const greylisted[] = {
    BEGIN,
    "CMAIL FROM:<alice%@client.example> BODY=8BITMIME\r\nRCPT TO:<joe%@mx.example>\r\nDATA\r\n",
    "S250 2.1.0 Ok\r\n450 4.2.0 <joe%@mx.example>: Recipient address rejected: Greylisted, see "
    "https://postgrey.example/help/mx.example.html\r\n554 5.5.1 Error: no valid recipients\r\n",
    END,
};
static const char *const out_of_order[] = {
    BEGIN,
    "CRCPT TO:<joe%@mx.example>\r\n",
    "S503 5.5.1 Error: need MAIL command\r\n",
    "CDATA\r\n",
    "S503 5.5.1 Error: need RCPT command\r\n",
    END,
};
static const char *const not_implemented[] = {
    BEGIN, "CVRFY joe%\r\n", "S502 5.5.1 VRFY command is disabled\r\n", "CMAIL FROM:<alice%@client.example>\r\n",
    "S250 2.1.0 Ok\r\n", "CRCPT TO:<joe%@mx.example>\r\n", "S250 2.1.5 Ok\r\n", "CDATA\r\n", "S354 Go ahead\r\n", "B",
    "S250 2.0.0 Ok: queued as 4F2A1C8D9E%\r\n", END,
};
static const char *const *const faulty[] = {greylisted, out_of_order, not_implemented};

static const char body_line[] = "All work and no play makes Jack a dull boy; nobody here reads it, and no scanner minds.\r\n";

void session_begin(struct session *session, struct wire *wire, uint64_t number)
{
    uint64_t kind = chance_next(&wire->chance);
    *session = (struct session){
        .script = kind % 100 < wire->parameters->findings ? faulty[(kind >> 8) % (sizeof faulty / sizeof faulty[0])] : delivered,
        .tcp = {.client = 0xc6120000u + (uint32_t)(number & 0x1ffff), /* 198.18.0.0/15, RFC 2544 */
                .port = (uint16_t)(1024 + number % 64000),
                .seq = {(uint32_t)chance_next(&wire->chance), (uint32_t)chance_next(&wire->chance)}},
    };
    wire_segment(wire, &session->tcp, 0, TCP_SYN, NULL, 0);
    wire_segment(wire, &session->tcp, 1, TCP_SYN | TCP_ACK, NULL, 0);
    wire_segment(wire, &session->tcp, 0, TCP_ACK, NULL, 0);
}

/* Writes the number of the session in place of each "%". Returns the length. */
static size_t said_expand(char *said, const char *text, uint32_t number)
{
    size_t len = 0;
    for (; *text != '\0' && len < SAID_MAX - NUMBER_DIGITS; text++) {
        if (*text != '%') {
            said[len++] = *text;
            continue;
        }
        for (int digit = NUMBER_DIGITS - 1; digit >= 0; digit--)
            said[len++] = "0123456789abcdef"[number >> digit * 4 & 15];
    }
    return len;
}

/* One full segment of the body, or its rest with the final dot. Lines go on across segments, as they do in real mail. */
static void body_step(struct session *session, struct wire *wire)
{
    enum { LINE = sizeof body_line - 1 };
    static char page[SEGMENT_MAX + LINE];
    char last[SEGMENT_MAX];
    const char *end = "\r\n.\r\n", *at = page + (wire->parameters->message - session->body_left) % LINE;
    if (page[0] == '\0')
        for (size_t i = 0; i < sizeof page; i++)
            page[i] = body_line[i % LINE];
    if (session->body_left + strlen(end) > SEGMENT_MAX) {
        size_t len = session->body_left > SEGMENT_MAX ? SEGMENT_MAX : session->body_left / 2;
        wire_segment(wire, &session->tcp, 0, TCP_ACK, at, len);
        session->body_left -= len;
        if (chance_next(&wire->chance) & 1) /* about every second one is acknowledged by itself */
            wire_segment(wire, &session->tcp, 1, TCP_ACK, NULL, 0);
        return;
    }
    end += at[session->body_left - 1] == '\r'; /* the body was cut inside a CRLF: finish that one */
    memcpy(last, at, session->body_left);
    memcpy(last + session->body_left, end, strlen(end));
    wire_segment(wire, &session->tcp, 0, TCP_PSH | TCP_ACK, last, session->body_left + strlen(end));
    session->body_left = 0;
    session->step++;
}

static void session_end(struct session *session, struct wire *wire)
{
    wire_segment(wire, &session->tcp, 1, TCP_FIN | TCP_ACK, NULL, 0);
    wire_segment(wire, &session->tcp, 0, TCP_FIN | TCP_ACK, NULL, 0);
    wire_segment(wire, &session->tcp, 1, TCP_ACK, NULL, 0);
    session->script = NULL;
}

bool session_step(struct session *session, struct wire *wire)
{
    char said[SAID_MAX];
    const char *text = session->script[session->step];
    if (text == NULL) {
        session_end(session, wire);
        return false;
    }
    if (text[0] == 'B') {
        if (session->body_left == 0)
            session->body_left = wire->parameters->message;
        body_step(session, wire);
        return true;
    }
    size_t len = said_expand(said, text + 1, session->tcp.client << 8 ^ session->tcp.port);
    wire_segment(wire, &session->tcp, text[0] == 'S', TCP_PSH | TCP_ACK, said, len);
    session->step++;
    return true;
}
