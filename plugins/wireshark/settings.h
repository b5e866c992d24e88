/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The preferences, and the language of the words. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "records.h"

/* Once, at registration. */
void settings_register(int proto);

/* Puts the ports of the preferences under watch; for each new file. */
void settings_watch_ports(void);

/* Do the preferences want it shown? */
bool settings_show(const struct finding_record *record);
bool settings_info_column(void);

/* The families of the catalogue, in its order: "sequence", "rejection" ... `count` of them. Static. */
#define FAMILIES_MAX 16
const char *const *settings_families(unsigned *count);
/* The index of a rule's family among them. */
unsigned settings_family_of(enum smtpscope_rule rule);

#endif
