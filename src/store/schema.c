/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/schema.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * What leads from each version to the next. Times are nanoseconds since 1970 in UTC. A session's number is a hash of its
 * addresses, its ports and the time of its first packet, so that a capture that is read again has the same ones; rows that are
 * there already stay as they are. What became of a deferred message is no column: it follows from the tries, in order of time,
 * whenever it is asked for, so that the order in which captures are read does not matter.
 */
static const char *const steps[STORE_SCHEMA_VERSION] = {
    "CREATE TABLE mail(time INTEGER NOT NULL, session INTEGER NOT NULL, n INTEGER NOT NULL, client TEXT NOT NULL,"
    " server TEXT NOT NULL, port INTEGER NOT NULL, helo TEXT, sender TEXT NOT NULL, rcpt TEXT NOT NULL, size INTEGER,"
    " outcome TEXT NOT NULL, code INTEGER, enhanced TEXT, exchange INTEGER, file TEXT, packet INTEGER,"
    " PRIMARY KEY(time, session, n)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX mail_rcpt ON mail(rcpt COLLATE NOCASE, time);"
    "CREATE TABLE finding(session INTEGER NOT NULL, id INTEGER NOT NULL, exchange INTEGER, time INTEGER NOT NULL, rule TEXT "
    "NOT NULL,"
    " severity TEXT NOT NULL, confidence TEXT NOT NULL, fault TEXT NOT NULL, reason TEXT, code INTEGER, enhanced TEXT,"
    " command TEXT, argument TEXT, text TEXT, client TEXT NOT NULL, server TEXT NOT NULL, port INTEGER NOT NULL,"
    " count INTEGER NOT NULL, file TEXT, packet INTEGER, PRIMARY KEY(session, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE cause(session INTEGER NOT NULL, exchange INTEGER NOT NULL, finding INTEGER NOT NULL,"
    " PRIMARY KEY(session, exchange, finding)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE encrypted(time INTEGER NOT NULL, session INTEGER NOT NULL, client TEXT NOT NULL, server TEXT NOT NULL,"
    " port INTEGER NOT NULL, helo TEXT, PRIMARY KEY(time, session)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE seen(first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(first, last)) STRICT, WITHOUT ROWID;",
};

static bool run(sqlite3 *database, const char *sql)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The number that `sql` gives; -1: none. */
static long long number_of(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement;
    long long number = -1;

    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        return -1;
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* Its version into `*version`; 0: nothing is in it yet. */
static enum schema_state version_of(sqlite3 *database, long long *version)
{
    long long tables = number_of(database, "SELECT count(*) FROM sqlite_schema");
    long long owner = number_of(database, "PRAGMA application_id");

    *version = number_of(database, "PRAGMA user_version");
    if (tables < 0 || owner < 0 || *version < 0)
        return SCHEMA_FAILED;
    if (owner != STORE_APPLICATION_ID && (owner || tables))
        return SCHEMA_FOREIGN;
    return *version > STORE_SCHEMA_VERSION ? SCHEMA_NEWER : SCHEMA_READY;
}

enum schema_state schema_check(sqlite3 *database)
{
    long long version;
    enum schema_state state = version_of(database, &version);

    return state == SCHEMA_READY && version != STORE_SCHEMA_VERSION ? SCHEMA_FOREIGN : state;
}

/* Inside a transaction that another program's would wait for. */
static bool take_steps(sqlite3 *database, long long version)
{
    char mark[96];

    for (; version < STORE_SCHEMA_VERSION; version++)
        if (!run(database, steps[version]))
            return false;
    snprintf(mark, sizeof mark, "PRAGMA application_id=%d; PRAGMA user_version=%d", STORE_APPLICATION_ID, STORE_SCHEMA_VERSION);
    return run(database, mark);
}

enum schema_state schema_migrate(sqlite3 *database)
{
    long long version;
    enum schema_state state = version_of(database, &version);

    if (state != SCHEMA_READY)
        return state;
    /* Only before the first table can a file be made one that shrinks. */
    if (!version && !run(database, "PRAGMA auto_vacuum=INCREMENTAL"))
        return SCHEMA_FAILED;
    if (!run(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE"))
        return SCHEMA_FAILED;
    state = version_of(database, &version); /* another program may have been first */
    if (state == SCHEMA_READY && take_steps(database, version) && run(database, "COMMIT"))
        return SCHEMA_READY;
    run(database, "ROLLBACK");
    return state == SCHEMA_READY ? SCHEMA_FAILED : state;
}
