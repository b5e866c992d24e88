/* SPDX-License-Identifier: BSD-2-Clause */
/* What --sessions shows of a session: its facts come in while it runs; formats read the transcript when it has ended. */
#ifndef OUTPUT_TRANSCRIPT_H
#define OUTPUT_TRANSCRIPT_H

#include "base/writer.h"
#include "smtpscope/tls.h"

/* The most that is kept of one session: no sender of real mail comes near, and a flood must not fill the memory. */
#define TRANSCRIPT_EXCHANGES_MAX 65536
#define TRANSCRIPT_OCTETS_MAX ((size_t)16 << 20)

/* A text inside the transcript's own octets. */
struct transcript_slice {
    uint32_t at, len;
};

/* A command and its reply; what was never answered has none. */
struct transcript_exchange {
    struct transcript_slice command, argument; /* the command is empty where there is none: the greeting */
    struct transcript_slice reply;             /* all lines of the reply's text, joined by LF */
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    bool answered;
    bool likely; /* that this is the command's reply is likely, and no more */
    uint64_t packet;
};

struct transcript_gap {
    enum smtpscope_side side;
    uint64_t offset, len;
    uint32_t before; /* exchanges that were known when the gap was told */
};

/* A transaction that nobody can read. */
struct transcript_inferred {
    struct smtpscope_inferred told;
    uint64_t retry_of; /* the session that tried the same message before, by its first packet; 0: none is known */
};

/* TLS as far as it shows from outside. */
struct transcript_tls {
    bool seen; /* any of the others is set */
    bool started, command_injection, response_injection, not_followed, by_capture;
    uint32_t before; /* exchanges that were known when it started */
    smtpscope_time time;
    uint64_t packet;
    bool handshake, certified, ended; /* the next ones are there */
    struct smtpscope_handshake told;  /* its texts and its certificate are the following ones */
    struct smtpscope_certificate certificate;
    struct transcript_slice sni, alpn, subject, issuer;
    struct smtpscope_tls_end end;
};

/* Read-only outside transcript.c, but for what is known of retries. */
struct transcript {
    struct writer octets;
    struct transcript_exchange *exchanges; /* the unanswered ones among them where that was known */
    size_t exchange_count, exchange_size;
    struct transcript_gap *gaps;
    size_t gap_count;
    struct transcript_inferred *inferred;
    size_t inferred_count;
    uint64_t omitted;                                   /* exchanges and gaps beyond the bounds */
    struct transcript_slice greeting, helo, extensions; /* extensions: lines joined by LF, of the last accepted EHLO */
    bool has_greeting;
    struct transcript_tls tls;
    struct smtpscope_proxy proxy;     /* its version is 0: there was none */
    struct smtpscope_network network; /* with `in_trouble` */
    bool in_trouble;
    struct smtpscope_stall stall;   /* the longest; its kind is NONE: there was none of a second or more */
    struct smtpscope_ending ending; /* from here on: since the fact of the session's end */
    bool quit_sent;
    uint64_t octets_seen[2]; /* in clear, of each side */
};

/* NULL when out of memory. */
struct transcript *transcript_new(void);
void transcript_free(struct transcript *transcript);
/* One fact of the session; what cannot be kept is counted in `omitted`. */
void transcript_fact(struct transcript *transcript, const struct smtpscope_fact *fact);

/* Valid until the next fact. */
struct smtpscope_text transcript_text(const struct transcript *transcript, struct transcript_slice slice);

#endif
