/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON Lines. What is the same for many lines is written once and copied: the endpoints of a session, what the findings of a
 * kind have in common. Each line goes out with one write.
 */
#include "output/finding_cache.h"
#include "output/format.h"
#include "output/json_parts.h"
#include "output/json_tls.h"
#include "output/json_writer.h"
#include "output/output_format.h"
#include "smtpscope/advice.h"

#include <stdlib.h>

/* A detail is a template of one line around one word or number. */
#define DETAIL_TEXT_MAX 1024

struct json {
    struct finding_cache *findings;
    struct writer session; /* the members that all lines of the flow below share */
    uint64_t first_packet; /* that flow's; 0 none yet */
};

static void json_destroy(void *state)
{
    struct json *json = state;

    finding_cache_free(json->findings);
    writer_fini(&json->session);
    free(json);
}

static void *json_create(const struct output_config *config)
{
    struct json *json = calloc(1, sizeof *json);

    if (json)
        json->findings = finding_cache_new(config->remediation);
    if (json && !json->findings) {
        free(json);
        return NULL;
    }
    return json;
}

/* Without a packet there is no time. */
static void put_member_packet_time(struct writer *writer, const char *key, const struct summary *summary, smtpscope_time time)
{
    if (summary->packets) {
        put_member_time(writer, key, time);
    } else {
        put_key(writer, key);
        put_null(writer);
    }
}

static void put_member_address(struct writer *writer, const char *key, const struct smtpscope_endpoint *endpoint)
{
    put_key(writer, key);
    writer_char(writer, '"');
    format_address(writer, endpoint);
    writer_char(writer, '"');
}

static void put_member_enhanced(struct writer *writer, const struct smtpscope_enhanced *enhanced)
{
    put_key(writer, "enhanced");
    if (!enhanced->klass) {
        put_null(writer);
        return;
    }
    writer_char(writer, '"');
    format_enhanced(writer, enhanced);
    writer_char(writer, '"');
}

static void json_describe_flow(struct output *output, struct writer *writer, const struct smtpscope_flow *flow)
{
    char id[OUTPUT_COMMUNITY_ID_SIZE] = "";

    writer_clear(writer);
    put_member_number(writer, "session", flow->first_packet);
    put_member_address(writer, "src_ip", &flow->side[SMTPSCOPE_CLIENT]);
    put_member_number(writer, "src_port", flow->side[SMTPSCOPE_CLIENT].port);
    put_member_address(writer, "dest_ip", &flow->side[SMTPSCOPE_SERVER]);
    put_member_number(writer, "dest_port", flow->side[SMTPSCOPE_SERVER].port);
    put_member_name(writer, "proto", "TCP");
    output->config.community_id(flow, id);
    put_member_nonempty(writer, "community_id", id);
    put_member_flow_id(writer, flow);
}

/* A finding about the program itself has no session. */
static void put_no_flow(struct writer *line)
{
    static const char *const keys[] = {"session", "src_ip", "src_port", "dest_ip", "dest_port", "proto", "community_id"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        put_member_name(line, keys[i], NULL);
}

/* Opens an object with the members that all events of a session have; `flow` may be NULL. */
static void json_begin(struct output *output, struct json *json, const char *event, smtpscope_time time,
                       const struct smtpscope_flow *flow)
{
    struct writer *line = &output->line;

    if (flow && (json->first_packet != flow->first_packet || !json->session.len)) {
        json_describe_flow(output, &json->session, flow);
        json->first_packet = flow->first_packet;
    }
    put_open(line, '{');
    put_member_time(line, "timestamp", time);
    put_member_name(line, "event_type", event);
    put_members_of_sensor(output);
    if (!flow) {
        put_no_flow(line);
        return;
    }
    put_raw(line, json->session.at, json->session.len);
    line->failed |= json->session.failed;
}

static void json_end(struct output *output, const char *kind, enum smtpscope_severity severity)
{
    put_close(&output->line, '}');
    writer_char(&output->line, '\n');
    output_write(output, kind, severity);
}

static void put_lines(struct writer *line, const char *key, struct smtpscope_text lines)
{
    struct smtpscope_text first;

    put_key(line, key);
    put_open(line, '[');
    while (lines.len) {
        first = format_first_line(lines);
        put_text(line, first.at, first.len);
        first.len += first.len < lines.len;
        lines.at += first.len;
        lines.len -= first.len;
    }
    put_close(line, ']');
}

/* --- findings */

static void put_finding_exchange(struct writer *line, const struct smtpscope_finding *finding)
{
    bool any = *finding->command || finding->code || *finding->text;

    put_key(line, "exchange");
    if (!any) {
        put_null(line);
        return;
    }
    put_open(line, '{');
    put_member_nonempty(line, "command", finding->command);
    put_member_string(line, "argument", *finding->command ? finding->argument : NULL);
    put_member_nonzero(line, "code", finding->code);
    put_member_enhanced(line, &finding->enhanced);
    put_member_text(line, "text", format_first_line(smtpscope_text_of(finding->text)));
    put_lines(line, "lines", smtpscope_text_of(finding->text));
    put_close(line, '}');
}

static void put_indexes(struct writer *line, const char *key, const uint32_t *indexes, size_t count)
{
    put_key(line, key);
    put_open(line, '[');
    for (size_t i = 0; i < count; i++)
        put_number(line, indexes[i]);
    put_close(line, ']');
}

static void put_detail(struct json *json, struct writer *line, const struct smtpscope_finding *finding)
{
    char text[DETAIL_TEXT_MAX] = "";

    put_key(line, "detail");
    if (finding->detail == SMTPSCOPE_DETAIL_NONE) {
        put_null(line);
        return;
    }
    smtpscope_advice_detail_fill(finding_cache_detail(json->findings, finding), finding, text, sizeof text);
    put_open(line, '{');
    put_member_name(line, "word", smtpscope_detail_name(finding->detail));
    put_member_string(line, "text", text);
    put_close(line, '}');
}

static void put_clients(struct writer *line, const struct output_clients *clients)
{
    struct writer address = {0};

    put_key(line, "clients");
    put_open(line, '[');
    for (size_t i = 0; i < clients->sample_count; i++) {
        format_address(&address, &clients->sample[i]);
        put_text(line, address.at, address.len);
        writer_clear(&address);
    }
    put_close(line, ']');
    writer_fini(&address);
    put_member_number(line, "client_count", clients->count);
}

/* The client that a PROXY header names, where the server accepted it. */
static void put_proxied_for(struct writer *line, bool is_proxied, const struct smtpscope_endpoint *client)
{
    if (is_proxied)
        put_member_address(line, "proxied_for", client);
}

static void json_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                         const struct output_clients *clients)
{
    struct json *json = state;
    struct writer *line = &output->line;

    json_begin(output, json, finding->told ? "update" : "finding", finding->time, finding->flow);
    put_proxied_for(line, finding->is_proxied, &finding->proxied_for);
    put_member_number(line, "id", finding->id);
    finding_cache_put_judgement(json->findings, line, finding);
    put_member_nonempty(line, "reason_evidence", finding->reason_evidence);
    put_member_nonzero(line, "cause", finding->cause);
    put_member_number(line, "count", finding->count);
    put_member_number(line, "folded", finding->folded);
    if (clients)
        put_clients(line, clients);
    put_member_string(line, "file", put_packet_of(line, output->config.evidence, "packet", finding->packet));
    put_packet_of(line, output->config.evidence, "last_packet", finding->last_packet);
    put_member_time(line, "last_timestamp", finding->last_time);
    put_member_name(line, "side", finding->flow ? format_side(finding->side) : NULL);
    if (finding->flow)
        put_member_number(line, "offset", finding->offset);
    else
        put_member_name(line, "offset", NULL);
    if (finding->tls)
        put_member_bool(line, "tls", true);
    put_member_nonempty(line, "state", finding->state);
    put_member_nonempty(line, "server", finding->server);
    put_finding_exchange(line, finding);
    put_indexes(line, "exchanges", finding->exchanges, finding->exchange_count);
    put_detail(json, line, finding);
    finding_cache_put_remediation(json->findings, line, finding);
    json_end(output, smtpscope_rule_info(finding->rule)->id, finding->severity);
}

/* --- sessions */

static void put_command(struct writer *line, const struct transcript *transcript, const struct transcript_exchange *exchange)
{
    put_key(line, "command");
    if (!exchange->command.len) {
        put_null(line);
        put_member_string(line, "argument", NULL);
        return;
    }
    put_text(line, transcript_text(transcript, exchange->command).at, exchange->command.len);
    put_member_text(line, "argument", transcript_text(transcript, exchange->argument));
}

static void put_exchanges(struct output *output, const struct transcript *transcript)
{
    const struct transcript_exchange *end = transcript->exchanges + transcript->exchange_count;
    struct writer *line = &output->line;

    put_key(line, "exchanges");
    put_open(line, '[');
    for (const struct transcript_exchange *exchange = transcript->exchanges; exchange < end; exchange++) {
        if (!exchange->answered)
            continue;
        put_open(line, '{');
        put_command(line, transcript, exchange);
        put_member_number(line, "code", exchange->code);
        put_member_enhanced(line, &exchange->enhanced);
        put_member_text(line, "text", format_first_line(transcript_text(transcript, exchange->reply)));
        if (exchange->likely)
            put_member_string(line, "confidence", smtpscope_confidence_name(SMTPSCOPE_LIKELY));
        put_packet(output, exchange->packet);
        put_close(line, '}');
    }
    put_close(line, ']');
    put_key(line, "unanswered");
    put_open(line, '[');
    for (const struct transcript_exchange *exchange = transcript->exchanges; exchange < end; exchange++) {
        if (exchange->answered)
            continue;
        put_open(line, '{');
        put_command(line, transcript, exchange);
        put_packet(output, exchange->packet);
        put_close(line, '}');
    }
    put_close(line, ']');
    put_member_number(line, "omitted", transcript->omitted);
}

static void put_closing(struct writer *line, const struct transcript *transcript)
{
    const struct smtpscope_ending *ending = &transcript->ending;
    bool by = ending->why == SMTPSCOPE_CLOSE_RESET || ending->fin[SMTPSCOPE_CLIENT] || ending->fin[SMTPSCOPE_SERVER];

    put_member_name(line, "closed", smtpscope_close_name(ending->why));
    put_member_name(line, "closed_by", by ? format_side(ending->by) : NULL);
    put_member_bool(line, "quit", transcript->quit_sent);
}

static void put_gaps(struct writer *line, const struct transcript *transcript)
{
    put_key(line, "gaps");
    put_open(line, '[');
    for (size_t i = 0; i < transcript->gap_count; i++) {
        put_open(line, '{');
        put_member_name(line, "side", format_side(transcript->gaps[i].side));
        put_member_number(line, "offset", transcript->gaps[i].offset);
        put_member_number(line, "length", transcript->gaps[i].len);
        put_close(line, '}');
    }
    put_close(line, ']');
}

static void put_octets(struct writer *line, const struct transcript *transcript)
{
    put_key(line, "octets");
    put_open(line, '{');
    for (int side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++)
        put_member_number(line, format_side((enum smtpscope_side)side), transcript->octets_seen[side]);
    put_close(line, '}');
}

static void put_milliseconds(struct writer *line, const char *key, smtpscope_time time)
{
    put_member_number(line, key, (uint64_t)(time / (SMTPSCOPE_SECOND / 1000)));
}

/* null where it is not known. */
static void put_known(struct writer *line, const char *key, uint32_t number)
{
    put_key(line, key);
    if (number)
        put_number(line, number);
    else
        put_null(line);
}

static void put_network_side(struct writer *line, const struct smtpscope_network_side *figures)
{
    put_open(line, '{');
    put_member_number(line, "octets_resent", figures->resent);
    put_member_number(line, "segments_resent", figures->resent_segments);
    put_member_number(line, "segments_copied", figures->copies);
    put_milliseconds(line, "recovered_ms", figures->recovered);
    put_milliseconds(line, "recovered_longest_ms", figures->recovered_longest);
    put_known(line, "rtt_min_us", figures->rtt_min_us);
    put_known(line, "rtt_95_us", figures->rtt_95_us);
    put_member_number(line, "octets_not_arrived", figures->not_arrived);
    put_member_number(line, "octets_unacknowledged", figures->unacked);
    put_member_number(line, "tries", figures->unacked_tries);
    put_member_number(line, "window_smallest", figures->window_smallest);
    put_member_number(line, "window_closings", figures->window_closings);
    put_milliseconds(line, "window_closed_ms", figures->window_closed);
    put_milliseconds(line, "window_longest_ms", figures->window_longest);
    put_member_name(line, "icmp", figures->icmp.icmp ? smtpscope_icmp_name(figures->icmp.icmp) : NULL);
    put_member_number(line, "icmp_count", figures->icmp.count);
    put_member_number(line, "icmp_mtu", figures->icmp.mtu);
    put_close(line, '}');
}

static void put_of_sides(struct writer *line, const char *key, uint32_t client, uint32_t server)
{
    put_key(line, key);
    put_open(line, '{');
    put_known(line, format_side(SMTPSCOPE_CLIENT), client);
    put_known(line, format_side(SMTPSCOPE_SERVER), server);
    put_close(line, '}');
}

static void put_stall(struct writer *line, const struct smtpscope_stall *stall)
{
    put_key(line, "longest_stall");
    if (!stall->kind) {
        put_null(line);
        return;
    }
    put_open(line, '{');
    put_member_name(line, "kind", smtpscope_stall_name(stall->kind));
    put_member_name(line, "side", format_side(stall->side));
    put_milliseconds(line, "ms", stall->lasted);
    put_close(line, '}');
}

static void put_network(struct writer *line, const struct transcript *transcript)
{
    const struct smtpscope_ending *ending = &transcript->ending;

    put_key(line, "network");
    put_open(line, '{');
    put_of_sides(line, "handshake_us", ending->connecting.took_us[0], ending->connecting.took_us[1]);
    put_of_sides(line, "mss", ending->mss[0], ending->mss[1]);
    put_stall(line, &transcript->stall);
    for (int side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        put_key(line, format_side((enum smtpscope_side)side));
        if (transcript->in_trouble)
            put_network_side(line, &transcript->network.side[side]);
        else
            put_null(line);
    }
    put_close(line, '}');
}

static void json_session(struct output *output, void *state, const struct smtpscope_flow *flow,
                         const struct transcript *transcript)
{
    struct writer *line = &output->line;
    struct smtpscope_text greeting = transcript_text(transcript, transcript->greeting),
                          helo = transcript_text(transcript, transcript->helo);

    json_begin(output, state, "session", flow->first_time, flow);
    put_proxied_for(line, transcript->proxy.has_client && transcript->proxy.outcome != SMTPSCOPE_PROXY_REFUSED,
                    &transcript->proxy.client);
    put_member_time(line, "end_timestamp", transcript->ending.time);
    put_member_string(line, "file", put_packet(output, flow->first_packet));
    put_key(line, "greeting");
    if (transcript->has_greeting)
        put_text(line, greeting.at, greeting.len);
    else
        put_null(line);
    put_key(line, "helo");
    if (helo.len)
        put_text(line, helo.at, helo.len);
    else
        put_null(line);
    put_lines(line, "extensions", transcript_text(transcript, transcript->extensions));
    put_tls(output, transcript);
    put_closing(line, transcript);
    put_member_bool(line, "midstream", flow->midstream);
    put_gaps(line, transcript);
    put_octets(line, transcript);
    put_network(line, transcript);
    put_exchanges(output, transcript);
    json_end(output, "session", SMTPSCOPE_INFO);
}

/* --- messages */

static void put_recipient(struct writer *line, const struct smtpscope_recipient *recipient)
{
    put_open(line, '{');
    put_member_text(line, "to", recipient->path);
    put_member_nonzero(line, "code", recipient->code);
    put_member_enhanced(line, &recipient->enhanced);
    put_member_name(line, "outcome", smtpscope_outcome_name(recipient->outcome));
    put_close(line, '}');
}

static void put_member_found(struct writer *line, const char *key, struct smtpscope_text text)
{
    put_key(line, key);
    if (text.len)
        put_text(line, text.at, text.len);
    else
        put_null(line);
}

/* The reply that decided, as an exchange's: its first line, and all of them. */
static void put_deciding_reply(struct writer *line, const struct delivery *delivery)
{
    put_member_nonzero(line, "code", delivery->code);
    put_member_enhanced(line, &delivery->enhanced);
    put_member_found(line, "text", format_first_line(delivery->reply));
    put_lines(line, "lines", delivery->reply);
    put_member_found(line, "queue_id", delivery->queue_id);
}

static void json_message(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    struct writer *line = &output->line;

    json_begin(output, state, "message", message->time, flow);
    put_member_found(line, "helo", delivery->helo);
    put_key(line, "mail_from");
    if (message->mail_from.at)
        put_text(line, message->mail_from.at, message->mail_from.len);
    else
        put_null(line);
    put_key(line, "rcpt");
    put_open(line, '[');
    for (size_t i = 0; i < message->recipient_count; i++)
        put_recipient(line, &message->recipients[i]);
    put_close(line, ']');
    put_member_number(line, "size", message->size);
    put_key(line, "declared_size");
    if (message->has_declared_size)
        put_number(line, message->declared_size);
    else
        put_null(line);
    put_member_name(line, "via", !message->sent ? NULL : message->bdat ? "BDAT" : "DATA");
    put_member_name(line, "stage", delivery_stage_name(delivery->stage));
    put_member_name(line, "outcome", smtpscope_outcome_name(delivery->outcome));
    put_deciding_reply(line, delivery);
    put_member_string(line, "file", put_packet(output, message->packet));
    json_end(output, "message", SMTPSCOPE_INFO);
}

/* --- the totals */

static void put_outcomes(struct writer *line, const char *key, const uint64_t counts[SUMMARY_OUTCOMES], bool messages)
{
    put_key(line, key);
    put_open(line, '{');
    for (int outcome = 0; outcome < SUMMARY_OUTCOMES; outcome++) /* a recipient is neither lost nor given up */
        if (messages || (outcome != SMTPSCOPE_OUTCOME_LOST && outcome != SMTPSCOPE_OUTCOME_GIVEN_UP))
            put_member_number(line, smtpscope_outcome_name((enum smtpscope_outcome)outcome), counts[outcome]);
    put_close(line, '}');
}

static void put_finding_counts(struct writer *line, const struct summary *summary)
{
    put_key(line, "findings");
    put_open(line, '{');
    put_member_number(line, "total", summary_findings(summary));
    put_key(line, "by_severity");
    put_open(line, '{');
    for (int severity = 0; severity < SMTPSCOPE_SEVERITIES; severity++)
        put_member_number(line, smtpscope_severity_name((enum smtpscope_severity)severity), summary->by_severity[severity]);
    put_close(line, '}');
    put_key(line, "by_rule");
    put_open(line, '{');
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        if (summary->findings[rule])
            put_member_number(line, smtpscope_rule_info((enum smtpscope_rule)rule)->id, summary->findings[rule]);
    put_close(line, '}');
    put_close(line, '}');
}

static void put_counters(struct writer *line, const struct counter_table *table, const void *counters)
{
    for (size_t i = 0; i < table->count; i++)
        put_member_number(line, table->rows[i].name, counters_value(counters, i));
}

static void put_certainty(struct writer *line, const struct summary *summary)
{
    put_key(line, "certainty");
    put_open(line, '{');
    put_counters(line, &summary_limits, summary_limits_of(summary));
    put_member_bool(line, "interrupted", summary->interrupted);
    put_close(line, '}');
}

static void put_stage(struct writer *line, const struct summary_stage *stage)
{
    put_key(line, stage->table->name);
    put_open(line, '{');
    put_counters(line, stage->table, stage->counters);
    put_close(line, '}');
}

static void json_finish(struct output *output, void *state, const struct summary *summary)
{
    struct writer *line = &output->line;

    (void)state;
    if (!output->config.summary)
        return;
    put_open(line, '{');
    put_member_packet_time(line, "timestamp", summary, summary->last_time);
    put_member_name(line, "event_type", "stats");
    put_members_of_sensor(output);
    put_member_packet_time(line, "first_timestamp", summary, summary->first_time);
    put_counters(line, &summary_totals, summary_totals_of(summary));
    put_outcomes(line, "messages", summary->messages, true);
    put_outcomes(line, "recipients", summary->recipients, false);
    put_finding_counts(line, summary);
    put_certainty(line, summary);
    put_key(line, "stages");
    put_open(line, '{');
    for (size_t i = 0; i < summary->stage_count; i++)
        put_stage(line, &summary->stages[i]);
    put_close(line, '}');
    json_end(output, "stats", SMTPSCOPE_INFO);
}

const struct output_format output_json = {
    .create = json_create,
    .destroy = json_destroy,
    .finding = json_finding,
    .session = json_session,
    .message = json_message,
    .finish = json_finish,
};
