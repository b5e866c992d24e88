/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every reply of 400 and above is explained once. The detectors are asked in the order in which an explanation is a cause
 * of the next: a client that does not speak SMTP, one that did not wait, a step that is missing, an extension that is not
 * there, a malformed line, a command the server does not do; then policy under the wrong code; and only then the mail
 * itself. The first that takes the exchange reports it, or folds it under the finding it follows from. The last always does.
 *
 * The road not taken: going by the code. Some servers say 502 where RFC 5321 says 503, 500 for a pipelined command, 503
 * for an extension that is not offered; the state decides the family, the text comes second, the code last.
 */
#include "detectors.h"

/* Would the server have said so whatever the client speaks? Of itself; in its greeting, of the client's address too. */
static bool is_regardless(const struct refusal_view *refused)
{
    switch (refused->meaning) {
    case MEANING_SERVER_RESOURCES:
    case MEANING_SERVER_ERROR: return true;
    case MEANING_SHUTTING_DOWN:
    case MEANING_RATE_LIMITED:
    case MEANING_REPUTATION:
    case MEANING_CLIENT_IDENTITY: return refused->exchange->greeting;
    default: return false;
    }
}

/* A line among another protocol's: whatever the server makes of it, the cause is known. */
static uint16_t detect_alien(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t alien = judge->memory->session.alien;

    if (!alien || refused->meaning == MEANING_PIPELINING)
        return 0;
    if (is_regardless(refused))
        return detect_mail(judge, refused);
    return note_fold(judge, alien, refused->exchange->index) ? alien : 0;
}

/* The refusal of a client that spoke before the greeting, at once or later. */
static uint16_t detect_early(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    bool sent_early = refused->command->circumstances & SMTPSCOPE_COMMAND_EARLY && !is_unreadable(refused);
    bool follows =
        (refused->meaning == MEANING_TOO_SOON && !refused->exchange->behind) ||
        (refused->meaning != MEANING_PIPELINING && (refused->exchange->greeting || (sent_early && is_about_order(refused))));
    uint16_t early = judge->memory->session.early;

    if (!follows || !note_fold(judge, early, refused->exchange->index))
        return 0;
    note_revise(
        judge, early,
        &(struct revision){.verdict = refused->code == 503 ? SMTPSCOPE_VERDICT_REFUSED_503 : SMTPSCOPE_VERDICT_REFUSED_OTHER});
    judge->session.early_refused = true;
    return early;
}

/* RFC 5321 3.1: behind a greeting of 554 a server says 503 to everything but QUIT. The cause is the greeting. */
static uint16_t detect_no_service(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t greeting = judge->memory->session.greeting;

    if (!greeting || refused->exchange->greeting || refused->code == 421)
        return 0;
    return note_fold(judge, greeting, refused->exchange->index) ? greeting : 0;
}

/* A look-alike ended the message for the server, which cannot read the lines behind it. */
static uint16_t detect_lookalike(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t lookalike = judge->memory->transaction.lookalike;

    if (!(refused->reply->oddities & SMTPSCOPE_REPLY_UNSOLICITED) || refused->code < 500 || refused->code > 503 ||
        !note_fold(judge, lookalike, refused->exchange->index))
        return 0;
    note_revise(judge, lookalike,
                &(struct revision){.detail = SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN,
                                   .verdict = SMTPSCOPE_VERDICT_TOLERATED,
                                   .severity = SEVERITY(ERROR)});
    return lookalike;
}

static uint16_t (*const procedure[])(struct smtpscope_judge *, const struct refusal_view *) = {
    detect_proxy,      detect_masked,    detect_early,        detect_alien,
    detect_lookalike,  detect_closing,   detect_no_service,   detect_chunk,
    detect_pipelining, detect_sequence,  detect_syntax,       detect_extension,
    detect_verb,       detect_parameter, detect_not_followed, detect_refused_in_order,
    detect_mail,
};

/* Behind the dot a server that speaks of a timeout at once has waited for itself, or for whom it asks, and not for the client. */
#define WAITED_LEAST (5 * SMTPSCOPE_SECOND)

static bool waited_for_nobody(const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_EOD && refused->reading.reason == SMTPSCOPE_REASON_TIMEOUT &&
           refused->reply->time - refused->command->time < WAITED_LEAST;
}

/* Is there a detector besides the last that goes by the reason, and not by the state and the words? */
static bool reason_decides(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_NONE || verb == SMTPSCOPE_VERB_EOD || smtpscope_verb_hello(verb);
}

uint16_t judge_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct smtpscope_reply reply = *exchange->reply;
    bool doubtful = judge->session.doubtful || (exchange->command->circumstances & SMTPSCOPE_COMMAND_LOST);
    struct refusal_view refused = {
        .exchange = exchange,
        .command = exchange->command,
        .reply = &reply,
        .before = exchange->before,
        .verb = exchange->command->verb,
        .verdict = reply.code == 503 ? SMTPSCOPE_VERDICT_REFUSED_503 : SMTPSCOPE_VERDICT_REFUSED_OTHER,
        .confidence = doubtful ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN,
    };
    uint16_t note = 0;

    if (reply.code == 221)
        reply.code = 421;
    refused.code = code_meant(&reply);
    refused.reading = reading_of_words(refused.verb, &reply, server_name(judge->session.server), NULL);
    if (reason_decides(refused.verb))
        reading_learned(&refused.reading, &reply);
    if (waited_for_nobody(&refused))
        refused.reading.reason = SMTPSCOPE_REASON_SERVER_ERROR;
    refused.meaning = refused.reading.meaning;
    for (size_t i = 0; !note && i < sizeof procedure / sizeof *procedure; i++) {
        if (procedure[i] == detect_mail)
            reading_learned(&refused.reading, &reply);
        note = procedure[i](judge, &refused);
    }
    judge->memory->last.refused = refused.meaning == MEANING_CLIENT_GONE ? 0 : note;
    judge->memory->last.meaning = refused.meaning;
    judge->memory->last.index = exchange->index;
    if (exchange->greeting)
        judge->memory->session.greeting = note;
    if (is_closing(&refused)) {
        judge->memory->session.closing = note;
        judge->session.closing_seen = true;
    }
    return note;
}
