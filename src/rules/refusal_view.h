/* SPDX-License-Identifier: BSD-2-Clause */
/* An exchange whose code is 400 or more, as the detectors see it, and the questions that more than one of them asks of it. */
#ifndef RULES_REFUSAL_VIEW_H
#define RULES_REFUSAL_VIEW_H

#include "note.h"
#include "reply_meaning.h"

struct refusal_view {
    const struct smtpscope_exchange *exchange;
    const struct smtpscope_command *command;
    const struct smtpscope_reply *reply;
    const struct smtpscope_state *before;
    enum smtpscope_verb verb;
    uint16_t code;              /* as it is meant: see code_meant() */
    enum reply_meaning meaning; /* of the reading */
    struct reading reading;
    enum smtpscope_verdict verdict;
    enum smtpscope_confidence confidence;
};

/* What may be wrong with the name in EHLO or HELO. */
#define BAD_NAME (SMTPSCOPE_COMMAND_NAME_INVALID | SMTPSCOPE_COMMAND_NAME_BARE_IP | SMTPSCOPE_COMMAND_NAME_NOT_QUALIFIED)

/* Is the refusal about the order? One with words, or an enhanced code, for something else is not, whatever the order. */
bool is_about_order(const struct refusal_view *refused);
bool is_mail_or_rcpt(const struct refusal_view *refused);
/* Is it an address that is none by RFC 5321 4.1.2, or that the server calls so in words of its own? */
bool is_bad_address(const struct refusal_view *refused);
/* Is the line itself what the server could not read, whatever the state? */
bool is_unreadable(const struct refusal_view *refused);
/*
 * Do its words say, in so many of them, why the mail or the client is refused? Then it is not about the command, whatever the code
 * and whatever else may be wrong with the line.
 */
bool is_worded(const struct refusal_view *refused);
/* MAIL FROM:<>, the sender of bounces (RFC 5321 4.5.5). */
bool is_null_sender(const struct smtpscope_command *command);
/* Is the local part an encoded word (RFC 2047 2), which belongs in headers and names no mailbox? */
bool is_encoded_word(const struct smtpscope_command *command);
/* 500, 502 or 504: the server does not know the command. */
bool is_unknown_code(uint16_t code);
/* No command waited for it, neither one that was seen nor one that the capture lost. */
bool is_unasked(const struct refusal_view *refused);
/* Does the server say that it closes the connection? */
bool is_closing(const struct refusal_view *refused);
/* What is malformed in a line with these oddities (enum smtpscope_command_oddity); DETAIL_NONE: nothing. */
enum smtpscope_detail detail_of_oddities(uint32_t oddities);

/* Makes a note of a claim about the exchange, with its verdict, and no more certain than it is. Returns the note's id. */
uint16_t refusal_report(struct smtpscope_judge *judge, const struct refusal_view *refused, struct claim claim);

#endif
