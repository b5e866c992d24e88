/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 503 family. A command is judged against the state that the replies to all earlier commands made; whether the client
 * could know that state is told by what it had acknowledged when it sent the command: if it had not, the violation is only
 * a consequence (RFC 2920 3.1) and is folded under its root; if it had, the client ignored a reply.
 */
#include "detectors.h"

#define NO_RULE SMTPSCOPE_RULES

/* A rule that the command breaks in this state, the step that is missing, and the refusals it may follow from. */
struct violation {
    enum smtpscope_rule rule; /* NO_RULE: in order */
    const char *missing;
    const struct past_refusal *roots;
    uint32_t root_count;
    uint8_t doubt; /* of the state that must be known */
};

static struct violation in_order(void)
{
    return (struct violation){.rule = NO_RULE};
}

static struct violation of_mail(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct session_memory *memory = memory_of(judge);

    if ((state->hello == SMTPSCOPE_HELLO_NONE && !judge->session.hello_not_needed) || judge->session.hello_stale)
        return (struct violation){state->tls || judge->session.hello_stale
                                      ? SMTPSCOPE_RULE_SEQUENCE_MAIL_AFTER_STARTTLS_WITHOUT_EHLO
                                      : SMTPSCOPE_RULE_SEQUENCE_MAIL_BEFORE_HELO,
                                  "EHLO", &memory->session.hello, memory->session.hello.note != 0, SMTPSCOPE_DOUBT_HELLO};
    if (state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_NESTED_MAIL, "RSET", NULL, 0, SMTPSCOPE_DOUBT_TRANSACTION};
    return in_order();
}

static struct violation of_rcpt(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct session_memory *memory = memory_of(judge);

    if (state->transaction)
        return in_order();
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, "MAIL", &memory->transaction.mail,
                              memory->transaction.mail.note != 0, SMTPSCOPE_DOUBT_TRANSACTION};
}

static struct violation of_data(const struct smtpscope_judge *judge, const struct smtpscope_state *state,
                                enum smtpscope_verb verb)
{
    const struct session_memory *memory = memory_of(judge);
    bool mixed = verb == SMTPSCOPE_VERB_DATA ? state->bdat_open || state->binary : state->bdat_done && !state->transaction;

    if (mixed)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST", NULL, 0,
                                  SMTPSCOPE_DOUBT_TRANSACTION};
    if (!state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_MAIL, "MAIL", &memory->transaction.mail,
                                  memory->transaction.mail.note != 0, SMTPSCOPE_DOUBT_TRANSACTION};
    if (state->rcpt_accepted)
        return in_order();
    if (!state->rcpt_deferred && !state->rcpt_refused)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_RCPT, "RCPT", NULL, 0, SMTPSCOPE_DOUBT_TRANSACTION};
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT", memory->transaction.rcpt,
                              memory->transaction.rcpt_count, SMTPSCOPE_DOUBT_TRANSACTION};
}

/*
 * The end of a message that DATA could begin although no recipient was accepted (RFC 2920 3.1 lets a server say 354), or without
 * MAIL or RCPT: a filter may take any DATA, and tell only then what the server behind it says.
 */
static struct violation of_end(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct session_memory *memory = memory_of(judge);
    bool refused = state->transaction && !state->rcpt_accepted && memory->transaction.rcpt_count;

    if (!refused && !memory->transaction.data_let_pass)
        return in_order();
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT", memory->transaction.rcpt,
                              memory->transaction.rcpt_count, SMTPSCOPE_DOUBT_TRANSACTION};
}

static struct violation of_auth(const struct smtpscope_state *state)
{
    if (state->hello != SMTPSCOPE_HELLO_EHLO)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_AUTH_BEFORE_EHLO, "EHLO", NULL, 0, SMTPSCOPE_DOUBT_HELLO};
    if (state->authenticated)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_AUTH_TWICE, "", NULL, 0, SMTPSCOPE_DOUBT_AUTH};
    if (state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_AUTH_IN_TRANSACTION, "RSET", NULL, 0, SMTPSCOPE_DOUBT_TRANSACTION};
    return in_order();
}

static struct violation of_starttls(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    if (state->tls || judge->session.tls_granted)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_STARTTLS_TWICE, "", NULL, 0, SMTPSCOPE_DOUBT_TLS};
    if (state->hello != SMTPSCOPE_HELLO_EHLO)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_STARTTLS_BEFORE_EHLO, "EHLO", NULL, 0, SMTPSCOPE_DOUBT_HELLO};
    if (state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_STARTTLS_IN_TRANSACTION, "RSET", NULL, 0,
                                  SMTPSCOPE_DOUBT_TRANSACTION};
    return in_order();
}

static struct violation violation_of(const struct smtpscope_judge *judge, enum smtpscope_verb verb,
                                     const struct smtpscope_state *state)
{
    if (state->quit && verb != SMTPSCOPE_VERB_NONE)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_COMMAND_AFTER_QUIT, "", NULL, 0, 0};
    switch (verb) {
    case SMTPSCOPE_VERB_MAIL: return of_mail(judge, state);
    case SMTPSCOPE_VERB_RCPT: return of_rcpt(judge, state);
    case SMTPSCOPE_VERB_DATA:
    case SMTPSCOPE_VERB_BDAT: return of_data(judge, state, verb);
    case SMTPSCOPE_VERB_EOD: return of_end(judge, state);
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS: return of_auth(state);
    case SMTPSCOPE_VERB_STARTTLS: return of_starttls(judge, state);
    default: return in_order(); /* the others may come at any time: RFC 5321 4.1.4 */
    }
}

/* What the server's words say is missing, for when the capture does not show the state. */
static const struct {
    enum reply_meaning meaning;
    enum smtpscope_rule rule;
    const char *missing;
} spoken[] = {
    {MEANING_SEQ_HELO, SMTPSCOPE_RULE_SEQUENCE_MAIL_BEFORE_HELO, "EHLO"},
    {MEANING_SEQ_MAIL, SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, "MAIL"},
    {MEANING_SEQ_RCPT, SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_RCPT, "RCPT"},
    {MEANING_NO_VALID_RCPT, SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT"},
    {MEANING_NESTED_MAIL, SMTPSCOPE_RULE_SEQUENCE_NESTED_MAIL, "RSET"},
    {MEANING_SEQ_BDAT, SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST"},
    {MEANING_AUTH_TWICE, SMTPSCOPE_RULE_SEQUENCE_AUTH_TWICE, ""},
    {MEANING_TLS_TWICE, SMTPSCOPE_RULE_SEQUENCE_STARTTLS_TWICE, ""},
};

/* What is claimed of a violation, but for what the server did about it. `ignored`: a refusal that the client had read; or NULL. */
static struct claim claim_of(const struct violation *violation, const struct smtpscope_exchange *exchange,
                             const struct past_refusal *ignored)
{
    bool step = violation->missing[0];

    return (struct claim){
        .rule = violation->rule,
        .fault = SMTPSCOPE_FAULT_CLIENT,
        .exchange = exchange,
        .detail = step ? SMTPSCOPE_DETAIL_STEP_MISSING : SMTPSCOPE_DETAIL_NONE,
        .detail_text = smtpscope_text_of(violation->missing),
        .reason = ignored ? SMTPSCOPE_REASON_CLIENT_IGNORED_REPLY : SMTPSCOPE_REASON_NONE,
        .cause = ignored ? ignored->note : 0,
    };
}

static uint16_t detect_spoken(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    for (size_t i = 0; i < sizeof spoken / sizeof *spoken; i++)
        if (spoken[i].meaning == refused->meaning) {
            struct violation violation = {.rule = spoken[i].rule, .missing = spoken[i].missing};
            struct refusal_view likely = *refused;

            likely.confidence = SMTPSCOPE_LIKELY;
            return refusal_report(judge, &likely, claim_of(&violation, refused->exchange, NULL));
        }
    return 0;
}

/* Folds the exchange under each distinct root. False: none is known any more. */
static bool fold_under_roots(struct smtpscope_judge *judge, const struct refusal_view *refused,
                             const struct violation *violation)
{
    bool folded = false;

    for (uint32_t i = 0; i < violation->root_count; i++) {
        bool again = false;

        for (uint32_t j = 0; j < i; j++)
            again |= violation->roots[j].note == violation->roots[i].note;
        if (!again)
            folded |= note_fold(judge, violation->roots[i].note, refused->exchange->index);
    }
    return folded;
}

/* The message had no recipient, which was told when DATA was let pass; or its cause is the refusals. */
static uint16_t fold_end(struct smtpscope_judge *judge, const struct refusal_view *refused, const struct violation *violation)
{
    uint16_t id = memory_of(judge)->transaction.data_let_pass;

    if (!note_fold(judge, id, refused->exchange->index))
        return fold_under_roots(judge, refused, violation) ? violation->roots[0].note : 0;
    note_revise(judge, id,
                &(struct revision){.verdict = refused->verdict, .severity = severity_of_rule(note_find(judge, id)->rule)});
    return id;
}

/* BDAT to a server that did not offer it and does not know it: no order would help. */
static bool is_unknown_bdat(const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_BDAT && (refused->code == 500 || refused->code == 502 || refused->code == 521) &&
           refused->before->hello == SMTPSCOPE_HELLO_EHLO && !(refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS) &&
           !(refused->before->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_CHUNKING));
}

/* RFC 3030 2: the message has failed with a chunk of it, and a client must not send another. */
static bool is_behind_refused_chunk(const struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_BDAT && memory_of(judge)->transaction.chunk.note && refused->code >= 500;
}

uint16_t detect_sequence(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    struct violation violation = violation_of(judge, refused->verb, refused->before);
    const struct past_refusal *last;

    if (refused->before->doubt & violation.doubt || refused->verb == SMTPSCOPE_VERB_NONE)
        return detect_spoken(judge, refused);
    if (violation.rule == NO_RULE && refused->meaning == MEANING_SEQ_BDAT)
        violation = (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST", NULL, 0, 0};
    else if (violation.rule == NO_RULE && is_behind_refused_chunk(judge, refused))
        violation = (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "RSET",
                                       &memory_of(judge)->transaction.chunk, 1, 0};
    else if (violation.rule == NO_RULE && judge->transaction.unopened && refused->meaning == MEANING_SEQ_MAIL)
        violation = (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_MAIL, "MAIL", NULL, 0, 0};
    last = violation.root_count ? &violation.roots[violation.root_count - 1] : NULL;
    if (violation.rule == NO_RULE || !is_about_order(refused) || is_unreadable(refused) || is_unknown_bdat(refused))
        return 0;
    if (refused->verb == SMTPSCOPE_VERB_EOD)
        return fold_end(judge, refused, &violation);
    if (last && refused->command->acked < last->reply_end && fold_under_roots(judge, refused, &violation))
        return violation.roots[0].note;
    return refusal_report(judge, refused, claim_of(&violation, refused->exchange, last));
}

/* 503, or its words, although the order was right: why? */
static enum smtpscope_reason reason_in_order(const struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    bool mail = refused->verb == SMTPSCOPE_VERB_MAIL;

    if (judge->transaction.null_sender && refused->meaning == MEANING_SEQ_MAIL)
        return SMTPSCOPE_REASON_NULL_SENDER_REFUSED; /* it took <> for no sender at all */
    if (mail && refused->before->hello == SMTPSCOPE_HELLO_HELO && !judge->memory->session.ehlo_refused &&
        refused->meaning == MEANING_NONE)
        return SMTPSCOPE_REASON_EHLO_REQUIRED; /* as far as one can tell: see detect_refused_in_order() */
    switch (refused->meaning) {
    case MEANING_AUTH_REQUIRED: return SMTPSCOPE_REASON_AUTH_REQUIRED;
    case MEANING_TLS_REQUIRED: return SMTPSCOPE_REASON_TLS_REQUIRED;
    case MEANING_SEQ_HELO: return SMTPSCOPE_REASON_EHLO_REQUIRED;
    case MEANING_DUPLICATE_HELO: return SMTPSCOPE_REASON_UNKNOWN; /* in a transaction or not */
    case MEANING_IN_TRANSACTION: return SMTPSCOPE_REASON_SERVER_BUSY_IN_TRANSACTION;
    default: break;
    }
    if (smtpscope_verb_hello(refused->verb) && refused->before->transaction)
        return SMTPSCOPE_REASON_SERVER_BUSY_IN_TRANSACTION;
    if (meaning_is_reason(refused->meaning) || refused->reply->enhanced.subject == 7)
        return SMTPSCOPE_REASON_POLICY;
    return SMTPSCOPE_REASON_UNKNOWN;
}

uint16_t detect_refused_in_order(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_reason reason = reason_in_order(judge, refused);
    struct claim claim = {.rule = SMTPSCOPE_RULE_SEQUENCE_REFUSED_IN_ORDER,
                          .verdict = refused->verdict,
                          .reason = reason,
                          .confidence = refused->confidence,
                          .fault = SMTPSCOPE_FAULT_SERVER,
                          .exchange = refused->exchange};
    bool words = meaning_is_order(refused->meaning) && refused->meaning != MEANING_CLOSED_TO_CLIENT;

    bool step_missing = reason == SMTPSCOPE_REASON_AUTH_REQUIRED || reason == SMTPSCOPE_REASON_TLS_REQUIRED;

    if ((refused->code != 503 && !(words && refused->code >= 500)) || (is_worded(refused) && !step_missing))
        return 0; /* the mail is refused, under the wrong code */
    if (step_missing || reason == SMTPSCOPE_REASON_EHLO_REQUIRED)
        claim.fault = SMTPSCOPE_FAULT_CLIENT;
    if (reason == SMTPSCOPE_REASON_EHLO_REQUIRED && refused->meaning == MEANING_NONE)
        claim.confidence = SMTPSCOPE_LIKELY;
    if (refused->before->doubt) {
        claim.confidence = SMTPSCOPE_LIKELY;
        claim.fault = SMTPSCOPE_FAULT_UNDETERMINED;
    }
    return note_add(judge, &claim);
}

/* Out of order, and the server let it pass: worth knowing, only when it is certain. */
void judge_tolerated(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct violation violation = violation_of(judge, exchange->command->verb, exchange->before);
    const struct past_refusal *last = violation.root_count ? &violation.roots[violation.root_count - 1] : NULL;
    struct claim claim;
    uint16_t note;

    if (violation.rule == NO_RULE || judge->session.doubtful || exchange->before->doubt ||
        exchange->command->verb == SMTPSCOPE_VERB_EOD)
        return;
    /* In flight before the replies to the RCPTs: RFC 2920 3.1 allows the client to send it and the server to say 354. */
    if (violation.rule == SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT && last &&
        exchange->command->acked < last->reply_end)
        return;
    if (exchange->command->verb == SMTPSCOPE_VERB_BDAT && violation.rule != SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_MAIL &&
        exchange->before->bdat_open)
        return;
    claim = claim_of(&violation, exchange, last);
    claim.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    claim.severity = SEVERITY(NOTICE);
    note = note_add(judge, &claim);
    if (note && (exchange->command->verb == SMTPSCOPE_VERB_DATA || exchange->command->verb == SMTPSCOPE_VERB_BDAT))
        judge->memory->transaction.data_let_pass = note;
    judge->session.hello_not_needed |= violation.rule == SMTPSCOPE_RULE_SEQUENCE_MAIL_BEFORE_HELO;
    judge->transaction.unopened |= violation.rule == SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL;
}
