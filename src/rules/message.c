/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message. In: what was seen of it, as it is answered or cut. Out: what is odd in it, whether it was lost, and, where the server
 * refused it for what is odd in it, which of these was why.
 */
#include "detectors.h"

struct oddity_row {
    uint32_t oddity;
    enum smtpscope_rule rule;
};

static const struct oddity_row oddity_rows[] = {
    {SMTPSCOPE_DATA_BARE_LF, SMTPSCOPE_RULE_DATA_BARE_LF},
    {SMTPSCOPE_DATA_BARE_CR, SMTPSCOPE_RULE_DATA_BARE_CR},
    {SMTPSCOPE_DATA_NUL, SMTPSCOPE_RULE_DATA_NUL},
    {SMTPSCOPE_DATA_LINE_TOO_LONG, SMTPSCOPE_RULE_DATA_LINE_TOO_LONG},
    {SMTPSCOPE_DATA_BINARY, SMTPSCOPE_RULE_DATA_BINARY_IN_DATA},
};

/* What a refusal of the message may speak of, and the oddity of the message that is then why. */
static const struct {
    enum reply_meaning meaning;
    enum smtpscope_rule rule;
} refused_for[] = {
    {MEANING_LINE_TOO_LONG, SMTPSCOPE_RULE_DATA_LINE_TOO_LONG},
    {MEANING_BARE_LINE_FEED, SMTPSCOPE_RULE_DATA_BARE_LF},
    {MEANING_BARE_LINE_FEED, SMTPSCOPE_RULE_DATA_BARE_CR},
    {MEANING_MESSAGE_SIZE, SMTPSCOPE_RULE_DATA_SIZE_OVER_LIMIT},
    {MEANING_EIGHT_BIT, SMTPSCOPE_RULE_DATA_EIGHT_BIT_WITHOUT_8BITMIME},
    {MEANING_NUL, SMTPSCOPE_RULE_DATA_NUL},
};

/* Makes a note of what is odd in a message; if that is what the server refused it for, it is the cause. */
static uint16_t oddity_add(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, const struct claim *claim)
{
    const struct exchange_findings *last = &memory_of(judge)->last;
    const struct smtpscope_message *message = fact->message;
    bool refused = message->code >= 400 && message->exchange == last->index;
    enum reply_meaning meaning = last->meaning;
    uint16_t refusal = last->refused, note = note_add(judge, claim);

    for (size_t i = 0; note && refused && i < sizeof refused_for / sizeof *refused_for; i++)
        if (refused_for[i].meaning == meaning && refused_for[i].rule == claim->rule)
            note_revise(judge, refusal, &(struct revision){.cause = note, .fault = SMTPSCOPE_FAULT_CLIENT});
    return note;
}

static struct claim message_claim(const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_message *message = fact->message;

    return (struct claim){.rule = rule,
                          .fact = fact,
                          .side = SMTPSCOPE_CLIENT,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .offset = message->odd_offset ? message->odd_offset : message->offset};
}

static void judge_lookalike(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_message *message = fact->message;
    const char *name = smtpscope_lookalike_name(message->lookalike);
    struct claim claim;
    uint16_t note;

    if (!(message->oddities & SMTPSCOPE_DATA_LOOKALIKE) || !name)
        return;
    claim = message_claim(fact, SMTPSCOPE_RULE_DATA_SMUGGLING);
    claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE;
    claim.detail_text = smtpscope_text_of(name);
    if (message->oddities & SMTPSCOPE_DATA_LOOKALIKE_COMMANDS)
        claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE_COMMANDS;
    /* A conforming relay has stuffed a dot behind CRLF (RFC 5321 4.5.2): it can never pass these on. */
    if (!(message->oddities & SMTPSCOPE_DATA_LOOKALIKE_COMMANDS) || message->lookalike == SMTPSCOPE_LOOKALIKE_CRLF_LF ||
        message->lookalike == SMTPSCOPE_LOOKALIKE_CRLF_CR)
        claim.severity = SEVERITY(NOTICE);
    if (message->oddities & SMTPSCOPE_DATA_LOOKALIKE_TAKEN) {
        claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN;
        claim.severity = SEVERITY(ERROR);
        claim.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    }
    note = note_add(judge, &claim);
    if (note)
        judge->memory->transaction.lookalike = note;
}

static void judge_size(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, const struct smtpscope_state *state)
{
    const struct smtpscope_message *message = fact->message;
    bool over = state->size_limit && message->content > state->size_limit;
    bool under = message->has_declared_size && message->content > message->declared_size;
    uint64_t limit = over ? state->size_limit : under ? message->declared_size : 0;
    struct number number;
    struct claim claim;

    if (!limit || (message->bdat && judge->transaction.chunk_told && over))
        return;
    claim = message_claim(fact, over ? SMTPSCOPE_RULE_DATA_SIZE_OVER_LIMIT : SMTPSCOPE_RULE_DATA_SIZE_UNDER_DECLARED);
    claim.detail = over ? SMTPSCOPE_DETAIL_SIZE : SMTPSCOPE_DETAIL_SIZE_DECLARED;
    claim.detail_number = message->content;
    number = number_text(limit);
    claim.detail_text = number_digits(&number);
    oddity_add(judge, fact, &claim);
}

/* What was told before and is why the rest of a message never came; 0: nothing. */
static uint16_t cause_of_loss(const struct smtpscope_judge *judge)
{
    const struct session_findings *session = &memory_of(judge)->session;
    const struct smtpscope_finding *pipelined = note_find(judge, session->pipelined);

    if (session->closing)
        return session->closing;
    if (pipelined && pipelined->verdict == SMTPSCOPE_VERDICT_UNANSWERED)
        return session->pipelined;
    return session->reply_behind;
}

static void judge_outcome(struct smtpscope_judge *judge, const struct smtpscope_fact *fact,
                          const struct smtpscope_ending *ending)
{
    const struct smtpscope_message *message = fact->message;
    bool lost = message->outcome == SMTPSCOPE_OUTCOME_LOST;
    struct claim claim;

    if (!lost && message->outcome != SMTPSCOPE_OUTCOME_UNKNOWN)
        return;
    judge->session.lost_message = true;
    claim = message_claim(fact, lost ? SMTPSCOPE_RULE_DATA_CONNECTION_LOST : SMTPSCOPE_RULE_DATA_OUTCOME_UNKNOWN);
    claim.offset = message->offset;
    claim.cause = lost ? cause_of_loss(judge)
                  : message->oddities & SMTPSCOPE_DATA_END_SPLIT
                      ? memory_of(judge)->session.middlebox /* it misses such an end */
                      : 0;
    claim.fault = claim.cause ? note_find(judge, claim.cause)->fault : fault_of_ending(ending);
    claim.detail = SMTPSCOPE_DETAIL_LINE_OCTETS;
    claim.detail_number = message->size;
    if (judge->session.doubtful || message->oddities & SMTPSCOPE_DATA_GAP)
        claim.confidence = SMTPSCOPE_LIKELY;
    if (!judge->session.server_seen || !session_ended(ending))
        return; /* the reply may well have come, and the capture does not show it */
    note_add(judge, &claim);
}

void judge_message(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_message *message = fact->message;
    struct claim claim;

    if (!message->sent)
        return;
    judge_lookalike(judge, fact);
    for (size_t i = 0; message->oddities && i < sizeof oddity_rows / sizeof *oddity_rows; i++)
        if (message->oddities & oddity_rows[i].oddity) {
            claim = message_claim(fact, oddity_rows[i].rule);
            if (oddity_rows[i].oddity == SMTPSCOPE_DATA_LINE_TOO_LONG) {
                claim.detail = SMTPSCOPE_DETAIL_LINE_OCTETS;
                claim.detail_number = message->longest_line;
            }
            oddity_add(judge, fact, &claim);
        }
    if (message->oddities & SMTPSCOPE_DATA_EIGHT_BIT && !message->body_8bitmime && !message->smtputf8) {
        claim = message_claim(fact, SMTPSCOPE_RULE_DATA_EIGHT_BIT_WITHOUT_8BITMIME);
        oddity_add(judge, fact, &claim);
    }
    judge_size(judge, fact, smtpscope_session_state(session));
    judge_outcome(judge, fact, smtpscope_session_ending(session));
}
