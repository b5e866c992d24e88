/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A conversation as a row of steps, replayed whole, octet by octet and at other cuts; its facts as one line of words. The
 * words are the same for every cut, or the test fails.
 *
 *   EHLO[c.example]=250   an exchange    (EHLO)   a command sent before the greeting    EHLO!    unanswered
 *   message:accepted/250:5 a message, its outcome, code and content    gap:C:replies    tls:started    alien:HTTP ...
 */
#ifndef SMTPSCOPE_TESTS_TEST_SESSION_H
#define SMTPSCOPE_TESTS_TEST_SESSION_H

#include "unit.h"

#include "follow.h"

#define STEPS_MAX 24

/* What one side sends, or what the capture lacks of it. A row ends at its first step without either. */
struct step {
    char side; /* 'C' or 'S' */
    const char *text;
    uint32_t len;    /* 0: strlen(text) */
    uint32_t gap;    /* instead of text */
    uint32_t unread; /* octets of the other side that the sender had not acknowledged yet */
};
#define C(text)                                                                                                                \
    {                                                                                                                          \
        'C', text, sizeof(text) - 1, 0, 0                                                                                      \
    }
#define S(text)                                                                                                                \
    {                                                                                                                          \
        'S', text, sizeof(text) - 1, 0, 0                                                                                      \
    }
#define C_GAP(octets)                                                                                                          \
    {                                                                                                                          \
        'C', NULL, 0, octets, 0                                                                                                \
    }
#define S_GAP(octets)                                                                                                          \
    {                                                                                                                          \
        'S', NULL, 0, octets, 0                                                                                                \
    }
#define C_BLIND(text, octets)                                                                                                  \
    {                                                                                                                          \
        'C', text, sizeof(text) - 1, 0, octets                                                                                 \
    }

/* The usual beginning. */
#define HELLO                                                                                                                  \
    S("220 mx.example ESMTP\r\n"), C("EHLO c.example\r\n"),                                                                    \
        S("250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 "         \
          "CHUNKING\r\n")
#define HELLO_LOG "greeting=220 EHLO[c.example]=250 "
#define ENVELOPE C("MAIL FROM:<a@c.example>\r\n"), S("250 2.1.0 Ok\r\n"), C("RCPT TO:<b@mx.example>\r\n"), S("250 2.1.5 Ok\r\n")
#define ENVELOPE_LOG "MAIL[FROM:<a@c.example>]=250 RCPT[TO:<b@mx.example>]=250 "

struct conversation {
    const char *label;
    bool midstream;
    struct step steps[STEPS_MAX];
    const char *want;
};

/* What a replay leaves behind. */
struct log {
    char words[8192];
    char rules[2048]; /* the findings, by rule */
    size_t words_len, rules_len;
    const char *secrets[6]; /* must be in no text; ends at NULL */
    const char *label;
    bool tells; /* see struct follow */
};

static inline void log_put(char *to, size_t room, size_t *len, const char *text, size_t text_len)
{
    for (size_t i = 0; i < text_len && *len + 2 < room; i++)
        to[(*len)++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    to[*len] = '\0';
}

static inline void log_word(struct log *log, const char *word)
{
    log_put(log->words, sizeof log->words, &log->words_len, word, strlen(word));
}

static inline void log_number(struct log *log, const char *before, uint64_t number)
{
    char digits[40];

    snprintf(digits, sizeof digits, "%s%llu", before, (unsigned long long)number);
    log_word(log, digits);
}

/* A text that a fact carries: no secret may be in it, in whatever case. */
static inline void log_check(const struct log *log, struct smtpscope_text text)
{
    for (size_t i = 0; log->secrets[i]; i++) {
        size_t len = strlen(log->secrets[i]);

        for (size_t at = 0; at + len <= text.len; at++) {
            size_t same = 0;

            while (same < len && (text.at[at + same] | 0x20) == (log->secrets[i][same] | 0x20))
                same++;
            if (same == len)
                fail_msg("%s: \"%s\" in \"%.*s\"", log->label, log->secrets[i], (int)text.len, text.at);
        }
    }
}

static inline void log_command(struct log *log, const struct smtpscope_command *command)
{
    struct smtpscope_text name = smtpscope_command_name(command);

    log_check(log, command->name);
    log_check(log, command->argument);
    log_check(log, command->path);
    log_check(log, command->unknown_parameter);
    if (command->circumstances & SMTPSCOPE_COMMAND_SMUGGLED)
        log_word(log, "~");
    if (name.len)
        log_put(log->words, sizeof log->words, &log->words_len, name.at, name.len);
    else
        log_word(log, "?");
    if (command->argument.len && command->argument.len < 60) {
        log_word(log, "[");
        log_put(log->words, sizeof log->words, &log->words_len, command->argument.at, command->argument.len);
        log_word(log, "]");
    } else if (command->argument.len) {
        log_number(log, "[#", command->argument.len);
        log_word(log, "]");
    }
}

static inline void log_message(struct log *log, const struct smtpscope_message *message)
{
    log_word(log, message->sent ? "message:" : "transaction:");
    log_word(log, smtpscope_outcome_name(message->outcome));
    log_number(log, "/", message->code);
    log_number(log, ":", message->content);
    if (message->oddities & SMTPSCOPE_DATA_LOOKALIKE_TAKEN)
        log_word(log, ":taken");
    if (message->oddities & SMTPSCOPE_DATA_GAP)
        log_word(log, ":gap");
    log_check(log, message->mail_from);
    for (size_t i = 0; i < message->recipient_count; i++)
        log_check(log, message->recipients[i].path);
}

static inline void log_fact(void *ctx, const struct smtpscope_fact *fact)
{
    static const char *const tls[] = {"started", "command-injection", "response-injection", "not-followed", "by-capture"};
    struct log *log = ctx;

    switch (fact->type) {
    case SMTPSCOPE_FACT_OPEN:
    case SMTPSCOPE_FACT_END: return;
    case SMTPSCOPE_FACT_COMMAND:
        log_word(log, "(");
        log_command(log, fact->command);
        log_word(log, ")");
        break;
    case SMTPSCOPE_FACT_EXCHANGE:
        log_check(log, fact->exchange->reply->text);
        log_check(log, fact->exchange->reply->first);
        if (fact->exchange->greeting)
            log_word(log, "greeting");
        else
            log_command(log, fact->exchange->command);
        log_number(log, "=", fact->exchange->reply->code);
        break;
    case SMTPSCOPE_FACT_UNANSWERED:
        log_command(log, fact->command);
        log_word(log, "!");
        break;
    case SMTPSCOPE_FACT_MESSAGE: log_message(log, fact->message); break;
    case SMTPSCOPE_FACT_PROXY:
        log_number(log, "proxy:", fact->proxy->version);
        log_number(log, "/", fact->proxy->outcome);
        break;
    case SMTPSCOPE_FACT_TLS:
        log_word(log, "tls:");
        log_word(log, tls[fact->tls]);
        break;
    case SMTPSCOPE_FACT_ALIEN:
        log_word(log, "alien:");
        log_word(log, smtpscope_alien_name(fact->alien));
        break;
    case SMTPSCOPE_FACT_CROSS:
        log_word(log, "cross:");
        log_command(log, fact->command);
        break;
    case SMTPSCOPE_FACT_GAP:
        log_word(log, fact->gap->side == SMTPSCOPE_CLIENT ? "gap:C:" : "gap:S:");
        log_word(log, fact->phase);
        break;
    case SMTPSCOPE_FACT_CONFLICT: log_word(log, "conflict"); break;
    case SMTPSCOPE_FACT_URGENT: log_word(log, "urgent"); break;
    case SMTPSCOPE_FACT_STALL: break; /* the tests have one time, or say what it is about */
    case SMTPSCOPE_FACT_HANDSHAKE:
    case SMTPSCOPE_FACT_INFERRED:
    case SMTPSCOPE_FACT_TLS_END: break;
    case SMTPSCOPE_FACT_OVERFLOW: log_word(log, "overflow"); break;
    }
    log_word(log, " ");
}

static inline void log_finding(void *ctx, const struct smtpscope_finding *finding)
{
    static const char letters[] = "EWNI";
    struct log *log = ctx;
    const char *texts[] = {finding->command, finding->argument, finding->text, finding->detail_text};
    char word[160];

    for (size_t i = 0; i < unit_count(texts); i++)
        log_check(log, (struct smtpscope_text){texts[i], strlen(texts[i])});
    snprintf(word, sizeof word, "%s%c%s*%u+%u%s ", smtpscope_rule_info(finding->rule)->id, letters[finding->severity],
             finding->confidence == SMTPSCOPE_LIKELY ? "?" : "", finding->count, finding->folded, finding->cause ? "<" : "");
    log_put(log->rules, sizeof log->rules, &log->rules_len, word, strlen(word));
}

static inline void step_feed(struct follow *follow, const struct step *step, size_t cut)
{
    enum smtpscope_side side = step->side == 'C' ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER;

    if (step->gap) {
        follow_gap(follow, side, step->gap);
        return;
    }
    for (size_t at = 0, len = step->len ? step->len : strlen(step->text); at < len;) {
        size_t piece = cut && len - at > cut ? cut : len - at;
        char *copy = malloc(piece); /* of this size alone, and gone at once */

        assert_non_null(copy);
        memcpy(copy, step->text + at, piece);
        follow_feed(follow, side, copy, piece, step->unread);
        free(copy);
        at += piece;
    }
}

/* Replays the steps in pieces of `cut` octets (0: each step whole) and closes by the client's FIN. */
static inline void steps_replay(const struct step *steps, bool midstream, size_t cut,
                                const struct smtpscope_allocator *allocator, struct log *log)
{
    static struct follow follow;
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .fin = {true, true}, .seen = {true, true}};

    log->words_len = log->rules_len = 0;
    log->words[0] = log->rules[0] = '\0';
    follow.fact = log_fact;
    follow.finding = log_finding;
    follow.ctx = log;
    follow.tells = log->tells;
    follow_init(&follow, allocator, midstream);
    for (size_t i = 0; i < STEPS_MAX && (steps[i].text || steps[i].gap); i++)
        step_feed(&follow, &steps[i], cut);
    ending.time = follow.time;
    ending.packet = follow.packet;
    follow_close(&follow, &ending);
    if (log->words_len && log->words[log->words_len - 1] == ' ')
        log->words[--log->words_len] = '\0';
    if (log->rules_len && log->rules[log->rules_len - 1] == ' ')
        log->rules[--log->rules_len] = '\0';
}

/* Every conversation at every cut has the wanted facts. */
static inline void conversations_run(const struct conversation *rows, size_t count)
{
    static const size_t cuts[] = {0, 1, 2, 3, 5, 7, 16, 61};
    static struct log log;
    bool failed = false;

    for (size_t i = 0; i < count; i++) {
        log.label = rows[i].label;
        for (size_t j = 0; j < unit_count(cuts); j++) {
            steps_replay(rows[i].steps, rows[i].midstream, cuts[j], NULL, &log);
            if (rows[i].want && strcmp(log.words, rows[i].want)) {
                print_error("%s, cut %zu\n  want %s\n  has  %s\n", rows[i].label, cuts[j], rows[i].want, log.words);
                failed = true;
                break;
            }
        }
    }
    assert_false(failed);
}

#endif
