/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/format.h"

#include "base/address.h"
#include "base/digits.h"

#include <string.h>

struct date {
    int64_t year;
    unsigned month, day;
};

/*
 * The Gregorian date of a day that counts from 1970-01-01. Years are taken to begin in March, so that the leap day is the last
 * and months follow one another by 30.6 days; four centuries, 146097 days, are the calendar's period. gmtime_r() knows time
 * zones and leap seconds besides, and takes ten times as long, twice a line.
 */
static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468; /* from 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned of_era = (unsigned)(shifted - era * 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153;
    struct date date = {.year = era * 400 + year, .month = month + 3, .day = of_year - (153 * month + 2) / 5 + 1};

    if (date.month > 12) {
        date.month -= 12;
        date.year++;
    }
    return date;
}

static char *digits_put_behind(char *to, char before, uint64_t number, unsigned count)
{
    *to = before;
    return digits_put(to + 1, number, count);
}

/* All that 64 bits of nanoseconds can say lies in years of four digits. */
void format_time(struct writer *writer, smtpscope_time time, char between, unsigned digits)
{
    static const unsigned powers[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    const int64_t day = 24 * 60 * 60;
    int64_t fraction = time % SMTPSCOPE_SECOND, seconds = time / SMTPSCOPE_SECOND - (fraction < 0);
    int64_t of_day = seconds % day + (seconds % day < 0 ? day : 0);
    struct date date = date_of((seconds - of_day) / day);
    char *to;

    if (!writer_fits(writer, sizeof "0000-00-00T00:00:00.000000000Z"))
        return;
    to = digits_put(writer->at + writer->len, (uint64_t)date.year, 4);
    to = digits_put_behind(to, '-', date.month, 2);
    to = digits_put_behind(to, '-', date.day, 2);
    to = digits_put_behind(to, between, (uint64_t)of_day / 3600, 2);
    to = digits_put_behind(to, ':', (uint64_t)of_day / 60 % 60, 2);
    to = digits_put_behind(to, ':', (uint64_t)of_day % 60, 2);
    fraction += fraction < 0 ? SMTPSCOPE_SECOND : 0;
    if (digits)
        to = digits_put_behind(to, '.', (uint64_t)fraction / powers[digits], digits);
    *to++ = 'Z';
    writer->len = (size_t)(to - writer->at);
}

void format_address(struct writer *writer, const struct smtpscope_endpoint *endpoint)
{
    char text[ADDRESS_TEXT];

    if (!address_is_ipv4(endpoint->addr)) {
        writer_string(writer, address_text(endpoint->addr, text));
        return;
    }
    for (size_t i = 12; i < sizeof endpoint->addr; i++) {
        if (i > 12)
            writer_char(writer, '.');
        writer_unsigned(writer, endpoint->addr[i]);
    }
}

void format_endpoint(struct writer *writer, const struct smtpscope_endpoint *endpoint)
{
    bool bare = address_is_ipv4(endpoint->addr);

    writer_string(writer, bare ? "" : "[");
    format_address(writer, endpoint);
    writer_string(writer, bare ? ":" : "]:");
    writer_unsigned(writer, endpoint->port);
}

void format_enhanced(struct writer *writer, const struct smtpscope_enhanced *enhanced)
{
    if (!enhanced->klass)
        return;
    writer_unsigned(writer, enhanced->klass);
    writer_char(writer, '.');
    writer_unsigned(writer, enhanced->subject);
    writer_char(writer, '.');
    writer_unsigned(writer, enhanced->detail);
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
