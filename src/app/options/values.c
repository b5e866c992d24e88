/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1 /* strptime() */
#include "app/options/values.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#define PORT_MAX 65535u
#define PORTS_OCTETS 8192u
/* Longer is a slip of the keyboard, and stays clear of the end of smtpscope_time. */
#define SECONDS_MAX (366u * 86400u)

/* A decimal number at `*at`, which moves behind it. */
static bool take_number(const char **at, uint64_t max, uint64_t *number)
{
    uint64_t sum = 0;

    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        unsigned digit = (unsigned)(**at - '0');

        if (digit > max || sum > (max - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

bool value_number(const char *text, uint64_t max, uint64_t *number)
{
    return take_number(&text, max, number) && !*text;
}

/* A number and perhaps one of the letters of `units`, each of which stands for the factor beside it. */
static bool take_quantity(const char *text, const char *units, const uint64_t *factors, uint64_t max, uint64_t *quantity)
{
    const char *unit;
    uint64_t number, factor = 1;

    if (!take_number(&text, max, &number))
        return false;
    if (*text) {
        unit = strchr(units, *text);
        if (!unit || text[1])
            return false;
        factor = factors[unit - units];
    }
    *quantity = number * factor;
    return number <= max / factor;
}

bool value_size(const char *text, uint64_t *octets)
{
    static const uint64_t factors[] = {1u << 10, 1u << 20, 1u << 30, 1u << 10, 1u << 20, 1u << 30};
    size_t digits = strspn(text, "0123456789"), blanks = strspn(text + digits, " ");
    const char *unit = text + digits + blanks;
    char bare[32]; /* the number and its letter: "100 MB" and "100 MiB" are "100M" */

    if (!digits || digits > 20)
        return false;
    if (*unit && strcmp(unit + 1, "") != 0 && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "iB") != 0)
        return false;
    memcpy(bare, text, digits);
    bare[digits] = *unit;
    bare[digits + (*unit != 0)] = '\0';
    return take_quantity(bare, "KMGkmg", factors, INT64_MAX, octets);
}

bool value_time(const char *text, smtpscope_time *time)
{
    static const uint64_t factors[] = {1, 60, 3600, 86400};
    uint64_t seconds = 0;
    bool right = take_quantity(text, "smhd", factors, SECONDS_MAX, &seconds);

    if (right)
        *time = (smtpscope_time)seconds * SMTPSCOPE_SECOND;
    return right;
}

/* "Z" or "+02:00" or nothing: how far the zone is ahead of UTC. */
static bool take_zone(const char *text, smtpscope_time *ahead)
{
    unsigned hours, minutes;
    char sign;
    int end = -1;

    *ahead = 0;
    if (!*text || !strcmp(text, "Z"))
        return true;
    if (sscanf(text, "%c%2u:%2u%n", &sign, &hours, &minutes, &end) != 3 || end < 0 || text[end] || !strchr("+-", sign) ||
        hours > 14 || minutes > 59)
        return false;
    *ahead = (smtpscope_time)(hours * 60 + minutes) * 60 * SMTPSCOPE_SECOND * (sign == '-' ? -1 : 1);
    return true;
}

static bool take_date(const char *text, smtpscope_time *time)
{
    struct tm date = {0};
    const char *end = strptime(text, "%Y-%m-%d", &date), *clock;
    smtpscope_time ahead;

    if (!end)
        return false;
    if ((*end == 'T' || *end == ' ') && (clock = strptime(end + 1, "%H:%M", &date))) {
        const char *seconds = strptime(clock, ":%S", &date);

        end = seconds ? seconds : clock;
    }
    *time = (smtpscope_time)timegm(&date) * SMTPSCOPE_SECOND;
    if (!take_zone(end, &ahead) || date.tm_year < 70 || date.tm_year > 200)
        return false;
    *time -= ahead;
    return true;
}

bool value_when(const char *text, smtpscope_time *when)
{
    smtpscope_time ago;
    uint64_t seconds = 0;

    if (*text == '-' && value_time(text + 1, &ago)) {
        *when = (smtpscope_time)time(NULL) * SMTPSCOPE_SECOND - ago;
        return true;
    }
    if (*text == '@' && value_number(text + 1, UINT32_MAX, &seconds)) {
        *when = (smtpscope_time)seconds * SMTPSCOPE_SECOND;
        return true;
    }
    return take_date(text, when);
}

bool value_ports(const char *text, uint8_t *ports)
{
    uint64_t first, last;

    memset(ports, 0, PORTS_OCTETS);
    do {
        text += *text == ',';
        text += strspn(text, " ");
        if (!take_number(&text, PORT_MAX, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!take_number(&text, PORT_MAX, &last))
                return false;
        }
        text += strspn(text, " ");
        if (!first || last < first || (*text && *text != ','))
            return false;
        for (uint64_t port = first; port <= last; port++)
            ports[port / 8] |= (uint8_t)(1U << port % 8);
    } while (*text);
    return true;
}

/* "HOST:PORT" or "[IPv6]:PORT" into its parts, the brackets left out. */
static bool value_host_port(const char *text, char host[VALUE_HOST_SIZE], uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
    uint64_t number;

    if (!colon || !value_number(colon + 1, PORT_MAX, &number) || !number)
        return false;
    if (*begin == '[') {
        begin++;
        end--;
        if (end < begin || *end != ']')
            return false;
    } else if (memchr(begin, ':', (size_t)(end - begin))) {
        return false; /* which of the colons would be the last one of the address? */
    }
    if (end == begin || end - begin >= VALUE_HOST_SIZE)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool value_address_port(const char *text)
{
    char host[VALUE_HOST_SIZE];
    uint8_t address[sizeof(struct in6_addr)];
    uint16_t port;

    return value_host_port(text, host, &port) && inet_pton(*text == '[' ? AF_INET6 : AF_INET, host, address) == 1;
}

/* What stands behind `prefix` in `text`; NULL when it does not begin so. */
static const char *behind(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) ? NULL : text + strlen(prefix);
}

/* "syslog" and "journald" go to the local socket; what follows is another one's path. */
static bool is_local(const char *text, const char *word)
{
    const char *rest = behind(text, word);

    return rest && (!*rest || (rest[0] == ':' && rest[1] == '/'));
}

bool value_output(const char *text)
{
    char host[VALUE_HOST_SIZE];
    const char *rest;
    uint16_t port;

    if (!strcmp(text, "-") || is_local(text, "syslog") || is_local(text, "journald"))
        return true;
    if ((rest = behind(text, "file:")))
        return *rest;
    if ((rest = behind(text, "unix:")))
        return *rest && strlen(rest) < sizeof((struct sockaddr_un *)0)->sun_path;
    if ((rest = behind(text, "syslog:udp:")) || (rest = behind(text, "syslog:tcp:")))
        return value_host_port(rest, host, &port);
    return false;
}
