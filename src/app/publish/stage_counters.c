/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/stage_counters.h"

#include <assert.h>
#include <string.h>

#define COUNTER(stats, name)                                                                                                   \
    {                                                                                                                          \
#name, (stats)->name                                                                                                   \
    }
#define COUNTERS(array) (array), sizeof(array) / sizeof(array)[0]

static void stage_counters_add(struct stage_counters *stages, const char *name, const struct summary_counter *counters,
                               size_t count)
{
    struct summary_counter *kept = stages->counters + stages->counter_count;

    assert(stages->count < STAGES_MAX && count <= STAGE_COUNTERS_MAX - stages->counter_count);
    memcpy(kept, counters, count * sizeof *counters);
    stages->counter_count += count;
    stages->items[stages->count++] = (struct summary_stage){name, kept, count};
}

void stage_counters_capture(struct stage_counters *stages, const struct live_stats *capture, uint64_t clock_steps,
                            uint64_t lost)
{
    const struct summary_counter counters[] = {
        COUNTER(capture, received),
        COUNTER(capture, dropped),
        COUNTER(capture, interface_dropped),
        {"clock_steps", clock_steps},
        {"lost", lost},
    };

    stage_counters_add(stages, "capture", COUNTERS(counters));
}

void stage_counters_decode(struct stage_counters *stages, const struct decoder_stats *d)
{
    const struct summary_counter counters[] = {
        COUNTER(d, frames),        COUNTER(d, segments),       COUNTER(d, dismissed),         COUNTER(d, malformed),
        COUNTER(d, headers_cut),   COUNTER(d, held),           COUNTER(d, dropped),           COUNTER(d, too_deep),
        COUNTER(d, unknown_links), COUNTER(d, snapped),        COUNTER(d, damaged),           COUNTER(d, fragments),
        COUNTER(d, reassembled),   COUNTER(d, fragments_lost), COUNTER(d, datagrams_evicted),
    };

    stage_counters_add(stages, "decode", COUNTERS(counters));
}

void stage_counters_stream(struct stage_counters *stages, const struct smtpscope_stream_stats *s)
{
    const struct summary_counter counters[] = {
        COUNTER(s, segments),     COUNTER(s, octets),        COUNTER(s, flows),    COUNTER(s, flows_now),
        COUNTER(s, out_of_order), COUNTER(s, retransmitted), COUNTER(s, gaps),     COUNTER(s, gap_octets),
        COUNTER(s, conflicts),    COUNTER(s, evicted),       COUNTER(s, held_now), COUNTER(s, ignored),
    };

    stage_counters_add(stages, "stream", COUNTERS(counters));
}

void stage_counters_detect(struct stage_counters *stages, const struct candidates_stats *d)
{
    const struct summary_counter counters[] = {
        COUNTER(d, opened), COUNTER(d, followed), COUNTER(d, dismissed), COUNTER(d, undecided), COUNTER(d, evicted),
    };

    stage_counters_add(stages, "detect", COUNTERS(counters));
}

void stage_counters_evidence(struct stage_counters *stages, struct evidence_writer *writer)
{
    struct metrics_evidence evidence;

    if (!writer)
        return;
    evidence_writer_metrics(writer, &evidence);
    const struct summary_counter counters[] = {
        {"kept", evidence.kept},         {"octets_now", evidence.held}, {"cut", evidence.cut},
        {"left_out", evidence.left_out}, {"evicted", evidence.evicted}, {"written", evidence.packets},
        {"files", evidence.files},       {"lost", evidence.lost},
    };

    stage_counters_add(stages, "evidence", COUNTERS(counters));
}

void stage_counters_show(const struct stage_counters *stages, struct summary *summary)
{
    summary->stages = stages->items;
    summary->stage_count = stages->count;
}
