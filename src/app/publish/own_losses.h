/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this program itself loses while it watches is a finding as any other: packets that were dropped before it saw them
 * (transport.capture-drops), lines that an output did not take (transport.output-lost).
 */
#ifndef APP_PUBLISH_OWN_LOSSES_H
#define APP_PUBLISH_OWN_LOSSES_H

#include "smtpscope/finding.h"

/* As many outputs as there can be: PUBLISHER_OUTPUTS_MAX. */
#define OWN_LOSSES_OUTPUTS_MAX 16
/* Each kind of loss is reported once in so long, with all that was lost since: a minute is soon enough to act. */
#define OWN_LOSSES_PAUSE (60 * SMTPSCOPE_SECOND)

struct loss_output {
    const char *name; /* as the user named it */
    uint64_t lines;
    uint64_t unread; /* octets that its reader was handed and left unread when it went */
    bool full;       /* takes nothing now, or hardly: news of its loss would be the next thing it loses */
};

/* Totals since the start, each of which only grows. */
struct loss_counts {
    uint64_t kernel, interface; /* packets dropped */
    uint64_t reports;           /* of workers, that no output was given */
    struct loss_output outputs[OWN_LOSSES_OUTPUTS_MAX];
    size_t output_count;
};

struct own_losses_config {
    /* Fills in what is counted by now. */
    void (*count)(void *ctx, struct loss_counts *counts);
    /* Takes a finding, which bears no flow; valid during the call. */
    void (*finding)(void *ctx, const struct smtpscope_finding *finding);
    void *ctx;
};

struct loss {
    uint64_t told;             /* of what was counted */
    smtpscope_time not_before; /* monotonic; 0: told never */
    smtpscope_time noticed;    /* that it has grown; 0: it has not */
};

struct own_losses {
    struct own_losses_config config;
    struct loss kernel, interface, reports, lines[OWN_LOSSES_OUTPUTS_MAX], unread[OWN_LOSSES_OUTPUTS_MAX];
};

/*
 * Tells what has grown since it was told last: each kind once in OWN_LOSSES_PAUSE, and an output's when it has room again, but
 * OWN_LOSSES_PAUSE later at the latest. `all`: without waiting. `now` is monotonic, `wall` what the findings bear as their time.
 */
void own_losses_look(struct own_losses *losses, smtpscope_time now, smtpscope_time wall, bool all);
/* The outputs are others now, which count from 0. */
void own_losses_new_outputs(struct own_losses *losses);

#endif
