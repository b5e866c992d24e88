/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each try to deliver a mail, whatever became of it: what --messages shows. The facts of a session come in; a delivery goes out when
 * its message is answered, or when its transaction has ended without one: refused at MAIL, at each RCPT or at DATA, or given up.
 *
 * The library tells of transactions that MAIL has opened. Most of what fails in practice never gets so far, or has recipients that
 * came pipelined behind a refused MAIL: these are put together here.
 */
#ifndef OUTPUT_DELIVERY_H
#define OUTPUT_DELIVERY_H

#include "smtpscope/session.h"

/* How far it got. */
enum delivery_stage { DELIVERY_MAIL, DELIVERY_RCPT, DELIVERY_DATA, DELIVERY_MESSAGE };

struct delivery {
    const struct smtpscope_message *message; /* of a refused MAIL: what is known of one */
    enum delivery_stage stage;
    enum smtpscope_outcome outcome; /* the message's; of one that was not sent, by its replies */
    struct smtpscope_text helo;     /* what the client called itself; empty: it was not seen */
    uint16_t code;                  /* of the reply that decided; 0: none was seen */
    struct smtpscope_enhanced enhanced;
    struct smtpscope_text reply;    /* all its lines */
    struct smtpscope_text queue_id; /* the server's name for the message; empty: it named none */
};

/* Collects them from the facts of one session. */
struct deliveries;

/* NULL when out of memory. */
struct deliveries *deliveries_new(void);
void deliveries_free(struct deliveries *deliveries);
/* One fact of the session. `tell` is called for each delivery that it ends; what it is given is valid during the call. */
void deliveries_fact(struct deliveries *deliveries, const struct smtpscope_fact *fact,
                     void (*tell)(void *ctx, const struct delivery *delivery), void *ctx);

/* The same without what has to be remembered, for counting: does the fact end a delivery, and how? */
bool delivery_ends(const struct smtpscope_fact *fact, enum smtpscope_outcome *outcome);
/* "mail", "rcpt", "data", "message" */
const char *delivery_stage_name(enum delivery_stage stage);

#endif
