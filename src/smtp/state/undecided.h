/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply that can be read in two ways, until what follows decides. One at a time. Internal to smtp. */
#ifndef SMTP_UNDECIDED_H
#define SMTP_UNDECIDED_H

#include "smtpscope/session.h"

struct undecided {
    struct smtpscope_reply reply; /* its texts are behind it */
    uint64_t acked;
    char text[];
};

/* Keeps a copy. False when out of memory: it must be decided now. */
bool undecided_hold(struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked);
/* Now the caller's, to be freed by undecided_free(). NULL: there is none. */
struct undecided *undecided_release(struct smtpscope_session *session);
void undecided_free(struct smtpscope_session *session, struct undecided *undecided);

#endif
