/* SPDX-License-Identifier: BSD-2-Clause */
/* Filling text. */
#include "app/explain/explain_page.h"

#include "app/process/terminal.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <string.h>

#define WIDTH_MAX 100u /* longer lines are hard to read */
#define GAP 3u         /* between the two columns */

struct page page_of(FILE *out)
{
    return (struct page){out, terminal_columns(out)};
}

size_t page_columns(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* A line of text, in octets; `at` NULL behind the last one. */
struct page_line {
    const char *at;
    size_t len;
};

/* Takes the next line of at most `width` columns off `*text`, with the spaces behind it; a longer word has a line of its own. */
static struct page_line line_take(const char **text, size_t width)
{
    struct page_line line = {**text == '\0' ? NULL : *text, 0};
    const char *at = *text;

    while (*at != '\0') {
        const char *end = at + strcspn(at, " ");

        if (line.len != 0 && page_columns(line.at, (size_t)(end - line.at)) > width)
            break;
        line.len = (size_t)(end - line.at);
        at = end + strspn(end, " ");
    }
    *text = at;
    return line;
}

static void put_line(FILE *out, const struct page_line *line)
{
    if (line->at != NULL)
        fwrite(line->at, 1, line->len, out);
}

static size_t line_columns(const struct page_line *line)
{
    return line->at == NULL ? 0 : page_columns(line->at, line->len);
}

static void put_spaces(FILE *out, size_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

void page_labelled(const struct page *page, size_t indent, size_t hang, const char *label, const char *text)
{
    size_t limit = page->width < WIDTH_MAX ? page->width : WIDTH_MAX;
    size_t column = indent + page_columns(label, strlen(label));

    put_spaces(page->out, indent);
    fputs(label, page->out);
    if (column > hang) {
        putc('\n', page->out);
        column = 0;
    }
    for (struct page_line line; (line = line_take(&text, limit - hang)).at != NULL; column = 0) {
        put_spaces(page->out, hang - column);
        put_line(page->out, &line);
        putc('\n', page->out);
    }
}

void page_filled(const struct page *page, size_t indent, const char *text)
{
    page_labelled(page, indent, indent, "", text);
}

void page_section(const struct page *page, const char *heading, const char *text)
{
    fprintf(page->out, "\n%s\n", heading);
    page_filled(page, 2, text);
}

void page_columns_of_two(const struct page *page, const char *heading, const char *left, const char *right)
{
    size_t width = (page->width - GAP) / 2;
    struct page_line lines[2];

    if (heading != NULL)
        fprintf(page->out, "\n%s\n", heading);
    for (;;) {
        lines[0] = line_take(&left, width);
        lines[1] = line_take(&right, width);
        if (lines[0].at == NULL && lines[1].at == NULL)
            return;
        put_line(page->out, &lines[0]);
        put_spaces(page->out, width - line_columns(&lines[0]));
        fputs(lines[1].at == NULL ? " |" : " | ", page->out);
        put_line(page->out, &lines[1]);
        putc('\n', page->out);
    }
}

int page_json(struct writer *json, FILE *out)
{
    bool whole = !json->failed;

    writer_char(json, '\n');
    if (whole)
        fwrite(json->at, 1, json->len, out);
    else
        warn_user("%s", _("out of memory"));
    writer_fini(json);
    return whole ? 0 : 2;
}
