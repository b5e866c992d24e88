/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/metrics/reply_times.h"

#define MS (SMTPSCOPE_SECOND / 1000)

/* Steps of about 2.5; 120, 300 and 600 s are what RFC 5321 4.5.3.2 has clients wait at least. */
static const smtpscope_time bounds[REPLY_TIMES_BUCKETS] = {1 * MS,      2500 * MS / 1000, 5 * MS,      10 * MS,    25 * MS,
                                                           50 * MS,     100 * MS,         250 * MS,    500 * MS,   1000 * MS,
                                                           2500 * MS,   5000 * MS,        10000 * MS,  30000 * MS, 60000 * MS,
                                                           120000 * MS, 180000 * MS,      300000 * MS, 600000 * MS};

smtpscope_time reply_times_bound(unsigned bucket)
{
    return bounds[bucket];
}

const char *reply_times_name(enum smtpscope_verb verb)
{
    if (verb == SMTPSCOPE_VERB_NONE)
        return "greeting";
    if (verb == SMTPSCOPE_VERB_UNKNOWN)
        return "unknown";
    return smtpscope_verb_name(verb);
}

static void reply_time_add(struct reply_time *time, smtpscope_time took)
{
    unsigned bucket = 0;

    if (took < 0) /* packets that were captured out of order */
        took = 0;
    while (bucket < REPLY_TIMES_BUCKETS && took > bounds[bucket])
        bucket++;
    time->buckets[bucket]++;
    time->count++;
    time->sum += (uint64_t)took;
}

void reply_times_fact(struct reply_times *times, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_exchange *exchange = fact->exchange;
    const struct smtpscope_flow *flow;
    struct reply_time *time;
    unsigned klass;

    /* What was never asked has no time, and is nobody's reply. */
    if (fact->type != SMTPSCOPE_FACT_EXCHANGE || (exchange->command->verb == SMTPSCOPE_VERB_NONE && !exchange->greeting))
        return;
    time = &times->verbs[exchange->command->verb];
    klass = exchange->reply->code / 100;
    if (klass >= 1 && klass <= REPLY_CLASSES)
        time->classes[klass - 1]++;
    if (exchange->command->circumstances & SMTPSCOPE_COMMAND_LOST)
        return;
    flow = smtpscope_session_flow(session);
    if (!exchange->greeting)
        reply_time_add(time, exchange->reply->time - exchange->command->time);
    else if (!flow->midstream)
        reply_time_add(time, exchange->reply->time - flow->first_time);
}

static void verb_add(struct reply_time *to, const struct reply_time *from)
{
    for (unsigned i = 0; i <= REPLY_TIMES_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
    for (unsigned i = 0; i < REPLY_CLASSES; i++)
        to->classes[i] += from->classes[i];
    to->count += from->count;
    to->sum += from->sum;
}

void reply_times_add(struct reply_times *to, const struct reply_times *from)
{
    for (int verb = 0; verb < SMTPSCOPE_VERBS; verb++)
        verb_add(&to->verbs[verb], &from->verbs[verb]);
}
