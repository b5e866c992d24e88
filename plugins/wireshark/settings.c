/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings.h"

#include "analysis.h"

#include <epan/prefs.h>
#include <libintl.h>
#include <locale.h>
#include <stdlib.h>

#define DOMAIN "smtpscope"
#define PORT_MAX 65535

enum language { LANGUAGE_ENVIRONMENT, LANGUAGE_EN, LANGUAGE_FR, LANGUAGE_DE };

static const enum_val_t language_values[] = {
    {"environment", "As the environment says", LANGUAGE_ENVIRONMENT},
    {"en", "English", LANGUAGE_EN},
    {"fr", "Fran\303\247ais", LANGUAGE_FR},
    {"de", "Deutsch", LANGUAGE_DE},
    {NULL, NULL, 0},
};
static const enum_val_t severity_values[] = {
    {"error", "Errors only", SMTPSCOPE_ERROR},
    {"warning", "Warnings and errors", SMTPSCOPE_WARNING},
    {"notice", "Notices and above", SMTPSCOPE_NOTICE},
    {"info", "Everything", SMTPSCOPE_INFO},
    {NULL, NULL, 0},
};

static range_t *ports;
static gint language = LANGUAGE_ENVIRONMENT;
static gint min_severity = SMTPSCOPE_INFO;
static ws_bool info_column = TRUE;
static ws_bool family_shown[FAMILIES_MAX];
static const char *families[FAMILIES_MAX];
static unsigned family_count;
static unsigned family_of[SMTPSCOPE_RULES];

static unsigned family_add(const char *name)
{
    unsigned at = 0;

    while (at < family_count && strcmp(families[at], name))
        at++;
    g_assert(at < FAMILIES_MAX);
    if (at == family_count)
        families[family_count++] = name;
    return at;
}

static void families_collect(void)
{
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        family_of[rule] = family_add(smtpscope_rule_info((enum smtpscope_rule)rule)->family);
}

const char *const *settings_families(unsigned *count)
{
    if (!family_count)
        families_collect();
    *count = family_count;
    return families;
}

unsigned settings_family_of(enum smtpscope_rule rule)
{
    return family_of[rule];
}

/*
 * Caution: LANGUAGE is the process's, and so this moves all that speaks through gettext; Wireshark itself does not. glibc
 * ignores LANGUAGE in the locale "C" and, since 2.41, in C.UTF-8; "C_XX.UTF-8" is neither, and is there on every system.
 */
static void language_apply(void)
{
    static char *before;
    static gint applied = LANGUAGE_ENVIRONMENT;
    const char *locale;

    if (language == applied)
        return;
    if (applied == LANGUAGE_ENVIRONMENT)
        before = g_strdup(g_getenv("LANGUAGE"));
    applied = language;
    if (language == LANGUAGE_ENVIRONMENT) {
        if (before)
            g_setenv("LANGUAGE", before, TRUE);
        else
            g_unsetenv("LANGUAGE");
        g_free(before);
        before = NULL;
    } else {
        g_setenv("LANGUAGE", language_values[language].name, TRUE);
        locale = setlocale(LC_MESSAGES, NULL);
        if (!locale || !strcmp(locale, "C") || g_str_has_prefix(locale, "C.") || !strcmp(locale, "POSIX"))
            setlocale(LC_MESSAGES, "C_XX.UTF-8");
    }
    textdomain(textdomain(NULL)); /* the same as before; gettext then asks the environment again */
}

static void language_register(void)
{
    const char *folder = g_getenv("TEXTDOMAINDIR"); /* as gettext(1) has it: catalogues of a build that is not installed */

    bindtextdomain(DOMAIN, folder ? folder : SMTPSCOPE_LOCALEDIR);
    bind_textdomain_codeset(DOMAIN, "UTF-8");
}

static void families_register(module_t *module)
{
    for (unsigned i = 0; i < family_count; i++) {
        family_shown[i] = TRUE;
        prefs_register_bool_preference(
            module, g_strdup_printf("family.%s", families[i]), g_strdup_printf("Findings: %s", families[i]),
            g_strdup_printf("Show findings of the family \"%s\" (smtpscope.rule begins with it).", families[i]),
            &family_shown[i]);
    }
}

void settings_register(int proto)
{
    module_t *module = prefs_register_protocol(proto, language_apply);
    unsigned count;

    settings_families(&count);
    language_register();
    range_convert_str(wmem_epan_scope(), &ports, "25,465,587", PORT_MAX);
    prefs_register_range_preference(
        module, "ports", "Ports of SMTP servers",
        "TCP ports that are followed besides those that Wireshark itself takes for SMTP (Decode As).", &ports, PORT_MAX);
    prefs_register_enum_preference(module, "language", "Language", "The language of summaries, meanings and remedies.",
                                   &language, language_values, FALSE);
    prefs_register_enum_preference(module, "min_severity", "Minimal severity", "Findings below it are not shown.",
                                   &min_severity, severity_values, FALSE);
    prefs_register_bool_preference(module, "info_column", "Mark findings in the Info column",
                                   "Append the rule of the gravest finding to the Info column.", &info_column);
    families_register(module);
}

static void port_watch(guint32 port, gpointer data)
{
    (void)data;
    analysis_watch((uint16_t)port);
}

void settings_watch_ports(void)
{
    range_foreach(ports, port_watch, NULL);
}

bool settings_show(const struct finding_record *record)
{
    return (gint)record->finding.severity <= min_severity && family_shown[settings_family_of(record->finding.rule)];
}

bool settings_info_column(void)
{
    return info_column;
}
