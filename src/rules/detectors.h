/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What judge.c and refused.c ask: the detectors, file by file. Each sees what is remembered (memory.h), claims what it finds
 * (note.h), and calls no other detector.
 */
#ifndef RULES_DETECTORS_H
#define RULES_DETECTORS_H

#include "memory.h"
#include "refusal_view.h"

/*
 * refused.c: exactly one detector of the procedure takes a refused exchange. Returns the id of the note that covers it. For the
 * detectors judge->memory is there.
 */
uint16_t judge_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* sequence.c */
uint16_t detect_sequence(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_refused_in_order(struct smtpscope_judge *judge, const struct refusal_view *refused);
void judge_tolerated(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* rejection.c */
uint16_t detect_extension(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_parameter(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_syntax(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_chunk(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_verb(struct smtpscope_judge *judge, const struct refusal_view *refused);

/* deferral_refusal.c */
uint16_t detect_mail(struct smtpscope_judge *judge, const struct refusal_view *refused);
void judge_message(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact);

/* syntax_and_limits.c: what is wrong with a command or a reply itself, whatever it means */
/* `note` covers it, if it was refused; 0: none. */
void judge_unsolicited(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint16_t note);
void judge_oddities(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
void judge_accepted_parameters(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
/* What the last EHLO reply said of AUTH and LIMITS, against what the client does. */
void judge_mechanism(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
/* judge->memory is there. */
void judge_limits(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* between.c */
void judge_between(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
uint16_t detect_masked(struct smtpscope_judge *judge, const struct refusal_view *refused);
void judge_proxy(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
uint16_t detect_proxy(struct smtpscope_judge *judge, const struct refusal_view *refused);

/* pipelining.c */
void judge_pipelining(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
bool judge_swallowed(struct smtpscope_judge *judge, const struct smtpscope_command *command,
                     const struct smtpscope_state *state);
uint16_t detect_pipelining(struct smtpscope_judge *judge, const struct refusal_view *refused);

/* tls.c: how the handshake went, and what became of the session inside TLS */
void judge_handshake(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
void judge_tls_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

/* session_end.c */
uint16_t detect_not_followed(struct smtpscope_judge *judge, const struct refusal_view *refused);
uint16_t detect_closing(struct smtpscope_judge *judge, const struct refusal_view *refused);
void judge_gap(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
void judge_urgent(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session,
                      const struct smtpscope_fact *fact);
void judge_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

/* duplicate.c: a message whose client does not know that it was accepted */
void judge_duplicate(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
void judge_duplicate_at_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

/* network.c: what TCP shows under the session, before the first fact of its end; and what of the rest only follows from that. */
void judge_network(struct smtpscope_judge *judge, const struct smtpscope_ending *ending, const struct smtpscope_fact *fact);
void judge_network_effects(struct smtpscope_judge *judge);
/* A pause inside the session. */
void judge_stall(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
/* A session in which the server said nothing. */
void judge_no_greeting(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

/* Did the session itself end, and not only the capture or our tracking? */
static inline bool session_ended(const struct smtpscope_ending *ending)
{
    return ending && ending->why != SMTPSCOPE_CLOSE_END && ending->why != SMTPSCOPE_CLOSE_EVICTED;
}

/*
 * Who closed with the message under way: a side that closes, or resets, although all was acknowledged had its reasons itself. What
 * did not arrive is told of the network, see judge_network_effects().
 */
static inline enum smtpscope_fault fault_of_ending(const struct smtpscope_ending *ending)
{
    bool closed = ending && (ending->why == SMTPSCOPE_CLOSE_FIN || ending->why == SMTPSCOPE_CLOSE_RESET);

    if (!closed || !ending->seen[SMTPSCOPE_CLIENT] || !ending->seen[SMTPSCOPE_SERVER])
        return SMTPSCOPE_FAULT_UNDETERMINED;
    return ending->by == SMTPSCOPE_CLIENT ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER;
}

#endif
