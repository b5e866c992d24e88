/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a frame: findings, exchanges, messages. Kept in Wireshark's file scope, so that any frame can be shown at
 * any time, in any order. These are also what the tap "smtpscope" hands to its listeners.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "compat.h"

#include <smtpscope/judge.h>

/* One session, as the frames of its conversation name it. */
struct session_record {
    uint32_t first_packet;
    struct smtpscope_endpoint side[2];
};

struct finding_record {
    const struct session_record *session;
    const struct finding_record *cause; /* NULL: none */
    struct smtpscope_finding finding;   /* its texts are kept here; it has no flow, and no exchanges */
    uint32_t told;                      /* the frame in which it was told first; 0: when the capture ended */
    uint32_t home;                      /* the frame that shows it: the evidence's, or the one in which it was told */
};

/* A command and its reply. `request` or `response` is 0 when it was not captured, or never came. */
struct exchange_record {
    const struct session_record *session;
    const char *command; /* "" for the greeting and for replies that nothing waits for */
    const char *state;   /* before the reply; "" when it never came */
    smtpscope_time time; /* from the command to its reply; -1: unknown */
    uint32_t request, response;
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    uint8_t reason; /* enum smtpscope_reason, of a refused RCPT */
    uint8_t verb;   /* enum smtpscope_verb */
    bool tls;
};

struct recipient_record {
    const char *path;
    uint16_t code;
    uint8_t outcome; /* enum smtpscope_outcome */
};

struct message_record {
    const struct session_record *session;
    const char *from;
    const struct recipient_record *recipients;
    uint32_t recipient_count;
    uint32_t packet; /* its last */
    uint64_t size;
    uint16_t code;
    uint8_t outcome;
    bool sent; /* false: a transaction that ended without a message */
};

enum record_kind { RECORD_FINDING, RECORD_EXCHANGE, RECORD_MESSAGE };

/* A record in the list of a frame; also what the tap hands over. */
struct record {
    struct record *next;
    enum record_kind kind;
    union {
        const struct finding_record *finding;
        const struct exchange_record *exchange;
        const struct message_record *message;
    };
};

/* Once, at registration: the table lives as long as Wireshark and is emptied with each file. */
void records_register(void);

/* Before a frame is analysed for the first time: forgets which records are fresh. 0: no frame, the capture has ended. */
void records_begin(uint32_t frame);

/* What is told of a session, into the tables. All are fresh until the next records_begin(). */
const struct session_record *records_session(const struct smtpscope_flow *flow);
struct finding_record *records_finding(const struct session_record *session, const struct smtpscope_finding *finding);
void records_exchange(const struct session_record *session, const struct smtpscope_exchange *exchange,
                      enum smtpscope_reason reason);
void records_unanswered(const struct session_record *session, const struct smtpscope_command *command, bool tls);
void records_message(const struct session_record *session, const struct smtpscope_message *message, uint64_t packet);

/* What was learned in the frame under analysis, whichever frame it belongs to. NULL: nothing. */
const struct record *records_fresh(void);
/* What belongs to a frame that was analysed before. NULL: nothing. */
const struct record *records_of(uint32_t frame);

/* All findings of the file in the order in which they were told; NULL at the end. `at` is 0 at the beginning. */
struct finding_record *records_next_finding(unsigned *at);

#endif
