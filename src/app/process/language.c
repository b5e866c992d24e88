/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/language.h"

#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOMAIN "smtpscope"

/* "<folder of the program>/../share/locale" when it is there. */
static const char *language_folder(char *path, size_t size)
{
    static const char relative[] = "/../share/locale";
    ssize_t len = readlink("/proc/self/exe", path, size - sizeof relative);
    char *slash;

    if (len <= 0)
        return SMTPSCOPE_LOCALEDIR;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return SMTPSCOPE_LOCALEDIR;
    memcpy(slash, relative, sizeof relative);
    return access(path, R_OK) == 0 ? path : SMTPSCOPE_LOCALEDIR;
}

/* The locale that translates nothing. C.UTF-8 is another name for it, also for glibc since 2.41. */
static bool is_c(const char *locale)
{
    return !strcmp(locale, "C") || !strncmp(locale, "C.", 2) || !strcmp(locale, "POSIX");
}

/*
 * Caution: glibc heeds LANGUAGE in no locale that is_c(). It takes "C_XX.UTF-8" for another one, which is there on every
 * system, as all of its parts come from C.UTF-8.
 */
static void language_choose(const char *language, bool overwrite)
{
    setenv("LANGUAGE", language, overwrite);
    if (!setlocale(LC_MESSAGES, "C_XX.UTF-8"))
        setlocale(LC_MESSAGES, "C.UTF-8");
}

/* The language is known by its name, so that its locale need not be one that was generated on this system. */
static void language_of_environment(void)
{
    static const char *const variables[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *locale = setlocale(LC_MESSAGES, ""), *value = NULL;

    for (size_t i = 0; i < sizeof variables / sizeof variables[0] && !(value && *value); i++)
        value = getenv(variables[i]);
    if (!value || !*value || is_c(value))
        setlocale(LC_MESSAGES, "C");
    else if (!locale)
        language_choose(value, false);
}

/* LC_NUMERIC stays "C": a comma in a number breaks JSON. */
void language_init(const char *language)
{
    char path[PATH_MAX];

    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    if (language)
        language_choose(language, true);
    else
        language_of_environment();
    bindtextdomain(DOMAIN, language_folder(path, sizeof path));
    bind_textdomain_codeset(DOMAIN, "UTF-8");
    textdomain(DOMAIN);
}
