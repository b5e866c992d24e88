/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes: the findings of a session in the making. A detector claims something, and note_add() makes a note of it, or counts it
 * under the note that says the same. A note is known by its id, and it changes through note_revise() and note_fold() alone. It
 * is final when the session ends, so that what follows from it can be counted under it.
 */
#ifndef RULES_NOTE_H
#define RULES_NOTE_H

#include "smtpscope/judge.h"

struct note;
struct reading;

/* A note and, beside it, the rule by which it is looked for. */
struct note_slot {
    struct note *note;
    enum smtpscope_rule rule;
};

/* The notes of a session in the order of their ids from 1; judge->note_count of them. */
#define SLOTS_FEW 2
struct note_list {
    struct note_slot *slots; /* `few`, while they are so few */
    struct note_slot few[SLOTS_FEW];
    uint32_t capacity;
};

/* What a detector claims. Zero means "as the rule says" or "none". */
struct claim {
    enum smtpscope_rule rule;
    int severity; /* 0: the rule's; else SEVERITY() */
    enum smtpscope_verdict verdict;
    enum smtpscope_reason reason;
    const struct reading *reading; /* of the exchange's reply, where the reason is from there; NULL */
    enum smtpscope_confidence confidence;
    enum smtpscope_fault fault;
    enum smtpscope_detail detail;
    struct smtpscope_text detail_text;
    uint64_t detail_number;
    uint32_t cause;                            /* id of a note */
    const struct smtpscope_exchange *exchange; /* the evidence */
    const struct smtpscope_command *command;   /* the evidence when there is no exchange */
    const struct smtpscope_fact *fact;         /* time and packet when there is neither */
    uint64_t offset;                           /* in `side`'s stream, when there is neither */
    enum smtpscope_side side;
};
#define SEVERITY(level) (1 + SMTPSCOPE_##level)

/* All that may be said otherwise of a note later. Zero means "as it is". */
struct revision {
    int severity; /* SEVERITY(), or severity_of_rule() */
    enum smtpscope_verdict verdict;
    enum smtpscope_reason reason;
    enum smtpscope_detail detail;
    enum smtpscope_fault fault;
    uint32_t cause;       /* id of a note */
    uint64_t detail_more; /* to be added to the number of the detail */
};

static inline int severity_of_rule(enum smtpscope_rule rule)
{
    return 1 + (int)smtpscope_rule_info(rule)->severity;
}

/*
 * Makes a note of the claim, or counts it once more under the one of the same rule, cause, reason, verdict and detail. Returns
 * the note's id; 0: out of memory.
 */
uint16_t note_add(struct smtpscope_judge *judge, const struct claim *claim);
/* What the note says so far; its evidence is not listed yet. NULL: there is no such note. Valid until the judge is freed. */
const struct smtpscope_finding *note_find(const struct smtpscope_judge *judge, uint32_t id);
/* Nothing happens where there is no such note. */
void note_revise(struct smtpscope_judge *judge, uint32_t id, const struct revision *revision);
/* Is the exchange the last one that was counted under the note? */
bool note_covers(const struct smtpscope_judge *judge, uint32_t id, const struct smtpscope_exchange *exchange);
/*
 * A symptom: an exchange, or a command without a reply (NO_EXCHANGE), that only follows from the note, and is reported nowhere
 * else. False when there is no such note.
 */
#define NO_EXCHANGE UINT32_MAX
bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange);

/* From `offset` on the side's octets are not what they seem: whatever was said by one that had received them is no more than likely. */
void notes_doubt(struct smtpscope_judge *judge, enum smtpscope_side side, uint64_t offset);

/* The reason of the note that covers the exchange, so far; REASON_NONE: none does, or it has none. */
enum smtpscope_reason notes_reason(const struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* To the owner of the findings, all of them, at the end of the session. */
void notes_emit(struct smtpscope_judge *judge);
void notes_free(struct smtpscope_judge *judge);

/* A number as text: digits[at] to the end. */
struct number {
    char digits[24];
    size_t at;
};

static inline struct number number_text(uint64_t value)
{
    struct number number = {.at = sizeof number.digits};

    do
        number.digits[--number.at] = (char)('0' + value % 10);
    while (value /= 10);
    return number;
}

/* Valid as long as the number. */
static inline struct smtpscope_text number_digits(const struct number *number)
{
    return (struct smtpscope_text){number->digits + number->at, sizeof number->digits - number->at};
}

#endif
