/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handshake of TLS tells. Who closed first, and what an alert is worth, the stage tls has found: see its outcome.c. */
#include "smtpscope/tls.h"
#include "detectors.h"

/* RFC 8446 6.2: bad_certificate to certificate_unknown, and unknown_ca. */
static bool is_about_certificate(uint8_t alert)
{
    return (alert >= 42 && alert <= 46) || alert == 48;
}

static enum smtpscope_fault fault_of(enum smtpscope_side side)
{
    return side == SMTPSCOPE_CLIENT ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER;
}

static void handshake_refused(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake, struct claim *claim)
{
    const char *name = handshake->alerted ? smtpscope_tls_alert_name(handshake->alert) : NULL;

    claim->rule = SMTPSCOPE_RULE_TLS_HANDSHAKE_REFUSED;
    claim->detail = name ? SMTPSCOPE_DETAIL_ALERT : SMTPSCOPE_DETAIL_ALERT_HIDDEN;
    claim->detail_text = smtpscope_text_of(name ? name : "");
    if (!handshake->alerted)
        claim->confidence = SMTPSCOPE_LIKELY;
    else if (handshake->by == SMTPSCOPE_CLIENT && is_about_certificate(handshake->alert))
        claim->fault = SMTPSCOPE_FAULT_SERVER;
    note_add(judge, claim);
}

void judge_handshake(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_handshake *handshake = fact->handshake;
    struct claim claim = {.fact = fact, .side = handshake->by};

    if (judge->session.doubtful)
        claim.confidence = SMTPSCOPE_LIKELY;
    if (handshake->outcome == SMTPSCOPE_HANDSHAKE_REFUSED)
        handshake_refused(judge, handshake, &claim);
    /* Without a whole ClientHello it may be anything that begins like TLS. */
    if (handshake->outcome != SMTPSCOPE_HANDSHAKE_ABANDONED || !handshake->begun)
        return;
    claim.rule = SMTPSCOPE_RULE_TLS_HANDSHAKE_ABANDONED;
    claim.fault = fault_of(handshake->by);
    note_add(judge, &claim);
}
