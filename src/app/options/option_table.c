/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options/option_table.h"

#include "app/options/option_set.h"
#include "app/process/processors.h"
#include "base/gettext.h"
#include "base/unlike.h"

#include <stddef.h>
#include <string.h>

#define FILES (1U << TASK_ANALYSE)
#define LIVE (1U << TASK_WATCH)
#define BOTH (FILES | LIVE)
#define LISTING (1U << TASK_INTERFACES)
#define CATALOGUE (1U << TASK_RULES | 1U << TASK_EXPLAIN | 1U << TASK_COMPARE | 1U << TASK_EXPORT | 1U << TASK_MAIL)
#define ANY (BOTH | LISTING | CATALOGUE)

#define PLAIN(field)                                                                                                           \
    .storage = OPTION_PLAIN, .offset = offsetof(struct options, field), .size = sizeof((struct options *)0)->field
#define STRING(field) .storage = OPTION_STRING, .offset = offsetof(struct options, field)
#define LIST(field, count)                                                                                                     \
    .storage = OPTION_LIST, .offset = offsetof(struct options, field), .count_offset = offsetof(struct options, count)

/* tcpdump's own limit on a packet, MAXIMUM_SNAPLEN of libpcap. */
#define SNAPSHOT_MAX 262144
/* libpcap takes the buffer's octets in an int. */
#define BUFFER_KIB_MAX (INT32_MAX / 1024)
/* 600 octets each are then 60 GB. */
#define SESSIONS_MAX 100000000
#define FILES_KEPT_MAX 10000
/* tcpdump's unit of -C. */
#define MEGABYTE 1000000
#define MEGABYTES_MAX 1000000

static const char *const colours[] = {[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never", NULL};

static const char *const remediations[] = {
    [OUTPUT_REMEDIATION_FULL] = "full", [OUTPUT_REMEDIATION_BRIEF] = "brief", [OUTPUT_REMEDIATION_NONE] = "none", NULL};

static const char *const stages[] = {"rcpt", "data", "mail", "connect", "helo", "auth", "tls", NULL};

const struct option_row option_table[OPTION_COUNT] = {
    [OPTION_READ] = {"read", "FILE...", N_("captures (.gz, .zst), their folder, - is stdin"), FILES, 'r', .set = set_read,
                     LIST(files, file_count)},
    [OPTION_INTERFACE] = {"interface", "IFACE", N_("watch an interface, or any; repeatable"), LIVE, 'i', .in_file = true,
                          .set = set_interface, LIST(interfaces, interface_count)},
    [OPTION_LIST_INTERFACES] = {"list-interfaces", NULL, N_("list the interfaces"), LISTING, 'D', .set = set_task,
                                .task = TASK_INTERFACES},
    [OPTION_FILTER] = {"filter", "EXPRESSION", N_("only such packets, see pcap-filter(7)"), BOTH, .in_file = true,
                       .set = set_filter, STRING(expression)},
    [OPTION_PORTS] = {"ports", "LIST", N_("of servers, as in 25,2500-2599 (25,465,587)"), BOTH, .in_file = true,
                      .set = set_ports, PLAIN(ports)},
    [OPTION_DETECT] = {"detect", NULL, N_("find SMTP on other ports, too"), BOTH, .in_file = true, .flag = true,
                       .set = set_flag, PLAIN(detect)},
    [OPTION_NO_PROMISCUOUS_MODE] = {"no-promiscuous-mode", NULL, N_("only packets for this machine"), LIVE, 'p',
                                    .in_file = true, .flag = false, .set = set_flag, PLAIN(promiscuous)},
    [OPTION_SNAPSHOT_LENGTH] = {"snapshot-length", "N", N_("octets of each packet; 0: all (0)"), LIVE, 's', .in_file = true,
                                .set = set_number, .max = SNAPSHOT_MAX, PLAIN(snapshot_length)},
    [OPTION_BUFFER_SIZE] = {"buffer-size", "KIB", N_("the kernel's buffer; 0: 32 MiB (0)"), LIVE, 'B', .in_file = true,
                            .set = set_number, .max = BUFFER_KIB_MAX, PLAIN(buffer_kib)},
    [OPTION_KEYLOG] = {"keylog", "FILE", N_("keys of TLS sessions, as SSLKEYLOGFILE; repeatable"), BOTH, .in_file = true,
                       .set = set_keylog, LIST(keylogs, keylog_count)},
    [OPTION_NO_INFERENCE] = {"no-inference", NULL, N_("no guesses at what TLS hides"), BOTH, .in_file = true, .flag = false,
                             .set = set_flag, PLAIN(inference)},
    [OPTION_ENCAPSULATED] = {"encapsulated", NULL, N_("also packets in VLANs and tunnels"), LIVE, .in_file = true, .flag = true,
                             .set = set_flag, PLAIN(encapsulated)},
    [OPTION_VERIFY_CHECKSUMS] = {"verify-checksums", NULL, N_("leave out segments that arrived damaged"), BOTH, .in_file = true,
                                 .flag = true, .set = set_flag, PLAIN(verify_checksums)},

    [OPTION_RULE] = {"rule", "GLOB", N_("only such, as 'sequence.*'; never such"), BOTH, .in_file = true, .live = true,
                     .shares = true, .set = set_rule, LIST(globs, glob_count)},
    [OPTION_IGNORE] = {"ignore", "WHAT", NULL, BOTH, .in_file = true, .live = true, .set = set_ignore,
                       LIST(ignored, ignored_count)},
    [OPTION_MIN_SEVERITY] = {"min-severity", "LEVEL", N_("error, warning, notice, info and above (info)"), BOTH,
                             .in_file = true, .live = true, .set = set_severity, PLAIN(min_severity)},
    [OPTION_SINCE] = {"since", "TIME", N_("as 2026-05-01T09:30, or -2h from now"), BOTH, .shares = true, .set = set_when,
                      STRING(since)},
    [OPTION_UNTIL] = {"until", "TIME", NULL, BOTH, .set = set_when, STRING(until)},
    [OPTION_SERVER] = {"server", "NET", N_("only those at 192.0.2.1 or in 192.0.2.0/24"), BOTH, .shares = true, .in_file = true,
                       .set = set_network, STRING(server)},
    [OPTION_CLIENT] = {"client", "NET", NULL, BOTH, .in_file = true, .set = set_network, STRING(client)},
    [OPTION_FROM] = {"from", "GLOB", N_("only mail of joe@example.org or @example.org"), BOTH, .shares = true, .in_file = true,
                     .set = set_path, STRING(from)},
    [OPTION_TO] = {"to", "GLOB", NULL, BOTH, .in_file = true, .set = set_path, STRING(to)},
    [OPTION_CODE] = {"code", "45?", N_("only such replies; only that session"), BOTH, .shares = true, .in_file = true,
                     .set = set_code, STRING(code)},
    [OPTION_SESSION] = {"session", "N", NULL, BOTH, .set = set_number, .min = 1, .max = INT64_MAX, PLAIN(session)},
    [OPTION_SESSIONS] = {"sessions", NULL, N_("each session, each message: all that was said"), BOTH, .shares = true,
                         .in_file = true, .flag = true, .set = set_flag, PLAIN(sessions)},
    [OPTION_MESSAGES] = {"messages", NULL, NULL, BOTH, .in_file = true, .flag = true, .set = set_flag, PLAIN(messages)},
    [OPTION_SUMMARY] = {"summary", NULL, N_("totals, with --format json as well"), BOTH, .in_file = true, .flag = true,
                        .set = set_flag, PLAIN(summary)},
    [OPTION_DETAIL] = {"detail", NULL, N_("all of each finding; a line of each"), FILES, .shares = true, .flag = true,
                       .set = set_flag, PLAIN(detail)},
    [OPTION_BRIEF] = {"brief", NULL, NULL, FILES, .flag = true, .set = set_flag, PLAIN(brief)},
    [OPTION_AGGREGATE] = {"aggregate", "TIME", N_("like findings as one for 60s; totals each 5m"), LIVE, .shares = true,
                          .in_file = true, .live = true, .set = set_time, PLAIN(aggregate)},
    [OPTION_STATS] = {"stats", "TIME", NULL, LIVE, .in_file = true, .live = true, .set = set_time, PLAIN(stats_interval)},
    [OPTION_FORMAT] = {"format", "text|json|eve|csv", N_("for people; for programs (text)"), ANY, .in_file = true, .live = true,
                       .set = set_format, PLAIN(format)},
    [OPTION_REMEDIATION] = {"remediation", "WHAT", N_("full, brief, none in JSON; who says it"), BOTH, .in_file = true,
                            .live = true, .shares = true, .set = set_choice, .words = remediations, PLAIN(remediation)},
    [OPTION_SENSOR_NAME] = {"sensor-name", "NAME", NULL, BOTH, .in_file = true, .set = set_word, STRING(sensor)},
    [OPTION_LANG] = {"lang", "en|fr|de", N_("the language; colours auto, always, never"), ANY, .in_file = true, .shares = true,
                     .set = set_language, STRING(language)},
    [OPTION_COLOR] = {"color", "WHEN", NULL, ANY, .in_file = true, .set = set_choice, .words = colours, PLAIN(colour)},

    [OPTION_OUTPUT] = {"output", "SPEC", N_("-, file:PATH, syslog, journald, unix:PATH"), BOTH, .in_file = true, .live = true,
                       .set = set_output, LIST(outputs, output_count)},
    [OPTION_ROTATE_SIZE] = {"rotate-size", "SIZE", N_("a new file at 10M; keep 5 old ones"), BOTH, .shares = true,
                            .in_file = true, .live = true, .set = set_size, .needs = OPTION_OUTPUT, PLAIN(rotate_octets)},
    [OPTION_ROTATE_COUNT] = {"rotate-count", "N", NULL, BOTH, .in_file = true, .live = true, .set = set_number, .min = 1,
                             .max = FILES_KEPT_MAX, .needs = OPTION_ROTATE_SIZE, PLAIN(rotate_count)},
    [OPTION_WRITE] = {"write", "FILE", N_("the packets of findings, as a capture"), BOTH, 'w', .in_file = true, .set = set_word,
                      STRING(evidence)},
    [OPTION_FILE_SIZE] = {"file-size", "MB", N_("how large each is; how many"), BOTH, 'C', .shares = true, .in_file = true,
                          .set = set_number, .min = 1, .max = MEGABYTES_MAX, .unit = MEGABYTE, .needs = OPTION_WRITE,
                          PLAIN(evidence_octets)},
    [OPTION_FILE_COUNT] = {"file-count", "N", NULL, BOTH, 'W', .in_file = true, .set = set_number, .min = 1,
                           .max = FILES_KEPT_MAX, .needs = OPTION_FILE_SIZE, PLAIN(evidence_count)},
    [OPTION_ANNOTATE] = {"annotate", "FILE.pcapng", N_("the captures, findings as packet comments"), FILES, .set = set_word,
                         STRING(annotate)},
    [OPTION_STORE] = {"store", "FILE", N_("history: read by export and mail"), FILES, .set = set_word, STRING(store)},
    [OPTION_METRICS] = {"metrics", "ADDRESS:PORT", N_("counters for Prometheus, served there"), LIVE, .in_file = true,
                        .set = set_metrics, STRING(metrics)},

    [OPTION_CONFIG] = {"config", "FILE", N_("options from there: smtpscope.conf(5)"), BOTH, 'c', .set = set_word,
                       STRING(config)},
    [OPTION_CHECK_CONFIG] = {"check-config", NULL, N_("only say whether that file is right"), 1U << TASK_CHECK_CONFIG,
                             .set = set_task, .task = TASK_CHECK_CONFIG, .needs = OPTION_CONFIG},
    [OPTION_WORKERS] = {"workers", "N|auto", N_("threads that analyse (-i: 1, -r: auto)"), BOTH, .in_file = true,
                        .set = set_number, .min = 1, .max = WORKERS_MAX, .zero = "auto", PLAIN(workers)},
    [OPTION_MAX_SESSIONS] = {"max-sessions", "N", N_("followed at a time, the least useful give way"), BOTH, .in_file = true,
                             .set = set_number, .min = 1, .max = SESSIONS_MAX, PLAIN(max_sessions)},
    [OPTION_USER] = {"user", "NAME", N_("whom root becomes (smtpscope, else nobody)"), BOTH, .in_file = true, .set = set_user,
                     STRING(user)},
    [OPTION_NO_SANDBOX] = {"no-sandbox", NULL, N_("without the filter on system calls"), BOTH, .in_file = true, .flag = false,
                           .set = set_flag, PLAIN(sandbox)},
    [OPTION_FAIL_ON] = {"fail-on", "LEVEL", N_("status 1 when something so severe was found"), BOTH, .in_file = true,
                        .set = set_severity, PLAIN(fail_on)},
    [OPTION_STAGE] = {"stage", "STEP", NULL, 1U << TASK_EXPLAIN, .set = set_listed, .words = stages, STRING(stage)},
    [OPTION_HELP] = {"help", NULL, NULL, ANY, 'h', .set = set_task, .task = TASK_HELP},
    [OPTION_VERSION] = {"version", NULL, NULL, ANY, .set = set_task, .task = TASK_VERSION},
};

const struct option_row *option_find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!strcmp(option_table[i].name, name))
            return &option_table[i];
    return NULL;
}

const char *option_near(const char *name)
{
    return likest(name, option_table, OPTION_COUNT, sizeof option_table[0]);
}
