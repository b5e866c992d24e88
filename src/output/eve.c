/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suricata's eve.json, for what reads that: a finding is an `alert`, a try to deliver a mail an `smtp`. Names, shapes and the time are
 * Suricata's (EVE JSON Output, Event types "Alert" and "SMTP"); what it has no name for stands in alert.metadata, or in smtp.
 */
#include "output/eve.h"

#include "base/hash.h"
#include "output/format.h"
#include "output/json_parts.h"
#include "output/json_writer.h"
#include "output/output_format.h"
#include "smtpscope/advice.h"

#include <stdlib.h>

/* Signatures of one's own: Suricata's documentation leaves 1000000 to 1999999 to them. */
#define SIGNATURE_FIRST 1000000
#define SIGNATURES 1000000
#define DETAIL_TEXT_MAX 1024
/* Microseconds: "2026-11-21T21:54:31.526417+0000" */
#define FRACTION_DIGITS 6

static void *eve_create(const struct output_config *config)
{
    (void)config;
    return calloc(1, 1); /* there is nothing to keep */
}

uint64_t eve_signature_id(const char *rule)
{
    return SIGNATURE_FIRST + hash_octets(rule, strlen(rule), 0) % SIGNATURES;
}

/* Suricata's: 1 is the most severe, 3 the least that is used. */
static unsigned severity_of(enum smtpscope_severity severity)
{
    return severity == SMTPSCOPE_ERROR ? 1 : severity == SMTPSCOPE_WARNING ? 2 : 3;
}

static void put_eve_time(struct writer *line, smtpscope_time time)
{
    put_key(line, "timestamp");
    writer_char(line, '"');
    format_time(line, time, 'T', FRACTION_DIGITS);
    if (line->len && !line->failed)
        line->len--; /* the Z */
    writer_string(line, "+0000\"");
}

static void put_endpoint(struct writer *line, const char *address, const char *port, const struct smtpscope_endpoint *endpoint)
{
    put_key(line, address);
    writer_char(line, '"');
    format_address(line, endpoint);
    writer_char(line, '"');
    put_member_number(line, port, endpoint->port);
}

/* What Suricata's events have in common. */
static void eve_begin(struct output *output, const char *type, smtpscope_time time, const struct smtpscope_flow *flow)
{
    char id[OUTPUT_COMMUNITY_ID_SIZE] = "";
    struct writer *line = &output->line;

    put_open(line, '{');
    put_eve_time(line, time);
    if (flow)
        put_member_flow_id(line, flow);
    if (output->config.interface)
        put_member_string(line, "in_iface", output->config.interface);
    put_member_name(line, "event_type", type);
    if (output->config.sensor)
        put_member_string(line, "host", output->config.sensor);
    if (!flow)
        return;
    put_endpoint(line, "src_ip", "src_port", &flow->side[SMTPSCOPE_CLIENT]);
    put_endpoint(line, "dest_ip", "dest_port", &flow->side[SMTPSCOPE_SERVER]);
    put_member_name(line, "proto", "TCP");
    put_member_name(line, "app_proto", "smtp");
    output->config.community_id(flow, id);
    if (*id)
        put_member_string(line, "community_id", id);
}

static void eve_end(struct output *output, const char *kind, enum smtpscope_severity severity)
{
    put_close(&output->line, '}');
    writer_char(&output->line, '\n');
    output_write(output, kind, severity);
}

static void put_place(struct writer *line, const struct packet_numbering *numbering, uint64_t ordinal)
{
    uint64_t packet;
    const char *file = packet_numbering_find(numbering, ordinal, &packet);

    if (packet)
        put_member_number(line, "pcap_cnt", packet);
    if (packet && file)
        put_member_string(line, "pcap_filename", file);
}

/* Suricata's metadata are lists of words. */
static void put_metadata(struct writer *line, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    put_key(line, key);
    put_open(line, '[');
    put_string(line, value);
    put_close(line, ']');
}

static void put_alert_metadata(struct writer *line, const struct smtpscope_finding *finding)
{
    char detail[DETAIL_TEXT_MAX] = "";

    put_key(line, "metadata");
    put_open(line, '{');
    put_metadata(line, "smtpscope_rule", smtpscope_rule_info(finding->rule)->id);
    put_metadata(line, "smtpscope_severity", smtpscope_severity_name(finding->severity));
    put_metadata(line, "reason", smtpscope_reason_name(finding->reason));
    put_metadata(line, "fault", smtpscope_fault_name(finding->fault));
    put_metadata(line, "confidence", smtpscope_confidence_name(finding->confidence));
    put_metadata(line, "server_software", finding->server);
    if (finding->detail != SMTPSCOPE_DETAIL_NONE && smtpscope_advice_detail(finding, detail, sizeof detail))
        put_metadata(line, "detail", detail);
    put_close(line, '}');
}

static void put_alert(struct writer *line, const struct smtpscope_finding *finding)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(finding->rule);
    struct writer signature = {0};

    writer_string(&signature, "SMTPSCOPE ");
    writer_string(&signature, info->id);
    writer_string(&signature, " ");
    writer_string(&signature, smtpscope_advice_summary(finding->rule));
    put_key(line, "alert");
    put_open(line, '{');
    put_member_name(line, "action", "allowed");
    put_member_number(line, "gid", 1);
    put_member_number(line, "signature_id", eve_signature_id(info->id));
    put_member_number(line, "rev", 1);
    put_member_text(line, "signature", (struct smtpscope_text){signature.len ? signature.at : "", signature.len});
    put_key(line, "category");
    put_text(line, info->id, strcspn(info->id, "."));
    put_member_number(line, "severity", severity_of(finding->severity));
    put_alert_metadata(line, finding);
    put_close(line, '}');
    line->failed |= signature.failed;
    writer_fini(&signature);
}

/* The exchange that it is about. */
static void put_exchange(struct writer *line, const struct smtpscope_finding *finding)
{
    if (!*finding->command && !finding->code)
        return;
    put_key(line, "smtp");
    put_open(line, '{');
    if (*finding->command) {
        put_member_string(line, "command", finding->command);
        put_member_string(line, "argument", finding->argument);
    }
    if (finding->code) {
        put_member_number(line, "reply_code", finding->code);
        put_member_string(line, "reply", finding->text);
    }
    put_close(line, '}');
}

static void eve_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                        const struct output_clients *clients)
{
    struct writer *line = &output->line;

    (void)state;
    (void)clients;
    if (finding->told) /* an alert is told once */
        return;
    eve_begin(output, "alert", finding->time, finding->flow);
    put_place(line, output->config.evidence, finding->packet);
    put_alert(line, finding);
    put_exchange(line, finding);
    eve_end(output, smtpscope_rule_info(finding->rule)->id, finding->severity);
}

static void eve_session(struct output *output, void *state, const struct smtpscope_flow *flow,
                        const struct transcript *transcript)
{
    (void)output, (void)state, (void)flow, (void)transcript; /* Suricata has none of it */
}

/* With the brackets, as Suricata has them: they are on the wire. */
static void put_path(struct writer *line, struct smtpscope_text path)
{
    struct writer whole = {0};

    writer_char(&whole, '<');
    writer_octets(&whole, path.at, path.len);
    writer_char(&whole, '>');
    put_text(line, whole.at, whole.len);
    line->failed |= whole.failed;
    writer_fini(&whole);
}

static void eve_message(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    struct writer *line = &output->line;

    (void)state;
    eve_begin(output, "smtp", message->time, flow);
    put_place(line, output->config.numbering, message->packet);
    put_key(line, "smtp");
    put_open(line, '{');
    put_member_text(line, "helo", delivery->helo);
    if (message->mail_from.at) {
        put_key(line, "mail_from");
        put_path(line, message->mail_from);
    }
    put_key(line, "rcpt_to");
    put_open(line, '[');
    for (size_t i = 0; i < message->recipient_count; i++)
        put_path(line, message->recipients[i].path);
    put_close(line, ']');
    put_member_name(line, "outcome", smtpscope_outcome_name(delivery->outcome));
    if (delivery->code) {
        put_member_number(line, "reply_code", delivery->code);
        put_member_text(line, "reply", delivery->reply);
    }
    if (delivery->queue_id.len)
        put_member_text(line, "queue_id", delivery->queue_id);
    put_close(line, '}');
    eve_end(output, "message", SMTPSCOPE_INFO);
}

static void eve_finish(struct output *output, void *state, const struct summary *summary)
{
    (void)output, (void)state, (void)summary; /* Suricata's stats count Suricata's own */
}

const struct output_format output_eve = {
    .create = eve_create,
    .destroy = free,
    .finding = eve_finding,
    .session = eve_session,
    .message = eve_message,
    .finish = eve_finish,
};
