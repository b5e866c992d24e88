/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 503 family. A command is judged against the state that the replies to all earlier commands made; whether the client
 * could know that state is told by what it had acknowledged when it sent the command: if it had not, the violation is only
 * a consequence (RFC 2920 3.1) and is folded under its root; if it had, the client ignored a reply.
 */
#include "judge_private.h"

#define NO_RULE SMTPSCOPE_RULES

/* A rule that the command breaks in this state, the step that is missing, and the refusals it may follow from. */
struct violation {
    enum smtpscope_rule rule; /* NO_RULE: in order */
    const char *missing;
    const struct refusal *roots;
    uint32_t root_count;
    uint8_t doubt; /* of the state that must be known */
};

static struct violation in_order(void)
{
    return (struct violation){.rule = NO_RULE};
}

static struct violation of_mail(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct trouble *trouble = trouble_of(judge);

    if (state->hello == SMTPSCOPE_HELLO_NONE || judge->hello_stale)
        return (struct violation){state->tls || judge->hello_stale ? SMTPSCOPE_RULE_SEQUENCE_MAIL_AFTER_STARTTLS_WITHOUT_EHLO
                                                                   : SMTPSCOPE_RULE_SEQUENCE_MAIL_BEFORE_HELO,
                                  "EHLO", &trouble->hello, trouble->hello.note != 0, SMTPSCOPE_DOUBT_HELLO};
    if (state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_NESTED_MAIL, "RSET", NULL, 0, SMTPSCOPE_DOUBT_TRANSACTION};
    return in_order();
}

static struct violation of_rcpt(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct trouble *trouble = trouble_of(judge);

    if (state->transaction)
        return in_order();
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, "MAIL", &trouble->mail, trouble->mail.note != 0,
                              SMTPSCOPE_DOUBT_TRANSACTION};
}

static struct violation of_data(const struct smtpscope_judge *judge, const struct smtpscope_state *state,
                                enum smtpscope_verb verb)
{
    const struct trouble *trouble = trouble_of(judge);
    bool mixed = verb == SMTPSCOPE_VERB_DATA ? state->bdat_open || state->binary : state->bdat_done && !state->transaction;

    if (mixed)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST", NULL, 0,
                                  SMTPSCOPE_DOUBT_TRANSACTION};
    if (!state->transaction)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_MAIL, "MAIL", &trouble->mail, trouble->mail.note != 0,
                                  SMTPSCOPE_DOUBT_TRANSACTION};
    if (state->rcpt_accepted)
        return in_order();
    if (!state->rcpt_deferred && !state->rcpt_refused)
        return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_RCPT, "RCPT", NULL, 0, SMTPSCOPE_DOUBT_TRANSACTION};
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT", trouble->rcpt, trouble->rcpt_count,
                              SMTPSCOPE_DOUBT_TRANSACTION};
}

/* The end of a message that DATA could begin although no recipient was accepted (RFC 2920 3.1 lets a server say 354). */
static struct violation of_end(const struct smtpscope_judge *judge, const struct smtpscope_state *state)
{
    const struct trouble *trouble = trouble_of(judge);

    if (!state->transaction || state->rcpt_accepted || !trouble->rcpt_count)
        return in_order();
    return (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT", trouble->rcpt, trouble->rcpt_count,
                              SMTPSCOPE_DOUBT_TRANSACTION};
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
    if (state->tls || judge->tls_granted)
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
    case SMTPSCOPE_VERB_AUTH: return of_auth(state);
    case SMTPSCOPE_VERB_STARTTLS: return of_starttls(judge, state);
    default: return in_order(); /* the others may come at any time: RFC 5321 4.1.4 */
    }
}

/* What the server's words say is missing, for when the capture does not show the state. */
static const struct {
    enum reading reading;
    enum smtpscope_rule rule;
    const char *missing;
} spoken[] = {
    {READING_SEQ_HELO, SMTPSCOPE_RULE_SEQUENCE_MAIL_BEFORE_HELO, "EHLO"},
    {READING_SEQ_MAIL, SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, "MAIL"},
    {READING_SEQ_RCPT, SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_RCPT, "RCPT"},
    {READING_NO_VALID_RCPT, SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT, "RCPT"},
    {READING_NESTED_MAIL, SMTPSCOPE_RULE_SEQUENCE_NESTED_MAIL, "RSET"},
    {READING_SEQ_BDAT, SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST"},
    {READING_AUTH_TWICE, SMTPSCOPE_RULE_SEQUENCE_AUTH_TWICE, ""},
    {READING_TLS_TWICE, SMTPSCOPE_RULE_SEQUENCE_STARTTLS_TWICE, ""},
};

static struct smtpscope_text text_of(const char *word)
{
    size_t len = 0;

    while (word[len])
        len++;
    return (struct smtpscope_text){word, len};
}

static uint32_t report(struct smtpscope_judge *judge, const struct refused *refused, const struct violation *violation,
                       enum smtpscope_reason reason, uint32_t cause)
{
    struct ground ground = {.rule = violation->rule,
                            .verdict = refused->verdict,
                            .reason = reason,
                            .cause = cause,
                            .confidence = refused->confidence,
                            .fault = SMTPSCOPE_FAULT_CLIENT,
                            .exchange = refused->exchange};
    struct note *note;

    if (violation->missing[0]) {
        ground.detail = SMTPSCOPE_DETAIL_STEP_MISSING;
        ground.detail_text = text_of(violation->missing);
    }
    note = note_add(judge, &ground);
    return note ? note->finding.id : 0;
}

static uint32_t detect_spoken(struct smtpscope_judge *judge, const struct refused *refused)
{
    for (size_t i = 0; i < sizeof spoken / sizeof *spoken; i++)
        if (spoken[i].reading == refused->reading) {
            struct violation violation = {.rule = spoken[i].rule, .missing = spoken[i].missing};
            struct refused likely = *refused;

            likely.confidence = SMTPSCOPE_LIKELY;
            return report(judge, &likely, &violation, SMTPSCOPE_REASON_NONE, 0);
        }
    return 0;
}

/* Folds the exchange under each distinct root. False: none is known any more. */
static bool fold_under_roots(struct smtpscope_judge *judge, const struct refused *refused, const struct violation *violation)
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

/* Is the refusal about the order? One with words, or an enhanced code, for something else is not, whatever the order. */
bool is_about_order(const struct refused *refused)
{
    if (refused->reading == READING_CLOSED_TO_CLIENT && refused->before->hello != SMTPSCOPE_HELLO_NONE)
        return false; /* the words of Sendmail's filters too */
    if (reading_is_order(refused->reading) || (refused->reading == READING_NOT_OFFERED && refused->code >= 500))
        return true;
    switch (refused->code) {
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
    case 521:
    case 555: return true;
    case 550:
    case 551:
    case 552:
    case 553:
    case 554:
        return refused->reply->enhanced_subject == 5 ||
               (!reading_is_reason(refused->reading) && refused->reply->enhanced_subject != 7);
    case 450:
    case 451:
    case 452: /* RFC 3463: X.5 is the protocol's; without words or that, it is the mail that must wait */
        return !reading_is_reason(refused->reading) &&
               (refused->reply->enhanced_subject == 5 || !refused->reply->enhanced_class);
    }
    return false;
}

/* The message had no recipient, which was told when DATA was let pass; or its cause is the refusals. */
static uint32_t fold_end(struct smtpscope_judge *judge, const struct refused *refused, const struct violation *violation)
{
    uint32_t id = trouble_of(judge)->no_recipient;
    struct note *note = note_find(judge, id);

    if (!note)
        return fold_under_roots(judge, refused, violation) ? violation->roots[0].note : 0;
    note->finding.verdict = refused->verdict;
    note->finding.severity = smtpscope_rule_info(note->finding.rule)->severity;
    note_fold(judge, id, refused->exchange->index);
    return id;
}

/* BDAT to a server that did not offer it and does not know it: no order would help. */
static bool is_unknown_bdat(const struct refused *refused)
{
    return refused->verb == SMTPSCOPE_VERB_BDAT && (refused->code == 500 || refused->code == 502 || refused->code == 521) &&
           refused->before->hello == SMTPSCOPE_HELLO_EHLO && !(refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS) &&
           !(refused->before->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_CHUNKING));
}

/* RFC 3030 2: the message has failed with a chunk of it, and a client must not send another. */
static bool is_behind_refused_chunk(const struct smtpscope_judge *judge, const struct refused *refused)
{
    return refused->verb == SMTPSCOPE_VERB_BDAT && trouble_of(judge)->chunk.note && refused->code >= 500;
}

uint32_t detect_sequence(struct smtpscope_judge *judge, const struct refused *refused)
{
    struct violation violation = violation_of(judge, refused->verb, refused->before);
    const struct refusal *last;

    if (refused->before->doubt & violation.doubt || refused->verb == SMTPSCOPE_VERB_NONE)
        return detect_spoken(judge, refused);
    if (violation.rule == NO_RULE && refused->reading == READING_SEQ_BDAT)
        violation = (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "BDAT LAST", NULL, 0, 0};
    else if (violation.rule == NO_RULE && is_behind_refused_chunk(judge, refused))
        violation = (struct violation){SMTPSCOPE_RULE_SEQUENCE_DATA_MIXED_WITH_BDAT, "RSET", &trouble_of(judge)->chunk, 1, 0};
    last = violation.root_count ? &violation.roots[violation.root_count - 1] : NULL;
    if (violation.rule == NO_RULE || !is_about_order(refused) || is_unreadable(refused) || is_unknown_bdat(refused))
        return 0;
    if (refused->verb == SMTPSCOPE_VERB_EOD)
        return fold_end(judge, refused, &violation);
    if (!last)
        return report(judge, refused, &violation, SMTPSCOPE_REASON_NONE, 0);
    if (refused->command->acked < last->reply_end && fold_under_roots(judge, refused, &violation))
        return violation.roots[0].note;
    return report(judge, refused, &violation, SMTPSCOPE_REASON_CLIENT_IGNORED_REPLY, last->note);
}

/* 503, or its words, although the order was right: why? */
static enum smtpscope_reason reason_in_order(const struct refused *refused)
{
    switch (refused->reading) {
    case READING_AUTH_REQUIRED: return SMTPSCOPE_REASON_AUTH_REQUIRED;
    case READING_TLS_REQUIRED: return SMTPSCOPE_REASON_TLS_REQUIRED;
    case READING_SEQ_HELO: return SMTPSCOPE_REASON_EHLO_REQUIRED;
    case READING_DUPLICATE_HELO: return SMTPSCOPE_REASON_UNKNOWN; /* in a transaction or not */
    case READING_IN_TRANSACTION: return SMTPSCOPE_REASON_SERVER_BUSY_IN_TRANSACTION;
    default: break;
    }
    if ((refused->verb == SMTPSCOPE_VERB_EHLO || refused->verb == SMTPSCOPE_VERB_HELO) && refused->before->transaction)
        return SMTPSCOPE_REASON_SERVER_BUSY_IN_TRANSACTION;
    if (reading_is_reason(refused->reading) || refused->reply->enhanced_subject == 7)
        return SMTPSCOPE_REASON_POLICY;
    return SMTPSCOPE_REASON_UNKNOWN;
}

uint32_t detect_refused_in_order(struct smtpscope_judge *judge, const struct refused *refused)
{
    enum smtpscope_reason reason = reason_in_order(refused);
    struct ground ground = {.rule = SMTPSCOPE_RULE_SEQUENCE_REFUSED_IN_ORDER,
                            .verdict = refused->verdict,
                            .reason = reason,
                            .confidence = refused->confidence,
                            .fault = SMTPSCOPE_FAULT_SERVER,
                            .exchange = refused->exchange};
    bool words = reading_is_order(refused->reading) && refused->reading != READING_CLOSED_TO_CLIENT;
    struct note *note;

    if ((refused->code != 503 && !(words && refused->code >= 500)) || refused->reading == READING_RELAY_DENIED ||
        refused->reading == READING_MAILBOX_UNKNOWN)
        return 0; /* the mail is refused, under the wrong code */
    if (reason == SMTPSCOPE_REASON_AUTH_REQUIRED || reason == SMTPSCOPE_REASON_TLS_REQUIRED ||
        reason == SMTPSCOPE_REASON_EHLO_REQUIRED)
        ground.fault = SMTPSCOPE_FAULT_CLIENT;
    if (refused->before->doubt) {
        ground.confidence = SMTPSCOPE_LIKELY;
        ground.fault = SMTPSCOPE_FAULT_UNDETERMINED;
    }
    note = note_add(judge, &ground);
    return note ? note->finding.id : 0;
}

/* Out of order, and the server let it pass: worth knowing, only when it is certain. */
void judge_tolerated(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct violation violation = violation_of(judge, exchange->command->verb, exchange->before);
    struct note *note;

    if (violation.rule == NO_RULE || judge->doubtful || exchange->before->doubt ||
        exchange->command->verb == SMTPSCOPE_VERB_EOD)
        return;
    /* In flight before the replies to the RCPTs: RFC 2920 3.1 allows the client to send it and the server to say 354. */
    if (violation.rule == SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT && violation.root_count &&
        exchange->command->acked < violation.roots[violation.root_count - 1].reply_end)
        return;
    if (exchange->command->verb == SMTPSCOPE_VERB_BDAT && violation.rule != SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_MAIL &&
        exchange->before->bdat_open)
        return;
    note = note_find(judge, report(judge, &(struct refused){.exchange = exchange, .verdict = SMTPSCOPE_VERDICT_TOLERATED},
                                   &violation, SMTPSCOPE_REASON_NONE, 0));
    if (!note)
        return;
    if (violation.rule == SMTPSCOPE_RULE_SEQUENCE_DATA_WITHOUT_VALID_RECIPIENT)
        judge->trouble->no_recipient = (uint16_t)note->finding.id;
    note->finding.severity = SMTPSCOPE_NOTICE;
}
