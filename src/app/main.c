/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpscope: the program. What it can do is in options.h; the work is in analyse.c, watch.c and explain.c. */
#include "app/explain/explain.h"
#include "app/explain/list.h"
#include "app/files/analyse.h"
#include "app/history/history.h"
#include "app/live/watch.h"
#include "app/options/options.h"
#include "app/options/usage.h"
#include "app/process/language.h"
#include "app/process/warn_user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Findings by the hundred thousand go out in few calls. */
#define OUTPUT_BUFFER_SIZE (1 << 17)

/* Ends the output of a task that does not look after it; `status` unless it fails. */
static enum status finish(FILE *out, int status)
{
    if (!fflush(out) && !ferror(out))
        return (enum status)status;
    if (errno == EPIPE)
        return STATUS_DONE;
    warn_user(_("standard output: %s"), strerror(errno));
    return STATUS_FAILED;
}

static enum status run(struct options *options, int argc, char **argv, FILE *out)
{
    switch (options->task) {
    case TASK_ANALYSE: return analyse(options, out);
    case TASK_INTERFACES: return finish(out, list_interfaces(options->format->json, out));
    case TASK_WATCH: return watch(options, argc, argv);
    case TASK_CHECK_CONFIG: fprintf(out, _("%s: right\n"), options->config); return finish(out, STATUS_DONE);
    case TASK_RULES: return finish(out, explain_rules(options->format->json, out));
    case TASK_EXPLAIN: return finish(out, explain_topic(options->topic[0], options->stage, options->format->json, out));
    case TASK_COMPARE: return finish(out, explain_compare(options->topic[0], options->topic[1], options->format->json, out));
    case TASK_EXPORT: return finish(out, history_export(options->topic[0], options->format->json, out));
    case TASK_MAIL: return finish(out, history_mail(options->topic[0], options->topic[1], options->format->json, out));
    case TASK_HELP: usage_help(out); return finish(out, STATUS_DONE);
    case TASK_VERSION: usage_version(out); return finish(out, STATUS_DONE);
    }
    return STATUS_FAILED;
}

/*
 * What is opened later must not become a standard stream, which findings or complaints would then be written to: a closed one
 * becomes one that fails like that.
 */
static bool hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    static char buffer[OUTPUT_BUFFER_SIZE]; /* without one, glibc does not look at the size */
    struct options options = {0};
    enum status status = STATUS_FAILED;

    if (!hold_standard_streams())
        return STATUS_FAILED;
    /* A pipe whose reader is gone shows as an error of the write, which ends the work quietly. */
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    language_init(options_language(argc, argv));
    if (options_parse(&options, argc, argv)) {
        if (options.language)
            language_init(options.language); /* the configuration file's, unless --lang has chosen already */
        status = run(&options, argc, argv, stdout);
    }
    options_fini(&options);
    return (int)status;
}
