/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames -> TCP segments on watched ports: link layers, tunnels, IP and its fragments.
 *
 * A frame that is no TCP on a watched port is dismissed on sight of its ports. Nothing is trusted: a length that lies, a
 * header that is cut, a chain of headers without end is counted and dismissed, never an error.
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "smtpscope/segment.h"
#include "smtpscope/types.h"

struct decoder;

struct decoder_config {
    const uint8_t *ports;            /* 8192 octets: TCP port p is bit p % 8 of octet p / 8; NULL: all; outlive the decoder */
    size_t max_datagrams;            /* IP datagrams under reassembly; 0: the default, 4096 */
    size_t max_fragment_octets;      /* octets of fragments held, all datagrams together; 0: the default, 4 MiB */
    uint64_t hash_seed;              /* nothing that a sender can know */
    smtpscope_time fragment_timeout; /* of packet time; 0: the default, 30 s */
    bool verify_checksums;           /* leaves out segments whose checksum is wrong: costs a pass over the payload */
};

/* Counters since the start. */
struct decoder_stats {
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "decode/decode_counters.def"
};

/* A decoder, or NULL when out of memory. `config` is copied. The caller frees with decoder_free(). */
struct decoder *decoder_new(const struct decoder_config *config);
void decoder_free(struct decoder *decoder);

/*
 * Takes one frame: `caplen` octets at `data` of `len` that were on the wire, captured at `time` as number `number` over a
 * link of libpcap's type `link_type` (DLT_ value). True when it is a TCP segment with a watched port on one side, or completes
 * one: `segment` is then filled. segment->data points into the frame, or into the decoder until its next call.
 */
bool decoder_frame(struct decoder *decoder, int link_type, const uint8_t *data, uint32_t caplen, uint32_t len,
                   smtpscope_time time, uint64_t number, struct smtpscope_segment *segment);

/* The IP datagram that the last frame was a fragment of, held or the one that completes it, by a number of its own; 0: of none. */
uint64_t decoder_datagram(const struct decoder *decoder);

/* The counters so far. */
void decoder_stats(const struct decoder *decoder, struct decoder_stats *stats);

/* Copies the UDP ports, of the destination, by which tunnels are told: `room` of them at most. How many there are. */
size_t decoder_tunnel_ports(uint16_t *ports, size_t room);

#endif
