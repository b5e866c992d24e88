/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Octets of both sides in any cut, with gaps, through the follower and the judge. The input is a row of operations, each one
 * octet of what and, where it takes one, a length: both directions of a session, cut as the input says.
 *
 *   bit 7    the side            bits 4-6   0-4 octets, 5 a gap, 6 a conflict (or, with a length of 13, a line that holds a secret;
 *                                          with 14, decryption begins), 7 time goes on
 *   bits 0-3 the length, 15: the next two octets are the length
 *
 * No text of a fact or finding may hold a part of the secret, whatever came before its line and comes behind.
 */
#include "follow.h"

#include "smtp/shown/secret.h"

#include <stdlib.h>

static struct follow follow;

struct reader {
    const uint8_t *at;
    size_t len;
};

static uint8_t octet_take(struct reader *reader)
{
    if (!reader->len)
        return 0;
    reader->len--;
    return *reader->at++;
}

static size_t length_take(struct reader *reader, uint8_t operation)
{
    size_t len = operation & 15u;

    if (len < 15)
        return len + 1;
    len = (size_t)octet_take(reader) << 8;
    return len + octet_take(reader) + 1;
}

/* A copy of exactly this size, gone afterwards: whoever kept a pointer into it is found out. */
static void feed(enum smtpscope_side side, struct reader *reader, size_t len, uint64_t unread)
{
    uint8_t *copy;

    if (len > reader->len)
        len = reader->len;
    if (!len || !(copy = malloc(len)))
        return;
    memcpy(copy, reader->at, len);
    reader->at += len;
    reader->len -= len;
    follow_feed(&follow, side, copy, len, unread);
    free(copy);
}

/* The secret, and what base64 makes of it: alone, and with NUL, "u", NUL before it. */
#define SECRET "Xk7&mQ2v!Zt9"
#define SECRET_BASE64 "WGs3Jm1RMnYhWnQ5"
#define SECRET_PLAIN "AHUAWGs3Jm1RMnYhWnQ5"
/* So many of its octets in a row tell it. */
#define TELLING 8

/* Lines that a secret stands in; those of the second kind tell it again, and are sent when it is known to be one. */
static const struct planted {
    enum smtpscope_side side;
    bool again;
    const char *line;
} planted[] = {
    {SMTPSCOPE_CLIENT, false, "AUTH PLAIN " SECRET_PLAIN},
    {SMTPSCOPE_CLIENT, false, "AUTH LOGIN\r\ndQ==\r\n" SECRET_BASE64},
    {SMTPSCOPE_CLIENT, false, SECRET_BASE64},
    {SMTPSCOPE_CLIENT, false, SECRET},
    {SMTPSCOPE_CLIENT, false, "PASS " SECRET},
    {SMTPSCOPE_CLIENT, false, "a LOGIN u " SECRET},
    {SMTPSCOPE_CLIENT, false, "X-EXPS LOGIN " SECRET_PLAIN},
    {SMTPSCOPE_CLIENT, false, "NOOP x\rAUTH PLAIN " SECRET_PLAIN},
    {SMTPSCOPE_CLIENT, false, "MAIL FROM:<a@b> AUTH=" SECRET},
    {SMTPSCOPE_CLIENT, false, "RCPT TO:<u:" SECRET "@b>"},
    {SMTPSCOPE_CLIENT, false, "GET http://u:" SECRET "@b/ HTTP/1.1"},
    {SMTPSCOPE_CLIENT, false, "HELP me, my password is " SECRET},
    {SMTPSCOPE_SERVER, false, "550 see ftp://u:" SECRET "@b"},
    {SMTPSCOPE_SERVER, true, "535 no " SECRET},
    {SMTPSCOPE_SERVER, true, "250-ok\r\n250 " SECRET_PLAIN},
    {SMTPSCOPE_SERVER, true, "what is " SECRET_BASE64},
    {SMTPSCOPE_CLIENT, true, "VRFY " SECRET},
    {SMTPSCOPE_CLIENT, true, "MAIL FROM:<" SECRET "@b>"},
};

static bool secret_is_known(void)
{
    struct smtpscope_text text = {SECRET, strlen(SECRET)};
    size_t len;

    return secret_find(follow.session, text, 0, false, &len) == 0;
}

static void secret_plant(const struct planted *row)
{
    if (row->again && !secret_is_known())
        return;
    follow_feed(&follow, row->side, "\r\n", 2, 0);
    follow_feed(&follow, row->side, row->line, strlen(row->line), 0);
    follow_feed(&follow, row->side, "\r\n", 2, 0);
}

/* Compared by a hash: what a fuzzer sees compared octet by octet it soon writes into its inputs, and that is no leak. */
static uint64_t hash_of(const char *at)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < TELLING; i++)
        hash = (hash ^ (unsigned char)at[i]) * 1099511628211u;
    return hash;
}

static void check_for(struct smtpscope_text text, const char *secret, size_t len)
{
    for (size_t at = 0; at + TELLING <= text.len; at++) {
        uint64_t hash = hash_of(text.at + at);

        for (size_t from = 0; from + TELLING <= len; from++)
            assert(hash != hash_of(secret + from));
    }
}

static void check_text(struct smtpscope_text text)
{
    if (text.len < TELLING)
        return;
    check_for(text, SECRET, strlen(SECRET));
    check_for(text, SECRET_BASE64, strlen(SECRET_BASE64));
}

static void check_command(const struct smtpscope_command *command)
{
    check_text(command->name);
    check_text(command->argument);
    check_text(command->path);
    check_text(command->unknown_parameter);
}

static void check_fact(void *ctx, const struct smtpscope_fact *fact)
{
    (void)ctx;
    switch (fact->type) {
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_UNANSWERED:
    case SMTPSCOPE_FACT_CROSS: check_command(fact->command); break;
    case SMTPSCOPE_FACT_EXCHANGE:
        check_command(fact->exchange->command);
        check_text(fact->exchange->reply->text);
        check_text(fact->exchange->reply->first);
        break;
    case SMTPSCOPE_FACT_MESSAGE:
        check_text(fact->message->mail_from);
        for (size_t i = 0; i < fact->message->recipient_count; i++)
            check_text(fact->message->recipients[i].path);
        break;
    default: /* the others have no texts of the session */ break;
    }
}

static void check_finding(void *ctx, const struct smtpscope_finding *finding)
{
    const char *const texts[] = {finding->command, finding->argument, finding->text, finding->detail_text};

    (void)ctx;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text((struct smtpscope_text){texts[i], strlen(texts[i])});
}

static void operate(struct reader *reader)
{
    uint8_t operation = octet_take(reader);
    enum smtpscope_side side = operation & 0x80 ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    size_t len = length_take(reader, operation);

    switch (operation >> 4 & 7) {
    case 5: follow_gap(&follow, side, len); break;
    case 6:
        if ((operation & 15) == 14)
            smtpscope_session_decrypted(follow.session);
        else if ((operation & 15) == 13)
            secret_plant(&planted[octet_take(reader) % (sizeof planted / sizeof *planted)]);
        else
            smtpscope_session_conflict(
                follow.session, &(struct smtpscope_gap){
                                    .side = side, .offset = follow.sent[side], .time = follow.time, .packet = ++follow.packet});
        break;
    case 7: follow.time += (smtpscope_time)len * SMTPSCOPE_SECOND; break;
    case 4: feed(side, reader, len, len); break; /* the other side's last octets were not read yet */
    default: feed(side, reader, len, 0); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    uint8_t head = octet_take(&reader);
    struct smtpscope_ending ending = {.why = (enum smtpscope_close)((head >> 1 & 7) % (SMTPSCOPE_CLOSE_EVICTED + 1)),
                                      .by = (enum smtpscope_side)(head >> 4 & 1),
                                      .seen = {true, true}};

    follow.tells = head & 0x20;
    follow.fact = check_fact;
    follow.finding = check_finding;
    follow_init(&follow, NULL, head & 1);
    while (reader.len)
        operate(&reader);
    ending.time = follow.time;
    ending.packet = follow.packet;
    follow_close(&follow, &ending);
    return 0;
}
