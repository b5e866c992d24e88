/* SPDX-License-Identifier: BSD-2-Clause */
/* What the judge says: one rule, one session, one cause, counted. */
#ifndef SMTPSCOPE_FINDING_H
#define SMTPSCOPE_FINDING_H

#include "smtpscope/rule.h"
#include "smtpscope/session.h"

SMTPSCOPE_C_BEGIN

#define SMTPSCOPE_EVIDENCE_SIZE 96

struct smtpscope_finding {
    enum smtpscope_rule rule;
    enum smtpscope_severity severity;
    enum smtpscope_verdict verdict;
    enum smtpscope_reason reason;
    enum smtpscope_confidence confidence;
    enum smtpscope_fault fault;
    enum smtpscope_detail detail;
    const char *detail_text; /* never NULL */
    uint64_t detail_number;
    /*
     * What the reason was read from, so that a reader can disagree: "phrase: mailbox ... full" (words of the reply), "learned: ..."
     * (words that mean it more often than not), "enhanced 4.2.2", "code 452", or "state" (where in the session it was said). "":
     * the reason is not that of a reply, or there is none.
     */
    char reason_evidence[SMTPSCOPE_EVIDENCE_SIZE];

    uint32_t id;     /* in its session, from 1, in the order of the evidence */
    uint32_t cause;  /* id of the finding that caused this one; 0 none */
    uint32_t count;  /* how often, the first included; folded symptoms are not counted */
    uint32_t folded; /* symptoms folded under this finding */

    /*
     * When the session ends: smtpscope_judge_tell() has told it already, with this severity; and since then what
     * smtpscope_finding_revise() copies has changed. False in all that is told before.
     */
    bool told, changed;
    enum smtpscope_severity told_severity;

    bool is_proxied;                       /* a PROXY header names the client, and the server accepted it */
    struct smtpscope_endpoint proxied_for; /* that client */
    const struct smtpscope_flow *flow;     /* NULL: it is about this program itself, as transport.capture-drops */
    smtpscope_time time, last_time;
    uint64_t packet, last_packet; /* of the evidence */
    enum smtpscope_side side;     /* whose stream `offset` counts */
    uint64_t offset;

    /* The exchange of the evidence. `command` and `text` are "" and `code` 0 where there is none. AUTH is redacted. */
    const char *command, *argument, *text;
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    bool tls;           /* its exchange was inside TLS */
    const char *state;  /* smtpscope_state_name() before the exchange; "" where there is none */
    const char *server; /* the server's software as far as it is known ("Postfix"), "" */

    /* Indexes of exchanges: the evidence first, `evidence_count` of them, then what is folded. */
    const uint32_t *exchanges;
    size_t exchange_count, evidence_count;
};

/*
 * Brings a finding that was told up to date with what is told of it `now`: severity, verdict, reason and its evidence, confidence, fault,
 * cause, detail, count, folded, server, and where it was seen last. All else of a finding stays, so that the texts of a copy may
 * be the caller's own; `exchanges` it must copy itself.
 */
void smtpscope_finding_revise(struct smtpscope_finding *finding, const struct smtpscope_finding *now);

/* The client: the one that a PROXY header names, or who connected. */
static inline const struct smtpscope_endpoint *smtpscope_finding_client(const struct smtpscope_finding *finding)
{
    return finding->is_proxied ? &finding->proxied_for : &finding->flow->side[SMTPSCOPE_CLIENT];
}

SMTPSCOPE_C_END

#endif
