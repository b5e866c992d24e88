/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's state: what the replies so far have made of it. */
#include "state.h"

static void transaction_reset(struct smtpscope_state *state)
{
    state->transaction = state->bdat_open = state->bdat_done = state->binary = false;
    state->rcpt_accepted = state->rcpt_deferred = state->rcpt_refused = 0;
    state->doubt &= (uint8_t)~SMTPSCOPE_DOUBT_TRANSACTION;
}

void state_message_end(struct smtpscope_state *state)
{
    transaction_reset(state);
}

void state_tls(struct smtpscope_state *state)
{
    transaction_reset(state);
    state->tls = true;
    state->hello = SMTPSCOPE_HELLO_NONE;
    state->lmtp = false;
    state->extensions = state->size_limit = 0;
}

static void state_hello(struct smtpscope_state *state, enum smtpscope_verb verb, const struct smtpscope_reply *reply,
                        const struct smtpscope_offer *offer)
{
    state->hello = (uint8_t)smtpscope_verb_hello(verb);
    state->lmtp = verb == SMTPSCOPE_VERB_LHLO;
    transaction_reset(state);
    state->extensions = offer ? offer->extensions : 0;
    state->size_limit = offer ? offer->size_limit : 0;
    if (reply->oddities & SMTPSCOPE_REPLY_UNFINISHED)
        state->doubt |= SMTPSCOPE_DOUBT_EXTENSIONS;
    else
        state->doubt &= (uint8_t) ~(SMTPSCOPE_DOUBT_HELLO | SMTPSCOPE_DOUBT_EXTENSIONS);
}

static void state_rcpt(struct smtpscope_state *state, uint16_t code)
{
    if (code < 400) {
        state->transaction = true; /* it must have been open, whatever was lost */
        state->rcpt_accepted++;
    } else if (code < 500) {
        state->rcpt_deferred++;
    } else {
        state->rcpt_refused++;
    }
}

static void state_bdat(struct smtpscope_state *state, const struct smtpscope_command *command, uint16_t code)
{
    if (code < 400 && !command->last) {
        state->bdat_open = true;
    } else if (command->last && (code < 400 || state->rcpt_accepted)) {
        transaction_reset(state);
        state->bdat_done = true;
    }
}

/* What the reply makes of the state: RFC 5321 4.1.4, RFC 3207 4.2, RFC 4954 4, RFC 3030 2. */
void state_apply(struct smtpscope_state *state, enum smtpscope_verb verb, const struct smtpscope_command *command,
                 const struct smtpscope_reply *reply, const struct smtpscope_offer *offer)
{
    bool good = reply->code >= 200 && reply->code < 300;

    switch (verb) {
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO:
        if (good)
            state_hello(state, verb, reply, offer);
        break;
    case SMTPSCOPE_VERB_MAIL:
        if (good) {
            transaction_reset(state);
            state->transaction = true;
            state->binary = command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_BINARYMIME);
        }
        break;
    case SMTPSCOPE_VERB_RCPT: state_rcpt(state, reply->code); break;
    case SMTPSCOPE_VERB_BURL:
    case SMTPSCOPE_VERB_BDAT: state_bdat(state, command, reply->code); break;
    case SMTPSCOPE_VERB_EOD: transaction_reset(state); break;
    case SMTPSCOPE_VERB_RSET:
        if (good)
            transaction_reset(state);
        break;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS:
    case SMTPSCOPE_VERB_ANSWER:
        if (good) {
            state->authenticated = true;
            state->doubt &= (uint8_t)~SMTPSCOPE_DOUBT_AUTH;
        }
        break;
    case SMTPSCOPE_VERB_QUIT: state->quit |= good; break;
    case SMTPSCOPE_VERB_XCLIENT:
        if (good) { /* the server begins anew, with a greeting */
            transaction_reset(state);
            state->hello = SMTPSCOPE_HELLO_NONE;
        }
        break;
    default: /* no other command changes the state */ break;
    }
}

enum smtpscope_doubt state_doubt(enum smtpscope_verb verb)
{
    switch (verb) {
    case SMTPSCOPE_VERB_RAW:
    case SMTPSCOPE_VERB_UNKNOWN:
    case SMTPSCOPE_VERB_NOOP: return 0;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS:
    case SMTPSCOPE_VERB_ANSWER: return SMTPSCOPE_DOUBT_AUTH;
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO: return SMTPSCOPE_DOUBT_HELLO | SMTPSCOPE_DOUBT_EXTENSIONS | SMTPSCOPE_DOUBT_TRANSACTION;
    default: return SMTPSCOPE_DOUBT_TRANSACTION;
    }
}
