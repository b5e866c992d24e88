/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/publication.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"

bool publication_new(struct publication *publication, const struct publication_config *config)
{
    *publication = (struct publication){.config = *config, .publisher = publisher_new(&config->publisher)};
    if (!publication->publisher) {
        warn_user(_("out of memory"));
        return false;
    }
    if (!config->evidence.path)
        return true;
    publication->evidence = evidence_writer_new(&config->evidence);
    publisher_evidence(publication->publisher, publication->evidence);
    return publication->evidence;
}

/* Findings get their places in the evidence, where that gives them numbers. */
static struct outputs *publication_outputs(const struct publication *publication, const struct outputs_config *wanted)
{
    struct outputs_config config = *wanted;

    config.numbering = &publication->numbering;
    if (publication->evidence && publication->config.evidence.numbers)
        config.evidence = evidence_writer_numbering(publication->evidence);
    return outputs_open(&config);
}

/* false: told. */
static bool publication_open_store(struct publication *publication)
{
    char error[STORE_ERROR_SIZE];

    if (!publication->config.store)
        return true;
    publication->store = store_open(publication->config.store, &publication->numbering, error);
    publisher_store(publication->publisher, publication->store);
    if (!publication->store)
        warn_user("--store %s: %s", publication->config.store, error);
    return publication->store;
}

/* false: told. */
static bool publication_close_store(struct publication *publication)
{
    char error[STORE_ERROR_SIZE];
    bool whole = store_close(publication->store, error);

    if (!whole)
        warn_user(_("--store %s: %s; what was in it before is whole"), publication->config.store, error);
    return whole;
}

bool publication_open(struct publication *publication)
{
    if (publication->evidence && !evidence_writer_open(publication->evidence))
        return false;
    if (!publication_open_store(publication))
        return false;
    publication->outputs = publication_outputs(publication, &publication->config.outputs);
    publisher_outputs(publication->publisher, publication->outputs);
    return publication->outputs;
}

bool publication_change(struct publication *publication, const struct publication_config *config, bool outputs,
                        unsigned deadline_ms)
{
    struct outputs *others = outputs ? publication_outputs(publication, &config->outputs) : NULL;

    if (outputs && !others)
        return false;
    publisher_configure(publication->publisher, &config->publisher);
    publication->config.fail_on = config->fail_on;
    publication->config.outputs = config->outputs;
    if (!outputs)
        return true;
    publisher_outputs(publication->publisher, others);
    outputs_close(publication->outputs, deadline_ms);
    publication->outputs = others;
    return true;
}

void publication_seen(struct publication *publication, smtpscope_time first, smtpscope_time last)
{
    if (publication->store && last)
        store_seen(publication->store, first, last);
}

bool publication_finish(struct publication *publication, smtpscope_time last)
{
    publisher_finish(publication->publisher, last);
    return !publication->evidence || evidence_writer_finish(publication->evidence);
}

void publication_summary(const struct publication *publication, struct totals *totals, struct summary *summary)
{
    *summary = totals->summary;
    summary->watched = publication->config.watched;
    summary->dropped = totals->capture.dropped + totals->capture.interface_dropped;
    summary->unknown_links = totals->decoder.unknown_links;
    summary->damaged_segments = totals->decoder.damaged;
    if (publication->config.watched)
        totals_show(totals, STAGE_CAPTURE, summary);
    summary->attempts = totals->streams.attempts;
    summary->unanswered = totals->streams.unanswered;
    summary->rejected = totals->streams.rejected;
    totals_show(totals, STAGE_DECODE, summary);
    totals_show(totals, STAGE_STREAM, summary);
    if (publication->config.detect)
        totals_show(totals, STAGE_DETECT, summary);
    if (!publication->evidence)
        return;
    evidence_writer_stats(publication->evidence, &totals->evidence);
    totals_show(totals, STAGE_EVIDENCE, summary);
}

enum status publication_status(const struct publication *publication)
{
    int fail_on = publication->config.fail_on;

    return fail_on >= 0 && (int)publisher_worst(publication->publisher) <= fail_on ? STATUS_FOUND : STATUS_DONE;
}

bool publication_close(struct publication *publication, unsigned deadline_ms)
{
    bool whole = outputs_close(publication->outputs, deadline_ms);

    whole &= publication_close_store(publication);
    publisher_free(publication->publisher);
    evidence_writer_free(publication->evidence);
    packet_numbering_fini(&publication->numbering);
    return whole;
}
