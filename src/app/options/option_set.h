/* SPDX-License-Identifier: BSD-2-Clause */
/* How the rows of the table of options take their values. Each: false after saying what is wrong and what to write. */
#ifndef APP_OPTIONS_OPTION_SET_H
#define APP_OPTIONS_OPTION_SET_H

#include "app/options/option_table.h"

/* yes or no; the command line gives yes. */
bool set_flag(const struct setting *setting, const char *value);
/* The program does row->task instead. */
bool set_task(const struct setting *setting, const char *value);
/* Any text: replaces a string, is added to a list. Only want of memory fails. */
bool set_string(const struct setting *setting, const char *value);
/* Any text but an empty one. */
bool set_word(const struct setting *setting, const char *value);
bool set_read(const struct setting *setting, const char *value);    /* a file, or those of a directory */
bool set_ignore(const struct setting *setting, const char *value);  /* what is known and of no interest */
bool set_when(const struct setting *setting, const char *value);    /* a time, for --since */
bool set_network(const struct setting *setting, const char *value); /* an address or a network */
bool set_path(const struct setting *setting, const char *value);    /* a glob for an address of mail */
bool set_code(const struct setting *setting, const char *value);    /* a glob for a reply's code */
/* One of row->words, as its index. */
bool set_choice(const struct setting *setting, const char *value);
/* One of row->words, as a string. */
bool set_listed(const struct setting *setting, const char *value);
/* A row of format_table. */
bool set_format(const struct setting *setting, const char *value);
bool set_severity(const struct setting *setting, const char *value);
bool set_language(const struct setting *setting, const char *value);
/* row->min to row->max, times row->unit; or row->zero. */
bool set_number(const struct setting *setting, const char *value);
bool set_size(const struct setting *setting, const char *value);
bool set_time(const struct setting *setting, const char *value);
bool set_ports(const struct setting *setting, const char *value);
bool set_rule(const struct setting *setting, const char *value);
bool set_interface(const struct setting *setting, const char *value);
/* An expression that libpcap understands for at least one kind of link. */
bool set_filter(const struct setting *setting, const char *value);
bool set_keylog(const struct setting *setting, const char *value);
bool set_output(const struct setting *setting, const char *value);
bool set_metrics(const struct setting *setting, const char *value);
bool set_user(const struct setting *setting, const char *value);

/* `word` as one of the languages that we speak: a static word; NULL: it is none. */
const char *option_language(const char *word);

#endif
