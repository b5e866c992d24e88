/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reply of 4yz or 5yz says, and what tells so: its words, its enhanced code, or its code. */
#ifndef RULES_REPLY_MEANING_H
#define RULES_REPLY_MEANING_H

#include "rules/reading/meaning.h"
#include "smtpscope/finding.h"
#include "smtpscope/judge.h"

/*
 * x0z is about the command (RFC 5321 4.2.1), which does not pass by itself: 401 to 404 are Postfix's soft_bounce, and mean 501
 * to 504; 400 does where its enhanced code says so, and is Courier's word for a server that has trouble where not.
 */
uint16_t code_meant(const struct smtpscope_reply *reply);

/* What decided on a reason. */
enum reading_source { SOURCE_NONE, SOURCE_PHRASE, SOURCE_ENHANCED, SOURCE_CODE, SOURCE_STATE, SOURCE_LEARNED };

struct reading {
    enum reply_meaning meaning;   /* what the words say, whatever else the reply has */
    enum smtpscope_reason reason; /* of a reply that is about mail; UNSPECIFIED rather than a guess */
    enum reading_source source;
    bool weak;        /* the words say little */
    uint16_t row;     /* of the phrases, where they decided */
    uint64_t classes; /* of words that the text has, a bit each */
    unsigned when;    /* it was said: bits of enum when */
};

/*
 * `server`: the software as far as it is known, "" when not: some words mean something only there. `left_out`: rows of the
 * phrases that do not count, a flag a row, for measuring what holds on servers that nobody has seen; NULL: they all do.
 */
struct reading reading_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                          const bool *left_out);
/* The same in two steps. The second, asked only of a reading that is silent, costs more than the first. */
struct reading reading_of_words(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                                const bool *left_out);
void reading_learned(struct reading *reading, const struct smtpscope_reply *reply);

/* Each of the features that the fallback judges by, see learned.h. */
void reading_features(const struct reading *reading, const struct smtpscope_reply *reply,
                      void (*take)(void *ctx, const char *feature, size_t len), void *ctx);
/* Does what was read say no more than that there is some policy, or that the server closes? Then what was learned is asked. */
bool reading_is_silent(const struct reading *reading);
/*
 * What decided, in words: "phrase: mailbox ... full", "enhanced 4.2.2", "code 452", "state", "" for nothing. At most
 * SMTPSCOPE_EVIDENCE_SIZE octets to `to`, the last a NUL; returns their number without it.
 */
size_t reading_evidence(const struct reading *reading, const struct smtpscope_reply *reply, char *to);

size_t phrase_count(void);
/* Does the row match the reply, whatever stands before it? */
bool phrase_matches(size_t row, enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server);
/* Whose words the row has: "" when many say so. */
const char *phrase_server(size_t row);

/* Software from a greeting or an EHLO reply; 0 when nothing tells. */
uint8_t server_of(const struct smtpscope_text *text);
/* Its name ("Postfix"), "" for 0. Static. */
const char *server_name(uint8_t server);

#endif
