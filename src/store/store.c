/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include "base/gettext.h"
#include "base/hash.h"
#include "output/format.h"
#include "smtpscope/finding.h"
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one transaction: more go no faster, and less is lost with the program. */
#define BATCH_ROWS 4000
/* For another program that writes to the same file. */
#define BUSY_MS 5000

enum insert { INSERT_MAIL, UPDATE_MAIL, INSERT_FINDING, INSERT_CAUSE, INSERT_ENCRYPTED, INSERT_SEEN, INSERTS };

static const char *const inserts[INSERTS] = {
    [INSERT_MAIL] =
        "INSERT OR IGNORE INTO mail(time, session, n, client, server, port, helo, sender, rcpt, size, outcome, code,"
        " enhanced, exchange, file, packet) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [UPDATE_MAIL] = "UPDATE mail SET client = ?, helo = ? WHERE time = ? AND session = ?",
    [INSERT_FINDING] =
        "INSERT INTO finding(session, id, exchange, time, rule, severity, confidence, fault, reason, code, enhanced, command, "
        "argument,"
        " text, client, server, port, count, file, packet) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT DO UPDATE SET severity = excluded.severity, confidence = excluded.confidence, fault = excluded.fault,"
        " reason = excluded.reason, count = excluded.count",
    [INSERT_CAUSE] = "INSERT OR IGNORE INTO cause(session, exchange, finding) VALUES(?,?,?)",
    [INSERT_ENCRYPTED] = "INSERT OR IGNORE INTO encrypted(time, session, client, server, port, helo) VALUES(?,?,?,?,?,?)",
    [INSERT_SEEN] = "INSERT OR IGNORE INTO seen(first, last) VALUES(?,?)",
};

struct store {
    sqlite3 *database;
    sqlite3_stmt *insert[INSERTS];
    const struct packet_numbering *numbering;
    unsigned rows; /* of the transaction that is open; 0: none is */
    bool failed;
    char error[STORE_ERROR_SIZE];
    /* Of the last message: */
    smtpscope_time message_time;
    uint64_t message_of; /* its flow's first packet; 0: nothing of it is left to be said */
};

/* The first failure is kept, and nothing is written after it. */
static void fail(struct store *store)
{
    if (!store->failed)
        snprintf(store->error, sizeof store->error, "%s", sqlite3_errmsg(store->database));
    store->failed = true;
}

static void store_free(struct store *store)
{
    for (int i = 0; i < INSERTS; i++)
        sqlite3_finalize(store->insert[i]);
    sqlite3_close(store->database);
    free(store);
}

static bool prepare(struct store *store)
{
    for (int i = 0; i < INSERTS; i++)
        if (sqlite3_prepare_v3(store->database, inserts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->insert[i], NULL) !=
            SQLITE_OK)
            return false;
    return true;
}

static const char *reason_of(struct store *store)
{
    switch (schema_migrate(store->database)) {
    case SCHEMA_READY: return prepare(store) ? NULL : sqlite3_errmsg(store->database);
    case SCHEMA_FOREIGN: return _("a database of something else");
    case SCHEMA_NEWER: return _("it was written by a later version of smtpscope");
    case SCHEMA_FAILED: return sqlite3_errmsg(store->database);
    }
    return "";
}

struct store *store_open(const char *path, const struct packet_numbering *numbering, char error[STORE_ERROR_SIZE])
{
    struct store *store = calloc(1, sizeof *store);
    const char *reason;

    snprintf(error, STORE_ERROR_SIZE, "%s", _("out of memory"));
    if (!store)
        return NULL;
    store->numbering = numbering;
    if (sqlite3_open_v2(path, &store->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(store->database, BUSY_MS);
        reason = reason_of(store);
    } else {
        reason = sqlite3_errmsg(store->database);
    }
    if (!reason)
        return store;
    snprintf(error, STORE_ERROR_SIZE, "%s", reason);
    store_free(store);
    return NULL;
}

/* --- values, bound to the statement's places in order */

struct values {
    sqlite3_stmt *statement;
    int place;
};

static void put_integer(struct values *row, uint64_t number)
{
    sqlite3_bind_int64(row->statement, ++row->place, (sqlite3_int64)number);
}

/* 0 is NULL. */
static void put_nonzero(struct values *row, uint64_t number)
{
    row->place++;
    if (number)
        sqlite3_bind_int64(row->statement, row->place, (sqlite3_int64)number);
}

/* UINT32_MAX is NULL. */
static void put_exchange(struct values *row, uint32_t exchange)
{
    row->place++;
    if (exchange != UINT32_MAX)
        sqlite3_bind_int64(row->statement, row->place, exchange);
}

static void put_octets(struct values *row, const char *at, size_t len)
{
    sqlite3_bind_text64(row->statement, ++row->place, at ? at : "", len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* None is NULL. */
static void put_words(struct values *row, const char *text)
{
    row->place++;
    if (text && *text)
        sqlite3_bind_text64(row->statement, row->place, text, strlen(text), SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void put_address(struct values *row, const struct smtpscope_endpoint *endpoint)
{
    struct writer text = {0};

    format_address(&text, endpoint);
    put_octets(row, text.at, text.len);
    writer_fini(&text);
}

static void put_enhanced(struct values *row, const struct smtpscope_enhanced *enhanced)
{
    struct writer text = {0};

    format_enhanced(&text, enhanced);
    writer_char(&text, '\0');
    put_words(row, text.at);
    writer_fini(&text);
}

static void put_hello(struct values *row, const struct smtpscope_hello_key *hello)
{
    char name[sizeof hello->domain + 1] = "";

    memcpy(name, hello->domain, hello->domain_len);
    put_words(row, name);
}

static void put_place(struct values *row, const struct packet_numbering *numbering, uint64_t packet)
{
    uint64_t number = 0;

    put_words(row, packet ? packet_numbering_find(numbering, packet, &number) : NULL);
    put_nonzero(row, number);
}

static struct values row_of(struct store *store, enum insert which)
{
    if (!store->rows && sqlite3_exec(store->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        fail(store);
    return (struct values){.statement = store->insert[which]};
}

static void commit(struct store *store)
{
    if (store->rows && !store->failed && sqlite3_exec(store->database, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        fail(store);
    store->rows = 0;
}

static void row_end(struct store *store, struct values *row)
{
    if (!store->failed && sqlite3_step(row->statement) != SQLITE_DONE)
        fail(store);
    sqlite3_reset(row->statement);
    sqlite3_clear_bindings(row->statement);
    store->rows++;
}

/* A batch ends between events, whose rows belong together. */
static void event_end(struct store *store)
{
    if (store->rows >= BATCH_ROWS)
        commit(store);
}

/* 63 bits, for SQLite's numbers have a sign. */
static uint64_t session_of(const struct smtpscope_flow *flow)
{
    uint64_t hash = (uint64_t)flow->first_time;

    for (int side = 0; side < 2; side++) {
        hash = hash_octets(flow->side[side].addr, sizeof flow->side[side].addr, hash);
        hash = hash_mix(flow->side[side].port, hash);
    }
    return hash >> 1;
}

/* --- events */

static void put_encrypted(struct store *store, const struct smtpscope_trace *trace)
{
    struct values row = row_of(store, INSERT_ENCRYPTED);

    put_integer(&row, (uint64_t)trace->time);
    put_integer(&row, session_of(&trace->flow));
    put_address(&row, &trace->client);
    put_address(&row, &trace->flow.side[SMTPSCOPE_SERVER]);
    put_integer(&row, trace->flow.side[SMTPSCOPE_SERVER].port);
    put_hello(&row, &trace->hello);
    row_end(store, &row);
    event_end(store);
}

/* Who the client is, is known by the traces, once for all of a message's recipients. */
static void put_client(struct store *store, const struct smtpscope_trace *trace)
{
    struct values row = row_of(store, UPDATE_MAIL);

    put_address(&row, &trace->client);
    put_hello(&row, &trace->hello);
    put_integer(&row, (uint64_t)store->message_time);
    put_integer(&row, session_of(&trace->flow));
    row_end(store, &row);
    store->message_of = 0;
    event_end(store);
}

void store_trace(struct store *store, const struct smtpscope_trace *trace)
{
    if (store->failed)
        return;
    if (trace->kind == SMTPSCOPE_TRACE_TLS)
        put_encrypted(store, trace);
    if (trace->kind == SMTPSCOPE_TRACE_OUTCOME && store->message_of == trace->flow.first_packet)
        put_client(store, trace);
}

/* What was said last of the recipient: of the message where RCPT was accepted. */
static void put_recipient(struct store *store, const struct smtpscope_flow *flow, const struct smtpscope_message *message,
                          size_t index)
{
    const struct smtpscope_recipient *recipient = &message->recipients[index];
    bool of_message = recipient->outcome == SMTPSCOPE_OUTCOME_ACCEPTED && message->sent;
    enum smtpscope_outcome outcome = of_message                                         ? message->outcome
                                     : recipient->outcome == SMTPSCOPE_OUTCOME_ACCEPTED ? SMTPSCOPE_OUTCOME_LOST
                                                                                        : recipient->outcome;
    uint32_t exchange = of_message ? message->exchange : recipient->exchange;
    struct values row = row_of(store, INSERT_MAIL);

    put_integer(&row, (uint64_t)message->time);
    put_integer(&row, session_of(flow));
    put_integer(&row, index);
    put_address(&row, &flow->side[SMTPSCOPE_CLIENT]);
    put_address(&row, &flow->side[SMTPSCOPE_SERVER]);
    put_integer(&row, flow->side[SMTPSCOPE_SERVER].port);
    row.place++; /* the name, which put_client() knows */
    put_octets(&row, message->mail_from.at, message->mail_from.len);
    put_octets(&row, recipient->path.at, recipient->path.len);
    row.place++;
    if (message->has_declared_size)
        sqlite3_bind_int64(row.statement, row.place, (sqlite3_int64)message->declared_size);
    put_words(&row, smtpscope_outcome_name(outcome));
    put_nonzero(&row, of_message && message->code ? message->code : recipient->code);
    put_enhanced(&row, of_message ? &(struct smtpscope_enhanced){0} : &recipient->enhanced);
    put_exchange(&row, exchange);
    put_place(&row, store->numbering, message->packet);
    row_end(store, &row);
}

void store_message(struct store *store, const struct smtpscope_flow *flow, const struct smtpscope_message *message)
{
    for (size_t i = 0; !store->failed && message->mail_from.at && i < message->recipient_count; i++)
        put_recipient(store, flow, message, i);
    store->message_time = message->time;
    store->message_of = flow->first_packet;
}

static void put_cause(struct store *store, uint64_t session, uint32_t exchange, uint32_t finding)
{
    struct values row = row_of(store, INSERT_CAUSE);

    put_integer(&row, session);
    put_integer(&row, exchange);
    put_integer(&row, finding);
    row_end(store, &row);
}

static void put_finding(struct store *store, const struct smtpscope_finding *finding, uint64_t session)
{
    struct values row = row_of(store, INSERT_FINDING);

    put_integer(&row, session);
    put_integer(&row, finding->id);
    put_exchange(&row, finding->exchange_count ? finding->exchanges[0] : UINT32_MAX);
    put_integer(&row, (uint64_t)finding->time);
    put_words(&row, smtpscope_rule_info(finding->rule)->id);
    put_words(&row, smtpscope_severity_name(finding->severity));
    put_words(&row, smtpscope_confidence_name(finding->confidence));
    put_words(&row, smtpscope_fault_name(finding->fault));
    put_words(&row, finding->reason == SMTPSCOPE_REASON_NONE ? NULL : smtpscope_reason_name(finding->reason));
    put_nonzero(&row, finding->code);
    put_enhanced(&row, &finding->enhanced);
    put_words(&row, finding->command);
    put_words(&row, finding->argument);
    put_words(&row, finding->text);
    put_address(&row, smtpscope_finding_client(finding));
    put_address(&row, &finding->flow->side[SMTPSCOPE_SERVER]);
    put_integer(&row, finding->flow->side[SMTPSCOPE_SERVER].port);
    put_integer(&row, finding->count);
    put_place(&row, store->numbering, finding->packet);
    row_end(store, &row);
}

void store_finding(struct store *store, const struct smtpscope_finding *finding)
{
    uint64_t session;

    if (store->failed || !finding->flow || !finding->id)
        return;
    session = session_of(finding->flow);
    put_finding(store, finding, session);
    if (finding->reason != SMTPSCOPE_REASON_NONE)
        for (size_t i = 0; i < finding->exchange_count; i++)
            put_cause(store, session, finding->exchanges[i], finding->id);
    event_end(store);
}

void store_seen(struct store *store, smtpscope_time first, smtpscope_time last)
{
    struct values row;

    if (store->failed)
        return;
    row = row_of(store, INSERT_SEEN);
    put_integer(&row, (uint64_t)first);
    put_integer(&row, (uint64_t)last);
    row_end(store, &row);
}

bool store_close(struct store *store, char error[STORE_ERROR_SIZE])
{
    bool whole;

    if (!store)
        return true;
    commit(store);
    whole = !store->failed;
    snprintf(error, STORE_ERROR_SIZE, "%s", store->error);
    store_free(store);
    return whole;
}
