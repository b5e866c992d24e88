/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handshake of TLS tells. Who closed first, and what an alert is worth, the stage tls has found: see its outcome.c. */
#include "smtpscope/tls.h"
#include "detectors.h"

#define TLS_1_2_ON_WIRE 0x0303

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

#define DAY (24 * 3600 * SMTPSCOPE_SECOND)
/* RFC 5321 has no word on it: a network's round trip is a thousandth of this. */
#define SLOW_HANDSHAKE (5 * SMTPSCOPE_SECOND)

static uint64_t days(smtpscope_time time)
{
    return time > 0 ? (uint64_t)(time / DAY) : 0;
}

/* --- what is odd about it, whatever came of it */

static void version_check(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake, struct claim claim)
{
    const char *name = smtpscope_tls_version_name(handshake->version);

    if (!handshake->version || handshake->version >= TLS_1_2_ON_WIRE)
        return;
    claim.rule = SMTPSCOPE_RULE_TLS_OBSOLETE_VERSION;
    claim.fault = handshake->offered >= TLS_1_2_ON_WIRE ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_CLIENT;
    claim.detail = SMTPSCOPE_DETAIL_AGREED;
    claim.detail_text = smtpscope_text_of(name ? name : "");
    note_add(judge, &claim);
}

static void cipher_check(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake, struct claim claim)
{
    const char *name = smtpscope_tls_cipher_name(handshake->cipher);

    if (!handshake->version || !name || !smtpscope_tls_cipher_is_weak(handshake->cipher))
        return;
    claim.rule = SMTPSCOPE_RULE_TLS_WEAK_CIPHER;
    claim.fault = SMTPSCOPE_FAULT_SERVER; /* it chooses among what the client offers */
    claim.detail = SMTPSCOPE_DETAIL_AGREED;
    claim.detail_text = smtpscope_text_of(name);
    note_add(judge, &claim);
}

/* Returns the id of the last note; 0: nothing is wrong with it. */
static uint16_t certificate_check(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake,
                                  struct claim claim)
{
    const struct smtpscope_certificate *certificate = handshake->certificate;
    smtpscope_time now = claim.fact->time;
    uint16_t note = 0;

    if (!certificate)
        return 0;
    claim.side = SMTPSCOPE_SERVER;
    claim.fault = SMTPSCOPE_FAULT_SERVER;
    claim.detail_text = certificate->subject;
    if (certificate->self_signed) {
        claim.rule = SMTPSCOPE_RULE_TLS_CERTIFICATE_SELF_SIGNED;
        claim.detail = SMTPSCOPE_DETAIL_CERTIFICATE_OF;
        note = note_add(judge, &claim);
    }
    if (now > certificate->not_after || now < certificate->not_before) {
        bool expired = now > certificate->not_after;

        claim.rule = expired ? SMTPSCOPE_RULE_TLS_CERTIFICATE_EXPIRED : SMTPSCOPE_RULE_TLS_CERTIFICATE_NOT_YET_VALID;
        claim.detail = expired ? SMTPSCOPE_DETAIL_EXPIRED_SINCE : SMTPSCOPE_DETAIL_VALID_IN;
        claim.detail_number = days(expired ? now - certificate->not_after : certificate->not_before - now);
        note = note_add(judge, &claim);
        claim.detail_number = 0;
    }
    if (certificate->other_name && handshake->sni.len) {
        claim.rule = SMTPSCOPE_RULE_TLS_CERTIFICATE_NAME_MISMATCH;
        claim.detail = SMTPSCOPE_DETAIL_ASKED_FOR;
        claim.detail_text = handshake->sni;
        note = note_add(judge, &claim);
    }
    return note;
}

static void duration_check(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake, struct claim claim)
{
    smtpscope_time took = handshake->end - handshake->time;

    if (handshake->outcome != SMTPSCOPE_HANDSHAKE_DONE || !handshake->begun || took < SLOW_HANDSHAKE)
        return;
    claim.rule = SMTPSCOPE_RULE_TLS_SLOW_HANDSHAKE;
    claim.fault = SMTPSCOPE_FAULT_UNDETERMINED;
    claim.detail = SMTPSCOPE_DETAIL_TOOK;
    claim.detail_number = (uint64_t)(took / SMTPSCOPE_SECOND);
    note_add(judge, &claim);
}

/* --- what came of it */

/* Without a whole ClientHello it may be anything that begins like TLS. */
static void handshake_failed(struct smtpscope_judge *judge, const struct smtpscope_handshake *handshake, struct claim *claim)
{
    if (!handshake->begun)
        return;
    claim->rule = handshake->outcome == SMTPSCOPE_HANDSHAKE_SILENT ? SMTPSCOPE_RULE_TLS_HANDSHAKE_SILENT
                                                                   : SMTPSCOPE_RULE_TLS_HANDSHAKE_ABANDONED;
    claim->fault = fault_of(handshake->by);
    note_add(judge, claim);
}

void judge_handshake(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_handshake *handshake = fact->handshake;
    struct claim claim = {.fact = fact, .side = handshake->by};
    uint16_t certificate;

    if (judge->session.doubtful)
        claim.confidence = SMTPSCOPE_LIKELY;
    version_check(judge, handshake, claim);
    cipher_check(judge, handshake, claim);
    duration_check(judge, handshake, claim);
    certificate = certificate_check(judge, handshake, claim);
    if (handshake->outcome == SMTPSCOPE_HANDSHAKE_REFUSED && handshake->by == SMTPSCOPE_CLIENT && handshake->alerted &&
        is_about_certificate(handshake->alert))
        claim.cause = certificate;
    if (handshake->outcome == SMTPSCOPE_HANDSHAKE_REFUSED)
        handshake_refused(judge, handshake, &claim);
    else if (smtpscope_handshake_has_side(handshake->outcome))
        handshake_failed(judge, handshake, &claim);
}

/* --- the end */

void judge_tls_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_tls_end *end = fact->tls_end;
    struct smtpscope_fact wrong = {.time = end->wrong_time, .packet = end->wrong_packet};
    struct claim claim = {.fact = fact, .side = SMTPSCOPE_SERVER, .fault = SMTPSCOPE_FAULT_NOBODY};

    if (end->decrypted == SMTPSCOPE_DECRYPTED_NO_KEYS) {
        claim.rule = SMTPSCOPE_RULE_TLS_NO_KEYS;
        claim.detail = end->unnamed ? SMTPSCOPE_DETAIL_NO_RANDOM : SMTPSCOPE_DETAIL_NONE;
        note_add(judge, &claim);
    } else if (end->decrypted == SMTPSCOPE_DECRYPTED_WRONG_KEYS) {
        claim.rule = SMTPSCOPE_RULE_TLS_WRONG_KEYS;
        claim.fact = end->wrong_packet ? &wrong : fact;
        note_add(judge, &claim);
    }
    if (!end->closed_at_once)
        return;
    note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_TLS_CLOSED_AFTER_HANDSHAKE,
                                    .fact = fact,
                                    .side = SMTPSCOPE_SERVER,
                                    .confidence = SMTPSCOPE_LIKELY,
                                    .fault = SMTPSCOPE_FAULT_CLIENT});
}
