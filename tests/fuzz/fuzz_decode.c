/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of any content, in a row through one decoder, so that fragments meet. The input is: the link type's index (1), then
 * for each frame its captured length (1), how much longer it was (1), how far time goes on (1), and its octets.
 */
#include "decode/decode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Every link type of the table, and one that is not. */
static const int link_types[] = {1, 113, 276, 12, 228, 229, 0, 108, 9, 50, 51, 166, 204, 104, 205, 219, 138, 105, 147};

static uint64_t octets_read;

/* The octets that were promised must be there; the sanitizer sees when they are not. */
static void check_segment(const struct smtpscope_segment *segment)
{
    assert(segment->len <= 65535 && segment->missing <= 65535 + 255);
    for (uint32_t i = 0; i < segment->len; i++)
        octets_read += segment->data[i];
    assert(segment->src.port == 25 || segment->dst.port == 25);
}

/* Each frame has one end, and fragments are waiting, lost, or in a datagram. */
static void check_stats(const struct decoder *decoder)
{
    struct decoder_stats stats;
    decoder_stats(decoder, &stats);
    assert(stats.frames == stats.segments + stats.dismissed + stats.malformed + stats.headers_cut + stats.held + stats.dropped +
                               stats.too_deep + stats.unknown_links + stats.damaged);
    assert(stats.snapped <= stats.segments);
    assert(stats.fragments_waiting + stats.fragments_lost <= stats.fragments);
    assert(stats.datagrams_evicted <= stats.fragments_lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t ports[8192];
    ports[25 / 8] = 1 << 25 % 8;
    if (size == 0)
        return 0;
    int link_type = link_types[data[0] % (sizeof link_types / sizeof link_types[0])];
    struct decoder_config config = {
        .ports = ports, .max_datagrams = 4, .max_fragment_octets = 128 * 1024, .verify_checksums = data[0] & 0x80};
    struct decoder *decoder = decoder_new(&config);
    assert(decoder != NULL);
    smtpscope_time time = 0;
    size_t at = 1;
    for (uint64_t number = 1; at + 3 <= size; number++) {
        size_t caplen = data[at] < size - at - 3 ? data[at] : size - at - 3;
        uint8_t *frame = malloc(caplen); /* alone, so that one octet too far is seen */
        if (caplen > 0)
            memcpy(frame, data + at + 3, caplen);
        time += data[at + 2] * SMTPSCOPE_SECOND / 8;
        struct smtpscope_segment segment;
        if (decoder_frame(decoder, link_type, frame, (uint32_t)caplen, (uint32_t)caplen + data[at + 1], time, number, &segment))
            check_segment(&segment);
        check_stats(decoder);
        free(frame);
        at += 3 + caplen;
    }
    decoder_free(decoder);
    return 0;
}
