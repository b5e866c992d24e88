/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table for spreadsheets and their like (RFC 4180): a row a finding, the first row names the columns. A text that a spreadsheet would
 * take for a formula has an apostrophe in front: what is in it was written by strangers.
 */
#include "output/format.h"
#include "output/output_format.h"
#include "smtpscope/advice.h"

#include <stdlib.h>

static const char columns[] =
    "timestamp,severity,rule,reason,fault,confidence,client,client_port,server,server_port,session,file,packet,"
    "count,command,argument,code,enhanced,reply,summary\r\n";

struct csv {
    bool begun; /* the columns are named */
};

static void *csv_create(const struct output_config *config)
{
    (void)config;
    return calloc(1, sizeof(struct csv));
}

static void csv_begin(struct output *output, struct csv *csv)
{
    if (!csv->begun)
        writer_string(&output->line, columns);
    csv->begun = true;
}

static void put_cell(struct writer *line, const char *at, size_t len)
{
    struct writer shown = {0};

    writer_escaped(&shown, at, len, ESCAPE_TERMINAL);
    writer_string(line, shown.len && strchr("=+-@", *shown.at) ? "\"'" : "\"");
    for (size_t i = 0; i < shown.len; i++) {
        if (shown.at[i] == '"')
            writer_char(line, '"');
        writer_char(line, shown.at[i]);
    }
    writer_char(line, '"');
    line->failed |= shown.failed;
    writer_fini(&shown);
}

static void put_text_cell(struct writer *line, const char *text)
{
    writer_char(line, ',');
    if (text && *text)
        put_cell(line, text, strlen(text));
}

static void put_number_cell(struct writer *line, uint64_t number)
{
    writer_char(line, ',');
    if (number)
        writer_unsigned(line, number);
}

static void put_endpoint_cells(struct writer *line, const struct smtpscope_endpoint *endpoint)
{
    writer_char(line, ',');
    if (endpoint)
        format_address(line, endpoint);
    put_number_cell(line, endpoint ? endpoint->port : 0);
}

static void put_place(struct output *output, const struct smtpscope_finding *finding)
{
    struct writer *line = &output->line;
    uint64_t packet;
    const char *file = packet_numbering_find(output->config.evidence, finding->packet, &packet);

    put_endpoint_cells(line, finding->flow ? smtpscope_finding_client(finding) : NULL);
    put_endpoint_cells(line, finding->flow ? &finding->flow->side[SMTPSCOPE_SERVER] : NULL);
    put_number_cell(line, finding->flow ? finding->flow->first_packet : 0);
    put_text_cell(line, file);
    put_number_cell(line, packet);
    put_number_cell(line, finding->count);
}

static void csv_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                        const struct output_clients *clients)
{
    struct writer *line = &output->line;

    (void)clients;
    if (finding->told) /* a row a finding */
        return;
    csv_begin(output, state);
    format_time(line, finding->time, 'T', 9);
    put_text_cell(line, smtpscope_severity_name(finding->severity));
    put_text_cell(line, smtpscope_rule_info(finding->rule)->id);
    put_text_cell(line, smtpscope_reason_name(finding->reason));
    put_text_cell(line, smtpscope_fault_name(finding->fault));
    put_text_cell(line, smtpscope_confidence_name(finding->confidence));
    put_place(output, finding);
    put_text_cell(line, finding->command);
    put_text_cell(line, *finding->command ? finding->argument : "");
    put_number_cell(line, finding->code);
    writer_char(line, ',');
    format_enhanced(line, &finding->enhanced);
    put_text_cell(line, finding->text);
    put_text_cell(line, smtpscope_advice_summary(finding->rule));
    writer_string(line, "\r\n");
    output_write(output, smtpscope_rule_info(finding->rule)->id, finding->severity);
}

/* A table has one kind of rows. */
static void csv_session(struct output *output, void *state, const struct smtpscope_flow *flow,
                        const struct transcript *transcript)
{
    (void)output, (void)state, (void)flow, (void)transcript;
}

static void csv_message(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    (void)output, (void)state, (void)flow, (void)delivery;
}

/* Without a finding, the names of the columns at least. */
static void csv_finish(struct output *output, void *state, const struct summary *summary)
{
    (void)summary;
    csv_begin(output, state);
    output_write(output, "stats", SMTPSCOPE_INFO);
}

const struct output_format output_csv = {
    .create = csv_create,
    .destroy = free,
    .finding = csv_finding,
    .session = csv_session,
    .message = csv_message,
    .finish = csv_finish,
};
