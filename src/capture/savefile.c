/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE 1 /* pcap.h uses u_int */
#include "capture/savefile.h"

#include "base/gettext.h"
#include "capture/classic.h"
#include "capture/feed.h"
#include "capture/handover.h"
#include "capture/input.h"

#include <assert.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* stdio's own 4 KiB would cost a call through the cookie for every few packets. */
enum { STREAM_BUFFER = 256 * 1024 };

#define NOT_A_CAPTURE N_("is no capture file: pcap or pcapng, as it is or in gzip or zstd")

struct savefile {
    struct input *input;
    enum feed_state (*next)(struct savefile *file, struct frame *frame); /* of one of these three, by the first octets: */
    struct classic classic;
    struct pcapng *pcapng;
    pcap_t *pcap;
    char *buffer; /* stdio's, under libpcap */
    uint64_t number;
    enum feed_state state; /* FEED_READY while there may be more, else what there was at the end */
    struct batch *ahead;   /* with the first frame, when that was asked for and not yet delivered */
    smtpscope_time first_time;
    bool has_first_time;
    char error[256];
    struct feed feed;
};

static enum feed_state next_classic(struct savefile *file, struct frame *frame)
{
    return classic_next(&file->classic, frame);
}

static enum feed_state next_pcapng(struct savefile *file, struct frame *frame)
{
    return pcapng_next(file->pcapng, frame);
}

/*
 * libpcap's frame is valid until its next, and may have to be waited for: so it is copied, and alone in its batch. What is
 * longer than a block is of no link that carries IP, and nobody looks so far into it.
 */
static enum feed_state next_pcap(struct savefile *file, struct frame *frame)
{
    struct pcap_pkthdr *header;
    struct batch *batch = file->feed.batch;
    if (batch->count > 0)
        return FEED_FULL;
    int result = pcap_next_ex(file->pcap, &header, &frame->data);
    if (result != 1)
        return result == PCAP_ERROR_BREAK ? FEED_END : FEED_FAILED;
    /* the file has 32 bits of seconds, which libpcap takes as signed: without a sign they reach to 2106 */
    frame->time = (smtpscope_time)(uint32_t)header->ts.tv_sec * SMTPSCOPE_SECOND + header->ts.tv_usec;
    frame->link_type = pcap_datalink(file->pcap);
    frame->caplen = header->caplen < BATCH_BLOCK ? header->caplen : BATCH_BLOCK;
    frame->len = header->len;
    frame->data = memcpy(batch->block, frame->data, frame->caplen);
    return FEED_READY;
}

/* libpcap's words for a cut file count octets that mean nothing to a user. */
static bool is_cut(const char *reason)
{
    return strncmp(reason, "truncated dump file", 19) == 0;
}

/* Caution: pcap_close() closes the stream, and a failure to open does not. */
static bool pcap_over(struct savefile *file, FILE *stream, char *error, size_t error_size)
{
    char reason[PCAP_ERRBUF_SIZE];
    snprintf(reason, sizeof reason, "%s", _("out of memory"));
    file->pcap = stream == NULL ? NULL : pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (file->pcap != NULL)
        return true;
    if (stream != NULL)
        fclose(stream);
    const char *cause = input_error(file->input);
    if (*cause == '\0' && strstr(reason, "unknown file format") != NULL)
        cause = _(NOT_A_CAPTURE);
    else if (*cause == '\0')
        cause = is_cut(reason) ? _("ends within its header") : reason;
    snprintf(error, error_size, "%s", cause);
    return false;
}

/* All through libpcap. */
static int pcap_start(struct savefile *file, char *error, size_t error_size)
{
    FILE *stream = input_stream(file->input);
    file->next = next_pcap;
    file->buffer = malloc(STREAM_BUFFER);
    if (stream != NULL && file->buffer != NULL)
        setvbuf(stream, file->buffer, _IOFBF, STREAM_BUFFER);
    if (stream != NULL)
        __fsetlocking(stream, FSETLOCKING_BYCALLER); /* libpcap reads twice a packet; the lock would cost more than the copy */
    return pcap_over(file, stream, error, error_size) ? 0 : -1;
}

/* The header is read by libpcap, whichever reader the packets have. */
static int header_start(struct savefile *file, uint8_t *header, size_t len, char *error, size_t error_size)
{
    if (!pcap_over(file, fmemopen(header, len, "r"), error, error_size))
        return -1;
    bool is_classic = classic_init(&file->classic, header, file->pcap);
    pcap_close(file->pcap);
    file->pcap = NULL;
    if (!is_classic)
        return pcap_start(file, error, error_size);
    feed_init(&file->feed, file->input, _("the file ends in the middle of it"));
    file->classic.feed = &file->feed;
    file->next = next_classic;
    input_read(file->input, header, CLASSIC_HEADER); /* which was peeked at: it is there */
    return 0;
}

static int pcapng_start(struct savefile *file, char *error, size_t error_size)
{
    feed_init(&file->feed, file->input, _("the file ends in the middle of a block"));
    file->next = next_pcapng;
    file->pcapng = pcapng_new(&file->feed);
    if (file->pcapng == NULL)
        return snprintf(error, error_size, "%s", _("out of memory")), -1;
    return 0;
}

static int savefile_start(struct savefile *file, char *error, size_t error_size)
{
    static const uint8_t pcapng[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    uint8_t header[INPUT_PEEK];
    ssize_t got = input_peek(file->input, header);
    if (got < 0)
        return snprintf(error, error_size, "%s", input_error(file->input)), -1;
    if (got == 0)
        return snprintf(error, error_size, "%s", input_interrupted(file->input) ? _("interrupted") : _("is empty")), -1;
    if (got < 4)
        return snprintf(error, error_size, "%s", _(NOT_A_CAPTURE)), -1;
    if (memcmp(header, pcapng, sizeof pcapng) == 0)
        return pcapng_start(file, error, error_size);
    return header_start(file, header, (size_t)got, error, error_size);
}

int savefile_open(struct savefile **opened, const char *path, char *error, size_t error_size)
{
    struct savefile *file = calloc(1, sizeof *file);
    if (file == NULL) {
        snprintf(error, error_size, "%s", _("out of memory"));
        return -1;
    }
    file->state = FEED_READY;
    file->input = input_open(path, error, error_size);
    if (file->input == NULL || savefile_start(file, error, error_size) != 0) {
        savefile_close(file);
        return -1;
    }
    *opened = file;
    return 0;
}

int savefile_stat(const char *path, struct stat *status)
{
    if (!strcmp(path, "-"))
        return fstat(STDIN_FILENO, status);
    return handover_stat(path, status) ? 0 : stat(path, status);
}

void savefile_close(struct savefile *file)
{
    if (file == NULL)
        return;
    if (file->pcap != NULL)
        pcap_close(file->pcap);
    pcapng_free(file->pcapng);
    batch_free(file->ahead);
    input_close(file->input);
    free(file->buffer);
    free(file);
}

/* The innermost cause is the most useful. */
static const char *savefile_cause(const struct savefile *file)
{
    const char *cause = input_error(file->input);
    if (*cause != '\0')
        return cause;
    if (file->pcapng != NULL)
        return pcapng_error(file->pcapng);
    if (file->pcap == NULL)
        return file->classic.error;
    const char *reason = pcap_geterr(file->pcap);
    return is_cut(reason) ? _("the file ends in the middle of it") : reason;
}

void savefile_secrets(struct savefile *file, const struct secrets_taker *taker)
{
    if (file->pcapng)
        pcapng_secrets(file->pcapng, taker, false);
}

static void savefile_fill(struct savefile *file, struct batch *batch)
{
    enum feed_state state;
    feed_start(&file->feed, batch);
    while ((state = file->next(file, &batch->frames[batch->count])) == FEED_READY) {
        assert(batch->count < BATCH_FRAMES);
        batch->frames[batch->count++].number = ++file->number;
    }
    feed_stop(&file->feed);
    if (state == FEED_FULL)
        return;
    file->state = state == FEED_FAILED && input_interrupted(file->input) ? FEED_END : state;
    if (file->state == FEED_FAILED)
        snprintf(file->error, sizeof file->error, _("packet %llu: %s"), (unsigned long long)(file->number + 1),
                 savefile_cause(file));
}

int savefile_batch(struct savefile *file, struct batch *batch)
{
    batch->count = 0;
    if (file->ahead != NULL) {
        batch_swap(batch, file->ahead);
        batch_free(file->ahead);
        file->ahead = NULL;
    } else if (file->state == FEED_READY) {
        savefile_fill(file, batch);
    }
    return batch->count > 0 ? FEED_READY : file->state;
}

bool savefile_first_time(struct savefile *file, smtpscope_time *time)
{
    if (file->number == 0 && file->state == FEED_READY && (file->ahead = batch_new()) != NULL) {
        savefile_fill(file, file->ahead);
        file->has_first_time = file->ahead->count > 0;
        if (file->has_first_time)
            file->first_time = file->ahead->frames[0].time;
    }
    *time = file->first_time;
    return file->has_first_time;
}

bool savefile_find_secrets(const char *path, const struct secrets_taker *taker)
{
    char error[sizeof((struct savefile *)0)->error];
    struct savefile *file;
    struct batch *batch = batch_new();
    if (batch == NULL || savefile_open(&file, path, error, sizeof error) != 0) {
        batch_free(batch);
        return false;
    }
    if (file->pcapng != NULL) {
        pcapng_secrets(file->pcapng, taker, true);
        while (savefile_batch(file, batch) > 0)
            ;
    }
    bool whole = file->state != FEED_FAILED;
    savefile_close(file);
    batch_free(batch);
    return whole;
}

const char *savefile_error(const struct savefile *file)
{
    return file->error;
}

uint64_t savefile_octets_read(const struct savefile *file)
{
    return input_octets(file->input);
}

uint64_t savefile_octets(const struct savefile *file)
{
    return input_size(file->input);
}
