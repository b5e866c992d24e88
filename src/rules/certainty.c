/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what is claimed may be certain. In: a claim, and what the capture lacks by then. Out: certain or likely.
 *
 * Behind a place that the capture lacks, or has twice and different, nothing that rests on the session's octets is certain. A
 * gap may show late: the server answers what the capture does not have, and only the client's next segment tells. So each note
 * keeps how far either side had heard the other when it spoke, and a gap before that place makes the note likely, too.
 */
#include "certainty.h"

#include "memory.h"

#include <string.h>

/* Does it rest on packets, not on what the octets of a session say? */
static bool rests_on_packets(enum smtpscope_rule rule)
{
    static const char *const families[] = {"network", "connection", "tls"};
    const char *family = smtpscope_rule_info(rule)->family;

    switch ((int)rule) {
    case SMTPSCOPE_RULE_TRANSPORT_GAP:
    case SMTPSCOPE_RULE_TRANSPORT_MIDSTREAM:
    case SMTPSCOPE_RULE_TRANSPORT_ONE_SIDED:
    case SMTPSCOPE_RULE_TRANSPORT_OVERLAP_CONFLICT:
    case SMTPSCOPE_RULE_TRANSPORT_EVICTED:
    case SMTPSCOPE_RULE_TRANSPORT_URGENT_DATA: return true;
    default: break;
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (!strcmp(family, families[i]))
            return true;
    return false;
}

/* A message that the capture has in part: what is odd in it may be odd because of that. */
static bool is_of_torn_message(const struct claim *claim)
{
    return claim->fact && claim->fact->type == SMTPSCOPE_FACT_MESSAGE && claim->fact->message->oddities & SMTPSCOPE_DATA_GAP;
}

enum smtpscope_confidence confidence_of(const struct smtpscope_judge *judge, const struct claim *claim)
{
    bool lacks = judge->session.doubtful || memory_of(judge)->session.conflict || is_of_torn_message(claim) ||
                 (claim->exchange && claim->exchange->likely);

    return lacks && !rests_on_packets(claim->rule) ? SMTPSCOPE_LIKELY : claim->confidence;
}

struct heard heard_of(const struct claim *claim)
{
    const struct smtpscope_command *command = claim->exchange ? claim->exchange->command : claim->command;
    struct heard heard = {{0, 0}};

    if (rests_on_packets(claim->rule))
        return heard;
    if (command)
        heard.octets[SMTPSCOPE_SERVER] = command->acked;
    if (claim->exchange)
        heard.octets[SMTPSCOPE_CLIENT] = claim->exchange->reply->acked;
    return heard;
}
