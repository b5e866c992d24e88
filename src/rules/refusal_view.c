/* SPDX-License-Identifier: BSD-2-Clause */
#include "refusal_view.h"

bool is_about_order(const struct refusal_view *refused)
{
    if (refused->meaning == MEANING_CLOSED_TO_CLIENT && refused->before->hello != SMTPSCOPE_HELLO_NONE)
        return false; /* the words of Sendmail's filters too */
    if (meaning_is_order(refused->meaning) || (refused->meaning == MEANING_NOT_OFFERED && refused->code >= 500))
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
        return refused->reply->enhanced.subject == 5 ||
               (!meaning_is_reason(refused->meaning) && refused->reply->enhanced.subject != 7);
    case 450:
    case 451:
    case 452: /* RFC 3463: X.5 is the protocol's; without words or that, it is the mail that must wait */
        return !meaning_is_reason(refused->meaning) &&
               (refused->reply->enhanced.subject == 5 || !refused->reply->enhanced.klass);
    }
    return false;
}

bool is_mail_or_rcpt(const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_MAIL || refused->verb == SMTPSCOPE_VERB_RCPT;
}

bool is_bad_address(const struct refusal_view *refused)
{
    return is_mail_or_rcpt(refused) &&
           (refused->meaning == MEANING_MAILBOX_SYNTAX || refused->command->oddities & SMTPSCOPE_COMMAND_BAD_ADDRESS);
}

bool is_worded(const struct refusal_view *refused)
{
    if (refused->reading.source != SOURCE_PHRASE || refused->reading.weak)
        return false;
    switch (refused->reading.reason) {
    case SMTPSCOPE_REASON_UNSPECIFIED:
    case SMTPSCOPE_REASON_POLICY:
    case SMTPSCOPE_REASON_MAILBOX_SYNTAX:
    case SMTPSCOPE_REASON_MALFORMED_ARGUMENT:
    case SMTPSCOPE_REASON_MECHANISM:
    case SMTPSCOPE_REASON_CREDENTIALS:
    case SMTPSCOPE_REASON_AUTH_TEMPORARY:
    case SMTPSCOPE_REASON_TLS_TEMPORARY:
    case SMTPSCOPE_REASON_BARE_LINE_FEED:
    case SMTPSCOPE_REASON_TIMEOUT:
    case SMTPSCOPE_REASON_TOO_MANY_ERRORS:
    case SMTPSCOPE_REASON_SHUTTING_DOWN: return false;
    default: return true;
    }
}

bool is_null_sender(const struct smtpscope_command *command)
{
    return command->verb == SMTPSCOPE_VERB_MAIL && !command->path.len && !(command->oddities & SMTPSCOPE_COMMAND_NO_PATH);
}

bool is_encoded_word(const struct smtpscope_command *command)
{
    const struct smtpscope_text *path = &command->path;

    if (path->len <= 4 || path->at[0] != '=' || path->at[1] != '?')
        return false;
    for (size_t i = 3; i < path->len; i++)
        if (path->at[i - 1] == '?' && path->at[i] == '=')
            return true;
    return false;
}

bool is_unreadable(const struct refusal_view *refused)
{
    return (refused->code == 500 || refused->code == 501) && !meaning_is_order(refused->meaning) &&
           (refused->command->oddities & (SMTPSCOPE_COMMAND_NO_ARGUMENT | SMTPSCOPE_COMMAND_NO_PATH | SMTPSCOPE_COMMAND_EMPTY |
                                          SMTPSCOPE_COMMAND_BAD_PARAMETER) ||
            is_bad_address(refused) || (refused->code == 501 && refused->command->oddities & SMTPSCOPE_COMMAND_ARGUMENT));
}

bool is_unknown_code(uint16_t code)
{
    return code == 500 || code == 502 || code == 504;
}

bool is_unasked(const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_NONE && !refused->exchange->greeting &&
           !(refused->command->circumstances & SMTPSCOPE_COMMAND_LOST);
}

bool is_closing(const struct refusal_view *refused)
{
    switch (refused->meaning) {
    case MEANING_CLIENT_GONE: return false; /* the client did */
    case MEANING_TOO_MANY_ERRORS: return true;
    case MEANING_TIMEOUT:
    case MEANING_SHUTTING_DOWN: return is_unasked(refused) || refused->code == 421 || refused->code == 521;
    default: return refused->code == 421 || refused->code == 521;
    }
}

enum smtpscope_detail detail_of_oddities(uint32_t oddities)
{
    static const struct {
        uint32_t oddity;
        enum smtpscope_detail detail;
    } rows[] = {
        {SMTPSCOPE_COMMAND_EMPTY, SMTPSCOPE_DETAIL_EMPTY_LINE},
        {SMTPSCOPE_COMMAND_NO_ARGUMENT, SMTPSCOPE_DETAIL_NO_ARGUMENT},
        {SMTPSCOPE_COMMAND_NO_PATH, SMTPSCOPE_DETAIL_NO_PATH},
        {SMTPSCOPE_COMMAND_ARGUMENT, SMTPSCOPE_DETAIL_EXTRA_ARGUMENT},
        {SMTPSCOPE_COMMAND_BAD_PARAMETER, SMTPSCOPE_DETAIL_BAD_PARAMETER},
        {SMTPSCOPE_COMMAND_SPACE_AT_COLON, SMTPSCOPE_DETAIL_SPACE_AT_COLON},
        {SMTPSCOPE_COMMAND_LEADING_SPACE, SMTPSCOPE_DETAIL_LEADING_SPACE},
        {SMTPSCOPE_COMMAND_UNTERMINATED, SMTPSCOPE_DETAIL_UNTERMINATED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (oddities & rows[i].oddity)
            return rows[i].detail;
    return SMTPSCOPE_DETAIL_NONE;
}

uint16_t refusal_report(struct smtpscope_judge *judge, const struct refusal_view *refused, struct claim claim)
{
    claim.exchange = refused->exchange;
    claim.verdict = refused->verdict;
    if (refused->confidence == SMTPSCOPE_LIKELY)
        claim.confidence = SMTPSCOPE_LIKELY;
    return note_add(judge, &claim);
}
