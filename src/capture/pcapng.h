/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of pcapng files (draft-ietf-opsawg-pcapng), see the head of pcapng.c for why there is one. */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include "capture/feed.h"

struct pcapng;

/* Takes the octets of a Decryption Secrets Block that holds a key log of TLS, in parts; no octets: the block has ended. */
struct secrets_taker {
    void (*octets)(void *ctx, const uint8_t *octets, size_t len);
    void *ctx;
};

/* NULL when out of memory. The feed stays the caller's and must outlive it. Freed by pcapng_free(). */
struct pcapng *pcapng_new(struct feed *feed);
void pcapng_free(struct pcapng *file);
/* Secrets are passed over before. `alone`: packets are, from now on. */
void pcapng_secrets(struct pcapng *file, const struct secrets_taker *taker, bool alone);

/* The next packet, but for its number. FEED_FAILED: the file is damaged from here on, see pcapng_error(). */
enum feed_state pcapng_next(struct pcapng *file, struct frame *frame);
const char *pcapng_error(const struct pcapng *file);

/* What a file calls a link of libpcap's type (LINKTYPE_). */
uint16_t pcapng_link_value(int link_type);

#endif
