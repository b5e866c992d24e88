/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/summary.h"

#include "output/delivery.h"

#define COUNTER COUNTER_ROW
static const struct counter total_rows[] = {
#include "output/total_counters.def"
};
#define LIMIT(name, metric, label, help, words) COUNTER_ROW(name, TOTAL, metric, label, help)
static const struct counter limit_rows[] = {
#include "output/limit_counters.def"
};

#define ROWS(rows) (rows), sizeof(rows) / sizeof(rows)[0]
/* The limits stand behind the totals. */
#define LIMITS_AT sizeof(uint64_t[sizeof total_rows / sizeof total_rows[0]])

const struct counter_table summary_totals = {"totals", ROWS(total_rows)};
const struct counter_table summary_limits = {"certainty", ROWS(limit_rows)};

_Static_assert(offsetof(struct summary, messages) == LIMITS_AT + sizeof(uint64_t[sizeof limit_rows / sizeof limit_rows[0]]),
               "the counters come first, one a row");

const void *summary_limits_of(const struct summary *summary)
{
    return (const char *)summary + LIMITS_AT;
}

static void summary_message(struct summary *summary, const struct smtpscope_message *message)
{
    uint64_t answered = (uint64_t)message->recipients_accepted + message->recipients_deferred + message->recipients_refused;

    summary->recipients[SMTPSCOPE_OUTCOME_ACCEPTED] += message->recipients_accepted;
    summary->recipients[SMTPSCOPE_OUTCOME_DEFERRED] += message->recipients_deferred;
    summary->recipients[SMTPSCOPE_OUTCOME_REFUSED] += message->recipients_refused;
    if (message->recipient_total > answered)
        summary->recipients[SMTPSCOPE_OUTCOME_UNKNOWN] += message->recipient_total - answered;
}

static void summary_end(struct summary *summary, const struct smtpscope_session *session, const struct smtpscope_end *end)
{
    const struct smtpscope_ending *ending = end->ending;

    summary->exchanges += end->exchanges;
    summary->midstream += smtpscope_session_flow(session)->midstream;
    summary->one_sided += ending->seen[SMTPSCOPE_CLIENT] != ending->seen[SMTPSCOPE_SERVER];
    summary->encrypted += end->opaque;
    summary->evicted += ending->why == SMTPSCOPE_CLOSE_EVICTED;
    summary->unfinished += ending->why == SMTPSCOPE_CLOSE_END;
}

void summary_fact(struct summary *summary, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    enum smtpscope_outcome outcome;

    if (delivery_ends(fact, &outcome))
        summary->messages[outcome]++;
    switch (fact->type) {
    case SMTPSCOPE_FACT_OPEN: summary->sessions++; break;
    case SMTPSCOPE_FACT_MESSAGE: summary_message(summary, fact->message); break;
    case SMTPSCOPE_FACT_ALIEN: summary->not_smtp++; break;
    case SMTPSCOPE_FACT_GAP:
        summary->gaps++;
        summary->gap_octets += fact->gap->len;
        break;
    case SMTPSCOPE_FACT_CONFLICT: summary->conflicts++; break;
    case SMTPSCOPE_FACT_HANDSHAKE:
    case SMTPSCOPE_FACT_INFERRED:
    case SMTPSCOPE_FACT_TLS_END: break;
    case SMTPSCOPE_FACT_OVERFLOW: summary->overflowed++; break;
    case SMTPSCOPE_FACT_END: summary_end(summary, session, fact->end); break;
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_EXCHANGE:
    case SMTPSCOPE_FACT_UNANSWERED:
    case SMTPSCOPE_FACT_PROXY:
    case SMTPSCOPE_FACT_TLS:
    case SMTPSCOPE_FACT_CROSS:
    case SMTPSCOPE_FACT_STALL:
    case SMTPSCOPE_FACT_URGENT: break;
    }
}

static void add_all(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

void summary_add(struct summary *summary, const struct summary *part)
{
    counters_add(&summary_totals, summary, part);
    counters_add(&summary_limits, (char *)summary + LIMITS_AT, summary_limits_of(part));
    add_all(summary->messages, part->messages, SUMMARY_OUTCOMES);
    add_all(summary->recipients, part->recipients, SUMMARY_OUTCOMES);
    add_all(summary->findings, part->findings, SMTPSCOPE_RULES);
    add_all(summary->by_severity, part->by_severity, SMTPSCOPE_SEVERITIES);
}

void summary_finding(struct summary *summary, const struct smtpscope_finding *finding)
{
    summary->findings[finding->rule]++;
    summary->by_severity[finding->severity]++;
}

uint64_t summary_findings(const struct summary *summary)
{
    uint64_t total = 0;

    for (int severity = 0; severity < SMTPSCOPE_SEVERITIES; severity++)
        total += summary->by_severity[severity];
    return total;
}
