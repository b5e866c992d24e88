/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the two text formats share: text.c prints findings by groups at the end, text_live.c each at once. */
#ifndef OUTPUT_TEXT_H
#define OUTPUT_TEXT_H

#include "output/groups.h"
#include "output/layout.h"
#include "output/output.h"
#include "output/tally.h"

/* The longest severity, and a blank. */
#define TEXT_SEVERITY_COLUMNS 9

/* What both text formats keep. */
struct text_state {
    struct groups *groups;
    struct tally *tally;                                        /* NULL while watching */
    uint64_t dropped;                                           /* findings that memory was too short for */
    enum text_last { LAST_BLANK, LAST_LINE, LAST_TOTALS } last; /* what stands last while watching: blocks are set apart */
};
void *text_create(const struct output_config *config);
void text_destroy(void *state);
struct layout text_layout(struct output *output);
void text_session_event(struct output *output, void *state, const struct smtpscope_flow *flow,
                        const struct transcript *transcript);
void text_message_event(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery);

/* "WARNING", in its colour and padded. All from here on put their lines into layout->writer. */
void text_severity(const struct layout *layout, enum smtpscope_severity severity);
/* The severity, the rule and how often. */
void text_heading(const struct layout *layout, const struct group *group);
void text_group(const struct layout *layout, const struct packet_numbering *numbering, const struct group *group);
/* A group of context, on a line or two. */
void text_group_brief(const struct layout *layout, const struct packet_numbering *numbering, const struct group *group);
void text_session(const struct layout *layout, const struct packet_numbering *numbering, const struct smtpscope_flow *flow,
                  const struct transcript *transcript);
void text_message(const struct layout *layout, const struct packet_numbering *numbering, const struct smtpscope_flow *flow,
                  const struct delivery *delivery);
/* The first screen. */
void text_overview(const struct layout *layout, struct text_state *text, const struct packet_numbering *numbering,
                   const struct summary *summary);
/* Two lines of the summary, by themselves. */
void text_input(const struct layout *layout, const struct packet_numbering *numbering, const struct summary *summary);
void text_certainty(const struct layout *layout, const struct summary *summary);
void text_summary(const struct layout *layout, const struct packet_numbering *numbering, const struct summary *summary);

/* `before`, then "packet 14", with the file's name when there are several; nothing where packets have no numbers. */
void text_packet(const struct layout *layout, const char *before, const struct packet_numbering *numbering, uint64_t ordinal);
/* "refusal.policy (reputation)": the reason where the identifier does not say it. */
void text_rule(struct writer *writer, enum smtpscope_rule rule, enum smtpscope_reason reason);
/* "503 5.5.1 " */
void text_code(struct writer *writer, unsigned code, char separator, const struct smtpscope_enhanced *enhanced);

#endif
