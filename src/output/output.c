/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/output.h"

#include "output/output_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void output_discard(struct output *output)
{
    free(output->sensor);
    free(output->interface);
    free(output);
}

struct output *output_new(const struct output_config *config)
{
    struct output *output = calloc(1, sizeof *output);

    if (!output)
        return NULL;
    output->config = *config;
    if (!config->evidence)
        output->config.evidence = config->numbering;
    output->config.sensor = output->sensor = config->sensor ? strdup(config->sensor) : NULL;
    output->config.interface = output->interface = config->interface ? strdup(config->interface) : NULL;
    if (!output->sensor == !config->sensor && !output->interface == !config->interface)
        output->state = config->format->create(config);
    if (output->state)
        return output;
    output_discard(output);
    return NULL;
}

void output_free(struct output *output)
{
    if (!output)
        return;
    output->config.format->destroy(output->state);
    writer_fini(&output->line);
    output_discard(output);
}

int output_to_stream(void *stream, const struct output_line *line)
{
    errno = 0;
    if (fwrite(line->at, 1, line->len, stream) == line->len)
        return 0;
    return errno ? errno : EIO;
}

void output_write(struct output *output, const char *kind, enum smtpscope_severity severity)
{
    struct output_line line = {output->line.at, output->line.len, kind, severity};

    if (output->line.failed && !output->error)
        output->error = ENOMEM;
    if (line.len && !output->error)
        output->error = output->config.write(output->config.ctx, &line);
    writer_clear(&output->line);
}

void output_finding(struct output *output, const struct smtpscope_finding *finding)
{
    output->config.format->finding(output, output->state, finding, NULL);
}

void output_repeat(struct output *output, const struct smtpscope_finding *finding, const struct output_clients *clients)
{
    output->config.format->finding(output, output->state, finding, clients);
}

void output_session(struct output *output, const struct smtpscope_flow *flow, const struct transcript *transcript)
{
    output->config.format->session(output, output->state, flow, transcript);
}

void output_message(struct output *output, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    if (output->config.format->outcome)
        output->config.format->outcome(output->state, flow, delivery->message);
    if (output->config.messages)
        output->config.format->message(output, output->state, flow, delivery);
}

void output_finish(struct output *output, const struct summary *summary)
{
    output->config.format->finish(output, output->state, summary);
}

int output_error(const struct output *output)
{
    return output->error;
}
