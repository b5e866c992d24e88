/* SPDX-License-Identifier: BSD-2-Clause */
/* Codes and texts that can answer one thing only. */
#include "anchor.h"

#include "offer.h"

enum smtpscope_verb reply_implies(const struct smtpscope_reply *reply)
{
    switch (reply->code) {
    case 354: return SMTPSCOPE_VERB_DATA;
    case 221: return SMTPSCOPE_VERB_QUIT;
    case 334:
    case 235: return SMTPSCOPE_VERB_AUTH;
    case 220: return SMTPSCOPE_VERB_STARTTLS;
    case 250: break;
    default: return SMTPSCOPE_VERB_NONE;
    }
    if (reply->enhanced.klass == 2 && reply->enhanced.subject == 1)
        return reply->enhanced.detail == 0   ? SMTPSCOPE_VERB_MAIL
               : reply->enhanced.detail == 5 ? SMTPSCOPE_VERB_RCPT
                                             : SMTPSCOPE_VERB_NONE;
    return offer_read(reply).extensions ? SMTPSCOPE_VERB_EHLO : SMTPSCOPE_VERB_NONE;
}

int reply_fits(enum smtpscope_verb verb, uint16_t code, enum smtpscope_verb implied)
{
    if (code >= 400 || verb == SMTPSCOPE_VERB_UNKNOWN || verb == SMTPSCOPE_VERB_RAW)
        return 1;
    if (verb == implied || (verb == SMTPSCOPE_VERB_ANSWER && implied == SMTPSCOPE_VERB_AUTH))
        return 2;
    return implied == SMTPSCOPE_VERB_NONE && smtpscope_verb_allows(verb, code);
}
