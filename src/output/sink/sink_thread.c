/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread of a sink. Each turn looks at the requests, opens what is closed, sends what waits, and sleeps when none of that
 * can go on. A line leaves the queue when it is sent as a whole and not before, so that a connection that breaks, or a disk
 * that fills up, costs no line that the queue has room for.
 */
#include "output/sink/sink_private.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A reader that is started again finds us soon; one that stays away costs an attempt every few seconds. */
#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 5000
#define CONNECT_MS 10000
/* How often it is asked whether a reader has read what it was sent; only until it has. */
#define CONFIRM_MS 250

/* What a turn saw of what others may change. */
struct work {
    uint64_t head, tail;
    bool reopen, stopping;
    int64_t now, deadline;
};

/* Counts a failure and keeps its text. */
static void sink_note(struct sink *sink, int error)
{
    char text[SINK_ERROR_SIZE / 2] = "";

    if (!sink->why && strerror_r(error, text, sizeof text))
        snprintf(text, sizeof text, "%d", error);
    pthread_mutex_lock(&sink->lock);
    sink->stats.failures++;
    snprintf(sink->stats.error, sizeof sink->stats.error, "%s", sink->why ? sink->why : text);
    pthread_mutex_unlock(&sink->lock);
    sink->why = NULL;
}

/* For callers that wait for room: a reader may come back, but a disk is not given more room by waiting. */
static void note_hope(struct sink *sink, int error)
{
    bool reader = sink->transport->socket || sink->pipe || error == ENXIO;

    pthread_mutex_lock(&sink->lock);
    if (!reader)
        sink->give_up_at = clock_monotonic_ms();
    else if (!sink->give_up_at)
        sink->give_up_at = clock_monotonic_ms() + SINK_WAIT_MS;
    pthread_cond_broadcast(&sink->room);
    pthread_mutex_unlock(&sink->lock);
}

/* The next attempt waits twice as long as the one before. */
static void fail(struct sink *sink, int error)
{
    sink_note(sink, error);
    note_hope(sink, error);
    if (sink->retry_ms < RETRY_LAST_MS / 2)
        sink->retry_ms = sink->retry_ms ? 2 * sink->retry_ms : RETRY_FIRST_MS;
    else
        sink->retry_ms = RETRY_LAST_MS;
    sink->retry_at = clock_monotonic_ms() + sink->retry_ms;
}

static void batch_clear(struct sink *sink)
{
    writer_clear(&sink->batch.octets);
    sink->batch.octets.failed = false;
    sink->batch.sent = 0;
    sink->batch.count = sink->batch.whole = 0;
    sink->batch.truncated = false;
}

/* Where in the batch the last line ends that is out. */
static size_t batch_whole(const struct sink_batch *batch)
{
    return batch->whole ? batch->lines[batch->whole - 1].end : 0;
}

/* Half a line is sent again, and so not lost. */
static void count_unread(struct sink *sink)
{
    size_t half = sink->batch.sent - batch_whole(&sink->batch);
    uint64_t unread = sink->unconfirmed, room = sink_socket_room(sink);

    if (sink->pipe)
        unread = sink_pipe_unread(sink);
    else if (unread > room)
        unread = room;
    sink_count(sink, &sink->stats.unread, unread > half ? unread - half : 0);
}

/* Where lines are lost without a word, a refusal is about the datagram before. */
static void hang_up(struct sink *sink, int error)
{
    sink_connected(sink, false);
    sink_confirm(sink);
    count_unread(sink);
    if (sink->transport->loses && error == ECONNREFUSED)
        sink_count(sink, &sink->stats.dropped, 1);
    sink_disconnect(sink);
    sink_count(sink, &sink->stats.disconnects, 1);
    batch_clear(sink);
    fail(sink, error);
}

static void open_again(struct sink *sink)
{
    int error = sink->transport->open(sink);

    if (error)
        fail(sink, error);
    else if (sink->connecting)
        sink->retry_at = clock_monotonic_ms() + CONNECT_MS;
    sink_connected(sink, sink->fd >= 0 && !sink->connecting);
}

static void connecting_end(struct sink *sink)
{
    int error = sink_connect_result(sink);

    sink->connecting = false;
    sink->retry_at = 0;
    if (error)
        sink_disconnect(sink);
    if (error)
        fail(sink, error);
    sink_connected(sink, !error);
}

static void reopen(struct sink *sink)
{
    if (sink->transport->renewed) {
        sink_disconnect(sink);
        batch_clear(sink);
        sink_count(sink, &sink->stats.reopens, 1);
    }
    sink->retry_ms = 0;
    if (!sink->connecting)
        sink->retry_at = 0;
    if (sink->fd < 0)
        open_again(sink);
}

/* The reader of standard output has gone, and nobody can give it another one. */
static void give_up(struct sink *sink, int error)
{
    sink_note(sink, error);
    count_unread(sink);
    batch_clear(sink);
    pthread_mutex_lock(&sink->lock);
    sink->stats.broken = true;
    sink->stats.connected = false;
    sink->stats.dropped += sink->queue.lines;
    sink->stats.dropped_octets += sink->queue.tail - sink->queue.head;
    sink_queue_take(&sink->queue, sink->queue.tail, sink->queue.lines);
    pthread_cond_broadcast(&sink->room);
    pthread_mutex_unlock(&sink->lock);
}

/* What comes before the first line of a batch: another file. false: not now. */
static bool batch_prepare(struct sink *sink, const struct work *work)
{
    struct sink_line line;
    uint64_t position = work->head;
    int error;

    sink_queue_read(&sink->queue, &position, &line);
    if (line.reopen && sink->reopened != position) {
        sink->reopened = position;
        pthread_mutex_lock(&sink->lock);
        sink->reopen = sink->reopen_line;
        pthread_mutex_unlock(&sink->lock);
        reopen(sink);
    }
    if (sink->fd >= 0 && sink_file_full(sink, 0, line.text.len)) {
        error = sink_file_rotate(sink);
        if (error && sink->fd < 0)
            fail(sink, error);
        else if (error)
            sink_note(sink, error);
        sink_connected(sink, sink->fd >= 0);
    }
    return sink->fd >= 0 && !sink->connecting;
}

static void batch_fill(struct sink *sink, const struct work *work)
{
    struct sink_batch *batch = &sink->batch;
    uint64_t position = work->head;

    batch_clear(sink);
    while (position < work->tail && batch->count < SINK_BATCH_LINES && batch->octets.len < SINK_BATCH_OCTETS) {
        struct sink_line line;

        sink_queue_read(&sink->queue, &position, &line);
        if (batch->count && (sink->datagram || line.reopen || sink_file_full(sink, batch->octets.len, line.text.len)))
            break;
        sink->transport->frame(sink, &line, &batch->octets);
        batch->lines[batch->count].end = batch->octets.len;
        batch->lines[batch->count++].position = position;
    }
}

/* `sent` octets more are out; the lines that they end leave the queue. */
static void batch_sent(struct sink *sink, size_t sent)
{
    struct sink_batch *batch = &sink->batch;
    size_t before = batch_whole(batch), octets;
    unsigned whole = batch->whole;

    batch->sent += sent;
    while (whole < batch->count && batch->lines[whole].end <= batch->sent)
        whole++;
    if (whole == batch->whole)
        return;
    octets = batch->lines[whole - 1].end - before;
    sink->file_octets += octets;
    sink->retry_ms = 0;
    pthread_mutex_lock(&sink->lock);
    sink_queue_take(&sink->queue, batch->lines[whole - 1].position, whole - batch->whole);
    sink->stats.lines += whole - batch->whole;
    sink->stats.octets += octets;
    sink->stats.truncated += batch->truncated;
    sink->give_up_at = 0;
    pthread_cond_broadcast(&sink->room);
    pthread_mutex_unlock(&sink->lock);
    batch->whole = whole;
}

/* A line that no datagram can carry. */
static void batch_drop(struct sink *sink, int error)
{
    struct sink_batch *batch = &sink->batch;

    sink_note(sink, error);
    pthread_mutex_lock(&sink->lock);
    sink_queue_take(&sink->queue, batch->lines[0].position, 1);
    sink->stats.dropped++;
    sink->stats.dropped_octets += batch->octets.len;
    pthread_cond_broadcast(&sink->room);
    pthread_mutex_unlock(&sink->lock);
    batch_clear(sink);
}

static void batch_failed(struct sink *sink, int error)
{
    struct sink_batch *batch = &sink->batch;

    if (sink->datagram && error == EMSGSIZE) {
        batch_drop(sink, error);
    } else if (sink->standard && error == EPIPE) {
        give_up(sink, error);
    } else if (sink->regular || sink->standard) {
        /* Half a line must not stand there for as long as the disk is full. Standard output may be another's file as well. */
        if (batch->sent == batch_whole(batch) || sink_file_cut(sink))
            batch_clear(sink);
        fail(sink, error);
    } else {
        hang_up(sink, error);
    }
}

static bool is_stream_socket(const struct sink *sink)
{
    return sink->transport->socket && !sink->datagram;
}

/* Whether anything has come of it; false: the reader has no room. */
static bool batch_send(struct sink *sink)
{
    struct sink_batch *batch = &sink->batch;
    ssize_t sent;

    if (batch->octets.failed) {
        batch_clear(sink);
        fail(sink, ENOMEM);
        return true;
    }
    sink_confirm(sink);
    sent = sink->transport->send(sink, batch->octets.at + batch->sent, batch->octets.len - batch->sent);
    if (sent >= 0 && is_stream_socket(sink))
        sink->unconfirmed += (uint64_t)sent;
    if (sent >= 0)
        batch_sent(sink, (size_t)sent);
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    else if (errno != EINTR)
        batch_failed(sink, errno);
    return true;
}

static bool push(struct sink *sink, const struct work *work)
{
    if (sink->batch.whole == sink->batch.count) {
        /* A first write to a reader that has closed would be taken, and lost. */
        if (is_stream_socket(sink) && sink_peer_gone(sink)) {
            hang_up(sink, ECONNRESET);
            return true;
        }
        if (!batch_prepare(sink, work))
            return true;
        batch_fill(sink, work);
    }
    return batch_send(sink);
}

static void look(struct sink *sink, struct work *work)
{
    bool stuck;

    work->now = clock_monotonic_ms();
    stuck = sink->fd < 0 || work->now < sink->retry_at;
    pthread_mutex_lock(&sink->lock);
    sink->asleep = sink->poked = false;
    work->head = sink->queue.head;
    work->tail = sink->queue.tail;
    work->stopping = sink->stopping;
    work->deadline = sink->deadline;
    work->reopen = sink->reopen && (stuck || work->head == work->tail);
    if (work->reopen)
        sink->reopen = sink->reopen_line = false;
    pthread_mutex_unlock(&sink->lock);
}

/* -1: until something happens. */
static int wait_ms(const struct sink *sink, const struct work *work)
{
    int64_t until = INT64_MAX;

    if (sink->retry_at > work->now)
        until = sink->retry_at;
    if (sink->unconfirmed && work->now + CONFIRM_MS < until)
        until = work->now + CONFIRM_MS;
    if (work->stopping && work->deadline < until)
        until = work->deadline;
    if (until == INT64_MAX)
        return -1;
    until -= clock_monotonic_ms();
    return until < 0 ? 0 : until > INT_MAX ? INT_MAX : (int)until;
}

static bool about_to_sleep(struct sink *sink)
{
    bool asleep;

    pthread_mutex_lock(&sink->lock);
    asleep = sink->asleep = !sink->poked;
    pthread_mutex_unlock(&sink->lock);
    return asleep;
}

static struct pollfd what_to_poll(const struct sink *sink, const struct work *work)
{
    struct pollfd polled = {.fd = sink->fd, .events = 0};

    /* After a failure it is time that is waited for, and a regular file is always ready. */
    if (sink->regular || sink->stats.broken || (sink->retry_at > work->now && !sink->connecting))
        polled.fd = -1;
    if (sink->connecting || work->head != work->tail)
        polled.events |= POLLOUT;
    if (is_stream_socket(sink))
        polled.events |= POLLIN;
    return polled;
}

static void reader_said(struct sink *sink, int events)
{
    if (sink->connecting) {
        connecting_end(sink);
    } else if (events & (POLLERR | POLLHUP | POLLNVAL)) {
        if (sink->standard)
            give_up(sink, EPIPE);
        else
            hang_up(sink, sink->datagram ? sink_connect_result(sink) : ECONNRESET);
    } else if (events & POLLIN && sink_peer_gone(sink)) {
        hang_up(sink, ECONNRESET);
    }
}

static void sleep_until(struct sink *sink, const struct work *work)
{
    struct pollfd polled[2] = {{.fd = sink->wake[0], .events = POLLIN}, what_to_poll(sink, work)};
    char ignored[64];

    if (!about_to_sleep(sink) || poll(polled, 2, wait_ms(sink, work)) <= 0)
        return;
    if (polled[0].revents)
        while (read(sink->wake[0], ignored, sizeof ignored) == sizeof ignored)
            ;
    if (polled[1].revents)
        reader_said(sink, polled[1].revents);
}

static bool turn(struct sink *sink)
{
    struct work work;

    look(sink, &work);
    if (work.stopping && (work.head == work.tail || work.now >= work.deadline))
        return false;
    sink_confirm(sink);
    if (sink->connecting && work.now >= sink->retry_at)
        hang_up(sink, ETIMEDOUT);
    if (work.reopen)
        reopen(sink);
    else if (sink->fd < 0 && work.now >= sink->retry_at)
        open_again(sink);
    if (sink->fd >= 0 && !sink->connecting && work.now >= sink->retry_at && work.head != work.tail && push(sink, &work))
        return true;
    sleep_until(sink, &work);
    return true;
}

void *sink_run(void *arg)
{
    struct sink *sink = arg;
    bool orphaned;

    while (turn(sink))
        ;
    pthread_mutex_lock(&sink->lock);
    sink->done = true;
    orphaned = sink->orphaned;
    pthread_cond_signal(&sink->finished);
    pthread_mutex_unlock(&sink->lock);
    if (orphaned)
        sink_free(sink);
    return NULL;
}
