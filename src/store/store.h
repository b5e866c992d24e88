/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * History in a file of its own, an SQLite database: each recipient of each transaction with its outcome, the findings, and what
 * was not seen. Writing and reading are two structs, so that a reader can change nothing. The tables are in schema.c.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/packet_numbering.h"
#include "smtpscope/correlate.h"
#include "smtpscope/session.h"

#define STORE_ERROR_SIZE 256

/* --- writing */

struct store;

/* Makes the file if there is none, or migrates it. NULL: `error` says why. `numbering` must outlive the store. */
struct store *store_open(const char *path, const struct packet_numbering *numbering, char error[STORE_ERROR_SIZE]);
/* Of any session; what it points to is valid during the call. The OUTCOMEs of a message come right behind it. */
void store_trace(struct store *store, const struct smtpscope_trace *trace);
void store_message(struct store *store, const struct smtpscope_flow *flow, const struct smtpscope_message *message);
/* What is told across sessions is left out, for it follows from the others. One told again replaces what changed. */
void store_finding(struct store *store, const struct smtpscope_finding *finding);
/* Packets from `first` to `last` were looked at. */
void store_seen(struct store *store, smtpscope_time first, smtpscope_time last);
/* Commits, and frees. false: something could not be written; `error` says why, and what was there before is whole. NULL is fine. */
bool store_close(struct store *store, char error[STORE_ERROR_SIZE]);

/* --- reading */

struct store_reader;

/* What became of a try that was, or had been, deferred. */
struct store_fate {
    bool known;
    enum smtpscope_rule rule; /* deferral.resolved, deferral.abandoned... */
    enum smtpscope_confidence confidence;
    bool unseen; /* no later try was seen, and not all of the time since was looked at */
};

/* One recipient of one transaction; a text that is not known has no octets. Valid during the call. */
struct store_mail {
    smtpscope_time time;
    uint64_t session;
    struct smtpscope_text client, server, helo, sender, rcpt, outcome, enhanced, file, reason, text;
    uint16_t port, code;
    bool has_size;
    uint64_t size, packet;
    struct store_fate fate;
};

/* NULL: `error` says why. */
struct store_reader *store_read(const char *path, char error[STORE_ERROR_SIZE]);
/*
 * Each recipient in order of time; `rcpt` NULL: of all mail, else of that address, in any case. false: `error` says why.
 */
bool store_mails(struct store_reader *reader, const char *rcpt, void (*mail)(void *ctx, const struct store_mail *mail),
                 void *ctx, char error[STORE_ERROR_SIZE]);
void store_read_close(struct store_reader *reader);

#endif
