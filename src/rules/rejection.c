/* SPDX-License-Identifier: BSD-2-Clause */
/* The 502 family, with 500, 501, 504 and 555: what the server does not do, and what it could not read. */
#include "detectors.h"

#include <string.h>

/* A code that says "I do not do this", rather than "not now" or "not for you". */
static bool is_rejection(const struct refusal_view *refused)
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
    case 554: return !smtpscope_verb_is_login(refused->verb);
    case 421: return refused->meaning == MEANING_SYNTAX;
    }
    return refused->code > 500 && refused->meaning == MEANING_NOT_OFFERED;
}

#define TOO_LONG                                                                                                               \
    (SMTPSCOPE_COMMAND_LINE_TOO_LONG | SMTPSCOPE_COMMAND_PATH_TOO_LONG | SMTPSCOPE_COMMAND_LOCAL_TOO_LONG |                    \
     SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG)

/* What is malformed in the line, for a refusal that may be about that. */
static enum smtpscope_detail malformed(const struct refusal_view *refused)
{
    uint32_t oddities = refused->command->oddities;
    enum smtpscope_detail detail = detail_of_oddities(oddities);

    if (detail == SMTPSCOPE_DETAIL_NONE && refused->verb == SMTPSCOPE_VERB_RAW)
        return SMTPSCOPE_DETAIL_NOT_A_COMMAND;
    if (detail == SMTPSCOPE_DETAIL_NONE && (oddities & TOO_LONG || refused->meaning == MEANING_LINE_TOO_LONG))
        return SMTPSCOPE_DETAIL_LINE_OCTETS;
    if (detail == SMTPSCOPE_DETAIL_NONE && oddities & SMTPSCOPE_COMMAND_TRAILING_SPACE)
        return SMTPSCOPE_DETAIL_BAD_PARAMETER;
    return detail;
}

static bool is_about_syntax(const struct refusal_view *refused)
{
    switch (refused->code) {
    case 500:
    case 501:
    case 502:
    case 553:
    case 555:
    case 521: return true;
    case 421: return refused->meaning == MEANING_LINE_TOO_LONG;
    case 504: return refused->meaning == MEANING_MAILBOX_SYNTAX;
    }
    return refused->meaning == MEANING_SYNTAX || (refused->code > 500 && refused->meaning == MEANING_LINE_TOO_LONG);
}

/* RFC 952 has no underscore in the name of a host; many servers take it, and those that do not mean that. */
static bool has_underscore(const struct smtpscope_text *name)
{
    return name->len && memchr(name->at, '_', name->len);
}

/* Is it about a host's name in EHLO or HELO that is none? */
static bool is_odd_name(const struct refusal_view *refused)
{
    const struct smtpscope_command *command = refused->command;

    return smtpscope_verb_hello(refused->verb) && (command->oddities & BAD_NAME || has_underscore(&command->path));
}

static enum smtpscope_detail detail_of_name(const struct smtpscope_command *command)
{
    if (command->oddities & SMTPSCOPE_COMMAND_NAME_BARE_IP)
        return SMTPSCOPE_DETAIL_NAME_BARE_IP;
    if (command->oddities & SMTPSCOPE_COMMAND_NAME_INVALID || has_underscore(&command->path))
        return SMTPSCOPE_DETAIL_NAME_INVALID;
    return SMTPSCOPE_DETAIL_NAME_NOT_QUALIFIED;
}

/* A well-formed line that the server cannot read: what in it may be why, and whose fault it is then. */
static struct claim claim_of_argument(const struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX, .fault = SMTPSCOPE_FAULT_CLIENT};
    bool hello = smtpscope_verb_hello(refused->verb);

    if (is_mail_or_rcpt(refused) && is_encoded_word(refused->command)) {
        claim.reason = SMTPSCOPE_REASON_MAILBOX_SYNTAX;
        claim.detail = SMTPSCOPE_DETAIL_ENCODED_WORD;
    } else if (is_bad_address(refused)) {
        claim.reason = SMTPSCOPE_REASON_MAILBOX_SYNTAX;
    } else if (judge->memory->last.bare_lf && hello) {
        claim.cause = judge->memory->last.bare_lf;
    } else if (is_odd_name(refused)) {
        claim.detail = detail_of_name(refused->command);
        claim.detail_text = refused->command->path;
    } else if (!(refused->command->oddities & SMTPSCOPE_COMMAND_EIGHT_BIT) || judge->transaction.smtputf8 ||
               refused->command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8))
        claim.fault = refused->command->parameters || refused->meaning == MEANING_POLICY ? SMTPSCOPE_FAULT_UNDETERMINED
                                                                                         : SMTPSCOPE_FAULT_SERVER;
    if (hello && refused->reading.reason == SMTPSCOPE_REASON_CLIENT_IDENTITY) {
        claim.reason = SMTPSCOPE_REASON_CLIENT_IDENTITY;
        claim.reading = &refused->reading;
    }
    return claim;
}

/* May a line without anything odd be what the server could not read? Where it has a reason for the mail, that is why. */
static bool is_about_argument(const struct refusal_view *refused)
{
    const struct smtpscope_command *command = refused->command;
    bool bad_address = is_bad_address(refused);

    if (smtpscope_verb_family(refused->verb) != SMTPSCOPE_FAMILY_MANDATORY || command->unknown_parameter.len ||
        command->parameters & ~refused->before->extensions)
        return false;
    if (refused->code == 501)
        return !is_mail_or_rcpt(refused) || bad_address || !meaning_is_reason(refused->meaning) ||
               refused->meaning == MEANING_POLICY ||
               refused->meaning == MEANING_TOO_MANY_ERRORS; /* the last straw is malformed like those before it */
    if (command->parameters && !bad_address && (refused->code == 500 || refused->code == 502))
        return false; /* it would be 501: what it does not know is the parameter */
    return refused->meaning == MEANING_SYNTAX || (refused->code <= 504 && bad_address);
}

/* A command of an extension that is advertised and was sent malformed: the extension is refused, and the argument is why. */
static uint16_t report_advertised(struct smtpscope_judge *judge, const struct refusal_view *refused,
                                  enum smtpscope_extension extension, enum smtpscope_reason reason)
{
    return refusal_report(judge, refused,
                          (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_ADVERTISED_BUT_REFUSED,
                                         .reason = reason,
                                         .detail = SMTPSCOPE_DETAIL_ADVERTISED,
                                         .detail_text = smtpscope_text_of(smtpscope_extension_keyword(extension)),
                                         .fault = reason == SMTPSCOPE_REASON_MALFORMED_ARGUMENT ? SMTPSCOPE_FAULT_CLIENT
                                                                                                : SMTPSCOPE_FAULT_SERVER});
}

static bool is_extension_command(enum smtpscope_verb verb)
{
    return smtpscope_verb_family(verb) == SMTPSCOPE_FAMILY_EXTENSION;
}

/* From a proxy: who its client is. Whatever the words, the server does not take that from this host. */
static bool speaks_for_another(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_XCLIENT || verb == SMTPSCOPE_VERB_XFORWARD;
}

/* Servers forgive the space at the colon, and may refuse such a command for what they say; what lacks an argument is just that. */
static bool words_outweigh(const struct refusal_view *refused, enum smtpscope_detail detail)
{
    bool about_name = smtpscope_verb_hello(refused->verb) && refused->reading.reason == SMTPSCOPE_REASON_CLIENT_IDENTITY;

    return is_worded(refused) && !about_name && (detail == SMTPSCOPE_DETAIL_NONE || detail == SMTPSCOPE_DETAIL_SPACE_AT_COLON);
}

uint16_t detect_syntax(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_detail detail = malformed(refused);
    bool eod =
        refused->verb == SMTPSCOPE_VERB_EOD || refused->verb == SMTPSCOPE_VERB_NONE || refused->verb == SMTPSCOPE_VERB_ANSWER;

    if (eod || is_extension_command(refused->verb) || !is_about_syntax(refused))
        return 0;
    if (words_outweigh(refused, detail))
        return 0;
    if (detail == SMTPSCOPE_DETAIL_NONE && is_about_argument(refused))
        return refusal_report(judge, refused, claim_of_argument(judge, refused));
    if (detail == SMTPSCOPE_DETAIL_NONE || (refused->verb == SMTPSCOPE_VERB_UNKNOWN && detail != SMTPSCOPE_DETAIL_LINE_OCTETS &&
                                            detail != SMTPSCOPE_DETAIL_LEADING_SPACE))
        return 0;
    return refusal_report(judge, refused,
                          (struct claim){.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX,
                                         .severity = detail == SMTPSCOPE_DETAIL_EMPTY_LINE ? SEVERITY(NOTICE) : 0,
                                         .detail = detail,
                                         .detail_number = refused->command->len,
                                         .fault = SMTPSCOPE_FAULT_CLIENT}); /* of an empty line nothing was to come */
}

/* BDAT to a server that does not know it at all: the octets of the chunk are then read as commands. */
static void report_unknown_bdat(struct smtpscope_judge *judge, const struct refusal_view *refused, uint16_t cause)
{
    if (refused->verb != SMTPSCOPE_VERB_BDAT)
        return;
    judge->memory->transaction.unknown_bdat = cause;
    if (refused->code == 500)
        refusal_report(judge, refused,
                       (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_UNKNOWN_COMMAND,
                                      .severity = SEVERITY(INFO),
                                      .cause = cause,
                                      .fault = SMTPSCOPE_FAULT_CLIENT});
}

/* What such a server says of the lines of the chunk, where no command of the client is meant; and of a chunk behind one refused. */
uint16_t detect_chunk(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t id = judge->memory->transaction.unknown_bdat;

    if (refused->verb == SMTPSCOPE_VERB_BDAT && refused->meaning == MEANING_AFTER_ERROR)
        return note_fold(judge, judge->memory->transaction.chunk.note, refused->exchange->index)
                   ? judge->memory->transaction.chunk.note
                   : 0;
    if (!id || !is_unknown_code(refused->code) ||
        (refused->verb != SMTPSCOPE_VERB_NONE && smtpscope_verb_family(refused->verb) != SMTPSCOPE_FAMILY_MANDATORY))
        return 0; /* a command that every server knows has been given the reply to a line */
    return note_fold(judge, id, refused->exchange->index) ? id : 0;
}

uint16_t detect_extension(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_extension extension = smtpscope_verb_extension(refused->verb);
    bool doubt = refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS;
    uint16_t note;

    if (!is_extension_command(refused->verb) || !is_rejection(refused))
        return 0;
    if (doubt && refused->meaning != MEANING_NOT_OFFERED)
        return 0;
    if (doubt || !(refused->before->extensions & SMTPSCOPE_EXT_BIT(extension))) {
        note = refusal_report(judge, refused,
                              (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                                             .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING,
                                             .detail_text = smtpscope_text_of(smtpscope_extension_keyword(extension)),
                                             .fault = SMTPSCOPE_FAULT_CLIENT});
        report_unknown_bdat(judge, refused, note);
        return note;
    }
    if (judge->memory->last.mechanism && refused->verb == SMTPSCOPE_VERB_AUTH) {
        note_revise(judge, judge->memory->last.mechanism,
                    &(struct revision){.severity = severity_of_rule(SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED)});
        return judge->memory->last.mechanism;
    }
    if (refused->verb == SMTPSCOPE_VERB_AUTH && refused->meaning == MEANING_MALFORMED_ARGUMENT)
        return 0;
    if (refused->verb == SMTPSCOPE_VERB_AUTH && is_unknown_code(refused->code) && malformed(refused) == SMTPSCOPE_DETAIL_NONE &&
        !(judge->mechanisms & SMTPSCOPE_MECHANISM_BIT(refused->command->mechanism)))
        return refusal_report(
            judge, refused,
            (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_PARAMETER_NOT_IMPLEMENTED, .fault = SMTPSCOPE_FAULT_CLIENT});
    if (malformed(refused) != SMTPSCOPE_DETAIL_NONE && refused->verb != SMTPSCOPE_VERB_BDAT)
        return report_advertised(judge, refused, extension, SMTPSCOPE_REASON_MALFORMED_ARGUMENT);
    if (malformed(refused) != SMTPSCOPE_DETAIL_NONE)
        return refusal_report(judge, refused,
                              (struct claim){.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX,
                                             .detail = malformed(refused),
                                             .fault = SMTPSCOPE_FAULT_CLIENT});
    if (refused->code == 500 || refused->code == 502 || refused->code == 504 || refused->meaning == MEANING_NOT_OFFERED ||
        speaks_for_another(refused->verb))
        return report_advertised(judge, refused, extension, SMTPSCOPE_REASON_NONE);
    return 0;
}

/* The first extension in a set, or NONE. */
static enum smtpscope_extension first_of(uint64_t set)
{
    return set ? (enum smtpscope_extension)__builtin_ctzll(set) : SMTPSCOPE_EXT_NONE;
}

uint16_t detect_parameter(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    const struct smtpscope_command *command = refused->command;
    bool doubt = refused->before->doubt & SMTPSCOPE_DOUBT_EXTENSIONS;
    bool unknown = refused->code == 500 || refused->code == 502;
    enum smtpscope_extension missing = first_of(command->parameters & ~refused->before->extensions);
    bool about = refused->code == 555 || refused->code == 504 || refused->meaning == MEANING_PARAMETER ||
                 ((refused->code == 500 || refused->code == 501 || refused->code == 502 || refused->code == 503 ||
                   refused->code == 455) &&
                  (missing != SMTPSCOPE_EXT_NONE || command->unknown_parameter.len || (unknown && command->parameters)));

    if (!about || refused->verb == SMTPSCOPE_VERB_NONE || refused->meaning == MEANING_MALFORMED_ARGUMENT ||
        (is_worded(refused) && !command->unknown_parameter.len))
        return 0; /* Postfix's 504 for the name in HELO comes as late as RCPT */
    if (missing != SMTPSCOPE_EXT_NONE && !doubt && !command->unknown_parameter.len)
        return refusal_report(judge, refused,
                              (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                                             .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING,
                                             .detail_text = smtpscope_text_of(smtpscope_extension_keyword(missing)),
                                             .fault = SMTPSCOPE_FAULT_CLIENT});
    if (unknown && !doubt && command->parameters && !command->unknown_parameter.len)
        return report_advertised(judge, refused, first_of(command->parameters), SMTPSCOPE_REASON_NONE);
    return refusal_report(
        judge, refused,
        (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_PARAMETER_NOT_IMPLEMENTED,
                       .detail = command->unknown_parameter.len ? SMTPSCOPE_DETAIL_PARAMETER_UNKNOWN : SMTPSCOPE_DETAIL_NONE,
                       .detail_text = command->unknown_parameter,
                       .fault = command->unknown_parameter.len || refused->verb == SMTPSCOPE_VERB_ANSWER
                                    ? SMTPSCOPE_FAULT_CLIENT
                                    : SMTPSCOPE_FAULT_SERVER});
}

static uint16_t report_verify(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    bool mailbox = refused->meaning == MEANING_MAILBOX_UNKNOWN || refused->meaning == MEANING_MAILBOX_SYNTAX ||
                   refused->reply->enhanced.subject == 1;

    if (mailbox || refused->code < 500 || refused->code == 530 || refused->meaning == MEANING_CLIENT_IDENTITY ||
        refused->meaning == MEANING_REPUTATION)
        return 0; /* whatever it asked, this client would have been refused */
    return refusal_report(judge, refused,
                          (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_VERIFY_DISABLED, .fault = SMTPSCOPE_FAULT_NOBODY});
}

/* RFC 5321 3.2: a client whose EHLO is refused should try HELO. Whether it does is seen later; a second EHLO needs no other. */
static uint16_t report_hello(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    bool again = refused->before->hello != SMTPSCOPE_HELLO_NONE;
    bool lmtp = refused->meaning == MEANING_LMTP;

    return refusal_report(judge, refused,
                          (struct claim){.rule = SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED,
                                         .reason = again ? SMTPSCOPE_REASON_NONE : SMTPSCOPE_REASON_GAVE_UP,
                                         .severity = again ? SEVERITY(NOTICE) : 0,
                                         .detail = lmtp ? SMTPSCOPE_DETAIL_SPEAKS_LMTP : SMTPSCOPE_DETAIL_NONE,
                                         .fault = lmtp ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER});
}

/* Neither EHLO nor HELO is known: the server may speak LMTP (RFC 2033 4.1). One finding says so. */
static uint16_t fold_hello(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t id = judge->memory->session.hello.note;
    const struct smtpscope_finding *hello = note_find(judge, id);

    if (!hello || hello->rule != SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED || !note_fold(judge, id, refused->exchange->index))
        return 0;
    note_revise(judge, id,
                &(struct revision){.detail = SMTPSCOPE_DETAIL_SPEAKS_LMTP,
                                   .severity = severity_of_rule(SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED)});
    return id;
}

/* What looks like an answer to a challenge, where none was: the AUTH before it was refused, and the client ignored that. */
static bool is_stray_answer(const struct refusal_view *refused)
{
    return refused->verb == SMTPSCOPE_VERB_ANSWER && (refused->code == 500 || refused->code == 502) &&
           refused->meaning != MEANING_LINE_TOO_LONG && refused->command->len > sizeof "*\r\n" - 1;
}

uint16_t detect_verb(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_REJECTION_UNKNOWN_COMMAND, .fault = SMTPSCOPE_FAULT_CLIENT};
    uint16_t id;

    if (refused->code < 500 && !(smtpscope_verb_family(refused->verb) == SMTPSCOPE_FAMILY_TURNING && refused->code != 421))
        return 0;
    if (refused->code == 530 && !refused->before->authenticated)
        return 0; /* RFC 4954 6: log in first, whatever was asked */
    if (refused->verb == SMTPSCOPE_VERB_EHLO && is_unknown_code(refused->code) && !is_worded(refused))
        return report_hello(judge, refused);
    if (refused->verb == SMTPSCOPE_VERB_HELO && is_unknown_code(refused->code) && !is_worded(refused) &&
        (id = fold_hello(judge, refused)))
        return id;
    switch (smtpscope_verb_family(refused->verb)) {
    case SMTPSCOPE_FAMILY_VERIFY: return report_verify(judge, refused);
    case SMTPSCOPE_FAMILY_TURNING:
        claim.rule = SMTPSCOPE_RULE_REJECTION_TURN_DISABLED;
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
        return refusal_report(judge, refused, claim);
    case SMTPSCOPE_FAMILY_OBSOLETE:
        claim.rule = SMTPSCOPE_RULE_REJECTION_OBSOLETE_COMMAND;
        return refusal_report(judge, refused, claim);
    case SMTPSCOPE_FAMILY_OPTIONAL_VERB:
        claim.rule = SMTPSCOPE_RULE_REJECTION_OPTIONAL_COMMAND_REFUSED;
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
        return refusal_report(judge, refused, claim);
    case SMTPSCOPE_FAMILY_MANDATORY:
        claim.rule = SMTPSCOPE_RULE_REJECTION_MANDATORY_COMMAND_REFUSED;
        claim.fault = SMTPSCOPE_FAULT_SERVER;
        if (refused->command->unknown_parameter.len || refused->command->parameters || is_worded(refused))
            return 0; /* the parameter may be what it does not know */
        return refused->code == 500 || refused->code == 502 ? refusal_report(judge, refused, claim) : 0;
    case SMTPSCOPE_FAMILY_NO_VERB:
        if (refused->meaning == MEANING_TOO_MANY_ERRORS)
            return 0;
        if (refused->verb == SMTPSCOPE_VERB_UNKNOWN)
            return refusal_report(judge, refused, claim);
        if (refused->verb == SMTPSCOPE_VERB_RAW || is_stray_answer(refused)) {
            claim.rule = SMTPSCOPE_RULE_REFUSAL_SYNTAX;
            claim.detail = SMTPSCOPE_DETAIL_NOT_A_COMMAND;
            return refusal_report(judge, refused, claim);
        }
        return 0;
    case SMTPSCOPE_FAMILY_LMTP: return refusal_report(judge, refused, claim);
    case SMTPSCOPE_FAMILY_EXTENSION: return 0;
    }
    return 0;
}
