/* SPDX-License-Identifier: BSD-2-Clause */
#include "rtt.h"

void rtt_sent(struct rtt *rtt, uint32_t end, smtpscope_time now)
{
    if (rtt->timed)
        return;
    rtt->end = end;
    rtt->timed = true;
    rtt->since = now;
}

void rtt_resent(struct rtt *rtt, uint32_t seq)
{
    rtt->timed = rtt->timed && seq_diff(rtt->end, seq) <= 0;
}

/* Class 4n + m ends at (5 + m) / 4 of the n-th power of two. */
static uint32_t class_end(unsigned class)
{
    return (uint32_t)(((uint64_t)(5 + class % 4) << (class / 4)) / 4);
}

static unsigned class_of(uint32_t us)
{
    unsigned class = 0;

    while (class < RTT_CLASSES - 1 && class_end(class) < us)
        class ++;
    return class;
}

void rtt_acked(struct rtt *rtt, uint32_t ack, smtpscope_time now)
{
    smtpscope_time took = now - rtt->since;
    uint32_t us = took > 0 && took < 120 * SMTPSCOPE_SECOND ? (uint32_t)(took / 1000) : 0;
    uint16_t *class;

    if (!rtt->timed || seq_diff(ack, rtt->end) < 0)
        return;
    rtt->timed = false;
    if (!us)
        return;
    if (!rtt->min_us || us < rtt->min_us)
        rtt->min_us = us;
    class = &rtt->classes[class_of(us)];
    if (*class < UINT16_MAX) {
        ++*class;
        rtt->samples++;
    }
}

uint32_t rtt_95(const struct rtt *rtt)
{
    uint32_t behind = rtt->samples - (uint32_t)(((uint64_t)rtt->samples * 95 + 99) / 100), seen = 0;

    for (unsigned class = RTT_CLASSES; class -- > 0;)
        if ((seen += rtt->classes[class]) > behind)
            return class_end(class);
    return 0;
}
