/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/format.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

void format_time(struct writer *writer, smtpscope_time time, char between, unsigned digits)
{
    smtpscope_time fraction = time % SMTPSCOPE_SECOND;
    time_t seconds = (time_t)(time / SMTPSCOPE_SECOND - (fraction < 0));
    struct tm tm = {.tm_mday = 1, .tm_year = 70};

    if (fraction < 0)
        fraction += SMTPSCOPE_SECOND;
    gmtime_r(&seconds, &tm);
    writer_digits(writer, (uint64_t)(tm.tm_year + 1900), 4);
    writer_char(writer, '-');
    writer_digits(writer, (uint64_t)(tm.tm_mon + 1), 2);
    writer_char(writer, '-');
    writer_digits(writer, (uint64_t)tm.tm_mday, 2);
    writer_char(writer, between);
    writer_digits(writer, (uint64_t)tm.tm_hour, 2);
    writer_char(writer, ':');
    writer_digits(writer, (uint64_t)tm.tm_min, 2);
    writer_char(writer, ':');
    writer_digits(writer, (uint64_t)tm.tm_sec, 2);
    for (unsigned i = digits; i < 9; i++)
        fraction /= 10;
    if (digits) {
        writer_char(writer, '.');
        writer_digits(writer, (uint64_t)fraction, digits);
    }
    writer_char(writer, 'Z');
}

static bool is_mapped(const uint8_t addr[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(addr, prefix, sizeof prefix);
}

void format_address(struct writer *writer, const struct smtpscope_endpoint *endpoint)
{
    char text[INET6_ADDRSTRLEN];

    if (is_mapped(endpoint->addr))
        inet_ntop(AF_INET, endpoint->addr + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, endpoint->addr, text, sizeof text);
    writer_string(writer, text);
}

void format_endpoint(struct writer *writer, const struct smtpscope_endpoint *endpoint)
{
    bool bare = is_mapped(endpoint->addr);

    writer_string(writer, bare ? "" : "[");
    format_address(writer, endpoint);
    writer_string(writer, bare ? ":" : "]:");
    writer_unsigned(writer, endpoint->port);
}

void format_enhanced(struct writer *writer, unsigned klass, unsigned subject, unsigned detail)
{
    if (!klass)
        return;
    writer_unsigned(writer, klass);
    writer_char(writer, '.');
    writer_unsigned(writer, subject);
    writer_char(writer, '.');
    writer_unsigned(writer, detail);
}

struct smtpscope_text format_text(const char *string)
{
    return (struct smtpscope_text){string, string ? strlen(string) : 0};
}

struct smtpscope_text format_verb(const struct smtpscope_command *command)
{
    if (command->verb == SMTPSCOPE_VERB_UNKNOWN)
        return command->name;
    return format_text(smtpscope_verb_name(command->verb));
}

struct smtpscope_text format_first_line(struct smtpscope_text text)
{
    const char *end = text.len ? memchr(text.at, '\n', text.len) : NULL;

    if (end)
        text.len = (size_t)(end - text.at);
    return text;
}

const char *format_side(enum smtpscope_side side)
{
    return side == SMTPSCOPE_CLIENT ? "client" : "server";
}

const char *format_close(enum smtpscope_close close)
{
    static const char *const names[] = {
        [SMTPSCOPE_CLOSE_FIN] = "fin", [SMTPSCOPE_CLOSE_RESET] = "reset",   [SMTPSCOPE_CLOSE_IDLE] = "idle",
        [SMTPSCOPE_CLOSE_END] = "end", [SMTPSCOPE_CLOSE_REUSED] = "reused", [SMTPSCOPE_CLOSE_EVICTED] = "evicted",
    };

    return names[close];
}
