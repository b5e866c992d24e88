/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/language.h"

#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOMAIN "smtpscope"

/* "<folder of the program>/../share/locale" when it is there. */
static const char *words_folder(char *path, size_t size)
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

/*
 * Caution: glibc ignores LANGUAGE in the locale "C". C.UTF-8, which every Debian has, lets it through, and keeps our words in
 * UTF-8. LC_NUMERIC stays "C": a comma in a number breaks JSON.
 */
void words_init(const char *language)
{
    char path[PATH_MAX];

    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    if (language) {
        setenv("LANGUAGE", language, 1);
        setlocale(LC_MESSAGES, "C.UTF-8");
    } else {
        setlocale(LC_MESSAGES, "");
    }
    bindtextdomain(DOMAIN, words_folder(path, sizeof path));
    bind_textdomain_codeset(DOMAIN, "UTF-8");
    textdomain(DOMAIN);
}
