/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a client's line may be shown, by what is allowed: of a command of the table its verb and those arguments that have
 * the form of one; of any other line its first word, and that only where it cannot be a secret. Everything behind is hidden,
 * so a text ends where the first octet stands that may not be shown.
 *
 * The road not taken is to look for secrets and to take them out: whoever mistypes AUTH, or speaks another protocol, has more
 * ways to write a password than such a list.
 */
#include "shown.h"

#include "secret.h"
#include "smtp/syntax/octets.h"
#include "smtp/syntax/offer.h"
#include "smtp/syntax/verbs.h"
#include "smtp/syntax/words.h"

#include <string.h>

/* May a line be about AUTH: was one sent, or may it have been among what the capture lacks? */
static bool is_auth_about(const struct smtpscope_session *session)
{
    return session->auth_seen || session->secret || session->cut || session->state.doubt & SMTPSCOPE_DOUBT_AUTH;
}

/* Are its arguments names and values? */
static bool has_attributes(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_XCLIENT || verb == SMTPSCOPE_VERB_XFORWARD;
}

/* Takes no argument, or a number, a keyword: what else stands there is a mistake, and may be anything. */
static bool has_form(enum smtpscope_verb verb)
{
    enum verb_argument argument = verb_argument(verb);

    return argument == ARGUMENT_NO || argument == ARGUMENT_OPTIONAL || verb == SMTPSCOPE_VERB_BDAT;
}

static const char *space_skip(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

static const char *word_end(const char *at, const char *end)
{
    while (at < end && !is_space(*at))
        at++;
    return at;
}

/* The user of "user:password@host", all of an address. An IPv6 literal has its colons behind the last "@". */
static const char *login_end(const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));

    return colon && memchr(colon, '@', (size_t)(end - colon)) ? colon : end;
}

/* A word of an argument that has no form of its own: a name, an address, a number, a keyword. `strict`: it may be a secret. */
static bool argument_is_harmless(const char *at, size_t len, bool strict)
{
    bool digits = true;

    if (word_looks_secret(at, len))
        return false;
    if (!strict || memchr(at, '.', len) || memchr(at, '@', len))
        return true;
    for (size_t i = 0; i < len; i++)
        digits &= is_digit(at[i]);
    return digits || word_may_be_shown(at, len) || verb_find(at, len) > SMTPSCOPE_VERB_UNKNOWN;
}

/* Words one after the other: as many as are harmless, and the first one behind which a secret stands. */
static const char *words_shown(const char *at, const char *end, bool strict)
{
    const char *shown = at;

    for (at = space_skip(at, end); at < end; at = space_skip(at, end)) {
        const char *behind = word_end(at, end);
        size_t word = word_len(at, (size_t)(behind - at));

        if (word && word_is_credential(at, word))
            return at + word;
        if (!argument_is_harmless(at, (size_t)(behind - at), strict))
            return shown;
        shown = login_end(at, behind);
        if (shown < behind)
            return shown;
        at = behind;
        strict = true; /* few commands have a second word */
    }
    return shown;
}

/* As much of one "KEY=VALUE" as may be shown. Where nobody knows the keyword, the looks of its value decide. */
static const char *parameter_shown(enum smtpscope_verb verb, const char *at, const char *end)
{
    const char *equals = memchr(at, '=', (size_t)(end - at)), *value = equals ? equals + 1 : at;
    size_t key = (size_t)((equals ? equals : end) - at), len = (size_t)(end - value);
    uint64_t extension = parameter_extension(verb, at, key);

    if (extension && extension != SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_AUTH))
        return login_end(value, end);
    if (len == 2 && !memcmp(value, "<>", len)) /* RFC 4954 5 */
        return end;
    if (word_is_credential(at, key))
        return equals ? value : end;
    return !has_attributes(verb) && word_looks_secret(value, len) ? value : login_end(value, end);
}

/* A credential's name without a value: what follows may be it. */
static bool is_waiting(const char *at, size_t len)
{
    const char *equals = memchr(at, '=', len);

    return (!equals || equals == at + len - 1) && word_is_credential(at, equals ? len - 1 : len);
}

/* As many words as may be shown; a credential's name is the last of them. */
static const char *parameters_shown(enum smtpscope_verb verb, const char *at, const char *end)
{
    const char *shown = at;

    for (at = space_skip(at, end); at < end; at = space_skip(at, end)) {
        const char *behind = word_end(at, end);

        shown = parameter_shown(verb, at, behind);
        if (shown < behind || is_waiting(at, (size_t)(behind - at)))
            return shown;
        at = behind;
    }
    return shown;
}

/* Not RFC: "mailto:" and "smtp:" before an address. */
static bool is_scheme(const char *at, size_t len)
{
    return word_is(at, len, "MAILTO") || word_is(at, len, "SMTP");
}

/* A path has a colon behind a route (RFC 5321 4.1.2) or in a literal alone; elsewhere it is between a user and a password. */
static const char *path_shown(const struct smtpscope_text *path)
{
    const char *end = path->at + path->len, *at = path->at, *colon;

    if (path->len && *at == '@' && (colon = memchr(at, ':', path->len)))
        at = colon + 1;
    colon = login_end(at, end);
    return colon < end && !is_scheme(at, (size_t)(colon - at)) ? colon : end;
}

static const char *mail_shown(const struct smtpscope_command *command, const char *end, bool strict)
{
    const char *shown;

    if (!command->path.len && command->oddities & (SMTPSCOPE_COMMAND_NO_PATH | SMTPSCOPE_COMMAND_NO_ARGUMENT))
        return words_shown(command->argument.at, end, strict);
    if (command->oddities & SMTPSCOPE_COMMAND_NO_PATH && word_looks_secret(command->path.at, command->path.len))
        return command->path.at;
    shown = path_shown(&command->path);
    if (shown < command->path.at + command->path.len)
        return shown;
    return parameters_shown(command->verb, shown + (shown < end && *shown == '>'), end);
}

/* The name of a client is whatever it says, but for what stands behind it, and a password in it. */
static const char *hello_shown(const char *at, const char *end)
{
    const char *behind = word_end(at, end), *shown = login_end(at, behind);
    const char *value = credential_value_find(at, (size_t)(shown - at));

    if (value)
        return value;
    if (shown < behind || behind == end || word_is_credential(at, (size_t)(behind - at)))
        return shown;
    return words_shown(behind, end, true);
}

/* Behind the argument's last octet that may be shown. */
static const char *argument_shown(const struct smtpscope_session *session, const struct smtpscope_command *command)
{
    const char *at = command->argument.at, *end = at + command->argument.len;
    bool strict = is_auth_about(session) || has_form(command->verb);

    switch (command->verb) {
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS: return command->mechanism == SMTPSCOPE_MECHANISM_NONE ? at : word_end(at, end);
    case SMTPSCOPE_VERB_BURL: return at; /* RFC 4468: the URL's authorization is a secret */
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO: return hello_shown(at, end);
    default:
        if (verb_argument(command->verb) == ARGUMENT_PATH)
            return mail_shown(command, end, strict);
        return has_attributes(command->verb) ? parameters_shown(command->verb, at, end) : words_shown(at, end, strict);
    }
}

/* A line goes on behind a bare CR or a NUL for some servers, and so does a secret. */
static const char *text_end(const char *at, const char *end, unsigned seen)
{
    if (!(seen & (KIND_CONTROL | KIND_RETURN)))
        return end;
    for (; at < end; at++)
        if (kind_of(*at) & (KIND_CONTROL | KIND_RETURN))
            return at;
    return end;
}

static void text_end_at(struct smtpscope_text *text, const char *end)
{
    if (text->at > end)
        text->len = 0;
    else if (text->len > (size_t)(end - text->at))
        text->len = (size_t)(end - text->at);
}

static enum secret_kind auth_kind(const struct smtpscope_session *session, const struct smtpscope_command *command)
{
    if (command->mechanism == SMTPSCOPE_MECHANISM_NONE)
        return SECRET_WORDS;
    /* What stands behind Exchange's own word is documented nowhere: it may be either. */
    return session->user_next && command->verb == SMTPSCOPE_VERB_AUTH ? SECRET_USER : SECRET_ANSWER;
}

/* AUTH LOGIN asks for the user first: draft-murchison-sasl-login. */
static void auth_seen(struct smtpscope_session *session, const struct smtpscope_command *command)
{
    session->auth_seen = true;
    session->user_next = command->mechanism == SMTPSCOPE_MECHANISM_LOGIN;
}

static void known_show(struct smtpscope_session *session, struct smtpscope_command *command, unsigned seen, bool whole)
{
    struct smtpscope_text argument = command->argument;
    const char *end = argument.at + argument.len, *shown, *url, *sasl;
    enum secret_kind kind = SECRET_WORDS;
    size_t len;

    if (smtpscope_verb_is_login(command->verb)) {
        auth_seen(session, command);
        session->secret_unseen |= !whole;
        kind = auth_kind(session, command);
    }
    shown = text_end(argument.at, argument_shown(session, command), seen);
    argument.len = (size_t)(shown - argument.at);
    url = userinfo_find(argument.at, argument.len);
    if (url)
        shown = url;
    argument.len = (size_t)(shown - argument.at);
    sasl = sasl_find(argument.at, argument.len);
    if (sasl)
        shown = sasl;
    argument.len = (size_t)(shown - argument.at);
    if (extra_of(session)->secrets)
        argument.len = secret_find(session, argument, 0, false, &len);
    shown = argument.at + argument.len;
    if (shown == end)
        return;
    text_end_at(&command->argument, shown);
    text_end_at(&command->path, shown);
    text_end_at(&command->unknown_parameter, shown);
    if (smtpscope_verb_is_login(command->verb) && kind == SECRET_USER)
        session->user_next = false; /* here it is */
    secret_note(session, shown, (size_t)(end - shown), kind);
}

static void unknown_show(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                         bool whole)
{
    const char *end = line + len, *at = space_skip(line, end);
    size_t word = word_len(at, (size_t)(end - at)), colon = word && at + word < end && at[word] == ':';
    bool credential = credential_find(line, len) != NULL;
    bool ends = at + word + colon == end || is_space(at[word + colon]);

    if ((is_auth_about(session) || !ends || !word_may_be_shown(at, word)) && !(command->oddities & SMTPSCOPE_COMMAND_MASKED))
        word = colon = 0;
    if (command->verb == SMTPSCOPE_VERB_UNKNOWN) {
        command->name.len = word;
        command->argument.len = 0;
    } else {
        command->name.len = 0;
        command->argument = (struct smtpscope_text){at, word + colon};
    }
    if (credential) {
        command->circumstances |= SMTPSCOPE_COMMAND_SECRET;
        session->auth_seen = true;
        session->secret_unseen |= !whole;
    }
    at += word + colon;
    secret_note(session, at, (size_t)(end - at), credential ? SECRET_WORDS : SECRET_MAYBE);
}

/* An answer inside AUTH, or the rest of what may be one: nothing of its text is told. */
static void answer_hide(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                        bool whole)
{
    bool answer = command->verb == SMTPSCOPE_VERB_ANSWER;

    secret_note(session, line, len, !answer ? SECRET_WORDS : session->user_next ? SECRET_USER : SECRET_ANSWER);
    session->user_next = false;
    session->auth_seen |= answer;
    session->secret_unseen |= answer && !whole;
    *command = (struct smtpscope_command){
        .verb = command->verb,
        .len = command->len,
        .offset = command->offset,
        .acked = command->acked,
        .time = command->time,
        .packet = command->packet,
        .circumstances = command->circumstances,
        .oddities = command->oddities & (SMTPSCOPE_COMMAND_BARE_LF | SMTPSCOPE_COMMAND_UNTERMINATED),
    };
}

void command_hide(struct smtpscope_command *command)
{
    command->argument.len = command->path.len = command->unknown_parameter.len = 0;
}

void command_show(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                  unsigned seen, bool whole)
{
    if (command->verb > SMTPSCOPE_VERB_ANSWER)
        known_show(session, command, seen, whole);
    else if (command->verb == SMTPSCOPE_VERB_ANSWER || session->cut)
        answer_hide(session, command, line, len, whole);
    else
        unknown_show(session, command, line, len, whole);
}
