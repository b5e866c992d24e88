/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/output.h"

#include "output/output_format.h"

#include <errno.h>
#include <stdlib.h>

struct output *output_new(const struct output_config *config)
{
    struct output *output = calloc(1, sizeof *output);

    if (!output)
        return NULL;
    output->config = *config;
    output->state = config->format->create();
    if (output->state)
        return output;
    free(output);
    return NULL;
}

void output_free(struct output *output)
{
    if (!output)
        return;
    output->config.format->destroy(output->state);
    writer_fini(&output->line);
    free(output);
}

static void output_fail(struct output *output)
{
    if (!output->error)
        output->error = errno ? errno : EIO;
}

void output_write(struct output *output)
{
    errno = 0;
    if (output->line.failed) {
        errno = ENOMEM;
        output_fail(output);
    } else if (!output->error && output->line.len &&
               fwrite(output->line.at, 1, output->line.len, output->config.stream) != output->line.len) {
        output_fail(output);
    }
    writer_clear(&output->line);
}

void output_finding(struct output *output, const struct smtpscope_finding *finding)
{
    output->config.format->finding(output, output->state, finding);
}

void output_session(struct output *output, const struct smtpscope_flow *flow, const struct record *record,
                    const struct smtpscope_end *end)
{
    output->config.format->session(output, output->state, flow, record, end);
}

void output_message(struct output *output, const struct smtpscope_flow *flow, const struct smtpscope_message *message)
{
    output->config.format->message(output, output->state, flow, message);
}

void output_finish(struct output *output, const struct summary *summary)
{
    output->config.format->finish(output, output->state, summary);
    errno = 0;
    if (!output->error && fflush(output->config.stream))
        output_fail(output);
}

int output_error(const struct output *output)
{
    return output->error;
}
