/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/file_reader.h"

#include "app/files/capture_files.h"
#include "app/handoff/evidence_feed.h"
#include "app/process/progress.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <stdlib.h>
#include <string.h>

/* What we do not follow still tells the time; to know it more often than this changes no verdict. */
#define TICK (SMTPSCOPE_SECOND / 4)

struct file_reader {
    struct file_reader_config config;
    struct capture_files files;
    struct decoder *decoder;
    struct progress progress;
    size_t current;                       /* of the sources */
    bool begun;                           /* it is open */
    uint64_t octets_before, octets_total; /* of the files already read; of all files, 0 when one is unknown */
    smtpscope_time told;                  /* the time of the last entry */
    bool failed;
};

void file_reader_free(struct file_reader *reader)
{
    if (!reader)
        return;
    progress_clear(&reader->progress);
    decoder_free(reader->decoder);
    capture_files_fini(&reader->files);
    free(reader);
}

struct file_reader *file_reader_new(const struct file_reader_config *config)
{
    struct file_reader *reader = calloc(1, sizeof *reader);

    if (!reader) {
        warn_user(_("out of memory"));
        return NULL;
    }
    reader->config = *config;
    if (!capture_files_open(&reader->files, config->files, config->file_count)) {
        file_reader_free(reader);
        return NULL;
    }
    reader->config.decoder.hash_seed = config->hash_seed;
    reader->decoder = decoder_new(&reader->config.decoder);
    if (!reader->decoder || !packet_numbering_init(config->numbering, reader->files.count)) {
        warn_user(_("out of memory"));
        file_reader_free(reader);
        return NULL;
    }
    for (size_t i = 0; i < reader->files.count; i++)
        reader->octets_total += reader->files.items[i].octets;
    progress_init(&reader->progress);
    return reader;
}

/* The next entry's place; NULL: out of memory. */
static struct decoded_segment *decoded_segment(struct batch_decoded *batch)
{
    size_t size = batch->size ? batch->size * 2 : 1024;
    struct decoded_segment *entries = batch->entries;

    if (batch->count == batch->size) {
        entries = realloc(entries, size * sizeof *entries);
        if (!entries)
            return NULL;
        batch->entries = entries;
        batch->size = size;
    }
    return entries + batch->count;
}

/*
 * Octets that the decoder put together from fragments are its own until the next frame: the batch keeps a copy, with the header
 * that stands before them.
 */
static bool batch_own(struct batch_decoded *batch, struct smtpscope_segment *segment, const struct frame *frame)
{
    const uint8_t *begin = segment->data - segment->header;
    size_t len = (size_t)segment->header + segment->len;
    void **copies;
    uint8_t *copy;

    if (!len || (begin >= frame->data && begin < frame->data + frame->caplen))
        return true;
    copies = realloc(batch->copies, (batch->copy_count + 1) * sizeof *copies);
    copy = copies ? malloc(len) : NULL;
    if (copies)
        batch->copies = copies;
    if (!copy)
        return false;
    memcpy(copy, begin, len);
    batch->copies[batch->copy_count++] = copy;
    segment->data = copy + segment->header;
    return true;
}

static void file_reader_count(struct summary *summary, const struct frame *frame)
{
    if (!summary->packets++)
        summary->first_time = summary->last_time = frame->time;
    if (frame->time > summary->last_time)
        summary->last_time = frame->time;
    summary->octets += frame->len;
}

static void file_reader_frame(struct file_reader *reader, struct batch_decoded *batch, const struct frame *frame)
{
    struct summary *summary = reader->config.summary;
    struct decoded_segment *entry;
    struct smtpscope_segment *segment;
    bool followed;

    file_reader_count(summary, frame);
    if (reader->config.filter && !frame_filter_passes(reader->config.filter, frame))
        return;
    entry = decoded_segment(batch);
    segment = entry ? &entry->segment : NULL;
    if (!entry) {
        summary->overflowed++;
        return;
    }
    followed = decoder_frame(reader->decoder, frame->link_type, frame->data, frame->caplen, frame->len, frame->time,
                             summary->packets, segment);
    if (followed && !batch_own(batch, segment, frame)) {
        summary->overflowed++;
        followed = false;
    }
    if (!followed)
        evidence_feed_fragment(reader->config.evidence, decoder_datagram(reader->decoder), frame);
    if (!followed && frame->time < reader->told + TICK)
        return;
    reader->told = segment->time = frame->time;
    segment->packet = summary->packets;
    entry->owner = OWNER_NOBODY;
    batch->count++;
    if (!followed)
        return;
    segment->hash = smtpscope_segment_hash(segment, reader->config.hash_seed);
    entry->owner = (uint32_t)((segment->hash >> 32) * reader->config.workers >> 32);
    if (reader->config.evidence)
        evidence_feed_frame(reader->config.evidence, segment, decoder_datagram(reader->decoder), frame);
}

/* Opens the file whose turn it is, if it is not open. */
static bool file_reader_begin(struct file_reader *reader, struct capture_file *capture)
{
    if (reader->begun)
        return true;
    if (!capture_file_reopen(capture) ||
        !packet_numbering_add(reader->config.numbering, capture->name, reader->config.summary->packets)) {
        reader->failed = true;
        return false;
    }
    savefile_secrets(capture->file, &reader->config.secrets);
    reader->begun = true;
    reader->config.summary->files++;
    return true;
}

static void file_reader_end(struct file_reader *reader, struct capture_file *capture, bool damaged)
{
    if (damaged) {
        progress_clear(&reader->progress);
        warn_user(_("%s: damaged: %s; what comes before it was analysed"), capture->name, savefile_error(capture->file));
        reader->config.summary->damaged_files++;
    }
    reader->octets_before += capture->octets;
    reader->begun = false;
    reader->current++;
    capture_file_close(capture);
}

static void batch_clear(struct batch_decoded *batch)
{
    for (size_t i = 0; i < batch->copy_count; i++)
        free(batch->copies[i]);
    batch->count = batch->copy_count = 0;
}

static bool file_reader_stopped(const struct file_reader *reader)
{
    return reader->failed || reader->config.stopped(reader->config.ctx);
}

bool file_reader_fill(struct file_reader *reader, struct batch_decoded *batch)
{
    batch_clear(batch);
    while (reader->current < reader->files.count && !file_reader_stopped(reader)) {
        struct capture_file *capture = &reader->files.items[reader->current];
        int more = file_reader_begin(reader, capture) ? savefile_batch(capture->file, batch->batch) : 0;

        if (more > 0) {
            for (size_t i = 0; i < batch->batch->count; i++)
                file_reader_frame(reader, batch, &batch->batch->frames[i]);
            progress_tick(&reader->progress, reader->config.summary->packets,
                          reader->octets_before + savefile_octets_read(capture->file), reader->octets_total);
            return true;
        }
        if (!reader->failed)
            file_reader_end(reader, capture, more < 0 && !reader->config.stopped(reader->config.ctx));
    }
    progress_clear(&reader->progress);
    return false;
}

bool file_reader_failed(const struct file_reader *reader)
{
    return reader->failed;
}

void file_reader_stats(const struct file_reader *reader, struct decoder_stats *stats)
{
    decoder_stats(reader->decoder, stats);
}
