/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/layout.h"

#include <string.h>

#define LABEL_MARGIN 2

enum paint layout_severity(enum smtpscope_severity severity)
{
    static const enum paint paints[SMTPSCOPE_SEVERITIES] = {
        [SMTPSCOPE_ERROR] = PAINT_RED,
        [SMTPSCOPE_WARNING] = PAINT_YELLOW,
        [SMTPSCOPE_NOTICE] = PAINT_CYAN,
        [SMTPSCOPE_INFO] = PAINT_FAINT,
    };

    return paints[severity];
}

void layout_paint(const struct layout *layout, enum paint paint)
{
    static const char *const codes[] = {
        [PAINT_PLAIN] = "\033[0m",   [PAINT_BOLD] = "\033[1m",  [PAINT_FAINT] = "\033[2m",  [PAINT_RED] = "\033[1;31m",
        [PAINT_YELLOW] = "\033[33m", [PAINT_CYAN] = "\033[36m", [PAINT_GREEN] = "\033[32m",
    };

    if (layout->colour)
        writer_string(layout->writer, codes[paint]);
}

void layout_painted(const struct layout *layout, enum paint paint, const char *text)
{
    if (!*text)
        return;
    if (paint != PAINT_PLAIN)
        layout_paint(layout, paint);
    writer_string(layout->writer, text);
    if (paint != PAINT_PLAIN)
        layout_paint(layout, PAINT_PLAIN);
}

void layout_pad(const struct layout *layout, size_t from, size_t column)
{
    do
        writer_char(layout->writer, ' ');
    while (++from < column);
}

static void layout_new_line(const struct layout *layout, size_t indent)
{
    writer_char(layout->writer, '\n');
    while (indent--)
        writer_char(layout->writer, ' ');
}

void layout_wrap(const struct layout *layout, const char *text, size_t column, size_t indent)
{
    size_t len, width;
    bool first = true;

    for (text += strspn(text, " \n"); *text; text += strspn(text, " \n")) {
        len = strcspn(text, " \n");
        width = utf8_columns(text, len);
        if (!first && column + 1 + width > layout->columns) {
            layout_new_line(layout, indent);
            column = indent;
        } else if (!first) {
            writer_char(layout->writer, ' ');
            column++;
        }
        writer_octets(layout->writer, text, len);
        column += width;
        text += len;
        first = false;
    }
    writer_char(layout->writer, '\n');
}

size_t layout_label(const struct layout *layout, const char *label, size_t indent)
{
    size_t width = utf8_columns(label, strlen(label)) + LABEL_MARGIN;

    writer_string(layout->writer, "  ");
    layout_painted(layout, PAINT_BOLD, label);
    layout_pad(layout, width, indent);
    return width < indent ? indent : width + 1;
}

void layout_paragraph(const struct layout *layout, const char *label, const char *text, size_t indent)
{
    if (!text || !*text)
        return;
    layout_wrap(layout, text, layout_label(layout, label, indent), indent);
}
