/* SPDX-License-Identifier: BSD-2-Clause */
/* The 502 family, with 500, 501, 504 and 555: what the server does not do, and what it could not read. */
#include "judge_private.h"

#include <string.h>

static struct smtpscope_text text_of(const char *word)
{
    return (struct smtpscope_text){word, strlen(word)};
}

static uint32_t report(struct smtpscope_judge *judge, const struct refused *refused, struct ground ground)
{
    struct note *note;

    ground.exchange = refused->exchange;
    ground.verdict = refused->verdict;
    ground.confidence = refused->confidence;
    note = note_add(judge, &ground);
    return note ? note->finding.id : 0;
}

/* A code that says "I do not do this", rather than "not now" or "not for you". */
static bool is_rejection(const struct refused *refused)
{
    switch (refused->code) {
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
    case 521:
    case 555: return true;
    case 530:
    case 538: return false;
    case 550:
    case 554: return refused->verb != SMTPSCOPE_VERB_AUTH;
    case 421: return refused->reading == READING_SYNTAX;
    }
    return refused->code > 500 && refused->reading == READING_NOT_OFFERED;
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

#define TOO_LONG                                                                                                               \
    (SMTPSCOPE_COMMAND_LINE_TOO_LONG | SMTPSCOPE_COMMAND_PATH_TOO_LONG | SMTPSCOPE_COMMAND_LOCAL_TOO_LONG |                    \
     SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG)

/* What is malformed in the line, for a refusal that may be about that. */
static enum smtpscope_detail malformed(const struct refused *refused)
{
    uint32_t oddities = refused->command->oddities;
    enum smtpscope_detail detail = detail_of_oddities(oddities);

    if (detail == SMTPSCOPE_DETAIL_NONE && refused->verb == SMTPSCOPE_VERB_RAW)
        return SMTPSCOPE_DETAIL_NOT_A_COMMAND;
    if (detail == SMTPSCOPE_DETAIL_NONE && (oddities & TOO_LONG || refused->reading == READING_LINE_TOO_LONG))
        return SMTPSCOPE_DETAIL_LINE_OCTETS;
    if (detail == SMTPSCOPE_DETAIL_NONE && oddities & SMTPSCOPE_COMMAND_TRAILING_SPACE)
        return SMTPSCOPE_DETAIL_BAD_PARAMETER;
    return detail;
}

static bool is_about_syntax(const struct refused *refused)
{
    switch (refused->code) {
    case 500:
    case 501:
    case 502:
    case 553:
    case 555:
    case 521: return true;
    case 421: return refused->reading == READING_LINE_TOO_LONG;
    case 504: return refused->reading == READING_MAILBOX_SYNTAX;
    }
    return refused->reading == READING_SYNTAX || (refused->code > 500 && refused->reading == READING_LINE_TOO_LONG);
}

static bool is_mail_or_rcpt(const struct refused *refused)
{
    return refused->verb == SMTPSCOPE_VERB_MAIL || refused->verb == SMTPSCOPE_VERB_RCPT;
}

/* The address is none by RFC 5321 4.1.2, or the server says so in words of its own. */
static bool is_bad_address(const struct refused *refused)
{
    return is_mail_or_rcpt(refused) && (refused->reading == READING_MAILBOX_SYNTAX ||
                                        !path_is_valid(&refused->command->path, refused->verb == SMTPSCOPE_VERB_MAIL));
}

bool is_unreadable(const struct refused *refused)
{
    return (refused->code == 500 || refused->code == 501) && !reading_is_order(refused->reading) &&
           (refused->command->oddities & (SMTPSCOPE_COMMAND_NO_ARGUMENT | SMTPSCOPE_COMMAND_NO_PATH | SMTPSCOPE_COMMAND_EMPTY |
                                          SMTPSCOPE_COMMAND_BAD_PARAMETER) ||
            is_bad_address(refused) || (refused->code == 501 && refused->command->oddities & SMTPSCOPE_COMMAND_ARGUMENT));
}

/* A well-formed line that the server cannot read: what in it may be why, and whose fault it is then. */
static struct ground ground_of_argument(const struct smtpscope_judge *judge, const struct refused *refused)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX, .fault = SMTPSCOPE_FAULT_CLIENT};
    bool hello = refused->verb == SMTPSCOPE_VERB_EHLO || refused->verb == SMTPSCOPE_VERB_HELO;

    if (is_bad_address(refused))
        ground.reason = SMTPSCOPE_REASON_MAILBOX_SYNTAX;
    else if (hello && refused->command->oddities & BAD_NAME) {
        ground.detail = refused->command->oddities & SMTPSCOPE_COMMAND_NAME_BARE_IP   ? SMTPSCOPE_DETAIL_NAME_BARE_IP
                        : refused->command->oddities & SMTPSCOPE_COMMAND_NAME_INVALID ? SMTPSCOPE_DETAIL_NAME_INVALID
                                                                                      : SMTPSCOPE_DETAIL_NAME_NOT_QUALIFIED;
        ground.detail_text = refused->command->path;
    } else if (!(refused->command->oddities & SMTPSCOPE_COMMAND_EIGHT_BIT) || judge->smtputf8 ||
               refused->command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8))
        ground.fault = refused->command->parameters || refused->reading == READING_POLICY ? SMTPSCOPE_FAULT_UNDETERMINED
                                                                                          : SMTPSCOPE_FAULT_SERVER;
    return ground;
}

/* May a line without anything odd be what the server could not read? Where it has a reason for the mail, that is why. */
static bool is_about_argument(const struct refused *refused)
{
    const struct smtpscope_command *command = refused->command;
    bool bad_address = is_bad_address(refused);

    if (smtpscope_verb_family(refused->verb) != SMTPSCOPE_FAMILY_MANDATORY || command->unknown_parameter.len ||
        command->parameters & ~refused->before->extensions)
        return false;
    if (refused->code == 501)
        return !is_mail_or_rcpt(refused) || bad_address || !reading_is_reason(refused->reading) ||
               refused->reading == READING_POLICY ||
               refused->reading == READING_TOO_MANY_ERRORS; /* the last straw is malformed like those before it */
    return refused->reading == READING_SYNTAX || (refused->code <= 504 && bad_address);
}

/* A command of an extension that is advertised and was sent malformed: the extension is refused, and the argument is why. */
static uint32_t report_advertised(struct smtpscope_judge *judge, const struct refused *refused,
                                  enum smtpscope_extension extension, enum smtpscope_reason reason)
{
    return report(judge, refused,
                  (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_ADVERTISED_BUT_REFUSED,
                                  .reason = reason,
                                  .detail = SMTPSCOPE_DETAIL_ADVERTISED,
                                  .detail_text = text_of(smtpscope_extension_keyword(extension)),
                                  .fault = reason == SMTPSCOPE_REASON_MALFORMED_ARGUMENT ? SMTPSCOPE_FAULT_CLIENT
                                                                                         : SMTPSCOPE_FAULT_SERVER});
}

static bool is_extension_command(enum smtpscope_verb verb)
{
    return smtpscope_verb_family(verb) == SMTPSCOPE_FAMILY_EXTENSION;
}

uint32_t detect_syntax(struct smtpscope_judge *judge, const struct refused *refused)
{
    enum smtpscope_detail detail = malformed(refused);
    bool eod =
        refused->verb == SMTPSCOPE_VERB_EOD || refused->verb == SMTPSCOPE_VERB_NONE || refused->verb == SMTPSCOPE_VERB_ANSWER;

    if (eod || is_extension_command(refused->verb) || !is_about_syntax(refused))
        return 0;
    if (detail == SMTPSCOPE_DETAIL_NONE && is_about_argument(refused))
        return report(judge, refused, ground_of_argument(judge, refused));
    if (detail == SMTPSCOPE_DETAIL_NONE || (refused->verb == SMTPSCOPE_VERB_UNKNOWN && detail != SMTPSCOPE_DETAIL_LINE_OCTETS &&
                                            detail != SMTPSCOPE_DETAIL_LEADING_SPACE))
        return 0;
    return report(judge, refused,
                  (struct ground){.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX,
                                  .detail = detail,
                                  .detail_number = refused->command->len,
                                  .fault = SMTPSCOPE_FAULT_CLIENT});
}

static bool is_unknown_code(uint16_t code)
{
    return code == 500 || code == 502 || code == 504;
}

/* BDAT to a server that does not know it at all: the octets of the chunk are then read as commands. */
static void report_unknown_bdat(struct smtpscope_judge *judge, const struct refused *refused, uint32_t cause)
{
    if (refused->verb != SMTPSCOPE_VERB_BDAT)
        return;
    judge->trouble->unknown_bdat = (uint16_t)cause;
    if (refused->code == 500)
        report(
            judge, refused,
            (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_UNKNOWN_COMMAND, .cause = cause, .fault = SMTPSCOPE_FAULT_CLIENT});
}

/* What such a server says of the lines of the chunk, where no command of the client is meant; and of a chunk behind one refused. */
uint32_t detect_chunk(struct smtpscope_judge *judge, const struct refused *refused)
{
    uint32_t id = judge->trouble->unknown_bdat;

    if (refused->verb == SMTPSCOPE_VERB_BDAT && refused->reading == READING_AFTER_ERROR)
        return note_fold(judge, judge->trouble->chunk.note, refused->exchange->index) ? judge->trouble->chunk.note : 0;
    if (!id || !is_unknown_code(refused->code) ||
        (refused->verb != SMTPSCOPE_VERB_NONE && smtpscope_verb_family(refused->verb) != SMTPSCOPE_FAMILY_MANDATORY))
        return 0; /* a command that every server knows has been given the reply to a line */
    return note_fold(judge, id, refused->exchange->index) ? id : 0;
}

uint32_t detect_extension(struct smtpscope_judge *judge, const struct refused *refused)
{
    enum smtpscope_extension extension = smtpscope_verb_extension(refused->verb);
    bool doubt = refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS;
    uint32_t note;

    if (!is_extension_command(refused->verb) || !is_rejection(refused))
        return 0;
    if (doubt && refused->reading != READING_NOT_OFFERED)
        return 0;
    if (doubt || !(refused->before->extensions & SMTPSCOPE_EXT_BIT(extension))) {
        note = report(judge, refused,
                      (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                                      .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING,
                                      .detail_text = text_of(smtpscope_extension_keyword(extension)),
                                      .fault = SMTPSCOPE_FAULT_CLIENT});
        report_unknown_bdat(judge, refused, note);
        return note;
    }
    if (judge->trouble->mechanism && refused->verb == SMTPSCOPE_VERB_AUTH) {
        struct note *unlisted = note_find(judge, judge->trouble->mechanism);

        unlisted->finding.severity = smtpscope_rule_info(unlisted->finding.rule)->severity;
        return judge->trouble->mechanism;
    }
    if (refused->verb == SMTPSCOPE_VERB_AUTH && refused->reading == READING_MALFORMED_ARGUMENT)
        return 0;
    if (refused->verb == SMTPSCOPE_VERB_AUTH && is_unknown_code(refused->code) && malformed(refused) == SMTPSCOPE_DETAIL_NONE &&
        !mechanism_is_listed(judge, refused->command))
        return report(
            judge, refused,
            (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_PARAMETER_NOT_IMPLEMENTED, .fault = SMTPSCOPE_FAULT_CLIENT});
    if (malformed(refused) != SMTPSCOPE_DETAIL_NONE && refused->verb != SMTPSCOPE_VERB_BDAT)
        return report_advertised(judge, refused, extension, SMTPSCOPE_REASON_MALFORMED_ARGUMENT);
    if (malformed(refused) != SMTPSCOPE_DETAIL_NONE)
        return report(judge, refused,
                      (struct ground){.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX,
                                      .detail = malformed(refused),
                                      .fault = SMTPSCOPE_FAULT_CLIENT});
    if (refused->code == 500 || refused->code == 502 || refused->code == 504 || refused->reading == READING_NOT_OFFERED)
        return report_advertised(judge, refused, extension, SMTPSCOPE_REASON_NONE);
    return 0;
}

/* The first extension in a set, or NONE. */
static enum smtpscope_extension first_of(uint64_t set)
{
    return set ? (enum smtpscope_extension)__builtin_ctzll(set) : SMTPSCOPE_EXT_NONE;
}

uint32_t detect_parameter(struct smtpscope_judge *judge, const struct refused *refused)
{
    const struct smtpscope_command *command = refused->command;
    bool doubt = refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS;
    enum smtpscope_extension missing = first_of(command->parameters & ~refused->before->extensions);
    bool about = refused->code == 555 || refused->code == 504 || refused->reading == READING_PARAMETER ||
                 ((refused->code == 500 || refused->code == 501 || refused->code == 502 || refused->code == 503 ||
                   refused->code == 455) &&
                  (missing != SMTPSCOPE_EXT_NONE || command->unknown_parameter.len));

    if (!about || refused->verb == SMTPSCOPE_VERB_NONE || refused->reading == READING_MALFORMED_ARGUMENT ||
        (refused->reading == READING_CLIENT_IDENTITY && !command->unknown_parameter.len))
        return 0; /* Postfix's 504 for the name in HELO comes as late as RCPT */
    if (missing != SMTPSCOPE_EXT_NONE && !doubt && !command->unknown_parameter.len)
        return report(judge, refused,
                      (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                                      .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING,
                                      .detail_text = text_of(smtpscope_extension_keyword(missing)),
                                      .fault = SMTPSCOPE_FAULT_CLIENT});
    return report(
        judge, refused,
        (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_PARAMETER_NOT_IMPLEMENTED,
                        .detail = command->unknown_parameter.len ? SMTPSCOPE_DETAIL_PARAMETER_UNKNOWN : SMTPSCOPE_DETAIL_NONE,
                        .detail_text = command->unknown_parameter,
                        .fault = command->unknown_parameter.len || refused->verb == SMTPSCOPE_VERB_ANSWER
                                     ? SMTPSCOPE_FAULT_CLIENT
                                     : SMTPSCOPE_FAULT_SERVER});
}

static uint32_t report_verify(struct smtpscope_judge *judge, const struct refused *refused)
{
    bool mailbox = refused->reading == READING_MAILBOX_UNKNOWN || refused->reading == READING_MAILBOX_SYNTAX ||
                   refused->reply->enhanced_subject == 1;

    if (mailbox || refused->code < 500 || refused->code == 530 || refused->reading == READING_CLIENT_IDENTITY ||
        refused->reading == READING_REPUTATION)
        return 0; /* whatever it asked, this client would have been refused */
    return report(judge, refused,
                  (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_VERIFY_DISABLED, .fault = SMTPSCOPE_FAULT_NOBODY});
}

/* RFC 5321 3.2: a client whose EHLO is refused should try HELO. Whether it does is seen later. */
static uint32_t report_hello(struct smtpscope_judge *judge, const struct refused *refused)
{
    return report(judge, refused,
                  (struct ground){.rule = SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED,
                                  .reason = SMTPSCOPE_REASON_GAVE_UP,
                                  .fault = SMTPSCOPE_FAULT_SERVER});
}

/* What looks like an answer to a challenge, where none was: the AUTH before it was refused, and the client ignored that. */
static bool is_stray_answer(const struct refused *refused)
{
    return refused->verb == SMTPSCOPE_VERB_ANSWER && (refused->code == 500 || refused->code == 502) &&
           refused->reading != READING_LINE_TOO_LONG && refused->command->len > sizeof "*\r\n" - 1;
}

uint32_t detect_verb(struct smtpscope_judge *judge, const struct refused *refused)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_REJECTION_UNKNOWN_COMMAND, .fault = SMTPSCOPE_FAULT_CLIENT};

    if (refused->code < 500 && !(smtpscope_verb_family(refused->verb) == SMTPSCOPE_FAMILY_TURNING && refused->code != 421))
        return 0;
    if (refused->verb == SMTPSCOPE_VERB_EHLO && is_unknown_code(refused->code))
        return report_hello(judge, refused);
    switch (smtpscope_verb_family(refused->verb)) {
    case SMTPSCOPE_FAMILY_VERIFY: return report_verify(judge, refused);
    case SMTPSCOPE_FAMILY_TURNING:
        ground.rule = SMTPSCOPE_RULE_REJECTION_TURN_DISABLED;
        ground.fault = SMTPSCOPE_FAULT_NOBODY;
        return report(judge, refused, ground);
    case SMTPSCOPE_FAMILY_OBSOLETE:
        ground.rule = SMTPSCOPE_RULE_REJECTION_OBSOLETE_COMMAND;
        return report(judge, refused, ground);
    case SMTPSCOPE_FAMILY_OPTIONAL_VERB:
        ground.rule = SMTPSCOPE_RULE_REJECTION_OPTIONAL_COMMAND_REFUSED;
        ground.fault = SMTPSCOPE_FAULT_NOBODY;
        return report(judge, refused, ground);
    case SMTPSCOPE_FAMILY_MANDATORY:
        ground.rule = SMTPSCOPE_RULE_REJECTION_MANDATORY_COMMAND_REFUSED;
        ground.fault = SMTPSCOPE_FAULT_SERVER;
        if (refused->command->unknown_parameter.len || refused->command->parameters & ~refused->before->extensions)
            return 0; /* the parameter may be what it does not know */
        return refused->code == 500 || refused->code == 502 ? report(judge, refused, ground) : 0;
    case SMTPSCOPE_FAMILY_NO_VERB:
        if (refused->reading == READING_TOO_MANY_ERRORS)
            return 0;
        if (refused->verb == SMTPSCOPE_VERB_UNKNOWN)
            return report(judge, refused, ground);
        if (refused->verb == SMTPSCOPE_VERB_RAW || is_stray_answer(refused)) {
            ground.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX;
            ground.detail = SMTPSCOPE_DETAIL_NOT_A_COMMAND;
            return report(judge, refused, ground);
        }
        return 0;
    case SMTPSCOPE_FAMILY_EXTENSION: return 0;
    }
    return 0;
}
