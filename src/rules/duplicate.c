/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message that was accepted, and whose client does not know it: it will send the message again (RFC 1047). Either the client did
 * not wait for the reply, which RFC 5321 4.5.3.2.6 asks for ten minutes of patience; or the reply never reached it.
 */
#include "detectors.h"

/* A client may send the next command in the segment of the dot (RFC 2920 3.1); one that comes so late behind it has given up. */
#define GAVE_UP (5 * SMTPSCOPE_SECOND)

static uint64_t seconds_of(smtpscope_time time)
{
    return (uint64_t)(time / SMTPSCOPE_SECOND);
}

/* `early`: how long before the reply the client went on, or left. Returns the note. */
static uint16_t client_gave_up(struct smtpscope_judge *judge, struct claim claim, smtpscope_time early)
{
    smtpscope_time took = memory_of(judge)->final_took;
    struct number number = number_text(seconds_of(took));

    claim.rule = SMTPSCOPE_RULE_DATA_DUPLICATE_LIKELY;
    claim.fault = SMTPSCOPE_FAULT_CLIENT;
    claim.confidence = SMTPSCOPE_LIKELY;
    claim.detail = SMTPSCOPE_DETAIL_GAVE_UP_WAITING;
    claim.detail_text = number_digits(&number);
    claim.detail_number = seconds_of(took - early);
    return note_add(judge, &claim);
}

static bool is_accepted(const struct smtpscope_exchange *exchange)
{
    return exchange->reply->code / 100 == 2 && (exchange->command->verb == SMTPSCOPE_VERB_EOD ||
                                                (exchange->command->verb == SMTPSCOPE_VERB_BDAT && exchange->command->last));
}

void judge_duplicate(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    bool timed = exchange->command->time; /* else it was not on the wire */
    smtpscope_time took = timed ? exchange->reply->time - exchange->command->time : 0;
    smtpscope_time early = judge->last_reply - exchange->command->time;
    uint16_t note;

    if (timed && early > 0 && memory_of(judge)->final_took - early >= GAVE_UP &&
        (note = client_gave_up(judge, (struct claim){.exchange = exchange}, early)))
        judge->memory->session.reply_behind = note;
    judge->transaction.accepted_last = is_accepted(exchange);
    if (!judge->transaction.accepted_last || took < GAVE_UP)
        took = 0;
    if (judge->memory || (took && memory_begin(judge)))
        judge->memory->final_took = took;
}

/* The session ends right behind the reply that accepted a message. */
void judge_duplicate_at_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    const struct smtpscope_network *network = ending->network;
    smtpscope_time early = judge->last_reply - ending->fin_time;
    bool left = ending->why == SMTPSCOPE_CLOSE_FIN && ending->by == SMTPSCOPE_CLIENT && early > 0;
    struct claim claim = {.fact = fact, .side = SMTPSCOPE_SERVER};

    if (!judge->transaction.accepted_last || judge->session.doubtful)
        return;
    if (left && early < memory_of(judge)->final_took) {
        client_gave_up(judge, claim, early);
    } else if (network && network->side[SMTPSCOPE_SERVER].unacked && ending->seen[SMTPSCOPE_CLIENT]) {
        claim.rule = SMTPSCOPE_RULE_DATA_DUPLICATE_LIKELY;
        claim.fault = SMTPSCOPE_FAULT_NETWORK;
        claim.confidence = SMTPSCOPE_LIKELY;
        claim.cause = judge->memory ? judge->memory->session.network : 0;
        claim.detail = SMTPSCOPE_DETAIL_REPLY_NOT_ACKNOWLEDGED;
        note_add(judge, &claim);
    }
}
