/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of all that was found somebody asks for: by time, by whose connection it was, by envelope, by reply. The program's options and
 * whoever else shows findings fill it in; all zero, with `until` at SELECTION_TIME_MAX, is everything.
 */
#ifndef OUTPUT_SELECTION_H
#define OUTPUT_SELECTION_H

#include "output/delivery.h"
#include "output/transcript.h"
#include "smtpscope/finding.h"

/* A path is 256 octets at most: RFC 5321 4.5.3.1.3. */
#define SELECTION_GLOB_SIZE 320
#define SELECTION_CODE_SIZE 32
#define SELECTION_TIME_MAX INT64_MAX

/* An address or a network, IPv4 mapped into IPv6. */
struct selection_network {
    uint8_t addr[16];
    unsigned bits; /* of the 128 that have to be the same */
    bool wanted;
};

struct selection {
    smtpscope_time since, until; /* of packets, both included */
    struct selection_network server, client;
    /* Globs, without regard to case; "@example.org" is all of that domain, "<>" the null reverse-path; empty: any. */
    char from[SELECTION_GLOB_SIZE], to[SELECTION_GLOB_SIZE];
    char code[SELECTION_CODE_SIZE]; /* a glob: "450", "45?"; empty: any */
    uint64_t session;               /* by its first packet; 0: any */
};

#define SELECTION_WORD_SIZE 64
/* Each finding is compared with all of them. */
#define SELECTION_IGNORED_MAX 32

/* What is known and of no interest: all that is said has to be so. */
struct selection_ignored {
    char rule[SELECTION_WORD_SIZE];   /* a glob, as smtpscope_rule_matches() takes it; empty: any */
    char reason[SELECTION_WORD_SIZE]; /* its word; empty: any */
    struct selection_network server, client;
};

/* "rule=deferral.* client=192.0.2.0/24 server=192.0.2.1 reason=greylisted", some of it. false: it is none, or names nothing there is. */
bool selection_ignored_parse(const char *text, struct selection_ignored *ignored);
bool selection_is_ignored(const struct selection_ignored *ignored, const struct smtpscope_finding *finding);

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". false: it is none. */
bool selection_network_parse(const char *text, struct selection_network *network);

/* Is it asked for at all by its envelope? Then sessions have to be looked into. */
bool selection_has_envelope(const struct selection *selection);
/* The sender, as MAIL names it, is one that is asked for; a recipient, as RCPT does. */
bool selection_sender(const struct selection *selection, struct smtpscope_text path);
bool selection_recipient(const struct selection *selection, struct smtpscope_text path);

/* Of what is known: a finding's connection, time and reply; its envelope is the session's to know. */
bool selection_finding(const struct selection *selection, const struct smtpscope_finding *finding);
/* All of it. */
bool selection_delivery(const struct selection *selection, const struct smtpscope_flow *flow, const struct delivery *delivery);
/* Without the envelope. */
bool selection_transcript(const struct selection *selection, const struct smtpscope_flow *flow,
                          const struct transcript *transcript);

#endif
