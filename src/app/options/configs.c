/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options/configs.h"

#include "app/options/values.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Is the rule one that --rule chose? Without it, all are. */
static bool is_chosen(const struct options *options, enum smtpscope_rule rule)
{
    for (size_t i = 0; i < options->glob_count; i++)
        if (smtpscope_rule_matches(rule, options->globs[i]))
            return true;
    return !options->glob_count;
}

static void selection_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* Each value was found right when it was set. */
struct selection options_selection(const struct options *options)
{
    struct selection selection = {.until = SELECTION_TIME_MAX, .session = options->session};

    if (options->since)
        value_when(options->since, &selection.since);
    if (options->until)
        value_when(options->until, &selection.until);
    if (options->server)
        selection_network_parse(options->server, &selection.server);
    if (options->client)
        selection_network_parse(options->client, &selection.client);
    selection_copy(selection.from, sizeof selection.from, options->from);
    selection_copy(selection.to, sizeof selection.to, options->to);
    selection_copy(selection.code, sizeof selection.code, options->code);
    return selection;
}

static struct publisher_config options_publisher(const struct options *options)
{
    struct publisher_config config = {
        .min_severity = options->min_severity, .aggregate = options->aggregate, .selection = options_selection(options)};

    for (size_t i = 0; i < options->ignored_count; i++)
        selection_ignored_parse(options->ignored[i], &config.ignored[config.ignored_count++]);
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        config.rules[rule] = is_chosen(options, (enum smtpscope_rule)rule);
    return config;
}

/* Captures were taken by somebody else, somewhere; what watches is this machine. */
static const char *options_sensor(const struct options *options)
{
    static char host[HOST_NAME_MAX + 1];

    if (options->sensor || options->task != TASK_WATCH)
        return options->sensor;
    if (!*host && gethostname(host, sizeof host - 1))
        return NULL;
    return host;
}

static struct outputs_config options_outputs(const struct options *options)
{
    return (struct outputs_config){
        .specs = options->outputs,
        .count = options->output_count,
        .rotate_octets = options->rotate_octets,
        .rotate_count = options->rotate_count,
        .format = options->format,
        .colour = options->colour,
        .sensor = options_sensor(options),
        .interface = options->task == TASK_WATCH && options->interface_count == 1 ? options->interfaces[0] : NULL,
        .remediation = options_remediation(options),
        .messages = options->messages,
        .detail = options->detail,
        .brief = options->brief,
        .summary = options->summary || options->task == TASK_WATCH,
    };
}

struct publication_config options_publication(const struct options *options)
{
    return (struct publication_config){
        .publisher = options_publisher(options),
        .outputs = options_outputs(options),
        .evidence = {.path = options->evidence,
                     .octets = options->evidence_octets,
                     .count = options->evidence_count,
                     .spared = options->files,
                     .spared_count = options->file_count},
        .store = options->store,
        .detect = options->detect,
        .fail_on = options->fail_on,
    };
}

struct sessions_config options_sessions(const struct options *options)
{
    return (struct sessions_config){
        .no_inference = !options->inference,
        .selection = options_selection(options),
        .ports = options->ports,
        .detect = options->detect,
        .max_sessions = options->max_sessions,
        .sessions = options->sessions,
        .messages = options->messages || options->store || (options->task == TASK_ANALYSE && options->format->for_people),
        .time_replies = options->metrics,
    };
}

/* The ports whose segments are wanted: the watched ones, or all of them, to find SMTP on others. */
static const uint8_t *wanted_ports(const struct options *options)
{
    return options->detect ? NULL : options->ports;
}

struct decoder_config options_decoder(const struct options *options)
{
    return (struct decoder_config){.ports = wanted_ports(options), .verify_checksums = options->verify_checksums};
}

struct live_config options_live(const struct options *options)
{
    return (struct live_config){
        .expression = options->expression,
        .buffer_kib = options->buffer_kib,
        .snapshot_length = options->snapshot_length,
        .promiscuous = options->promiscuous,
    };
}

struct filter_config options_filter(const struct options *options)
{
    return (struct filter_config){.ports = wanted_ports(options), .encapsulated = options->encapsulated};
}
