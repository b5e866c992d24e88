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
#include "judge_private.h"

/* Would the server have said so whatever the client speaks? Of itself; in its greeting, of the client's address too. */
static bool is_regardless(const struct refused *refused)
{
    switch (refused->reading) {
    case READING_SERVER_RESOURCES:
    case READING_SERVER_ERROR: return true;
    case READING_SHUTTING_DOWN:
    case READING_RATE_LIMITED:
    case READING_REPUTATION:
    case READING_CLIENT_IDENTITY: return refused->exchange->greeting;
    default: return false;
    }
}

/* A line among another protocol's: whatever the server makes of it, the cause is known. */
static uint32_t detect_alien(struct smtpscope_judge *judge, const struct refused *refused)
{
    uint32_t alien = judge->trouble->alien;

    if (!alien || refused->reading == READING_PIPELINING)
        return 0;
    if (is_regardless(refused))
        return detect_mail(judge, refused);
    return note_fold(judge, alien, refused->exchange->index) ? alien : 0;
}

/* The refusal of a client that spoke before the greeting, at once or later. */
static uint32_t detect_early(struct smtpscope_judge *judge, const struct refused *refused)
{
    bool sent_early = refused->command->circumstances & SMTPSCOPE_COMMAND_EARLY;
    bool follows =
        (refused->reading == READING_TOO_SOON && !refused->exchange->behind) ||
        (refused->reading != READING_PIPELINING && (refused->exchange->greeting || (sent_early && is_about_order(refused))));
    uint32_t early = judge->trouble->early;
    struct note *note = note_find(judge, early);

    if (!note || !follows)
        return 0;
    note->finding.verdict = refused->code == 503 ? SMTPSCOPE_VERDICT_REFUSED_503 : SMTPSCOPE_VERDICT_REFUSED_OTHER;
    judge->early_refused = true;
    note_fold(judge, early, refused->exchange->index);
    return early;
}

/* RFC 5321 3.1: behind a greeting of 554 a server says 503 to everything but QUIT. The cause is the greeting. */
static uint32_t detect_no_service(struct smtpscope_judge *judge, const struct refused *refused)
{
    uint32_t greeting = judge->trouble->greeting;

    if (!greeting || refused->exchange->greeting || refused->code == 421)
        return 0;
    return note_fold(judge, greeting, refused->exchange->index) ? greeting : 0;
}

/* A look-alike ended the message for the server, which cannot read the lines behind it. */
static uint32_t detect_lookalike(struct smtpscope_judge *judge, const struct refused *refused)
{
    struct note *note = note_find(judge, judge->trouble->lookalike);

    if (!note || !(refused->reply->oddities & SMTPSCOPE_REPLY_UNSOLICITED) || refused->code < 500 || refused->code > 503)
        return 0;
    note->finding.detail = SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN;
    note->finding.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    note->finding.severity = SMTPSCOPE_ERROR;
    note_fold(judge, note->finding.id, refused->exchange->index);
    return note->finding.id;
}

static uint32_t (*const procedure[])(struct smtpscope_judge *, const struct refused *) = {
    detect_early,    detect_alien,  detect_lookalike, detect_no_service, detect_chunk,     detect_pipelining,
    detect_sequence, detect_syntax, detect_extension, detect_verb,       detect_parameter, detect_refused_in_order,
    detect_mail,
};

/* What later refusals may follow from is remembered with the finding that explains it. */
static void refusal_remember(struct trouble *trouble, const struct refused *refused, uint32_t note)
{
    struct refusal refusal = {.note = (uint16_t)note, .reply_end = refused->reply->end};

    switch (refused->verb) {
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_HELO: trouble->hello = refusal; break;
    case SMTPSCOPE_VERB_MAIL: trouble->mail = refusal; break;
    case SMTPSCOPE_VERB_BDAT: trouble->chunk = refusal; break;
    case SMTPSCOPE_VERB_RCPT:
        if (trouble->rcpt_count < ROOTS_MAX)
            trouble->rcpt[trouble->rcpt_count++] = refusal;
        else
            trouble->rcpt[ROOTS_MAX - 1].reply_end = refusal.reply_end;
        break;
    default: break; /* nothing follows from the others */
    }
}

uint32_t judge_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    uint16_t code = exchange->reply->code;
    bool doubtful = judge->doubtful || (exchange->command->circumstances & SMTPSCOPE_COMMAND_LOST);
    struct refused refused = {
        .exchange = exchange,
        .command = exchange->command,
        .reply = exchange->reply,
        .before = exchange->before,
        .verb = exchange->command->verb,
        .code = code_meant(exchange->reply),
        .reading = reading_of(exchange->reply, server_name(judge->server)),
        .verdict = code == 503 ? SMTPSCOPE_VERDICT_REFUSED_503 : SMTPSCOPE_VERDICT_REFUSED_OTHER,
        .confidence = doubtful ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN,
    };
    uint32_t note = 0;

    for (size_t i = 0; !note && i < sizeof procedure / sizeof *procedure; i++)
        note = procedure[i](judge, &refused);
    refusal_remember(judge->trouble, &refused, note);
    judge->trouble->last_refused = refused.reading == READING_CLIENT_GONE ? 0 : (uint16_t)note;
    if (exchange->greeting)
        judge->trouble->greeting = (uint16_t)note;
    if ((code == 421 && refused.reading != READING_CLIENT_GONE) || code == 521 || refused.reading == READING_TOO_MANY_ERRORS)
        judge->trouble->closing = (uint16_t)note;
    return note;
}
