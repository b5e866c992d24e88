/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/warn_user.h"

#include "base/writer.h"

#include <stdarg.h>
#include <stdio.h>

/* Longer lines are cut: a file's name may have 4096 octets. */
#define COMPLAINT_MAX 8192

void warn_user(const char *format, ...)
{
    struct writer line = {0};
    char text[COMPLAINT_MAX];
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    writer_string(&line, "smtpscope: ");
    writer_escaped(&line, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1, ESCAPE_TERMINAL);
    writer_char(&line, '\n');
    if (!line.failed)
        fwrite(line.at, 1, line.len, stderr);
    else /* and so it is what there is to say */
        fputs("smtpscope: out of memory\n", stderr);
    writer_fini(&line);
}
