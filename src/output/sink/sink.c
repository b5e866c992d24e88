/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/sink/sink.h"

#include "base/clock.h"
#include "base/gettext.h"
#include "output/sink/sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beyond its deadline the thread gets as long to come back from a call; then it is left to itself. */
#define GRACE_MS 500
#define HOST_NAME_SIZE 256 /* RFC 5424 6.2.4: 255 */

/* The longer of two prefixes first. */
static const struct sink_transport *const transports[] = {
    &sink_standard_output, &sink_file, &sink_unix, &sink_syslog_udp, &sink_syslog_tcp, &sink_syslog_local, &sink_journald};

/* Behind "PREFIX" or "PREFIX:"; NULL when the spec is another one. */
static const char *spec_rest(const char *spec, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(spec, prefix, len) || (spec[len] && spec[len] != ':'))
        return NULL;
    return spec + len + (spec[len] == ':');
}

/* "HOST:PORT", "[2001:db8::1]:514" */
static bool split_host(struct sink_address *address, const char *rest)
{
    const char *colon = strrchr(rest, ':'), *host = rest;
    size_t len;

    if (!colon || colon == rest || !colon[1])
        return false;
    len = (size_t)(colon - rest);
    if (host[0] == '[' && colon[-1] == ']') {
        host++;
        len -= 2;
    }
    address->host = strndup(host, len);
    address->port = strdup(colon + 1);
    return len && address->host && address->port;
}

static bool sink_address(struct sink *sink, const char *rest)
{
    const struct sink_transport *transport = sink->transport;

    if (transport->by_host)
        return split_host(&sink->address, rest);
    if (transport->bare)
        return !*rest;
    if (!*rest)
        rest = transport->default_path;
    /* A receiver's socket that we name ourselves is absolute; otherwise "syslog:tpc:..." would be one. */
    else if (transport->default_path && *rest != '/')
        return false;
    if (!rest)
        return false;
    sink->address.path = strdup(rest);
    return sink->address.path != NULL;
}

static bool sink_parse(struct sink *sink)
{
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        const char *rest = spec_rest(sink->spec, transports[i]->prefix);

        if (rest) {
            sink->transport = transports[i];
            return sink_address(sink, rest);
        }
    }
    return false;
}

static struct sink *sink_new(const struct sink_config *config)
{
    struct sink *sink = calloc(1, sizeof *sink);

    if (!sink)
        return NULL;
    sink->config = *config;
    sink->fd = sink->wake[0] = sink->wake[1] = -1;
    sink->spec = strdup(config->spec);
    sink->host_name = calloc(1, HOST_NAME_SIZE);
    if (sink->spec && sink->host_name &&
        sink_queue_init(&sink->queue, config->queue_octets ? config->queue_octets : SINK_QUEUE_OCTETS)) {
        gethostname(sink->host_name, HOST_NAME_SIZE - 1);
        sink->stats.queue_size = sink->queue.size;
        return sink;
    }
    free(sink->spec);
    free(sink->host_name);
    free(sink);
    return NULL;
}

static bool wake_pipe(struct sink *sink)
{
    if (pipe(sink->wake))
        return false;
    for (int i = 0; i < 2; i++)
        if (fcntl(sink->wake[i], F_SETFL, O_NONBLOCK) || fcntl(sink->wake[i], F_SETFD, FD_CLOEXEC))
            return false;
    return true;
}

/* Signals are for the caller's threads; and EPIPE says what SIGPIPE would. */
static int thread_start(struct sink *sink)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&sink->thread, NULL, sink_run, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int locks_init(struct sink *sink)
{
    pthread_condattr_t attributes;
    int error = pthread_mutex_init(&sink->lock, NULL);

    if (error)
        return error;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(&sink->finished, &attributes);
    if (!error)
        error = pthread_cond_init(&sink->room, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

static int sink_begin(struct sink *sink)
{
    int error = wake_pipe(sink) ? locks_init(sink) : errno;

    if (error)
        return error;
    error = sink->transport->must_open ? sink->transport->open(sink) : 0;
    /* A FIFO whose reader is to come. */
    if (error && error != ENXIO)
        return error;
    sink->stats.connected = sink->fd >= 0;
    return thread_start(sink);
}

struct sink *sink_open(const struct sink_config *config, char *error, size_t error_size)
{
    struct sink *sink = sink_new(config);
    int failed;

    if (!sink) {
        snprintf(error, error_size, "%s: %s", config->spec, strerror(ENOMEM));
        return NULL;
    }
    if (!sink_parse(sink)) {
        snprintf(error, error_size,
                 _("%s: not an output; there are -, file:PATH, unix:PATH, syslog, syslog:udp:HOST:PORT, syslog:tcp:HOST:PORT, "
                   "journald"),
                 config->spec);
        sink_free(sink);
        return NULL;
    }
    failed = sink_begin(sink);
    if (!failed)
        return sink;
    snprintf(error, error_size, "%s: %s", config->spec, strerror(failed));
    sink_free(sink);
    return NULL;
}

bool sink_loses(const struct sink *sink)
{
    return sink->transport->loses;
}

const char *sink_name(const struct sink *sink)
{
    return sink->spec;
}

/* With the lock held: the thread looks at the requests and at the queue. */
static void sink_poke(struct sink *sink)
{
    sink->poked = true;
    /* The pipe is full only when it is sure to wake already. */
    if (sink->asleep && write(sink->wake[1], "", 1) == 1)
        sink->asleep = false;
}

static struct sink_line line_of(enum smtpscope_severity severity, const char *kind, const char *line, size_t len)
{
    return (struct sink_line){.severity = severity,
                              .time = clock_read(CLOCK_REALTIME),
                              .kind = {kind, kind ? strlen(kind) : 0},
                              .text = {line, len - (len && line[len - 1] == '\n')}};
}

/* With the lock held. false: no room. */
static bool take_line(struct sink *sink, struct sink_line *line)
{
    bool was_empty = sink->queue.head == sink->queue.tail;

    line->reopen = sink->reopen_line;
    if (sink->stats.broken || sink->stopping || !sink_queue_put(&sink->queue, line))
        return false;
    sink->reopen_line = false;
    /* While lines wait, the thread is at work, or waits for the reader. */
    if (was_empty)
        sink_poke(sink);
    return true;
}

static bool count_put(struct sink *sink, bool kept, size_t len)
{
    if (!kept) {
        sink->stats.dropped++;
        sink->stats.dropped_octets += len;
    }
    return kept;
}

bool sink_put(struct sink *sink, enum smtpscope_severity severity, const char *kind, const char *line, size_t len)
{
    struct sink_line put = line_of(severity, kind, line, len);
    bool kept;

    pthread_mutex_lock(&sink->lock);
    kept = count_put(sink, take_line(sink, &put), len);
    pthread_mutex_unlock(&sink->lock);
    return kept;
}

/* With the lock held: until lines leave the queue. false: there are none, or they cannot. */
static bool wait_for_room(struct sink *sink)
{
    int64_t until = sink->give_up_at;
    struct timespec limit = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};

    if (sink->stats.broken || sink->stopping || !sink->queue.lines || (until && clock_monotonic_ms() >= until))
        return false;
    if (until)
        pthread_cond_timedwait(&sink->room, &sink->lock, &limit);
    else
        pthread_cond_wait(&sink->room, &sink->lock);
    return true;
}

bool sink_put_wait(struct sink *sink, enum smtpscope_severity severity, const char *kind, const char *line, size_t len)
{
    struct sink_line put = line_of(severity, kind, line, len);
    bool kept;

    pthread_mutex_lock(&sink->lock);
    do
        kept = take_line(sink, &put);
    while (!kept && wait_for_room(sink));
    count_put(sink, kept, len);
    pthread_mutex_unlock(&sink->lock);
    return kept;
}

bool sink_drain(struct sink *sink)
{
    bool drained;

    pthread_mutex_lock(&sink->lock);
    while (wait_for_room(sink))
        continue;
    drained = !sink->queue.lines;
    pthread_mutex_unlock(&sink->lock);
    return drained;
}

void sink_reopen(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->reopen = sink->reopen_line = true;
    sink_poke(sink);
    pthread_mutex_unlock(&sink->lock);
}

/* With the lock held. */
static void stats_copy(const struct sink *sink, struct sink_stats *stats)
{
    *stats = sink->stats;
    stats->queued = (size_t)(sink->queue.tail - sink->queue.head);
    stats->queued_max = sink->queue.max;
    stats->queued_lines = sink->queue.lines;
}

void sink_stats(struct sink *sink, struct sink_stats *stats)
{
    pthread_mutex_lock(&sink->lock);
    stats_copy(sink, stats);
    pthread_mutex_unlock(&sink->lock);
}

void sink_close(struct sink *sink, unsigned deadline_ms, struct sink_stats *last)
{
    struct timespec limit;
    int64_t until;
    int timeout = 0;

    if (!sink)
        return;
    pthread_mutex_lock(&sink->lock);
    sink->stopping = true;
    sink->deadline = clock_monotonic_ms() + deadline_ms;
    until = sink->deadline + GRACE_MS;
    limit = (struct timespec){.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    sink_poke(sink);
    while (!sink->done && !timeout)
        timeout = pthread_cond_timedwait(&sink->finished, &sink->lock, &limit);
    if (last)
        stats_copy(sink, last);
    sink->orphaned = !sink->done;
    if (sink->orphaned) { /* it hangs in the resolver or on a dead disk: it frees the sink should it come back */
        pthread_detach(sink->thread);
        pthread_mutex_unlock(&sink->lock);
        return;
    }
    pthread_mutex_unlock(&sink->lock);
    pthread_join(sink->thread, NULL);
    pthread_cond_destroy(&sink->finished);
    pthread_cond_destroy(&sink->room);
    pthread_mutex_destroy(&sink->lock);
    sink_free(sink);
}
