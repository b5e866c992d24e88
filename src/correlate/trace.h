/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fact leaves for the correlation across sessions: small, without pointers into the session, so that it can travel
 * from the thread that follows the session to the one that correlates.
 */
#ifndef CORRELATE_TRACE_H
#define CORRELATE_TRACE_H

#include "smtpscope/finding.h"

enum trace_kind {
    TRACE_OFFER,   /* an EHLO reply in clear: with or without STARTTLS */
    TRACE_LOGIN,   /* a login was refused */
    TRACE_UNKNOWN, /* a recipient was refused as unknown */
    TRACE_KNOWN,   /* a recipient was accepted */
    TRACE_OUTCOME, /* what became of a recipient of a message */
};

struct trace {
    enum trace_kind kind;
    struct smtpscope_flow flow;
    smtpscope_time time;
    uint64_t packet;
    uint32_t exchange; /* its index; UINT32_MAX: none */
    uint16_t code;
    uint8_t enhanced_class;
    uint16_t enhanced_subject, enhanced_detail;
    /* Of an exchange: */
    enum smtpscope_verb verb;
    const char *state; /* smtpscope_state_name() before it */
    uint64_t offset;   /* of the reply */
    bool starttls;     /* OFFER: it is offered */
    /* Of an OUTCOME: */
    uint64_t triple;                /* hash of the client's network, the sender and the recipient; never 0 */
    enum smtpscope_outcome outcome; /* accepted, deferred or refused */
};

/* Calls `trace` for each trace of the fact, in order; valid during the call. Most facts have none. */
void trace_fact(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                void (*trace)(void *ctx, const struct trace *trace), void *ctx);

#endif
