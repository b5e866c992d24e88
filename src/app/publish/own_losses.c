/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/own_losses.h"

#include <string.h>

/* What is reported of a kind of loss. */
struct loss_kind {
    enum smtpscope_rule rule;
    enum smtpscope_detail detail;
};

static const struct loss_kind kernel_drops = {SMTPSCOPE_RULE_TRANSPORT_CAPTURE_DROPS, SMTPSCOPE_DETAIL_KERNEL_DROPS};
static const struct loss_kind interface_drops = {SMTPSCOPE_RULE_TRANSPORT_CAPTURE_DROPS, SMTPSCOPE_DETAIL_INTERFACE_DROPS};
static const struct loss_kind reports_lost = {SMTPSCOPE_RULE_TRANSPORT_OUTPUT_LOST, SMTPSCOPE_DETAIL_REPORTS_LOST};
static const struct loss_kind lines_lost = {SMTPSCOPE_RULE_TRANSPORT_OUTPUT_LOST, SMTPSCOPE_DETAIL_LINES_LOST};
static const struct loss_kind octets_unread = {SMTPSCOPE_RULE_TRANSPORT_OUTPUT_LOST, SMTPSCOPE_DETAIL_OCTETS_UNREAD};

struct look {
    struct own_losses *losses;
    smtpscope_time now, wall;
    bool all, told;
};

static void loss_tell(struct look *look, const struct loss_kind *kind, const char *text, uint64_t number)
{
    /* How often: packets, lines or reports; but octets are no cases. */
    uint64_t times = kind == &octets_unread ? 1 : number;
    struct smtpscope_finding finding = {
        .rule = kind->rule,
        .severity = smtpscope_rule_info(kind->rule)->severity,
        .confidence = SMTPSCOPE_CERTAIN,
        .fault = kind->rule == SMTPSCOPE_RULE_TRANSPORT_CAPTURE_DROPS ? SMTPSCOPE_FAULT_NETWORK : SMTPSCOPE_FAULT_NOBODY,
        .detail = kind->detail,
        .detail_text = text,
        .detail_number = number,
        .time = look->wall,
        .last_time = look->wall,
        .count = times < UINT32_MAX ? (uint32_t)times : UINT32_MAX,
        .command = "",
        .argument = "",
        .text = "",
        .state = "",
        .server = "",
    };

    look->losses->config.finding(look->losses->config.ctx, &finding);
    look->told = true;
}

/* `full`: in which output it would be lost again. */
static void loss_look(struct look *look, struct loss *loss, uint64_t count, const struct loss_kind *kind, const char *text,
                      bool full)
{
    uint64_t lost = count - loss->told;

    if (count <= loss->told)
        return;
    if (!loss->noticed)
        loss->noticed = look->now;
    if (!look->all && (look->now < loss->not_before || (full && look->now - loss->noticed < OWN_LOSSES_PAUSE)))
        return;
    *loss = (struct loss){.told = count, .not_before = look->now + OWN_LOSSES_PAUSE};
    loss_tell(look, kind, text, lost);
}

static void look_at_outputs(struct look *look, const struct loss_counts *counts)
{
    for (size_t i = 0; i < counts->output_count; i++) {
        const struct loss_output *output = &counts->outputs[i];

        loss_look(look, &look->losses->lines[i], output->lines, &lines_lost, output->name, output->full);
        loss_look(look, &look->losses->unread[i], output->unread, &octets_unread, output->name, output->full);
    }
}

void own_losses_look(struct own_losses *losses, smtpscope_time now, smtpscope_time wall, bool all)
{
    struct look look = {.losses = losses, .now = now, .wall = wall, .all = all};
    struct loss_counts counts = {0}, after = {0};

    losses->config.count(losses->config.ctx, &counts);
    loss_look(&look, &losses->kernel, counts.kernel, &kernel_drops, "", false);
    loss_look(&look, &losses->interface, counts.interface, &interface_drops, "", false);
    loss_look(&look, &losses->reports, counts.reports, &reports_lost, "", false);
    look_at_outputs(&look, &counts);
    if (!look.told)
        return;
    /* An output that takes nothing has lost these findings as well; to tell that would be one more, and so on for ever. */
    losses->config.count(losses->config.ctx, &after);
    for (size_t i = 0; i < after.output_count; i++)
        losses->lines[i].told += after.outputs[i].lines - counts.outputs[i].lines;
}

void own_losses_new_outputs(struct own_losses *losses)
{
    memset(losses->lines, 0, sizeof losses->lines);
    memset(losses->unread, 0, sizeof losses->unread);
}
