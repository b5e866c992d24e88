/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE 1 /* pcap.h uses u_int */
#include "capture/savefile.h"

#include "capture/input.h"
#include "capture/pcapng.h"

#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

/* stdio's own 4 KiB would cost a call through the cookie for every few packets. */
enum { STREAM_BUFFER = 256 * 1024 };

struct savefile {
    struct input *input;
    pcap_t *pcap;          /* one of the two, */
    struct pcapng *pcapng; /* by the first octets */
    char *buffer;          /* stdio's, under libpcap */
    int link_type;         /* of a pcap file */
    uint64_t number;
    int state; /* 1 while there may be more, else what savefile_next() says from now on */
    int ahead; /* what reading the first frame ahead gave */
    bool has_ahead, was_ahead;
    struct frame first;
    char error[256];
};

/* Caution: pcap_close() closes the stream, and a failure to open does not. */
static int pcap_start(struct savefile *file, char *error, size_t error_size)
{
    char reason[PCAP_ERRBUF_SIZE] = "";
    FILE *stream = input_stream(file->input);
    file->buffer = malloc(STREAM_BUFFER);
    if (stream == NULL || file->buffer == NULL) {
        snprintf(error, error_size, "out of memory");
        if (stream != NULL)
            fclose(stream);
        return -1;
    }
    setvbuf(stream, file->buffer, _IOFBF, STREAM_BUFFER);
    __fsetlocking(stream, FSETLOCKING_BYCALLER); /* libpcap reads twice a packet; the lock would cost more than the copy */
    file->pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (file->pcap == NULL) {
        fclose(stream);
        const char *cause = input_error(file->input);
        bool unknown = strstr(reason, "unknown file format") != NULL;
        snprintf(error, error_size, "%s", *cause ? cause : unknown ? "is not a capture file (pcap or pcapng)" : reason);
        return -1;
    }
    file->link_type = pcap_datalink(file->pcap);
    return 0;
}

static int savefile_start(struct savefile *file, char *error, size_t error_size)
{
    static const uint8_t pcapng[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    uint8_t magic[4];
    ssize_t got = input_peek(file->input, magic);
    if (got < 0)
        return snprintf(error, error_size, "%s", input_error(file->input)), -1;
    if (got == 0)
        return snprintf(error, error_size, "%s", input_interrupted(file->input) ? "interrupted" : "is empty"), -1;
    if (got < 4)
        return snprintf(error, error_size, "is not a capture file (pcap or pcapng)"), -1;
    if (memcmp(magic, pcapng, sizeof pcapng) != 0)
        return pcap_start(file, error, error_size);
    file->pcapng = pcapng_new(file->input);
    if (file->pcapng == NULL)
        return snprintf(error, error_size, "out of memory"), -1;
    return 0;
}

int savefile_open(struct savefile **opened, const char *path, char *error, size_t error_size)
{
    struct savefile *file = calloc(1, sizeof *file);
    if (file == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    file->state = 1;
    file->input = input_open(path, error, error_size);
    if (file->input == NULL || savefile_start(file, error, error_size) != 0) {
        savefile_close(file);
        return -1;
    }
    *opened = file;
    return 0;
}

void savefile_close(struct savefile *file)
{
    if (file == NULL)
        return;
    if (file->pcap != NULL)
        pcap_close(file->pcap);
    pcapng_free(file->pcapng);
    input_close(file->input);
    free(file->buffer);
    free(file);
}

static int pcap_frame(struct savefile *file, struct frame *frame)
{
    struct pcap_pkthdr *header;
    int result = pcap_next_ex(file->pcap, &header, &frame->data);
    if (result != 1)
        return result == PCAP_ERROR_BREAK ? 0 : -1;
    /* the file has 32 bits of seconds, which libpcap takes as signed: without a sign they reach to 2106 */
    frame->time = (smtpscope_time)(uint32_t)header->ts.tv_sec * SMTPSCOPE_SECOND + header->ts.tv_usec;
    frame->link_type = file->link_type;
    frame->caplen = header->caplen;
    frame->len = header->len;
    return 1;
}

/* The innermost cause is the most useful. libpcap's words for a cut file count octets that mean nothing to a user. */
static const char *savefile_cause(const struct savefile *file)
{
    const char *cause = input_error(file->input);
    if (*cause != '\0')
        return cause;
    if (file->pcapng != NULL)
        return pcapng_error(file->pcapng);
    const char *reason = pcap_geterr(file->pcap);
    return strncmp(reason, "truncated dump file", 19) == 0 ? "the file ends in the middle of it" : reason;
}

static int savefile_read(struct savefile *file, struct frame *frame)
{
    if (file->state != 1)
        return file->state;
    file->state = file->pcap != NULL ? pcap_frame(file, frame) : pcapng_next(file->pcapng, frame);
    if (file->state < 0 && input_interrupted(file->input))
        file->state = 0;
    if (file->state == 1)
        frame->number = ++file->number;
    if (file->state < 0)
        snprintf(file->error, sizeof file->error, "packet %" PRIu64 ": %s", file->number + 1, savefile_cause(file));
    return file->state;
}

int savefile_next(struct savefile *file, struct frame *frame)
{
    if (!file->has_ahead)
        return savefile_read(file, frame);
    file->has_ahead = false;
    *frame = file->first;
    return file->ahead;
}

bool savefile_first_time(struct savefile *file, smtpscope_time *time)
{
    if (!file->was_ahead && file->number == 0) {
        file->ahead = savefile_read(file, &file->first);
        file->has_ahead = file->was_ahead = true;
    }
    if (!file->was_ahead || file->ahead != 1)
        return false;
    *time = file->first.time;
    return true;
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
