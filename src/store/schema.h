/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of a store, and their version. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <sqlite3.h>

/* What SQLite keeps of a file to say whose it is: "smtp" in ASCII. */
#define STORE_APPLICATION_ID 0x736d7470
/* Of the tables as they are now, in user_version. */
#define STORE_SCHEMA_VERSION 1

enum schema_state {
    SCHEMA_READY,
    SCHEMA_FOREIGN, /* a database of something else */
    SCHEMA_NEWER,   /* of a later version of this program */
    SCHEMA_FAILED,  /* sqlite3_errmsg() says why */
};

/* Brings the tables to the present version, those of an empty file too, in one transaction. */
enum schema_state schema_migrate(sqlite3 *database);
/* Whether the tables are of the present version; nothing is changed. */
enum schema_state schema_check(sqlite3 *database);

#endif
