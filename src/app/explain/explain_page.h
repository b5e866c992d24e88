/* SPDX-License-Identifier: BSD-2-Clause */
/* A page of text for people, filled to the terminal's width; and the end of a JSON document. */
#ifndef APP_EXPLAIN_EXPLAIN_PAGE_H
#define APP_EXPLAIN_EXPLAIN_PAGE_H

#include "output/json_writer.h"

#include <stdio.h>

struct page {
    FILE *out;
    size_t width;
};

/* The page of `out`, as wide as terminal_columns() says. */
struct page page_of(FILE *out);

/* Columns of `len` octets of UTF-8: the code points, which is right for the languages we have. */
size_t page_columns(const char *text, size_t len);

/* The text filled from column `hang` on, `label` in front of its first line, or above it when it is too long. */
void page_labelled(const struct page *page, size_t indent, size_t hang, const char *label, const char *text);
void page_filled(const struct page *page, size_t indent, const char *text);
/* An empty line, the heading, the text indented by two. */
void page_section(const struct page *page, const char *heading, const char *text);
/* Two texts side by side, below an empty line and the heading (NULL: neither). */
void page_columns_of_two(const struct page *page, const char *heading, const char *left, const char *right);

/* Prints the object that was put there as a line, and frees it. Returns 0; or 2 after a complaint about lack of memory. */
int page_json(struct writer *json, FILE *out);

#endif
