/* SPDX-License-Identifier: BSD-2-Clause */
/* RFC 2920 3.1: who may send what before the reply to what. */
#include "detectors.h"

#include <string.h>

/* RFC 2920 3.1 does not list HELO: behind it there is no extension that could allow groups. */
static bool is_barrier(enum smtpscope_verb verb)
{
    return verb != SMTPSCOPE_VERB_NONE && verb != SMTPSCOPE_VERB_HELO && smtpscope_verb_ends_group(verb);
}

/* The client did not wait for the reply to a command that ends a group: which one. VERB_NONE: it did wait, or was early. */
static enum smtpscope_verb barrier_of(const struct smtpscope_exchange *exchange)
{
    enum smtpscope_verb previous = exchange->previous;

    if (!exchange->behind && !(exchange->command->circumstances & SMTPSCOPE_COMMAND_HELD))
        return SMTPSCOPE_VERB_NONE;
    return is_barrier(previous) ? previous : SMTPSCOPE_VERB_NONE;
}

/* Pipelined without leave? The rule, or SMTPSCOPE_RULES when all is well. */
static enum smtpscope_rule violation_of(const struct smtpscope_exchange *exchange)
{
    bool advertised = exchange->before->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPELINING);

    if (exchange->command->circumstances & (SMTPSCOPE_COMMAND_EARLY | SMTPSCOPE_COMMAND_SMUGGLED | SMTPSCOPE_COMMAND_LOST))
        return SMTPSCOPE_RULES;
    if (barrier_of(exchange) != SMTPSCOPE_VERB_NONE)
        return SMTPSCOPE_RULE_PIPELINING_AFTER_BARRIER;
    if (exchange->behind && !advertised && !(exchange->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS))
        return SMTPSCOPE_RULE_PIPELINING_NOT_ADVERTISED;
    return SMTPSCOPE_RULES;
}

static uint16_t report(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, enum smtpscope_rule rule,
                       enum smtpscope_verdict verdict)
{
    enum smtpscope_verb barrier = barrier_of(exchange);
    /* Refused itself, for the octets behind it: then it is the barrier. */
    bool own = barrier == SMTPSCOPE_VERB_NONE && verdict != SMTPSCOPE_VERDICT_TOLERATED && is_barrier(exchange->command->verb);
    const char *name = barrier == SMTPSCOPE_VERB_NONE ? own ? smtpscope_verb_name(exchange->command->verb) : NULL
                                                      : smtpscope_verb_name(barrier);
    struct claim claim = {.rule = rule,
                          .verdict = verdict,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .exchange = exchange,
                          .cause = memory_of(judge)->session.alien,
                          .confidence = judge->session.doubtful ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN};
    uint16_t id = memory_of(judge)->session.pipelined;
    const struct smtpscope_finding *before = note_find(judge, id);

    /* One finding, whose verdict is the worst of what the server did about it. */
    if (before && before->rule == rule && verdict == SMTPSCOPE_VERDICT_TOLERATED)
        claim.verdict = before->verdict;
    else if (before && before->rule == rule)
        note_revise(judge, id, &(struct revision){.verdict = verdict});
    if (rule == SMTPSCOPE_RULE_PIPELINING_AFTER_BARRIER && name) {
        claim.detail = SMTPSCOPE_DETAIL_BARRIER;
        claim.detail_text = smtpscope_text_of(name);
    }
    id = note_add(judge, &claim);
    if (id)
        judge->memory->session.pipelined = id;
    return id;
}

/* The server let it pass, or refused the command for another reason. */
void judge_pipelining(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    enum smtpscope_rule rule = violation_of(exchange);
    uint16_t pipelined = memory_of(judge)->session.pipelined;

    if (rule == SMTPSCOPE_RULES || (pipelined && memory_of(judge)->session.hello.note == pipelined))
        return; /* EHLO was refused for it, and nothing was taken since */
    if (!note_covers(judge, pipelined, exchange) && !is_alien(judge) && !judge->session.doubtful)
        report(judge, exchange, rule, SMTPSCOPE_VERDICT_TOLERATED);
}

/* A message sent along with DATA, which was then refused: its lines are no commands, and the server takes them for some. */
static bool is_text_behind_data(const struct refusal_view *refused)
{
    return refused->command->circumstances & SMTPSCOPE_COMMAND_HELD && refused->exchange->previous != SMTPSCOPE_VERB_NONE &&
           (refused->verb == SMTPSCOPE_VERB_RAW || refused->verb == SMTPSCOPE_VERB_UNKNOWN);
}

/* Sent before the reply to another, and never answered, where neither is all that the server does with what it reads. */
static bool is_dropped(const struct smtpscope_judge *judge, const struct smtpscope_command *command)
{
    switch (command->verb) {
    case SMTPSCOPE_VERB_MAIL:
    case SMTPSCOPE_VERB_RCPT:
    case SMTPSCOPE_VERB_DATA:
        if (command->circumstances & SMTPSCOPE_COMMAND_PASSED)
            return true;
    /* fall through */
    case SMTPSCOPE_VERB_RSET:
    case SMTPSCOPE_VERB_NOOP:
    case SMTPSCOPE_VERB_QUIT: return command->time <= judge->last_reply && !(command->circumstances & SMTPSCOPE_COMMAND_PASSED);
    default: return false;
    }
}

/*
 * A command of a group, to a server that does not offer PIPELINING: it reads one line, or the last, and drops what came along
 * with it. True when a note says so.
 */
bool judge_swallowed(struct smtpscope_judge *judge, const struct smtpscope_command *command,
                     const struct smtpscope_state *state)
{
    uint16_t pipelined = memory_of(judge)->session.pipelined;
    const struct smtpscope_finding *before = note_find(judge, pipelined);
    struct claim claim = {.rule = SMTPSCOPE_RULE_PIPELINING_NOT_ADVERTISED,
                          .verdict = SMTPSCOPE_VERDICT_UNANSWERED,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .command = command};

    if (!is_dropped(judge, command) || state->hello == SMTPSCOPE_HELLO_NONE || state->doubt & SMTPSCOPE_DOUBT_EXTENSIONS ||
        state->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPELINING) || is_alien(judge) || judge->session.doubtful)
        return false;
    judge->session.unanswered = true;
    if (before && before->rule == claim.rule && note_fold(judge, pipelined, NO_EXCHANGE)) {
        if (before->verdict == SMTPSCOPE_VERDICT_TOLERATED)
            note_revise(judge, pipelined, &(struct revision){.verdict = SMTPSCOPE_VERDICT_UNANSWERED});
        return true;
    }
    pipelined = note_add(judge, &claim);
    if (pipelined)
        judge->memory->session.pipelined = pipelined;
    return pipelined;
}

/* A server that waited in vain for what it had dropped, or refused, because it came too soon. */
static bool is_wait_for_dropped(const struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    const struct smtpscope_finding *pipelined = note_find(judge, judge->memory->session.pipelined);

    return refused->meaning == MEANING_TIMEOUT && refused->verb != SMTPSCOPE_VERB_NONE &&
           ((pipelined && pipelined->verdict != SMTPSCOPE_VERDICT_TOLERATED) ||
            violation_of(refused->exchange) == SMTPSCOPE_RULE_PIPELINING_NOT_ADVERTISED);
}

/* The server's words are about pipelining: the command before this one, or the octets behind it, were sent too soon. */
uint16_t detect_pipelining(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_rule rule = violation_of(refused->exchange);
    bool advertised = refused->before->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPELINING);

    if (refused->meaning != MEANING_PIPELINING && refused->meaning != MEANING_TOO_SOON && !is_text_behind_data(refused) &&
        !is_wait_for_dropped(judge, refused))
        return 0;
    if ((is_text_behind_data(refused) || (refused->meaning == MEANING_TIMEOUT && rule == SMTPSCOPE_RULES)) &&
        note_fold(judge, judge->memory->session.pipelined, refused->exchange->index))
        return judge->memory->session.pipelined;
    if (rule == SMTPSCOPE_RULES)
        rule = advertised || refused->before->hello != SMTPSCOPE_HELLO_EHLO ? SMTPSCOPE_RULE_PIPELINING_AFTER_BARRIER
                                                                            : SMTPSCOPE_RULE_PIPELINING_NOT_ADVERTISED;
    return report(judge, refused->exchange, rule, refused->verdict);
}
