/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the rows in order of time, and lets the tries go through the correlation anew: what became of them follows from all. */
#include "store/store.h"

#include "base/gettext.h"
#include "base/hash.h"
#include "smtpscope/finding.h"
#include "store/schema.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two captures follow one another when no more lies between the last packet of one and the first of the next. */
#define UNSEEN_MAX (60 * (smtpscope_time)1000000000)
#define BUSY_MS 5000

/* Sessions inside TLS come with the mail: a retry may be in any of them. */
static const char select_mail[] =
    "SELECT mail.time, mail.session, mail.client, mail.server, mail.port, mail.helo, mail.sender, mail.rcpt, mail.size,"
    " mail.outcome, mail.code, mail.enhanced, mail.file, mail.packet, finding.reason, CASE finding.exchange WHEN mail.exchange "
    "THEN finding.text END, mail.exchange, mail.n"
    " FROM mail LEFT JOIN finding ON finding.session = mail.session AND finding.id ="
    " (SELECT min(cause.finding) FROM cause WHERE cause.session = mail.session AND cause.exchange = mail.exchange)"
    " WHERE ?1 IS NULL OR mail.rcpt = ?1 COLLATE NOCASE"
    " UNION ALL SELECT time, session, client, server, port, helo, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
    " NULL, -1 FROM encrypted ORDER BY 1, 2, 18";

enum column {
    COLUMN_TIME,
    COLUMN_SESSION,
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_PORT,
    COLUMN_HELO,
    COLUMN_SENDER,
    COLUMN_RCPT,
    COLUMN_SIZE,
    COLUMN_OUTCOME,
    COLUMN_CODE,
    COLUMN_ENHANCED,
    COLUMN_FILE,
    COLUMN_PACKET,
    COLUMN_REASON,
    COLUMN_TEXT,
};

struct interval {
    smtpscope_time first, last;
};

struct store_reader {
    sqlite3 *database;
    uint64_t seed;
    struct interval *seen; /* in order of `first`, none of them touching another */
    size_t seen_count;
    struct store_fate *fates; /* of each row of the question, by its place */
    smtpscope_time *times;
    size_t row_count, row_room;
};

static bool complain(char error[STORE_ERROR_SIZE], const char *reason)
{
    snprintf(error, STORE_ERROR_SIZE, "%s", reason);
    return false;
}

static bool open_database(struct store_reader *reader, const char *path, char error[STORE_ERROR_SIZE])
{
    if (sqlite3_open_v2(path, &reader->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return complain(error, sqlite3_errmsg(reader->database));
    sqlite3_busy_timeout(reader->database, BUSY_MS);
    switch (schema_check(reader->database)) {
    case SCHEMA_READY: return true;
    case SCHEMA_FOREIGN: return complain(error, _("it is no store of smtpscope"));
    case SCHEMA_NEWER: return complain(error, _("it was written by a later version of smtpscope"));
    case SCHEMA_FAILED: return complain(error, sqlite3_errmsg(reader->database));
    }
    return false;
}

struct store_reader *store_read(const char *path, char error[STORE_ERROR_SIZE])
{
    struct store_reader *reader = calloc(1, sizeof *reader);

    if (!reader) {
        complain(error, _("out of memory"));
        return NULL;
    }
    if (open_database(reader, path, error))
        return reader;
    store_read_close(reader);
    return NULL;
}

void store_read_close(struct store_reader *reader)
{
    sqlite3_close(reader->database);
    free(reader->seen);
    free(reader->fates);
    free(reader->times);
    free(reader);
}

/* --- what was looked at */

static bool add_seen(struct store_reader *reader, struct interval seen)
{
    struct interval *last = reader->seen_count ? &reader->seen[reader->seen_count - 1] : NULL, *grown;

    if (last && seen.first <= last->last + UNSEEN_MAX) {
        if (seen.last > last->last)
            last->last = seen.last;
        return true;
    }
    grown = realloc(reader->seen, (reader->seen_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    reader->seen = grown;
    reader->seen[reader->seen_count++] = seen;
    return true;
}

static bool read_seen(struct store_reader *reader)
{
    sqlite3_stmt *statement;
    int step = SQLITE_ERROR;

    reader->seen_count = 0;
    if (sqlite3_prepare_v2(reader->database, "SELECT first, last FROM seen ORDER BY first, last", -1, &statement, NULL))
        return false;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW)
        if (!add_seen(reader, (struct interval){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1)}))
            break;
    sqlite3_finalize(statement);
    return step == SQLITE_DONE;
}

/* Has everything since `time` been looked at, up to the end of the history? */
static bool is_seen_since(const struct store_reader *reader, smtpscope_time time)
{
    return reader->seen_count && reader->seen[reader->seen_count - 1].first <= time;
}

static smtpscope_time end_of(const struct store_reader *reader)
{
    return reader->seen_count ? reader->seen[reader->seen_count - 1].last : 0;
}

/* --- columns */

static struct smtpscope_text text_of(sqlite3_stmt *statement, enum column column)
{
    const char *at = (const char *)sqlite3_column_text(statement, column);

    return (struct smtpscope_text){at ? at : "", (size_t)sqlite3_column_bytes(statement, column)};
}

static bool is_mail(sqlite3_stmt *statement)
{
    return sqlite3_column_type(statement, COLUMN_RCPT) != SQLITE_NULL;
}

static void read_mail(sqlite3_stmt *statement, struct store_mail *mail)
{
    *mail = (struct store_mail){
        .time = sqlite3_column_int64(statement, COLUMN_TIME),
        .session = (uint64_t)sqlite3_column_int64(statement, COLUMN_SESSION),
        .client = text_of(statement, COLUMN_CLIENT),
        .server = text_of(statement, COLUMN_SERVER),
        .port = (uint16_t)sqlite3_column_int(statement, COLUMN_PORT),
        .helo = text_of(statement, COLUMN_HELO),
        .sender = text_of(statement, COLUMN_SENDER),
        .rcpt = text_of(statement, COLUMN_RCPT),
        .has_size = sqlite3_column_type(statement, COLUMN_SIZE) != SQLITE_NULL,
        .size = (uint64_t)sqlite3_column_int64(statement, COLUMN_SIZE),
        .outcome = text_of(statement, COLUMN_OUTCOME),
        .code = (uint16_t)sqlite3_column_int(statement, COLUMN_CODE),
        .enhanced = text_of(statement, COLUMN_ENHANCED),
        .file = text_of(statement, COLUMN_FILE),
        .packet = (uint64_t)sqlite3_column_int64(statement, COLUMN_PACKET),
        .reason = text_of(statement, COLUMN_REASON),
        .text = text_of(statement, COLUMN_TEXT),
    };
}

/* --- the correlation anew */

/* As endpoints have it: IPv4 in its place of IPv6. */
static void read_address(const char *text, uint8_t address[16])
{
    memcpy(address, "\0\0\0\0\0\0\0\0\0\0\377\377", 12);
    if (inet_pton(AF_INET, text, address + 12) != 1)
        inet_pton(AF_INET6, text, address);
}

static uint64_t hash_lower(struct smtpscope_text text, uint64_t seed)
{
    uint64_t hash = hash_mix(text.len, seed);
    char lower[64];

    for (size_t at = 0; at < text.len; at += sizeof lower) {
        size_t len = text.len - at < sizeof lower ? text.len - at : sizeof lower;

        for (size_t i = 0; i < len; i++)
            lower[i] = (char)(text.at[at + i] >= 'A' && text.at[at + i] <= 'Z' ? text.at[at + i] + 'a' - 'A' : text.at[at + i]);
        hash = hash_octets(lower, len, hash);
    }
    return hash ? hash : 1;
}

static void read_hello(struct smtpscope_hello_key *key, struct smtpscope_text name, uint64_t seed)
{
    key->seed = seed;
    if (!name.len || name.len > sizeof key->domain)
        return;
    key->hello = hash_lower(name, seed);
    key->domain_len = (uint8_t)name.len;
    memcpy(key->domain, name.at, name.len);
}

static bool is_outcome(struct smtpscope_text name, enum smtpscope_outcome outcome)
{
    const char *wanted = smtpscope_outcome_name(outcome);

    return strlen(wanted) == name.len && !memcmp(wanted, name.at, name.len);
}

/* The outcome of a try that says something of the message; false: none. */
static bool outcome_of(struct smtpscope_text name, enum smtpscope_outcome *outcome)
{
    static const enum smtpscope_outcome told[] = {SMTPSCOPE_OUTCOME_ACCEPTED, SMTPSCOPE_OUTCOME_DEFERRED,
                                                  SMTPSCOPE_OUTCOME_REFUSED};

    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        *outcome = told[i];
        if (is_outcome(name, told[i]))
            return true;
    }
    return false;
}

/* Its flow's first packet is the row's place, from 1, by which the finding comes back to it. */
static void replay(const struct store_reader *reader, struct smtpscope_correlate *correlate, sqlite3_stmt *statement,
                   const struct store_mail *mail)
{
    struct smtpscope_trace trace = {.kind = SMTPSCOPE_TRACE_TLS,
                                    .time = mail->time,
                                    .exchange = UINT32_MAX,
                                    .code = mail->code,
                                    .verb = SMTPSCOPE_VERB_RCPT,
                                    .state = ""};

    read_address(mail->client.at, trace.client.addr);
    trace.flow.side[SMTPSCOPE_CLIENT] = trace.client;
    read_address(mail->server.at, trace.flow.side[SMTPSCOPE_SERVER].addr);
    trace.flow.side[SMTPSCOPE_SERVER].port = mail->port;
    trace.flow.first_time = mail->time;
    trace.flow.first_packet = reader->row_count;
    read_hello(&trace.hello, mail->helo, reader->seed);
    if (is_mail(statement)) {
        trace.kind = SMTPSCOPE_TRACE_OUTCOME;
        trace.envelope = hash_lower(mail->rcpt, hash_lower(mail->sender, reader->seed));
        trace.size = mail->has_size ? mail->size : SMTPSCOPE_NO_SIZE;
        trace.null_sender = !mail->sender.len;
        /* Codes that are about the command say nothing of the recipient, RFC 5321 4.2.3. */
        if (!outcome_of(mail->outcome, &trace.outcome) || (mail->code >= 500 && mail->code <= 504) || mail->code == 555)
            return;
    }
    smtpscope_correlate_trace(correlate, &trace);
}

/* That a message was tried often or soon does not say what became of it. */
static void take_fate(void *ctx, const struct smtpscope_finding *finding)
{
    struct store_reader *reader = ctx;
    size_t row = finding->flow ? (size_t)finding->flow->first_packet : 0;
    bool silent = finding->rule == SMTPSCOPE_RULE_DEFERRAL_ABANDONED || finding->rule == SMTPSCOPE_RULE_DEFERRAL_OVERDUE;

    if (!row || row > reader->row_count || finding->rule == SMTPSCOPE_RULE_DEFERRAL_RETRY_TOO_SOON ||
        finding->rule == SMTPSCOPE_RULE_DEFERRAL_PERSISTENT)
        return;
    reader->fates[row - 1] = (struct store_fate){.known = true,
                                                 .rule = finding->rule,
                                                 .confidence = finding->confidence,
                                                 .unseen = silent && !is_seen_since(reader, reader->times[row - 1])};
}

static bool add_row(struct store_reader *reader, smtpscope_time time)
{
    if (reader->row_count == reader->row_room) {
        size_t room = reader->row_room ? reader->row_room * 2 : 256;
        struct store_fate *fates = realloc(reader->fates, room * sizeof *fates);
        smtpscope_time *times;

        if (!fates)
            return false;
        reader->fates = fates;
        times = realloc(reader->times, room * sizeof *times);
        if (!times)
            return false;
        reader->times = times;
        reader->row_room = room;
    }
    reader->fates[reader->row_count] = (struct store_fate){0};
    reader->times[reader->row_count++] = time;
    return true;
}

static bool replay_all(struct store_reader *reader, sqlite3_stmt *statement)
{
    struct smtpscope_correlate *correlate = smtpscope_correlate_new(
        &(struct smtpscope_correlate_config){.finding = take_fate, .ctx = reader, .hash_seed = reader->seed});
    int step = SQLITE_NOMEM;
    struct store_mail mail;

    reader->row_count = 0;
    while (correlate && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        read_mail(statement, &mail);
        if (!add_row(reader, mail.time))
            break;
        replay(reader, correlate, statement, &mail);
    }
    if (step == SQLITE_DONE)
        smtpscope_correlate_finish(correlate, end_of(reader));
    smtpscope_correlate_free(correlate);
    return step == SQLITE_DONE;
}

static bool tell_all(struct store_reader *reader, sqlite3_stmt *statement,
                     void (*tell)(void *ctx, const struct store_mail *mail), void *ctx)
{
    struct store_mail mail;
    size_t row = 0;
    int step;

    while ((step = sqlite3_step(statement)) == SQLITE_ROW && row < reader->row_count) {
        read_mail(statement, &mail);
        mail.fate = reader->fates[row++];
        if (is_mail(statement))
            tell(ctx, &mail);
    }
    return step == SQLITE_DONE;
}

/* Both passes see the same rows: they are in one transaction. */
static bool ask(struct store_reader *reader, const char *rcpt, void (*tell)(void *ctx, const struct store_mail *mail),
                void *ctx)
{
    sqlite3_stmt *statement;
    bool done;

    sqlite3_randomness(sizeof reader->seed, &reader->seed);
    if (!read_seen(reader) || sqlite3_prepare_v2(reader->database, select_mail, -1, &statement, NULL) != SQLITE_OK)
        return false;
    if (rcpt)
        sqlite3_bind_text(statement, 1, rcpt, -1, SQLITE_STATIC);
    done = replay_all(reader, statement) && sqlite3_reset(statement) == SQLITE_OK && tell_all(reader, statement, tell, ctx);
    sqlite3_finalize(statement);
    return done;
}

bool store_mails(struct store_reader *reader, const char *rcpt, void (*mail)(void *ctx, const struct store_mail *mail),
                 void *ctx, char error[STORE_ERROR_SIZE])
{
    bool done = sqlite3_exec(reader->database, "BEGIN", NULL, NULL, NULL) == SQLITE_OK && ask(reader, rcpt, mail, ctx);

    if (!done)
        complain(error, sqlite3_errcode(reader->database) == SQLITE_OK ? _("out of memory") : sqlite3_errmsg(reader->database));
    sqlite3_exec(reader->database, "ROLLBACK", NULL, NULL, NULL);
    return done;
}
