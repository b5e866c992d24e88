/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of deferred mail: a story is one message for one recipient, from its first deferral on. */
#ifndef CORRELATE_STORIES_H
#define CORRELATE_STORIES_H

#include "smtpscope/correlate.h"

/* 64 Ki open stories: about 14 MiB; neighbourhoods of 16. */
#define STORIES_SLOTS 65536u
/* Clients of whose sessions inside TLS the last is remembered. */
#define STORIES_BLIND 4096u

/* By what a client is known again. 0: not known. */
struct client_keys {
    uint64_t address, network, hello, site;
};

struct story {
    struct client_keys client; /* of the last try */
    uint64_t server, size;
    smtpscope_time first, last, interval; /* the longest between two tries */
    struct smtpscope_flow flow;           /* of the last try */
    uint64_t packet;
    uint32_t prev, next; /* in the order in which stories began: slots, from 1; 0: none */
    uint32_t tries, exchange;
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    bool moved;        /* its tries came from several addresses */
    bool perhaps_over; /* the same sender got mail through to the recipient, and it may have been this one */
    bool told_soon, told_persistent;
};

struct blind_client {
    uint64_t key;
    smtpscope_time last;
};

struct stories {
    uint64_t forgotten;   /* for want of room */
    uint32_t first, last; /* in the order in which stories began, which does not depend on where their keys lead */
    struct blind_client blind[STORIES_BLIND];
    /* How many stories have their neighbourhood there: most recipients were never deferred, and one look tells. */
    uint8_t homes[STORIES_SLOTS];
    uint64_t keys[STORIES_SLOTS]; /* 0: free. Apart from the rest, that a search touches little */
    struct story slots[STORIES_SLOTS];
};

/* Puts the defaults of smtpscope/correlate.h where nothing is said. */
void stories_defaults(struct smtpscope_correlate_config *config);
/* A SMTPSCOPE_TRACE_OUTCOME. */
void stories_try(struct stories *stories, const struct smtpscope_correlate_config *config, const struct smtpscope_trace *trace);
/* A SMTPSCOPE_TRACE_TLS: what its client delivers nobody sees. */
void stories_blind(struct stories *stories, const struct smtpscope_correlate_config *config,
                   const struct smtpscope_trace *trace);
/* The capture ended at `end`. */
void stories_finish(struct stories *stories, const struct smtpscope_correlate_config *config, smtpscope_time end);

#endif
