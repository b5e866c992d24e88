/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file, and which of its packets, an ordinal of the whole run stands for. */
#ifndef BASE_PACKET_NUMBERING_H
#define BASE_PACKET_NUMBERING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbered_file {
    const char *name;
    uint64_t before; /* packets of the run before the file's first */
};

/* The files of a run in the order in which they were read. All zero is empty. One thread adds while others look up. */
struct packet_numbering {
    struct numbered_file *files;
    atomic_size_t count; /* so far */
    size_t room;         /* with more than one, a packet's number says nothing without its file's name */
};

/* Room for `count` files in all, before the first is added. false: out of memory. */
bool packet_numbering_init(struct packet_numbering *numbering, size_t count);
/* The next file; `name` must outlive the table. false: there is no room for it. */
bool packet_numbering_add(struct packet_numbering *numbering, const char *name, uint64_t before);
/*
 * A file among the others, in the order of `before`; and one taken out, whose `name` as it was given is returned, NULL if there
 * is none. Not while another thread looks up.
 */
bool packet_numbering_insert(struct packet_numbering *numbering, const char *name, uint64_t before);
const char *packet_numbering_remove(struct packet_numbering *numbering, const char *name);
/* The file of an ordinal that counts from 1; `*number` is its packet there, from 1. NULL and 0 when there is none. */
const char *packet_numbering_find(const struct packet_numbering *numbering, uint64_t ordinal, uint64_t *number);
void packet_numbering_fini(struct packet_numbering *numbering);

#endif
