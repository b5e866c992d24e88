/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/metrics/metrics.h"

#include "base/clock.h"
#include "base/gettext.h"
#include "output/metrics/httpd.h"
#include "output/metrics/metrics_text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A few scrapers and a person with a browser; a connection that stays silent makes room for another after a while. */
#define CONNECTIONS_MAX 32
#define CONNECTION_SILENT_S 10
#define BACKLOG 16

struct metrics {
    const struct httpd *httpd;
    struct MHD_Daemon *daemon;
    int listener; /* the daemon's, once it is there */
    uint16_t port;
    int64_t started;
    pthread_mutex_t lock; /* of what follows */
    struct metrics_snapshot snapshot;
    int64_t published; /* wall clock, ns */
    int64_t fresh;     /* monotonic, ns; 0: never */
};

void metrics_summary(struct metrics_snapshot *snapshot, const struct summary *summary)
{
    snapshot->summary = *summary;
    for (size_t i = 0; i < summary->stage_count; i++) {
        const struct summary_stage *stage = &summary->stages[i];

        assert(stage->table->count <= METRICS_COUNTERS_MAX);
        memcpy(snapshot->counters[i], stage->counters, stage->table->count * sizeof(uint64_t));
    }
}

void metrics_finding(struct metrics_snapshot *snapshot, const struct smtpscope_finding *finding)
{
    if (!finding->told && finding->reason && !strcmp(smtpscope_rule_info(finding->rule)->family, "deferral"))
        snapshot->deferrals[finding->reason]++;
}

void metrics_output(struct metrics_snapshot *snapshot, struct sink *sink)
{
    struct metrics_output *output = &snapshot->outputs[snapshot->output_count];

    if (snapshot->output_count == METRICS_OUTPUTS_MAX)
        return;
    snapshot->output_count++;
    snprintf(output->name, sizeof output->name, "%s", sink_name(sink));
    sink_stats(sink, &output->stats);
}

/* --- what is served */

/* Resident pages are the second number. 0 where there is no such file. */
static uint64_t resident_octets(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static enum MHD_Result answer(const struct httpd *httpd, struct MHD_Connection *connection, unsigned status, const char *type,
                              char *text, size_t len, enum MHD_ResponseMemoryMode memory)
{
    struct MHD_Response *response = httpd->create_response_from_buffer(len, text, memory);
    enum MHD_Result result;

    if (!response) {
        if (memory == MHD_RESPMEM_MUST_FREE)
            free(text);
        return MHD_NO;
    }
    httpd->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        httpd->add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = httpd->queue_response(connection, status, response);
    httpd->destroy_response(response);
    return result;
}

static enum MHD_Result answer_line(const struct httpd *httpd, struct MHD_Connection *connection, unsigned status,
                                   const char *line)
{
    char copy[64];
    int len = snprintf(copy, sizeof copy, "%s\n", line);

    return answer(httpd, connection, status, "text/plain; charset=utf-8", copy, (size_t)len, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer_health(struct MHD_Connection *connection, struct metrics *metrics)
{
    int64_t fresh;

    pthread_mutex_lock(&metrics->lock);
    fresh = metrics->fresh;
    pthread_mutex_unlock(&metrics->lock);
    if (!fresh)
        return answer_line(metrics->httpd, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "starting");
    if (clock_monotonic() - fresh > METRICS_STALE_S * SMTPSCOPE_SECOND)
        return answer_line(metrics->httpd, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "stale");
    return answer_line(metrics->httpd, connection, MHD_HTTP_OK, "ok");
}

/* Written from a copy, so that the publisher waits for a copy and not for the writing. */
static enum MHD_Result answer_metrics(struct MHD_Connection *connection, struct metrics *metrics)
{
    struct metrics_process process = {.started = metrics->started, .resident = resident_octets()};
    struct metrics_snapshot *copy = malloc(sizeof *copy);
    struct writer writer = {0};

    if (!copy)
        return MHD_NO;
    pthread_mutex_lock(&metrics->lock);
    *copy = metrics->snapshot;
    process.published = metrics->published;
    pthread_mutex_unlock(&metrics->lock);
    metrics_put(&writer, copy, &process);
    free(copy);
    if (!writer.failed)
        return answer(metrics->httpd, connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", writer.at,
                      writer.len, MHD_RESPMEM_MUST_FREE);
    writer_fini(&writer);
    return MHD_NO;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_size, void **state)
{
    static const char seen;
    struct metrics *metrics = ctx;

    (void)version;
    (void)data;
    /* The first call has the head alone. What a client sends behind it is thrown away. */
    if (!*state) {
        *state = (void *)(uintptr_t)&seen;
        return MHD_YES;
    }
    if (*data_size) {
        *data_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
        return answer_line(metrics->httpd, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD");
    if (!strcmp(url, "/metrics"))
        return answer_metrics(connection, metrics);
    if (!strcmp(url, "/healthz"))
        return answer_health(connection, metrics);
    return answer_line(metrics->httpd, connection, MHD_HTTP_NOT_FOUND, "/metrics or /healthz");
}

/* --- where */

/* "HOST:PORT" with a numeric address into what listen(2) wants; NULL: it is none. */
static struct addrinfo *address_of(const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV},
                    *found = NULL;
    const char *colon = strrchr(address, ':');
    bool brackets = colon && address[0] == '[' && colon[-1] == ']';
    char *host;

    if (!colon || colon == address || !colon[1])
        return NULL;
    host = strndup(address + brackets, (size_t)(colon - address) - 2 * brackets);
    if (!host || getaddrinfo(host, colon + 1, &hints, &found))
        found = NULL;
    free(host);
    return found;
}

static int listener_bind(int fd, const struct addrinfo *address)
{
    int flags = fcntl(fd, F_GETFL), one = 1;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG))
        return errno;
    return 0;
}

/* A socket that listens, or -1 with errno. */
static int listener_open(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
    int error = fd < 0 ? errno : listener_bind(fd, address);

    if (!error)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static uint16_t listener_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len))
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* Signals are for the caller's threads. */
static struct MHD_Daemon *daemon_start(struct metrics *metrics, int fd)
{
    struct MHD_Daemon *started;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = metrics->httpd->start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, handle, metrics,
                                           MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                           MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SILENT_S, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics && pthread_mutex_init(&metrics->lock, NULL)) {
        free(metrics);
        return NULL;
    }
    if (metrics)
        metrics->listener = -1;
    return metrics;
}

/* 0 or an errno. */
static int metrics_listen(struct metrics *metrics, const struct addrinfo *address)
{
    metrics->listener = listener_open(address);
    if (metrics->listener < 0)
        return errno;
    metrics->port = listener_port(metrics->listener);
    metrics->started = clock_read(CLOCK_REALTIME);
    return 0;
}

struct metrics *metrics_open(const char *address, char *error, size_t error_size)
{
    struct addrinfo *found = address_of(address);
    struct metrics *metrics;
    const char *why = NULL;
    int failed = ENOMEM;

    if (!found) {
        snprintf(error, error_size, _("%s: not an address to serve metrics at, such as 127.0.0.1:9425 or [::1]:9425"), address);
        return NULL;
    }
    metrics = metrics_new();
    if (metrics)
        metrics->httpd = httpd_load(&why);
    if (metrics && metrics->httpd)
        failed = metrics_listen(metrics, found);
    freeaddrinfo(found);
    if (!failed)
        return metrics;
    snprintf(error, error_size, "%s: %s", address, why ? why : strerror(failed));
    metrics_stop(metrics);
    return NULL;
}

bool metrics_serve(struct metrics *metrics)
{
    metrics->daemon = daemon_start(metrics, metrics->listener);
    return metrics->daemon;
}

uint16_t metrics_port(const struct metrics *metrics)
{
    return metrics->port;
}

void metrics_publish(struct metrics *metrics, const struct metrics_snapshot *snapshot)
{
    pthread_mutex_lock(&metrics->lock);
    metrics->snapshot = *snapshot;
    metrics->published = clock_read(CLOCK_REALTIME);
    metrics->fresh = clock_monotonic();
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_stop(struct metrics *metrics)
{
    if (!metrics)
        return;
    if (metrics->daemon)
        metrics->httpd->stop_daemon(metrics->daemon); /* closes the listener */
    else if (metrics->listener >= 0)
        close(metrics->listener);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}
