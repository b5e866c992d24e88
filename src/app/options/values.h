/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the values of options: numbers with units, ports, addresses. Nothing here says anything; `false` is a wrong value. */
#ifndef APP_OPTIONS_VALUES_H
#define APP_OPTIONS_VALUES_H

#include "smtpscope/types.h"

/* Room for a name of DNS (RFC 1035 2.3.4) or an address. */
#define VALUE_HOST_SIZE 256

/* "17", decimal, at most `max`. */
bool value_number(const char *text, uint64_t max, uint64_t *number);
/* "500", "64K", "10M", "2 GB", "2 GiB": octets; K is 1024. */
bool value_size(const char *text, uint64_t *octets);
/* "60s", "5m", "2h", "1d", a bare number of seconds. */
bool value_time(const char *text, smtpscope_time *time);
/*
 * "2026-05-01", "2026-05-01T09:30:05" or with a blank, in UTC or with "Z" or "+02:00" behind it; "-2h" before now, "@1777627800" seconds
 * of 1970.
 */
bool value_when(const char *text, smtpscope_time *time);
/* "25, 587,2500-2599" into a bit per port: 8192 octets, which are overwritten in any case. */
bool value_ports(const char *text, uint8_t *ports);
/* "ADDRESS:PORT" or "[IPv6]:PORT", the address a number. */
bool value_address_port(const char *text);
/*
 * The form of output/sink.h: "-", "file:PATH", "unix:PATH", "journald[:PATH]", "syslog[:PATH]", "syslog:udp:HOST:PORT",
 * "syslog:tcp:HOST:PORT".
 */
bool value_output(const char *text);

#endif
