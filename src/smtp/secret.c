/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the client sends inside AUTH must not come back in a reply's text: servers repeat what they do not understand, some
 * of them decoded. What was sent is remembered by a hash of its beginning, so no password stays in memory; a server may repeat no more than that. A text is
 * cut where a secret begins; the words before it are kept, for they say why.
 *
 * A short word is only looked for in the reply to its own command: "user" may be a name, and stand in any refusal.
 */
#include "secret.h"

#include "base/memory.h"

#define SECRETS_MAX 8
#define SECRET_MIN 4
#define TELLING_MIN 8
#define HASH_BASE 0x9e3779b97f4a7c15u

struct secret {
    uint64_t hash;
    uint32_t len;
};

struct secrets {
    struct secret sent[SECRETS_MAX]; /* as they were sent; the oldest makes room */
    struct secret clear;             /* the last one, decoded: behind the last NUL (RFC 4616 2) */
    uint8_t at;
};

static uint64_t hash_add(uint64_t hash, char c)
{
    return hash * HASH_BASE + ((unsigned char)c | 0x20u); /* servers repeat in upper case, too */
}

static struct secret secret_of(const char *at, size_t len)
{
    struct secret secret = {.len = (uint32_t)(len < TELLING_MIN ? len : TELLING_MIN)};

    for (size_t i = 0; i < secret.len; i++)
        secret.hash = hash_add(secret.hash, at[i]);
    return secret;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* What the base64 text says behind its last NUL; a length of 0 when it is none. */
static struct secret secret_decoded(const char *at, size_t len)
{
    struct secret secret = {0};
    uint32_t bits = 0;
    unsigned count = 0;

    while (len && at[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(at[i]);
        char c;

        if (digit < 0)
            return (struct secret){0};
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        c = (char)(bits >> count & 0xff);
        if (!c)
            secret = (struct secret){0};
        else if (secret.len < TELLING_MIN)
            secret = (struct secret){hash_add(secret.hash, c), secret.len + 1};
    }
    return secret;
}

void secret_note(struct smtpscope_session *session, const char *at, size_t len)
{
    struct secrets *secrets;

    while (len && (at[len - 1] == '\n' || at[len - 1] == '\r' || at[len - 1] == ' '))
        len--;
    if (len < SECRET_MIN)
        return;
    if (!extra_need(session) ||
        (!session->extra->secrets && !(session->extra->secrets = memory_new(session->config->allocator, sizeof *secrets)))) {
        session->secrets_lost = true;
        return;
    }
    secrets = session->extra->secrets;
    secrets->sent[secrets->at++ % SECRETS_MAX] = secret_of(at, len);
    secrets->clear = secret_decoded(at, len);
}

/* Where the secret begins in the text, or the text's length. */
static size_t secret_find(const struct secret *secret, const struct smtpscope_text *text)
{
    uint64_t hash = 0, power = 1;

    if (secret->len < SECRET_MIN || secret->len > text->len)
        return text->len;
    for (uint32_t i = 0; i < secret->len; i++) {
        hash = hash_add(hash, text->at[i]);
        power *= HASH_BASE;
    }
    for (size_t end = secret->len;; end++) {
        if (hash == secret->hash)
            return end - secret->len;
        if (end == text->len)
            return end;
        hash = hash_add(hash, text->at[end]) - power * ((unsigned char)text->at[end - secret->len] | 0x20u);
    }
}

static void text_cut(struct smtpscope_reply *reply, size_t len)
{
    reply->text.len = len < reply->text.len ? len : reply->text.len;
    reply->first.len = len < reply->first.len ? len : reply->first.len;
}

void secret_cut(const struct smtpscope_session *session, struct smtpscope_reply *reply, bool own)
{
    const struct secrets *secrets = extra_of(session)->secrets;

    if (session->secrets_lost)
        text_cut(reply, 0);
    if (!secrets)
        return;
    for (size_t i = 0; i < SECRETS_MAX; i++)
        if (own || secrets->sent[i].len >= TELLING_MIN)
            text_cut(reply, secret_find(&secrets->sent[i], &reply->text));
    if (own)
        text_cut(reply, secret_find(&secrets->clear, &reply->text));
}
