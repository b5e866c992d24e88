/* SPDX-License-Identifier: BSD-2-Clause */
/* What the capture lacks, what was left unanswered, and how the session ended. */
#include "judge_private.h"

#include <string.h>

static struct smtpscope_text word(const char *at)
{
    return (struct smtpscope_text){at, strlen(at)};
}

void judge_gap(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_gap *gap = fact->gap;
    bool conflict = fact->type == SMTPSCOPE_FACT_CONFLICT;
    struct ground ground = {.rule = conflict ? SMTPSCOPE_RULE_TRANSPORT_OVERLAP_CONFLICT : SMTPSCOPE_RULE_TRANSPORT_GAP,
                            .fact = fact,
                            .side = gap->side,
                            .offset = gap->offset,
                            .fault = SMTPSCOPE_FAULT_NETWORK};
    struct note *note;

    judge->doubtful |= !conflict && strcmp(gap->phase, "message") && strcmp(gap->phase, "tls");
    /* A side that was never captured is one finding of its own, not a gap. */
    if (!conflict && !(gap->side == SMTPSCOPE_CLIENT ? judge->client_seen : judge->server_seen))
        return;
    if (!conflict) {
        ground.detail = SMTPSCOPE_DETAIL_GAP;
        ground.detail_text = word(gap->phase);
    }
    note = note_add(judge, &ground);
    if (note)
        note->finding.detail_number += gap->len;
}

/* What was told before and explains that nothing is answered any more; 0 none. */
static uint32_t cause_of_silence(struct smtpscope_judge *judge, const struct smtpscope_ending *ending)
{
    const struct trouble *trouble = trouble_of(judge);
    const struct note *pipelined = note_find(judge, trouble->pipelined);

    if (trouble->closing)
        return trouble->closing;
    if (pipelined && pipelined->finding.verdict != SMTPSCOPE_VERDICT_TOLERATED)
        return trouble->pipelined;
    if (trouble->codeless || trouble->not_followed)
        return trouble->codeless ? trouble->codeless : trouble->not_followed;
    return ending && ending->by == SMTPSCOPE_SERVER ? trouble->last_refused : 0; /* it refused, and closed without 421 */
}

void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_command *command = fact->command;
    const char *name = smtpscope_verb_name(command->verb);
    struct ground ground = {.rule = SMTPSCOPE_RULE_REPLY_MISSING,
                            .command = command,
                            .verdict = SMTPSCOPE_VERDICT_UNANSWERED,
                            .detail = SMTPSCOPE_DETAIL_UNANSWERED,
                            .detail_text = name ? word(name) : command->name,
                            .fault = SMTPSCOPE_FAULT_UNDETERMINED,
                            .cause = cause_of_silence(judge, smtpscope_session_ending(session))};

    judge->quit_unanswered |= command->verb == SMTPSCOPE_VERB_QUIT;
    if (smtpscope_session_state(session)->quit || (judge->quit_unanswered && command->verb != SMTPSCOPE_VERB_QUIT)) {
        ground.rule = SMTPSCOPE_RULE_SEQUENCE_COMMAND_AFTER_QUIT;
        ground.fault = SMTPSCOPE_FAULT_CLIENT;
    }
    if (!judge->server_seen || judge->doubtful || is_alien(judge) || judge->lost_message ||
        !session_ended(smtpscope_session_ending(session)) || command->oddities & SMTPSCOPE_COMMAND_UNTERMINATED)
        return;
    note_add(judge, &ground);
}

static struct ground end_ground(const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_ending *ending = fact->end->ending;

    return (struct ground){.rule = rule,
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
    struct ground ground;

    if ((ending->seen[0] && ending->seen[1]) || !octets)
        return;
    ground = end_ground(fact, SMTPSCOPE_RULE_TRANSPORT_ONE_SIDED);
    ground.fault = SMTPSCOPE_FAULT_NETWORK;
    ground.detail = SMTPSCOPE_DETAIL_ONE_SIDED;
    ground.detail_text = word(side_name(ending->seen[SMTPSCOPE_CLIENT] ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER));
    note_add(judge, &ground);
}

/* A server that closes on a silent client without a word (RFC 5321 3.8 asks for 421): how long it waited. */
#define SILENCE (5 * SMTPSCOPE_SECOND)

static void judge_silence(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    smtpscope_time silent = ending->fin_time - fact->end->last_octets;
    struct ground ground;

    if (ending->by != SMTPSCOPE_SERVER || fact->end->opaque || judge->doubtful || !judge->server_seen || silent < SILENCE ||
        judge->closing_seen)
        return;
    ground = end_ground(fact, SMTPSCOPE_RULE_DEFERRAL_TIMEOUT);
    ground.reason = SMTPSCOPE_REASON_TIMEOUT;
    ground.detail = SMTPSCOPE_DETAIL_LATE;
    ground.detail_number = (uint64_t)(silent / SMTPSCOPE_SECOND);
    ground.confidence = SMTPSCOPE_LIKELY;
    note_add(judge, &ground);
}

/* The session ended by RST or by FIN, and the client had not said QUIT. */
static void judge_no_quit(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_end *end = fact->end;
    struct ground ground;

    if (end->quit_sent || end->opaque || (!end->octets[0] && !end->octets[1]))
        return;
    ground = end_ground(fact, rule);
    ground.detail = SMTPSCOPE_DETAIL_CLOSED_BY;
    ground.detail_text = word(side_name(end->ending->by));
    note_add(judge, &ground);
}

static void judge_close(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground;

    /* Another protocol has no QUIT, and what its client waits for never comes. */
    if (is_alien(judge) && fact->end->ending->why != SMTPSCOPE_CLOSE_EVICTED)
        return;
    switch (fact->end->ending->why) {
    case SMTPSCOPE_CLOSE_RESET: judge_no_quit(judge, fact, SMTPSCOPE_RULE_TRANSPORT_RESET); break;
    case SMTPSCOPE_CLOSE_FIN:
        judge_silence(judge, fact);
        if (!judge->doubtful)
            judge_no_quit(judge, fact, SMTPSCOPE_RULE_TRANSPORT_CLOSED_WITHOUT_QUIT);
        break;
    case SMTPSCOPE_CLOSE_IDLE:
        ground = end_ground(fact, SMTPSCOPE_RULE_TRANSPORT_IDLE_TIMEOUT);
        if (!fact->end->quit_answered)
            note_add(judge, &ground);
        break;
    case SMTPSCOPE_CLOSE_EVICTED:
        ground = end_ground(fact, SMTPSCOPE_RULE_TRANSPORT_EVICTED);
        ground.fault = SMTPSCOPE_FAULT_NOBODY;
        note_add(judge, &ground);
        break;
    case SMTPSCOPE_CLOSE_END:
    case SMTPSCOPE_CLOSE_REUSED: break;
    }
}

/* 220 to STARTTLS, and then the session was closed in place of a handshake. */
static void judge_no_handshake(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_end *end = fact->end;
    struct ground ground;

    if (!judge->tls_granted || judge->tls_told || end->opaque || judge->doubtful || !session_ended(end->ending) ||
        !end->ending->seen[SMTPSCOPE_CLIENT] || end->lost[SMTPSCOPE_CLIENT] || end->lost[SMTPSCOPE_SERVER])
        return;
    ground = end_ground(fact, SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_FOLLOWED);
    if (end->ending->by == SMTPSCOPE_CLIENT)
        ground.fault = SMTPSCOPE_FAULT_CLIENT;
    note_add(judge, &ground);
}

void judge_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct note *early = note_find(judge, trouble_of(judge)->early);
    struct ground ground;

    if (judge->flow->midstream && (fact->end->octets[0] || fact->end->octets[1])) {
        ground = end_ground(fact, SMTPSCOPE_RULE_TRANSPORT_MIDSTREAM);
        ground.fault = SMTPSCOPE_FAULT_NETWORK;
        note_add(judge, &ground);
    }
    judge_one_sided(judge, fact);
    judge_close(judge, fact);
    judge_no_handshake(judge, fact);
    if (judge->starttls_offered && judge->mail_in_clear && !fact->end->opaque && !is_alien(judge)) {
        ground = end_ground(fact, SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_USED);
        ground.fault = SMTPSCOPE_FAULT_CLIENT;
        note_add(judge, &ground);
    }
    if (early && !judge->early_refused && judge->early_taken) {
        early->finding.verdict = SMTPSCOPE_VERDICT_TOLERATED;
        early->finding.severity = SMTPSCOPE_NOTICE;
    }
}
