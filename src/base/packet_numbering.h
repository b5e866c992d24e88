/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file, and which of its packets, an ordinal of the whole run stands for. */
#ifndef BASE_PACKET_NUMBERING_H
#define BASE_PACKET_NUMBERING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packets_file {
    const char *name;
    uint64_t before; /* packets of the run before the file's first */
};

/* The files of a run in the order in which they were read. All zero is empty. One thread adds while others look up. */
struct packets {
    struct packets_file *files;
    atomic_size_t count; /* so far */
    size_t room;         /* with more than one, a packet's number says nothing without its file's name */
};

/* Room for `count` files in all, before the first is added. false: out of memory. */
bool packets_init(struct packets *packets, size_t count);
/* The next file; `name` must outlive the table. false: there is no room for it. */
bool packets_add(struct packets *packets, const char *name, uint64_t before);
/*
 * A file among the others, in the order of `before`; and one taken out, whose `name` as it was given is returned, NULL if there
 * is none. Not while another thread looks up.
 */
bool packets_insert(struct packets *packets, const char *name, uint64_t before);
const char *packets_remove(struct packets *packets, const char *name);
/* The file of an ordinal that counts from 1; `*number` is its packet there, from 1. NULL and 0 when there is none. */
const char *packets_find(const struct packets *packets, uint64_t ordinal, uint64_t *number);
void packets_fini(struct packets *packets);

#endif
