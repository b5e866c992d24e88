/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for a terminal: colours, wrapped paragraphs with a label in front, ends of lines. */
#ifndef OUTPUT_LAYOUT_H
#define OUTPUT_LAYOUT_H

#include "base/writer.h"
#include "smtpscope/rule.h"

enum paint { PAINT_PLAIN, PAINT_BOLD, PAINT_FAINT, PAINT_RED, PAINT_YELLOW, PAINT_CYAN, PAINT_GREEN };

struct layout {
    struct writer *writer;
    unsigned columns;
    bool colour;
};

enum paint layout_severity(enum smtpscope_severity severity);
/* Starts a colour; PAINT_PLAIN ends it. Nothing without colours. */
void layout_paint(const struct layout *layout, enum paint paint);
/* Our own text, terminated, in a colour. */
void layout_painted(const struct layout *layout, enum paint paint, const char *text);
/* Blanks up to `column`; one at least. `from` is where we are. */
void layout_pad(const struct layout *layout, size_t from, size_t column);
/*
 * `text` as words, the first at `column` where we already are, further lines indented by `indent`. Ends the line.
 * A word wider than a line stands alone.
 */
void layout_wrap(const struct layout *layout, const char *text, size_t column, size_t indent);
/* `label` in front of a column at `indent`; returns the column where it ended. */
size_t layout_label(const struct layout *layout, const char *label, size_t indent);
/* `label`, then `text` wrapped in a column of its own at `indent`. Nothing when `text` is NULL or empty. */
void layout_paragraph(const struct layout *layout, const char *label, const char *text, size_t indent);

#endif
