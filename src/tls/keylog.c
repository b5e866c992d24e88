/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines of a key log, RFC 9850 2:   label SP client-random SP secret
 *
 * Not RFC: CLIENT_TRAFFIC_SECRET_N with a literal N, which OpenSSL writes at each key update, is one more label that is not
 * ours: the later secrets follow from the first.
 */
#include "keys.h"

#include "base/memory.h"

/* The longest line that means something has 193 octets. */
#define LINE_MAX_LEN 256

struct smtpscope_keylog {
    struct smtpscope_keys *keys;
    size_t len;    /* of an unfinished line */
    bool overlong; /* it has more than is kept, and means nothing */
    uint8_t line[LINE_MAX_LEN];
};

static const char *const labels[] = {
    [SMTPSCOPE_SECRET_MASTER] = "CLIENT_RANDOM",
    [SMTPSCOPE_SECRET_CLIENT_EARLY] = "CLIENT_EARLY_TRAFFIC_SECRET",
    [SMTPSCOPE_SECRET_CLIENT_HANDSHAKE] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    [SMTPSCOPE_SECRET_SERVER_HANDSHAKE] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    [SMTPSCOPE_SECRET_CLIENT_TRAFFIC] = "CLIENT_TRAFFIC_SECRET_0",
    [SMTPSCOPE_SECRET_SERVER_TRAFFIC] = "SERVER_TRAFFIC_SECRET_0",
};

const char *smtpscope_secret_label(enum smtpscope_secret_kind kind)
{
    return labels[kind];
}

struct smtpscope_keylog *smtpscope_keylog_new(struct smtpscope_keys *keys)
{
    struct smtpscope_keylog *keylog = memory_new(keys_allocator(keys), sizeof *keylog);

    if (keylog)
        keylog->keys = keys;
    return keylog;
}

void smtpscope_keylog_free(struct smtpscope_keylog *keylog)
{
    if (!keylog)
        return;
    memory_wipe(keylog->line, sizeof keylog->line);
    memory_free(keys_allocator(keylog->keys), keylog);
}

static bool is_space(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r';
}

/* The next word of the line; empty at its end. */
static struct smtpscope_text word_take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *begin;

    while (*at < end && is_space(**at))
        ++*at;
    begin = *at;
    while (*at < end && !is_space(**at))
        ++*at;
    return (struct smtpscope_text){(const char *)begin, (size_t)(*at - begin)};
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Octets written in hexadecimal; 0: they are not, or are more than `max`. */
static size_t octets_read(struct smtpscope_text word, uint8_t *out, size_t max)
{
    if (word.len % 2 || word.len > 2 * max)
        return 0;
    for (size_t i = 0; i < word.len; i += 2) {
        int high = digit_value(word.at[i]), low = digit_value(word.at[i + 1]);

        if (high < 0 || low < 0)
            return 0;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return word.len / 2;
}

static int label_find(struct smtpscope_text word)
{
    for (int i = 0; i < SMTPSCOPE_SECRET_KINDS; i++)
        if (strlen(labels[i]) == word.len && !memcmp(labels[i], word.at, word.len))
            return i;
    return -1;
}

/* As long as a digest of TLS 1.3; a master secret has always 48 octets (RFC 5246 8.1). */
static bool is_secret_len(enum smtpscope_secret_kind kind, size_t len)
{
    return len == 48 || (kind != SMTPSCOPE_SECRET_MASTER && len == 32);
}

static void line_read(struct smtpscope_keys *keys, const uint8_t *line, size_t len)
{
    const uint8_t *at = line, *end = line + len;
    struct smtpscope_text label = word_take(&at, end), random = word_take(&at, end), octets = word_take(&at, end);
    struct smtpscope_secret secret;
    uint8_t name[SMTPSCOPE_RANDOM_LEN];
    int kind = label_find(label);

    if (!label.len)
        return;
    secret.len = (uint8_t)octets_read(octets, secret.octets, sizeof secret.octets);
    if (kind >= 0 && is_secret_len((enum smtpscope_secret_kind)kind, secret.len) &&
        octets_read(random, name, sizeof name) == sizeof name && !word_take(&at, end).len)
        keys_add(keys, (enum smtpscope_secret_kind)kind, name, &secret);
    else
        keys_ignored(keys);
    memory_wipe(&secret, sizeof secret);
}

static void line_keep(struct smtpscope_keylog *keylog, const uint8_t *octets, size_t len)
{
    if (keylog->overlong || len > sizeof keylog->line - keylog->len) {
        keylog->overlong = true;
        return;
    }
    memcpy(keylog->line + keylog->len, octets, len);
    keylog->len += len;
}

void smtpscope_keylog_end(struct smtpscope_keylog *keylog)
{
    if (keylog->overlong)
        keys_ignored(keylog->keys);
    else
        line_read(keylog->keys, keylog->line, keylog->len);
    memory_wipe(keylog->line, sizeof keylog->line);
    keylog->len = 0;
    keylog->overlong = false;
}

void smtpscope_keylog_read(struct smtpscope_keylog *keylog, const uint8_t *octets, size_t len)
{
    const uint8_t *end = octets + len, *lf;

    for (; octets < end && (lf = memchr(octets, '\n', (size_t)(end - octets))); octets = lf + 1) {
        if (!keylog->len && !keylog->overlong) {
            line_read(keylog->keys, octets, (size_t)(lf - octets));
            continue;
        }
        line_keep(keylog, octets, (size_t)(lf - octets));
        smtpscope_keylog_end(keylog);
    }
    if (octets < end)
        line_keep(keylog, octets, (size_t)(end - octets));
}
