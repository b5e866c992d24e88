/* SPDX-License-Identifier: BSD-2-Clause */
/* What the capture lacks, what was left unanswered, and how the session ended. */
#include "detectors.h"

#include <string.h>

void judge_gap(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_gap *gap = fact->gap;
    bool conflict = fact->type == SMTPSCOPE_FACT_CONFLICT;
    struct claim claim = {.rule = conflict ? SMTPSCOPE_RULE_TRANSPORT_OVERLAP_CONFLICT : SMTPSCOPE_RULE_TRANSPORT_GAP,
                          .fact = fact,
                          .side = gap->side,
                          .offset = gap->offset,
                          .fault = SMTPSCOPE_FAULT_NETWORK};
    judge->session.doubtful |= !conflict && strcmp(gap->phase, "message") && strcmp(gap->phase, "tls");
    /* A side that was never captured is one finding of its own, not a gap. */
    if (!conflict && !(gap->side == SMTPSCOPE_CLIENT ? judge->session.client_seen : judge->session.server_seen))
        return;
    if (!conflict) {
        claim.detail = SMTPSCOPE_DETAIL_GAP;
        claim.detail_text = smtpscope_text_of(gap->phase);
    }
    note_revise(judge, note_add(judge, &claim), &(struct revision){.detail_more = gap->len});
}

/* What was told before and explains that nothing is answered any more; 0 none. */
static uint32_t cause_of_silence(struct smtpscope_judge *judge, const struct smtpscope_ending *ending)
{
    const struct session_memory *memory = memory_of(judge);
    const struct smtpscope_finding *pipelined = note_find(judge, memory->session.pipelined);

    if (memory->session.network)
        return memory->session.network;
    if (memory->session.closing)
        return memory->session.closing;
    if (pipelined && pipelined->verdict != SMTPSCOPE_VERDICT_TOLERATED)
        return memory->session.pipelined;
    if (memory->last.codeless || memory->session.not_followed)
        return memory->last.codeless ? memory->last.codeless : memory->session.not_followed;
    return ending && ending->by == SMTPSCOPE_SERVER ? memory->last.refused : 0; /* it refused, and closed without 421 */
}

void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_command *command = fact->command;
    struct claim claim = {.rule = SMTPSCOPE_RULE_REPLY_MISSING,
                          .command = command,
                          .verdict = SMTPSCOPE_VERDICT_UNANSWERED,
                          .detail = SMTPSCOPE_DETAIL_UNANSWERED,
                          .detail_text = smtpscope_command_name(command),
                          .fault = SMTPSCOPE_FAULT_UNDETERMINED,
                          .cause = cause_of_silence(judge, smtpscope_session_ending(session))};

    judge->session.quit_unanswered |= command->verb == SMTPSCOPE_VERB_QUIT;
    if (smtpscope_session_state(session)->quit || (judge->session.quit_unanswered && command->verb != SMTPSCOPE_VERB_QUIT)) {
        claim.rule = SMTPSCOPE_RULE_SEQUENCE_COMMAND_AFTER_QUIT;
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    }
    if (!judge->session.server_seen || judge->session.doubtful || is_alien(judge) || judge->session.lost_message ||
        !session_ended(smtpscope_session_ending(session)) || command->oddities & SMTPSCOPE_COMMAND_UNTERMINATED)
        return;
    note_add(judge, &claim);
}

static struct claim end_claim(const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_ending *ending = fact->end->ending;

    return (struct claim){.rule = rule,
                          .fact = fact,
                          .side = ending->by,
                          .fault = SMTPSCOPE_FAULT_UNDETERMINED,
                          .offset = fact->end->octets[ending->by] + fact->end->lost[ending->by]};
}

static const char *side_name(enum smtpscope_side side)
{
    return side == SMTPSCOPE_CLIENT ? "client" : "server";
}

static void judge_one_sided(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    bool octets = fact->end->octets[0] || fact->end->octets[1];
    struct claim claim;

    if ((ending->seen[0] && ending->seen[1]) || !octets)
        return;
    claim = end_claim(fact, SMTPSCOPE_RULE_TRANSPORT_ONE_SIDED);
    claim.fault = SMTPSCOPE_FAULT_NETWORK;
    claim.detail = SMTPSCOPE_DETAIL_ONE_SIDED;
    claim.detail_text = smtpscope_text_of(side_name(ending->seen[SMTPSCOPE_CLIENT] ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER));
    note_add(judge, &claim);
}

/* A server that closes on a silent client without a word (RFC 5321 3.8 asks for 421): how long it waited. */
#define SILENCE (5 * SMTPSCOPE_SECOND)

static void judge_silence(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    smtpscope_time silent = ending->fin_time - fact->end->last_octets;
    struct claim claim;

    if (ending->by != SMTPSCOPE_SERVER || fact->end->opaque || judge->session.doubtful || !judge->session.server_seen ||
        silent < SILENCE || judge->session.closing_seen)
        return;
    claim = end_claim(fact, SMTPSCOPE_RULE_DEFERRAL_TIMEOUT);
    claim.reason = SMTPSCOPE_REASON_TIMEOUT;
    claim.detail = SMTPSCOPE_DETAIL_LATE;
    claim.detail_number = (uint64_t)(silent / SMTPSCOPE_SECOND);
    claim.confidence = SMTPSCOPE_LIKELY;
    note_add(judge, &claim);
}

/*
 * Is what was told before why it ended so? RFC 5321 3.8 lets a server close behind 421, a client need not wait for QUIT then; and
 * a refusal may be its last word.
 */
static bool is_explained(struct smtpscope_judge *judge, const struct smtpscope_ending *ending)
{
    const struct session_memory *memory = memory_of(judge);

    if (judge->session.closing_seen || memory->session.not_followed)
        return true;
    return ending->by == SMTPSCOPE_SERVER && (cause_of_silence(judge, ending) || memory->session.greeting ||
                                              (memory->session.early && !judge->session.early_taken));
}

/* The session ended by RST or by FIN, and the client had not said QUIT. */
static void judge_no_quit(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_end *end = fact->end;
    struct claim claim;

    if (end->quit_sent || end->opaque || (!end->octets[0] && !end->octets[1]) || is_explained(judge, end->ending))
        return;
    claim = end_claim(fact, rule);
    claim.detail = SMTPSCOPE_DETAIL_CLOSED_BY;
    claim.detail_text = smtpscope_text_of(side_name(end->ending->by));
    note_add(judge, &claim);
}

static void judge_close(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim;

    /* Another protocol has no QUIT, and what its client waits for never comes. */
    if (is_alien(judge) && fact->end->ending->why != SMTPSCOPE_CLOSE_EVICTED)
        return;
    switch (fact->end->ending->why) {
    case SMTPSCOPE_CLOSE_RESET: judge_no_quit(judge, fact, SMTPSCOPE_RULE_TRANSPORT_RESET); break;
    case SMTPSCOPE_CLOSE_FIN:
        judge_silence(judge, fact);
        if (!judge->session.doubtful)
            judge_no_quit(judge, fact, SMTPSCOPE_RULE_TRANSPORT_CLOSED_WITHOUT_QUIT);
        break;
    case SMTPSCOPE_CLOSE_IDLE:
        claim = end_claim(fact, SMTPSCOPE_RULE_TRANSPORT_IDLE_TIMEOUT);
        if (!fact->end->quit_answered)
            note_add(judge, &claim);
        break;
    case SMTPSCOPE_CLOSE_EVICTED:
        claim = end_claim(fact, SMTPSCOPE_RULE_TRANSPORT_EVICTED);
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
        note_add(judge, &claim);
        break;
    case SMTPSCOPE_CLOSE_END:
    case SMTPSCOPE_CLOSE_REUSED: break;
    }
}

/* 220 to STARTTLS, and then the session was closed in place of a handshake. */
static void judge_no_handshake(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_end *end = fact->end;
    struct claim claim;
    uint16_t note;

    if (!judge->session.tls_granted || judge->session.tls_told || end->opaque || judge->session.doubtful ||
        !session_ended(end->ending) || !end->ending->seen[SMTPSCOPE_CLIENT] || end->lost[SMTPSCOPE_CLIENT] ||
        end->lost[SMTPSCOPE_SERVER])
        return;
    claim = end_claim(fact, SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_FOLLOWED);
    if (end->ending->by == SMTPSCOPE_CLIENT)
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    note = note_add(judge, &claim);
    if (note)
        judge->memory->session.not_followed = note;
}

void judge_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim;

    if (judge->flow->midstream && (fact->end->octets[0] || fact->end->octets[1])) {
        claim = end_claim(fact, SMTPSCOPE_RULE_TRANSPORT_MIDSTREAM);
        claim.fault = SMTPSCOPE_FAULT_NETWORK;
        note_add(judge, &claim);
    }
    judge_one_sided(judge, fact);
    judge_no_greeting(judge, fact);
    judge_no_handshake(judge, fact);
    judge_close(judge, fact);
    if (judge->session.starttls_offered && judge->session.mail_in_clear && !fact->end->opaque && !is_alien(judge)) {
        claim = end_claim(fact, SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_USED);
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
        note_add(judge, &claim);
    }
    if (!judge->session.early_refused && judge->session.early_taken)
        note_revise(judge, memory_of(judge)->session.early,
                    &(struct revision){.verdict = SMTPSCOPE_VERDICT_TOLERATED, .severity = SEVERITY(NOTICE)});
    judge_network_effects(judge);
}
