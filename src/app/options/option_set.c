/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1 /* strcasestr(), versionsort() */
#include "app/options/option_set.h"

#include "app/options/option_store.h"
#include "app/options/values.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"
#include "base/unlike.h"
#include "output/selection.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Every packet of a tap; the expression is compiled for real on the interface itself. */
#define ANY_LENGTH 262144

static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const languages[] = {"en", "fr", "de", NULL};

static bool store(const struct setting *setting, uint64_t number)
{
    option_put_number(setting->row, setting->options, number);
    return true;
}

/* The position of `word` in `words`; -1 after saying what is allowed. */
static int choose(const struct setting *setting, const char *word, const char *const *words)
{
    char allowed[128];
    const char *near;
    size_t len = 0, count = 0;

    for (; words[count]; count++)
        if (!strcmp(word, words[count]))
            return (int)count;
    for (size_t i = 0; i < count && len < sizeof allowed; i++)
        len += (size_t)snprintf(allowed + len, sizeof allowed - len, "%s%s", i ? ", " : "", words[i]);
    near = likest(word, words, count, sizeof words[0]);
    if (near)
        warn_user(_("%s %s: write one of %s; is it %s?"), setting->where, word, allowed, near);
    else
        warn_user(_("%s %s: write one of %s"), setting->where, word, allowed);
    return -1;
}

bool set_flag(const struct setting *setting, const char *value)
{
    static const struct {
        const char *word;
        int chosen;
    } others[] = {{"true", 1}, {"on", 1}, {"1", 1}, {"false", 0}, {"off", 0}, {"0", 0}};
    int chosen = -1;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (!strcmp(value, others[i].word))
            chosen = others[i].chosen;
    if (chosen < 0)
        chosen = choose(setting, value, yes_no);
    return chosen >= 0 && store(setting, chosen ? setting->row->flag : !setting->row->flag);
}

bool set_task(const struct setting *setting, const char *value)
{
    (void)value;
    setting->options->task = setting->row->task;
    return true;
}

bool set_string(const struct setting *setting, const char *value)
{
    if (option_put_string(setting->row, setting->options, value))
        return true;
    warn_user(_("out of memory"));
    return false;
}

bool set_word(const struct setting *setting, const char *value)
{
    if (*value)
        return set_string(setting, value);
    warn_user(_("%s: its value is empty"), setting->where);
    return false;
}

/* What tcpdump -C and -W number has its number behind the name: x.pcap12. Others in the directory are none of ours. */
static int is_capture_name(const struct dirent *entry)
{
    return *entry->d_name != '.' && (strcasestr(entry->d_name, ".pcap") || strcasestr(entry->d_name, ".cap"));
}

/* The captures of a directory, by their names; nothing is opened, for what is in them was written by strangers. */
static bool set_read_directory(const struct setting *setting, const char *path)
{
    struct dirent **entries;
    char file[PATH_MAX];
    struct stat status;
    size_t found = 0;
    bool right = true;
    int count = scandir(path, &entries, is_capture_name, versionsort);

    if (count < 0) {
        warn_user("%s: %s", path, strerror(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        int len = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);

        if (right && len > 0 && (size_t)len < sizeof file && !stat(file, &status) && S_ISREG(status.st_mode)) {
            right = set_word(setting, file);
            found++;
        }
        free(entries[i]);
    }
    free(entries);
    if (!found)
        warn_user(_("%s: a directory, and no file in it has .pcap or .cap in its name"), path);
    return found && right;
}

bool set_read(const struct setting *setting, const char *value)
{
    struct stat status;

    if (strcmp(value, "-") && !stat(value, &status) && S_ISDIR(status.st_mode))
        return set_read_directory(setting, value);
    return set_word(setting, value);
}

bool set_ignore(const struct setting *setting, const char *value)
{
    struct selection_ignored ignored;

    if (setting->options->ignored_count == SELECTION_IGNORED_MAX) {
        warn_user(_("%s %s: %d of them are all that there may be"), setting->where, value, SELECTION_IGNORED_MAX);
        return false;
    }
    if (selection_ignored_parse(value, &ignored))
        return set_string(setting, value);
    warn_user(_("%s %s: write some of rule=deferral.* reason=greylisted client=192.0.2.0/24 server=192.0.2.1"), setting->where,
              value);
    return false;
}

bool set_when(const struct setting *setting, const char *value)
{
    smtpscope_time time;

    if (value_when(value, &time))
        return set_string(setting, value);
    warn_user(
        _("%s %s: write a time in UTC as 2026-05-01T09:30, with +02:00 behind it in another zone, or -2h for two hours ago"),
        setting->where, value);
    return false;
}

bool set_network(const struct setting *setting, const char *value)
{
    struct selection_network network;

    if (selection_network_parse(value, &network))
        return set_string(setting, value);
    warn_user(_("%s %s: write an address or a network, as in 192.0.2.1, 192.0.2.0/24, 2001:db8::/32"), setting->where, value);
    return false;
}

bool set_path(const struct setting *setting, const char *value)
{
    if (*value && strlen(value) < SELECTION_GLOB_SIZE)
        return set_string(setting, value);
    warn_user(
        _("%s %s: write an address of mail, as in joe@example.org, @example.org, '*@*.example.org'; <> is the null sender"),
        setting->where, value);
    return false;
}

bool set_code(const struct setting *setting, const char *value)
{
    if (*value && strlen(value) < SELECTION_CODE_SIZE && strspn(value, "0123456789?*[-]") == strlen(value))
        return set_string(setting, value);
    warn_user(_("%s %s: write a reply's code, as in 450, '45?', '[45]*'"), setting->where, value);
    return false;
}

bool set_choice(const struct setting *setting, const char *value)
{
    int chosen = choose(setting, value, setting->row->words);

    return chosen >= 0 && store(setting, (uint64_t)chosen);
}

bool set_listed(const struct setting *setting, const char *value)
{
    return choose(setting, value, setting->row->words) >= 0 && set_string(setting, value);
}

bool set_format(const struct setting *setting, const char *value)
{
    const char *names[FORMATS + 1] = {0};
    int chosen;

    for (size_t i = 0; i < FORMATS; i++)
        names[i] = format_table[i].name;
    chosen = choose(setting, value, names);
    return chosen >= 0 && store(setting, (uintptr_t)&format_table[chosen]);
}

bool set_severity(const struct setting *setting, const char *value)
{
    const char *names[SMTPSCOPE_SEVERITIES + 1] = {0};
    int chosen;

    for (int i = 0; i < SMTPSCOPE_SEVERITIES; i++)
        names[i] = smtpscope_severity_name((enum smtpscope_severity)i);
    chosen = choose(setting, value, names);
    return chosen >= 0 && store(setting, (uint64_t)chosen);
}

const char *option_language(const char *word)
{
    for (size_t i = 0; languages[i]; i++)
        if (!strcmp(word, languages[i]))
            return languages[i];
    return NULL;
}

bool set_language(const struct setting *setting, const char *value)
{
    return choose(setting, value, languages) >= 0 && set_string(setting, value);
}

bool set_number(const struct setting *setting, const char *value)
{
    const struct option_row *row = setting->row;
    uint64_t number = 0;

    if (row->zero && !strcmp(value, row->zero))
        return store(setting, 0);
    if (value_number(value, row->max, &number) && number >= row->min)
        return store(setting, number * (row->unit ? row->unit : 1));
    if (row->zero)
        warn_user(_("%s %s: write %s or a number from %llu to %llu"), setting->where, value, row->zero,
                  (unsigned long long)row->min, (unsigned long long)row->max);
    else
        warn_user(_("%s %s: write a number from %llu to %llu"), setting->where, value, (unsigned long long)row->min,
                  (unsigned long long)row->max);
    return false;
}

bool set_size(const struct setting *setting, const char *value)
{
    uint64_t octets;

    if (value_size(value, &octets))
        return store(setting, octets);
    warn_user(_("%s %s: write octets, as in 500K, 10M, 2G"), setting->where, value);
    return false;
}

bool set_time(const struct setting *setting, const char *value)
{
    smtpscope_time time;

    if (value_time(value, &time))
        return store(setting, (uint64_t)time);
    warn_user(_("%s %s: write a time, as in 60s, 5m, 2h; 0 is off"), setting->where, value);
    return false;
}

bool set_ports(const struct setting *setting, const char *value)
{
    if (value_ports(value, setting->options->ports))
        return true;
    warn_user(_("%s %s: write port numbers and ranges, as in 25,587,2500-2599"), setting->where, value);
    return false;
}

bool set_rule(const struct setting *setting, const char *value)
{
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        if (smtpscope_rule_matches((enum smtpscope_rule)rule, value))
            return set_string(setting, value);
    warn_user(_("%s %s: no rule has such a name; 'smtpscope rules' lists them all"), setting->where, value);
    return false;
}

/* Once is enough: twice would double what is found or written. */
static bool set_once(const struct setting *setting, const char *const *list, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(list[i], value)) {
            warn_user(_("%s %s: given twice"), setting->where, value);
            return false;
        }
    }
    return set_word(setting, value);
}

bool set_interface(const struct setting *setting, const char *value)
{
    const char *const *list = setting->options->interfaces;
    size_t count = setting->options->interface_count;

    if (count && (!strcmp(value, "any") || !strcmp(list[0], "any"))) {
        warn_user(_("%s %s: any is all of them; write either any or names"), setting->where, value);
        return false;
    }
    return set_once(setting, list, count, value);
}

bool set_keylog(const struct setting *setting, const char *value)
{
    return set_once(setting, setting->options->keylogs, setting->options->keylog_count, value);
}

/*
 * What an expression may say depends on the link: "ether host" means nothing on a tunnel, "wlan type" nothing on Ethernet.
 * One that fits none of the usual ones is wrong everywhere.
 */
bool set_filter(const struct setting *setting, const char *value)
{
    static const int links[] = {DLT_EN10MB, DLT_LINUX_SLL2, DLT_RAW, DLT_IEEE802_11_RADIO};
    struct bpf_program code;
    char why[PCAP_ERRBUF_SIZE] = "";

    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        pcap_t *pcap = pcap_open_dead(links[i], ANY_LENGTH);
        int wrong = pcap ? pcap_compile(pcap, &code, value, 1, PCAP_NETMASK_UNKNOWN) : -1;

        if (!wrong)
            pcap_freecode(&code);
        else if (pcap && !*why)
            snprintf(why, sizeof why, "%s", pcap_geterr(pcap));
        if (pcap)
            pcap_close(pcap);
        if (!wrong)
            return set_string(setting, value);
    }
    warn_user(_("%s %s: %s; pcap-filter(7) says what to write"), setting->where, value, why);
    return false;
}

bool set_output(const struct setting *setting, const char *value)
{
    if (value_output(value))
        return set_once(setting, setting->options->outputs, setting->options->output_count, value);
    warn_user(_("%s %s: write -, file:PATH, unix:PATH, journald, syslog, syslog:udp:HOST:PORT or syslog:tcp:HOST:PORT"),
              setting->where, value);
    return false;
}

bool set_metrics(const struct setting *setting, const char *value)
{
    if (value_address_port(value))
        return set_string(setting, value);
    warn_user(_("%s %s: write an address and a port, as in 127.0.0.1:9425 or [::1]:9425"), setting->where, value);
    return false;
}

bool set_user(const struct setting *setting, const char *value)
{
    if (getpwnam(value))
        return set_string(setting, value);
    warn_user(_("%s %s: there is no such user"), setting->where, value);
    return false;
}
