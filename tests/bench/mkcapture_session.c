/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions as scripts: each string is what one side says in one go. Its first character is the side, "C" or "S"; "B" stands for
 * the message's text and its end. "%" is replaced by the session's number, so that addresses differ.
 */
#include "mkcapture.h"

#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define SAID_MAX 1024
#define NUMBER_DIGITS 8
#define PAGE_LEN (1 << 16)
#define END_MAX 5 /* CRLF . CRLF */

#define BEGIN                                                                                                                  \
    "S220 mx.example ESMTP Postfix\r\n", "CEHLO client%.example\r\n",                                                          \
        "S250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"    \
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
    BEGIN,       "CRCPT TO:<joe%@mx.example>\r\n",          "S503 5.5.1 Error: need MAIL command\r\n",
    "CDATA\r\n", "S503 5.5.1 Error: need RCPT command\r\n", END,
};
static const char *const not_implemented[] = {
    BEGIN,
    "CVRFY joe%\r\n",
    "S502 5.5.1 VRFY command is disabled\r\n",
    "CMAIL FROM:<alice%@client.example>\r\n",
    "S250 2.1.0 Ok\r\n",
    "CRCPT TO:<joe%@mx.example>\r\n",
    "S250 2.1.5 Ok\r\n",
    "CDATA\r\n",
    "S354 Go ahead\r\n",
    "B",
    "S250 2.0.0 Ok: queued as 4F2A1C8D9E%\r\n",
    END,
};
static const char *const greeted[] = {BEGIN, NULL};

static const struct template sound = {.delivers = true, .script = delivered};
static const struct template silent = {.stays_open = true, .script = greeted};
static const struct template faulty[] = {
    {.findings = 1, .script = greylisted},
    {.findings = 2, .script = out_of_order},
    {.findings = 1, .delivers = true, .script = not_implemented},
};

static const struct template *template_choose(struct wire *wire)
{
    uint64_t random = chance_next(&wire->chance);

    if (chance_of(&wire->chance, wire->parameters->silent, 100))
        return &silent;
    return random % 100 < wire->parameters->findings ? &faulty[(random >> 8) % (sizeof faulty / sizeof faulty[0])] : &sound;
}

void session_begin(struct session *session, struct wire *wire, struct totals *totals)
{
    uint32_t number = (uint32_t)totals->sessions++;

    *session = (struct session){
        .template = template_choose(wire),
        .number = number,
        .tcp = {.client = 0xc6120000u + (number & 0x1ffff), /* 198.18.0.0/15, RFC 2544; with the port unique up to 16 million */
                .port = (uint16_t)(1024 + number % 64000),
                .seq = {(uint32_t)chance_next(&wire->chance), (uint32_t)chance_next(&wire->chance)}},
    };
    totals->findings += session->template->findings;
    totals->messages += session->template->delivers;
    wire_segment(wire, &session->tcp, 0, TCP_SYN, NULL, 0);
    wire_segment(wire, &session->tcp, 1, TCP_SYN | TCP_ACK, NULL, 0);
    wire_segment(wire, &session->tcp, 0, TCP_ACK, NULL, 0);
    session_step(session, wire, totals); /* the greeting at once: a million of handshakes alone would be a flood of SYNs */
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

/* Text in lines of 50 to 76 octets and a CRLF, as people's mail has it; the same in every message of every capture. */
static void page_fill(char *page)
{
    static const char *const words[] = {"the",   "a",   "of",  "message", "queue",   "to", "which",      "server",
                                        "waits", "for", "not", "and",     "letters", "in", "recipients", "that"};
    struct chance chance = {1};
    size_t line = 0;

    for (size_t at = 0; at < PAGE_LEN;) {
        const char *word = words[chance_next(&chance) >> 20 & 15];
        bool ends = line + strlen(word) + 1 > 50 + (chance.state >> 40) % 26;

        for (const char *text = ends ? "\r\n" : line > 0 ? " " : ""; *text != '\0' && at < PAGE_LEN; text++)
            page[at++] = *text;
        line = ends ? 0 : line + 1 + strlen(word);
        for (; *word != '\0' && !ends && at < PAGE_LEN; word++)
            page[at++] = *word;
    }
    page[PAGE_LEN - 2] = '\r';
    page[PAGE_LEN - 1] = '\n';
    page[PAGE_LEN - 3] = 'x'; /* whatever stood there: no CR */
}

/* The message's text from `offset` on, SEGMENT_MAX octets of it. */
static const char *body_at(uint32_t offset)
{
    static char page[PAGE_LEN + SEGMENT_MAX];

    if (page[0] == '\0') {
        page_fill(page);
        memcpy(page + PAGE_LEN, page, SEGMENT_MAX);
    }
    return page + offset % PAGE_LEN;
}

/* One full segment of the text, or its rest with the final dot. Lines go on across segments, as they do in real mail. */
static void body_step(struct session *session, struct wire *wire)
{
    const char *end = "\r\n.\r\n", *at = body_at(wire->parameters->message - session->body_left);
    size_t len = session->body_left;
    char last[SEGMENT_MAX];

    if (len + END_MAX > SEGMENT_MAX) {
        len = len > SEGMENT_MAX ? SEGMENT_MAX : len / 2;
        session->lacks |= !wire_text(wire, &session->tcp, at, len);
        session->body_left -= (uint32_t)len;
        if (chance_next(&wire->chance) & 1) /* about every second one is acknowledged by itself */
            wire_acknowledge(wire, &session->tcp);
        return;
    }
    end += at[len - 1] == '\r'; /* the text was cut inside a CRLF: finish that one */
    memcpy(last, at, len);
    memcpy(last + len, end, strlen(end));
    wire_segment(wire, &session->tcp, 0, TCP_PSH | TCP_ACK, last, len + strlen(end));
    session->in_body = false;
    session->step++;
}

static void session_end(struct session *session, struct wire *wire, struct totals *totals)
{
    totals->lacking += session->lacks;
    if (!session->template->stays_open) {
        wire_segment(wire, &session->tcp, 1, TCP_FIN | TCP_ACK, NULL, 0);
        wire_segment(wire, &session->tcp, 0, TCP_FIN | TCP_ACK, NULL, 0);
        wire_segment(wire, &session->tcp, 1, TCP_ACK, NULL, 0);
    }
    session->template = NULL;
}

void session_step(struct session *session, struct wire *wire, struct totals *totals)
{
    const char *text = session->template->script[session->step];
    char said[SAID_MAX];
    size_t len;

    if (text == NULL) {
        session_end(session, wire, totals);
    } else if (text[0] == 'B') {
        if (!session->in_body)
            session->body_left = wire->parameters->message;
        session->in_body = true;
        body_step(session, wire);
    } else {
        len = said_expand(said, text + 1, session->number);
        wire_segment(wire, &session->tcp, text[0] == 'S', TCP_PSH | TCP_ACK, said, len);
        session->step++;
    }
}
