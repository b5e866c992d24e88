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
    bool clear = !conflict && strcmp(fact->phase, "message") && strcmp(fact->phase, "tls");
    uint16_t note;

    judge->session.doubtful |= clear;
    if (clear || conflict)
        notes_doubt(judge, gap->side, gap->offset);
    /* A side that was never captured is one finding of its own, not a gap. */
    if (!conflict && !(gap->side == SMTPSCOPE_CLIENT ? judge->session.client_seen : judge->session.server_seen))
        return;
    if (!conflict) {
        claim.detail = SMTPSCOPE_DETAIL_GAP;
        claim.detail_text = smtpscope_text_of(fact->phase);
    }
    note = note_add(judge, &claim);
    note_revise(judge, note, &(struct revision){.detail_more = gap->len});
    if (note && conflict)
        judge->memory->session.conflict = note;
}

/* One finding a direction: telnet's interrupt, a hand-made packet. Where receivers take the octet out, they read another line. */
void judge_urgent(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_TRANSPORT_URGENT_DATA,
                          .fact = fact,
                          .side = fact->gap->side,
                          .offset = fact->gap->offset,
                          .fault = fact->gap->side == SMTPSCOPE_CLIENT ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER};

    note_add(judge, &claim);
}

/* A server that closes on a silent client without a word (RFC 5321 3.8 asks for 421): how long it waited. */
#define SILENCE (5 * SMTPSCOPE_SECOND)

/*
 * The server closes, unasked. RFC 5321 4.5.3.2.7: it is the client's turn, so a timeout is the client's. Where no transaction
 * is open, and the client has had what it came for or let the connection wait, nothing is lost by that.
 */
uint16_t detect_closing(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_reason reason = refused->reading.reason;
    bool idle = !refused->before->transaction && !(refused->before->doubt & SMTPSCOPE_DOUBT_TRANSACTION) &&
                (reason == SMTPSCOPE_REASON_TIMEOUT || judge->session.message_accepted ||
                 refused->reply->time - judge->last_reply >= SILENCE);
    struct claim claim = {.exchange = refused->exchange,
                          .rule = SMTPSCOPE_RULE_DEFERRAL_SHUTTING_DOWN,
                          .reason = reason,
                          .fault = SMTPSCOPE_FAULT_SERVER};

    if (!is_closing(refused) || !is_unasked(refused) ||
        (reason != SMTPSCOPE_REASON_TIMEOUT && reason != SMTPSCOPE_REASON_SHUTTING_DOWN))
        return 0;
    if (reason == SMTPSCOPE_REASON_TIMEOUT) {
        claim.rule = SMTPSCOPE_RULE_DEFERRAL_TIMEOUT;
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    }
    if (idle) {
        claim.severity = SEVERITY(INFO);
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
    }
    return note_add(judge, &claim);
}

/* What the server says of a handshake that did not come, or of the commands that came in its place. */
uint16_t detect_not_followed(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t id = judge->memory->session.not_followed;
    bool about = !meaning_is_reason(refused->meaning) || refused->meaning == MEANING_TLS_TEMPORARY ||
                 refused->meaning == MEANING_TLS_REQUIRED || refused->meaning == MEANING_SHUTTING_DOWN ||
                 refused->meaning == MEANING_TIMEOUT;

    return id && about && note_fold(judge, id, refused->exchange->index) ? id : 0;
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

/* When the server closed an idle connection: with its word, or with its FIN. 0: it did not, or not first. */
static smtpscope_time closing_time(const struct smtpscope_judge *judge, const struct smtpscope_ending *ending)
{
    const struct smtpscope_finding *closing = note_find(judge, memory_of(judge)->session.closing);

    if (closing)
        return closing->severity == SMTPSCOPE_INFO ? closing->last_time : 0;
    return ending->by == SMTPSCOPE_SERVER ? ending->fin_time : 0;
}

/*
 * A client that keeps connections open learns with its next command that this one is closed. It connects anew and goes on:
 * where no transaction was open that is no fault, and the finding of the closing says it, if there is one.
 */
static bool is_use_of_closed(struct smtpscope_judge *judge, const struct smtpscope_state *state,
                             const struct smtpscope_ending *ending, struct claim *claim)
{
    uint16_t closing = memory_of(judge)->session.closing;
    smtpscope_time closed = closing_time(judge, ending), late = claim->command->time - closed;

    if (!closed || late <= 0 || state->quit)
        return false;
    if (note_fold(judge, closing, NO_EXCHANGE)) {
        if (!judge->session.used_closed)
            note_revise(
                judge, closing,
                &(struct revision){.detail = SMTPSCOPE_DETAIL_AFTER_CLOSE, .detail_more = (uint64_t)(late / SMTPSCOPE_SECOND)});
        judge->session.used_closed = true;
        return true;
    }
    if (!state->transaction) {
        claim->severity = SEVERITY(INFO);
        claim->fault = SMTPSCOPE_FAULT_NOBODY;
        claim->detail = SMTPSCOPE_DETAIL_AFTER_CLOSE;
        claim->detail_number = (uint64_t)(late / SMTPSCOPE_SECOND);
        judge->session.used_closed = true;
    }
    return false;
}

/*
 * Whose fault it is that a command has no reply: the fault of what explains it; else that of a server that closed without one, or
 * of a client that closed and did not wait for it.
 */
static enum smtpscope_fault fault_of_silence(const struct smtpscope_judge *judge, const struct claim *claim,
                                             const struct smtpscope_ending *ending)
{
    const struct smtpscope_finding *cause = note_find(judge, claim->cause);

    if (cause)
        return cause->fault;
    if (ending->why != SMTPSCOPE_CLOSE_FIN && ending->why != SMTPSCOPE_CLOSE_RESET)
        return SMTPSCOPE_FAULT_UNDETERMINED;
    if (ending->by == SMTPSCOPE_SERVER)
        return SMTPSCOPE_FAULT_SERVER;
    return ending->time - claim->command->time < SILENCE ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_UNDETERMINED;
}

/* Does mail depend on the reply? A probe that leaves without waiting, and a client that does not wait for 221, lose none. */
static bool is_about_mail(const struct claim *claim, const struct smtpscope_state *state)
{
    switch (claim->command->verb) {
    case SMTPSCOPE_VERB_QUIT: return false;
    case SMTPSCOPE_VERB_MAIL:
    case SMTPSCOPE_VERB_RCPT:
    case SMTPSCOPE_VERB_DATA:
    case SMTPSCOPE_VERB_BDAT:
    case SMTPSCOPE_VERB_EOD: return true;
    default: return state->transaction || claim->fault != SMTPSCOPE_FAULT_CLIENT;
    }
}

/* A server that offers STARTTLS alone, and cuts off whoever goes on in clear: a proxy that only does TLS is so. */
static bool is_tls_wanted(const struct smtpscope_judge *judge, const struct smtpscope_state *state,
                          const struct smtpscope_ending *ending, const struct claim *claim)
{
    return !claim->cause && ending->by == SMTPSCOPE_SERVER && state->hello == SMTPSCOPE_HELLO_EHLO && !state->tls &&
           !judge->session.tls_granted && state->extensions == SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS);
}

/* A line that the server passed over: what was sent behind it is answered. An empty one is harmless. */
static void judge_passed(struct smtpscope_judge *judge, const struct smtpscope_command *command)
{
    if (judge->session.doubtful || is_alien(judge) || command->oddities & SMTPSCOPE_COMMAND_EMPTY)
        return;
    note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_REPLY_MISSING,
                                    .command = command,
                                    .severity = SEVERITY(NOTICE),
                                    .verdict = SMTPSCOPE_VERDICT_UNANSWERED,
                                    .confidence = SMTPSCOPE_LIKELY,
                                    .detail = SMTPSCOPE_DETAIL_PASSED,
                                    .detail_text = smtpscope_command_name(command),
                                    .fault = SMTPSCOPE_FAULT_UNDETERMINED});
}

/* Had the server said its last word, so far as the capture goes? The last packets may be lost as any other. */
static bool is_end_seen(const struct smtpscope_ending *ending)
{
    return ending->fin[SMTPSCOPE_SERVER] || ending->by == SMTPSCOPE_SERVER;
}

void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_command *command = fact->command;
    const struct smtpscope_state *state = smtpscope_session_state(session);
    const struct smtpscope_ending *ending = smtpscope_session_ending(session);
    bool quit = command->verb == SMTPSCOPE_VERB_QUIT;
    uint16_t note;
    struct claim claim = {.rule = SMTPSCOPE_RULE_REPLY_MISSING,
                          .command = command,
                          .verdict = SMTPSCOPE_VERDICT_UNANSWERED,
                          .detail = SMTPSCOPE_DETAIL_UNANSWERED,
                          .detail_text = smtpscope_command_name(command),
                          .cause = cause_of_silence(judge, ending)};

    if (command->circumstances & SMTPSCOPE_COMMAND_PASSED) {
        if (!judge_swallowed(judge, command, state))
            judge_passed(judge, command);
        return;
    }
    judge->session.quit_unanswered |= quit;
    if (!judge->session.server_seen || judge->session.doubtful || is_alien(judge) || judge->session.lost_message ||
        !session_ended(ending) || command->oddities & SMTPSCOPE_COMMAND_UNTERMINATED ||
        (quit && memory_of(judge)->session.closing) || is_use_of_closed(judge, state, ending, &claim) ||
        (!memory_of(judge)->session.closing && !memory_of(judge)->session.network && judge_swallowed(judge, command, state)))
        return;
    if (!judge->session.used_closed)
        claim.fault = fault_of_silence(judge, &claim, ending);
    if (!is_about_mail(&claim, state))
        claim.severity = SEVERITY(INFO);
    if (is_tls_wanted(judge, state, ending, &claim)) {
        claim.reason = SMTPSCOPE_REASON_TLS_REQUIRED;
        claim.confidence = SMTPSCOPE_LIKELY;
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    }
    judge->session.unanswered |= claim.severity == 0;
    if (state->quit || (judge->session.quit_unanswered && !quit)) {
        claim.rule = SMTPSCOPE_RULE_SEQUENCE_COMMAND_AFTER_QUIT;
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    }
    if (!is_end_seen(ending))
        claim.confidence = SMTPSCOPE_LIKELY;
    note = note_add(judge, &claim);
    if (note)
        judge->memory->session.missing = note;
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

/* True: that is why the session ended, and there is no more to say of it. */
static bool judge_silence(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    smtpscope_time silent = ending->fin_time - fact->end->last_octets;
    struct claim claim;

    if (ending->by != SMTPSCOPE_SERVER || fact->end->opaque || judge->session.doubtful || !judge->session.server_seen ||
        silent < SILENCE || judge->session.closing_seen || judge->session.unanswered)
        return false;
    claim = end_claim(fact, SMTPSCOPE_RULE_DEFERRAL_TIMEOUT);
    claim.reason = SMTPSCOPE_REASON_TIMEOUT;
    claim.detail = SMTPSCOPE_DETAIL_LATE;
    claim.detail_number = (uint64_t)(silent / SMTPSCOPE_SECOND);
    claim.confidence = SMTPSCOPE_LIKELY;
    if (!fact->end->state->transaction) {
        claim.severity = SEVERITY(INFO);
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
    }
    return note_add(judge, &claim);
}

/*
 * Is what was told before why it ended so? RFC 5321 3.8 lets a server close behind 421, a client need not wait for QUIT then; and
 * a refusal may be its last word.
 */
static bool is_explained(struct smtpscope_judge *judge, const struct smtpscope_ending *ending)
{
    const struct session_memory *memory = memory_of(judge);

    if (judge->session.closing_seen || judge->session.used_closed || memory->session.not_followed)
        return true;
    return ending->by == SMTPSCOPE_SERVER && (cause_of_silence(judge, ending) || memory->session.greeting ||
                                              (memory->session.early && !judge->session.early_taken));
}

/* The session ended by RST or by FIN, and the client had not said QUIT. */
static void judge_no_quit(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_end *end = fact->end;
    const struct smtpscope_finding *missing = note_find(judge, memory_of(judge)->session.missing);
    struct claim claim;

    if (end->quit_sent || end->opaque || (!end->octets[0] && !end->octets[1]) || is_explained(judge, end->ending))
        return;
    claim = end_claim(fact, rule);
    claim.severity = end->state->transaction || judge->session.unanswered ? 0 : SEVERITY(INFO);
    claim.cause = missing && end->ending->by == SMTPSCOPE_SERVER ? missing->id : 0; /* why it closed is why it did not answer */
    claim.fault = claim.cause                   ? missing->fault
                  : judge->session.lost_message ? fault_of_ending(end->ending)
                                                : SMTPSCOPE_FAULT_UNDETERMINED;
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
        if (!judge_silence(judge, fact) && !judge->session.doubtful)
            judge_no_quit(judge, fact, SMTPSCOPE_RULE_TRANSPORT_CLOSED_WITHOUT_QUIT);
        break;
    case SMTPSCOPE_CLOSE_IDLE:
        claim = end_claim(fact, SMTPSCOPE_RULE_TRANSPORT_IDLE_TIMEOUT);
        claim.severity = fact->end->state->transaction || judge->session.unanswered ? 0 : SEVERITY(INFO);
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
        note_revise(
            judge, memory_of(judge)->session.early,
            &(struct revision){.verdict = SMTPSCOPE_VERDICT_TOLERATED,
                               .severity = memory_of(judge)->session.early_allowed ? SEVERITY(INFO) : SEVERITY(NOTICE)});
    judge_duplicate_at_end(judge, fact);
    judge_network_effects(judge);
}
