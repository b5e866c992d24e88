/* SPDX-License-Identifier: BSD-2-Clause */
/* What words mean more often than not, for texts of which the ordered table says nothing. */
#ifndef RULES_READING_LEARNED_H
#define RULES_READING_LEARNED_H

#include "words.h"

#include "smtpscope/rule.h"

/* All that a reply is judged by. */
struct learned_reply {
    const struct words *words;
    uint64_t classes; /* of its words, a bit each */
    unsigned when;    /* bits of enum when */
    uint16_t code;
    struct smtpscope_enhanced enhanced; /* klass 0: none */
};

/*
 * Each feature of the reply as a text, which is valid during the call: its words by their first octets ("w:mailbox"), each pair of
 * them, the classes of its words, the codes, the step.
 */
void learned_features(const struct learned_reply *reply, void (*take)(void *ctx, const char *feature, size_t len), void *ctx);
/* The reason that is likely enough; REASON_NONE: none is. */
enum smtpscope_reason learned_reason(const struct learned_reply *reply);
/*
 * The words that speak most for the reason, "tarpit, abusing": at most `size` octets to `to`, the last a NUL. Returns their number
 * without it.
 */
size_t learned_quote(const struct learned_reply *reply, enum smtpscope_reason reason, char *to, size_t size);

#endif
