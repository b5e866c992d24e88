/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture once more, as pcapng with comments on its packets: what any Wireshark shows without a plugin. A pcapng goes over block by
 * block as it is, with its interfaces, names and comments; pcap gets the blocks that it needs.
 * Source: draft-ietf-opsawg-pcapng, 4.1 to 4.3.
 */
#ifndef CAPTURE_ANNOTATE_H
#define CAPTURE_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where comments come from. A comment is UTF-8, terminated, and valid until the next call. */
struct annotate_source {
    const char *file; /* the comment on the file; NULL: none */
    /* The `index`-th comment on the packet, from 0; NULL: there are no more. Packets count from 1, in their order. */
    const char *(*packet)(void *ctx, uint64_t packet, size_t index);
    void *ctx;
};

/*
 * Appends the capture at `path` to `out`, as a section of its own. false: one line in `error`; what could be read before is there. What
 * is damaged ends there, as it does for savefile_batch().
 */
bool annotate_copy(const char *path, FILE *out, const struct annotate_source *source, char *error, size_t error_size);

#endif
