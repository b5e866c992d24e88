/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/summary.h"

static void summary_message(struct summary *summary, const struct smtpscope_message *message)
{
    uint64_t answered = (uint64_t)message->recipients_accepted + message->recipients_deferred + message->recipients_refused;

    if (message->sent)
        summary->messages[message->outcome]++;
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
    case SMTPSCOPE_FACT_TLS_END: break;
    case SMTPSCOPE_FACT_OVERFLOW: summary->overflowed++; break;
    case SMTPSCOPE_FACT_END: summary_end(summary, session, fact->end); break;
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_EXCHANGE:
    case SMTPSCOPE_FACT_UNANSWERED:
    case SMTPSCOPE_FACT_TLS:
    case SMTPSCOPE_FACT_CROSS: break;
    }
}

static void add_all(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

void summary_add(struct summary *summary, const struct summary *part)
{
    summary->files += part->files;
    summary->packets += part->packets;
    summary->octets += part->octets;
    summary->sessions += part->sessions;
    summary->exchanges += part->exchanges;
    add_all(summary->messages, part->messages, SUMMARY_OUTCOMES);
    add_all(summary->recipients, part->recipients, SUMMARY_OUTCOMES);
    add_all(summary->findings, part->findings, SMTPSCOPE_RULES);
    add_all(summary->by_severity, part->by_severity, SMTPSCOPE_SEVERITIES);
    summary->hidden += part->hidden;
    summary->midstream += part->midstream;
    summary->one_sided += part->one_sided;
    summary->gaps += part->gaps;
    summary->gap_octets += part->gap_octets;
    summary->conflicts += part->conflicts;
    summary->encrypted += part->encrypted;
    summary->not_smtp += part->not_smtp;
    summary->evicted += part->evicted;
    summary->overflowed += part->overflowed;
    summary->unfinished += part->unfinished;
    summary->undetected += part->undetected;
    summary->forgotten += part->forgotten;
    summary->dropped += part->dropped;
    summary->unknown_links += part->unknown_links;
    summary->damaged_segments += part->damaged_segments;
    summary->damaged_files += part->damaged_files;
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
