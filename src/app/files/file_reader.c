/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/file_reader.h"

#include "app/files/capture_files.h"
#include "app/process/progress.h"
#include "app/process/warn_user.h"
#include "app/publish/evidence_writer.h"
#include "base/gettext.h"

#include <stdlib.h>
#include <string.h>

/* What we do not follow still tells the time; to know it more often than this changes no verdict. */
#define TICK (SMTPSCOPE_SECOND / 4)

struct intake {
    struct intake_config config;
    struct sources sources;
    struct decoder *decoder;
    struct progress progress;
    size_t current;                       /* of the sources */
    bool begun;                           /* it is open */
    uint64_t octets_before, octets_total; /* of the files already read; of all files, 0 when one is unknown */
    smtpscope_time told;                  /* the time of the last entry */
    bool failed;
};

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    progress_clear(&intake->progress);
    decoder_free(intake->decoder);
    sources_fini(&intake->sources);
    free(intake);
}

struct intake *intake_new(const struct intake_config *config)
{
    struct intake *intake = calloc(1, sizeof *intake);
    const struct options *options = config->options;

    if (!intake) {
        complain(_("out of memory"));
        return NULL;
    }
    intake->config = *config;
    if (!sources_open(&intake->sources, options->files, options->file_count)) {
        intake_free(intake);
        return NULL;
    }
    intake->decoder = decoder_new(
        &(struct decoder_config){.ports = options_decoded_ports(options), .verify_checksums = options->verify_checksums});
    if (!intake->decoder || !packets_init(config->packets, intake->sources.count)) {
        complain(_("out of memory"));
        intake_free(intake);
        return NULL;
    }
    for (size_t i = 0; i < intake->sources.count; i++)
        intake->octets_total += intake->sources.items[i].octets;
    progress_init(&intake->progress);
    return intake;
}

/* The next entry's place; NULL: out of memory. */
static struct round_entry *round_entry(struct round *round)
{
    size_t size = round->size ? round->size * 2 : 1024;
    struct round_entry *entries = round->entries;

    if (round->count == round->size) {
        entries = realloc(entries, size * sizeof *entries);
        if (!entries)
            return NULL;
        round->entries = entries;
        round->size = size;
    }
    return entries + round->count;
}

/* Octets that the decoder put together from fragments are its own until the next frame: the round keeps a copy. */
static bool round_own(struct round *round, struct smtpscope_segment *segment, const struct frame *frame)
{
    void **copies, *copy;

    if (!segment->len || (segment->data >= frame->data && segment->data < frame->data + frame->caplen))
        return true;
    copies = realloc(round->copies, (round->copy_count + 1) * sizeof *copies);
    copy = copies ? malloc(segment->len) : NULL;
    if (copies)
        round->copies = copies;
    if (!copy)
        return false;
    memcpy(copy, segment->data, segment->len);
    round->copies[round->copy_count++] = copy;
    segment->data = copy;
    return true;
}

static void intake_frame(struct intake *intake, struct round *round, const struct frame *frame)
{
    struct summary *summary = intake->config.summary;
    struct round_entry *entry = round_entry(round);
    struct smtpscope_segment *segment = entry ? &entry->segment : NULL;
    bool followed;

    if (!summary->packets++)
        summary->first_time = summary->last_time = frame->time;
    if (frame->time > summary->last_time)
        summary->last_time = frame->time;
    summary->octets += frame->len;
    if (!entry) {
        summary->overflowed++;
        return;
    }
    followed = decoder_frame(intake->decoder, frame->link_type, frame->data, frame->caplen, frame->len, frame->time,
                             summary->packets, segment);
    if (followed && !round_own(round, segment, frame)) {
        summary->overflowed++;
        followed = false;
    }
    if (!followed)
        evidence_run_fragment(intake->config.evidence, decoder_datagram(intake->decoder), frame);
    if (!followed && frame->time < intake->told + TICK)
        return;
    intake->told = segment->time = frame->time;
    segment->packet = summary->packets;
    entry->owner = OWNER_NOBODY;
    round->count++;
    if (!followed)
        return;
    segment->hash = smtpscope_segment_hash(segment, intake->config.hash_seed);
    entry->owner = (uint32_t)((segment->hash >> 32) * intake->config.workers >> 32);
    if (intake->config.evidence)
        evidence_run_frame(intake->config.evidence, segment, decoder_datagram(intake->decoder), frame);
}

/* Opens the file whose turn it is, if it is not open. */
static bool intake_begin(struct intake *intake, struct source *source)
{
    if (intake->begun)
        return true;
    if (!sources_reopen(source) || !packets_add(intake->config.packets, source->name, intake->config.summary->packets)) {
        intake->failed = true;
        return false;
    }
    intake->begun = true;
    intake->config.summary->files++;
    return true;
}

static void intake_end(struct intake *intake, struct source *source, bool damaged)
{
    if (damaged) {
        progress_clear(&intake->progress);
        complain(_("%s: damaged: %s; what comes before it was analysed"), source->name, savefile_error(source->file));
        intake->config.summary->damaged_files++;
    }
    intake->octets_before += source->octets;
    intake->begun = false;
    intake->current++;
    sources_close(source);
}

static void round_clear(struct round *round)
{
    for (size_t i = 0; i < round->copy_count; i++)
        free(round->copies[i]);
    round->count = round->copy_count = 0;
}

static bool intake_stopped(const struct intake *intake)
{
    return intake->failed || intake->config.stopped(intake->config.ctx);
}

bool intake_fill(struct intake *intake, struct round *round)
{
    round_clear(round);
    while (intake->current < intake->sources.count && !intake_stopped(intake)) {
        struct source *source = &intake->sources.items[intake->current];
        int more = intake_begin(intake, source) ? savefile_batch(source->file, round->batch) : 0;

        if (more > 0) {
            for (size_t i = 0; i < round->batch->count; i++)
                intake_frame(intake, round, &round->batch->frames[i]);
            progress_tick(&intake->progress, intake->config.summary->packets,
                          intake->octets_before + savefile_octets_read(source->file), intake->octets_total);
            return true;
        }
        if (!intake->failed)
            intake_end(intake, source, more < 0 && !intake->config.stopped(intake->config.ctx));
    }
    progress_clear(&intake->progress);
    return false;
}

bool intake_failed(const struct intake *intake)
{
    return intake->failed;
}

void intake_stats(const struct intake *intake, struct decoder_stats *stats)
{
    decoder_stats(intake->decoder, stats);
}
