/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts of one session -> findings. The only judge and the only emitter. */
#ifndef SMTPSCOPE_JUDGE_H
#define SMTPSCOPE_JUDGE_H

#include "smtpscope/finding.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_judge;

struct smtpscope_judge_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3) */
    /*
     * Called once a finding, in order of their evidence, when the session ends; and before that by smtpscope_judge_tell().
     * All it points to is valid during the call.
     */
    void (*finding)(void *ctx, const struct smtpscope_finding *finding);
    void *ctx;
};

/* The judge of one session. `config` is kept by reference and may be shared. NULL when out of memory. */
struct smtpscope_judge *smtpscope_judge_new(const struct smtpscope_judge_config *config);
void smtpscope_judge_free(struct smtpscope_judge *judge);

/* One fact of the session, in order. SMTPSCOPE_FACT_END emits the findings. */
void smtpscope_judge_fact(struct smtpscope_judge *judge, const struct smtpscope_session *session,
                          const struct smtpscope_fact *fact);

/* How many findings there are that smtpscope_judge_tell() has not told yet. Costs next to nothing. */
uint32_t smtpscope_judge_untold(const struct smtpscope_judge *judge);
/*
 * For who must tell a finding at once: tells those that were not told yet, in order, as they stand now, through the config's
 * callback, and remembers how. SMTPSCOPE_FACT_END tells all findings once more, and says of each whether it was told and has
 * changed since. To be called between two facts; not from the callback.
 */
void smtpscope_judge_tell(struct smtpscope_judge *judge);

/*
 * The reason of a 4yz or 5yz as far as verb, code, enhanced code and text tell it; UNSPECIFIED rather than a guess. `server`
 * is the software ("Postfix"), "" when unknown: the same words mean different things on different servers.
 */
enum smtpscope_reason smtpscope_reason_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server);

SMTPSCOPE_C_END

#endif
