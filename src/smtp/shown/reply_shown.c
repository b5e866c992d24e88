/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a reply's text may be shown. Replies are what the program is for, so they stay readable but for what is known to be
 * secret in the session, or says itself that it is: a URL with a password, "password=". In the reply to AUTH a text ends where
 * a secret begins; elsewhere the secret alone is written over.
 */
#include "shown.h"

#include "secret.h"
#include "smtp/syntax/octets.h"
#include "smtp/syntax/words.h"

#include <string.h>

static void text_cut(struct smtpscope_reply *reply, size_t len)
{
    reply->text.len = len < reply->text.len ? len : reply->text.len;
    reply->first.len = len < reply->first.len ? len : reply->first.len;
}

static bool answers_auth(const struct smtpscope_command *command)
{
    return smtpscope_verb_is_login(command->verb) || command->verb == SMTPSCOPE_VERB_ANSWER ||
           command->circumstances & SMTPSCOPE_COMMAND_SECRET;
}

static bool is_failure(const struct smtpscope_reply *reply)
{
    return reply->code >= 400 || !reply->code;
}

bool reply_is_about_auth(uint16_t code)
{
    return code == 235 || code == 334 || code == 534 || code == 535 || code == 538;
}

/* "token abc", "Authorization: Basic abc", or a login as AUTH has it. */
static size_t credential_told(const struct smtpscope_text *text)
{
    const char *value = credential_value_find(text->at, text->len);
    size_t len = value ? (size_t)(value - text->at) : text->len;
    const char *sasl = sasl_find(text->at, len);

    return sasl ? (size_t)(sasl - text->at) : len;
}

/* "password=" and its like: what stands behind is one. */
static size_t password_named(const struct smtpscope_text *text)
{
    for (size_t at = 0; at < text->len;) {
        size_t len = text->len - at, word = word_len(text->at + at, len), behind = at + word;

        if (word && (starts_with(text->at + at, word, "PASS") || word_is(text->at + at, word, "PWD"))) {
            while (behind < text->len && (is_space(text->at[behind]) || strchr("\"'", text->at[behind])))
                behind++;
            if (behind < text->len && (text->at[behind] == '=' || text->at[behind] == ':'))
                return behind + 1;
        }
        at += word + 1;
    }
    return text->len;
}

/* A client's words in a line that is no reply: behind one that a secret follows. */
static size_t credential_named(const struct smtpscope_text *text)
{
    const char *behind = credential_find(text->at, text->len);

    return behind ? (size_t)(behind - text->at) : text->len;
}

/* In a client's words that a server repeats in quotes: behind one that a secret follows. */
static size_t credential_repeated(const struct smtpscope_text *text)
{
    for (size_t at = 0; at < text->len; at++) {
        size_t word = strchr("\"'`", text->at[at]) ? word_len(text->at + at + 1, text->len - at - 1) : 0;

        if (word && word_is_credential(text->at + at + 1, word))
            return at + 1 + word;
    }
    return text->len;
}

/* Where a word begins that looks like a secret. */
static size_t suspicious_word(const struct smtpscope_text *text)
{
    for (size_t at = 0; at < text->len;) {
        size_t behind = at;

        while (behind < text->len && !is_separator(text->at[behind]))
            behind++;
        if (word_looks_secret(text->at + at, behind - at))
            return at;
        at = behind + 1;
    }
    return text->len;
}

static void secrets_mask(struct smtpscope_session *session, struct smtpscope_reply *reply, bool recent)
{
    struct smtpscope_text text = reply->text;
    char *copy = NULL;
    size_t len;

    for (size_t at = 0; (at = secret_find(session, text, at, recent, &len)) < text.len; at++) {
        if (!copy && !(copy = secrets_copy(session, text))) {
            text_cut(reply, at);
            return;
        }
        memset(copy + at, '*', len);
    }
    if (copy)
        reply->text.at = reply->first.at = copy;
}

/* Is it not sure that the capture has what the reply answers, and every secret that came before it? */
static bool is_doubtful(const struct smtpscope_session *session, const struct smtpscope_command *command, bool greeting)
{
    return (command->verb == SMTPSCOPE_VERB_NONE && !greeting) || session->state.doubt & SMTPSCOPE_DOUBT_AUTH;
}

void reply_show(struct smtpscope_session *session, const struct smtpscope_command *command, bool greeting,
                struct smtpscope_reply *reply)
{
    bool doubtful = is_doubtful(session, command, greeting), unknown = command->verb <= SMTPSCOPE_VERB_UNKNOWN;
    const char *user = userinfo_find(reply->text.at, reply->text.len);
    size_t len;

    if (doubtful && reply_is_about_auth(reply->code) && !answers_auth(command))
        session->secret_unseen = true;
    if (session->secrets_lost || (session->secret_unseen && (is_failure(reply) || reply_is_about_auth(reply->code))))
        text_cut(reply, 0);
    if (user)
        text_cut(reply, (size_t)(user - reply->text.at));
    if (is_failure(reply))
        text_cut(reply, password_named(&reply->text));
    if (is_failure(reply))
        text_cut(reply, credential_told(&reply->text));
    if (is_failure(reply) && doubtful && reply->code != 421) {
        text_cut(reply, suspicious_word(&reply->text));
        text_cut(reply, credential_repeated(&reply->text));
    }
    if (!reply->code)
        text_cut(reply, credential_named(&reply->text));
    if (!extra_of(session)->secrets)
        return;
    if (answers_auth(command))
        text_cut(reply, secret_find(session, reply->text, 0, true, &len));
    else
        secrets_mask(session, reply, unknown);
}
