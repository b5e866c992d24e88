/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/live/live_worker.h"

#include "app/handoff/evidence_feed.h"
#include "app/live/interface_set.h"
#include "app/live/packet_clock.h"
#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"

#include <stdatomic.h>
#include <stdlib.h>

#define MILLISECOND (SMTPSCOPE_SECOND / 1000)
/* A finding is out within a second of its packet: this, and the ring's own delay of a tenth, leave room for a busy machine. */
#define HAND_ON_EVERY (100 * MILLISECOND)
/* A packet may stand so long in the ring, and its thread wait so long for a processor, while we believe that none has come. */
#define UNSEEN (200 * MILLISECOND)
/* One is filled while another is read. More than that are on their way only when this machine is late, which passes. */
#define WARM_BATCHES 2

struct live_worker {
    struct live_worker_config config;
    pthread_t thread;
    bool started;
    atomic_bool stop, failed;
    struct interface_set interfaces;
    struct decoder *decoder;
    struct sessions *sessions;
    struct report_packer packer;
    struct report_taker taker;
    struct report_queue queue;
    struct report_batch *reports;
    uint64_t frames, clock_steps;
    struct packet_clock clock;
    uint64_t reached; /* packet time as the monotonic clock would have it, which never runs back: the key of what is said */
    smtpscope_time handed_on;      /* when, by the monotonic clock */
    struct totals counting, shown; /* shown: under the lock */
};

/* --- what the sessions say */

/* Packets do not wait for readers: only what comes after the last of them does. */
static void live_worker_send(struct live_worker *worker)
{
    worker->reports->until = worker->reached;
    report_queue_send(&worker->queue, worker->reports, worker->stop);
    worker->reports = report_queue_batch(&worker->queue);
}

static struct report_buffer *live_worker_buffer(void *ctx)
{
    struct live_worker *worker = ctx;

    if (worker->reports->buffer.octets.len >= REPORT_BATCH_OCTETS)
        live_worker_send(worker);
    worker->reports->buffer.now.packet = worker->reached;
    return &worker->reports->buffer;
}

static void live_worker_hand_on(struct live_worker *worker, smtpscope_time now)
{
    struct totals *counting = &worker->counting;

    worker->handed_on = now;
    sessions_count(worker->sessions);
    decoder_stats(worker->decoder, &counting->decoder);
    interface_set_stats(&worker->interfaces, &counting->capture);
    counting->capture.clock_steps = worker->clock_steps;
    pthread_mutex_lock(worker->config.lock);
    worker->shown = *counting;
    worker->shown.capture.lost += worker->queue.lost;
    pthread_mutex_unlock(worker->config.lock);
    /*
     * An empty batch, too, tells how far this worker is: the merge waits for that. When the queue fills up the publisher is late
     * and has enough to read: then reports are gathered in the batch at hand.
     */
    if (worker->stop || report_queue_has_room(&worker->queue))
        live_worker_send(worker);
}

/* --- frames */

/* What waits is moved along with the clock, so that nothing times out, or never does. */
static void live_worker_clock_stepped(struct live_worker *worker, smtpscope_time delta)
{
    if (!delta)
        return;
    if (!worker->config.index) /* all workers notice */
        warn_user(_("the clock was set by %+.0f s: waiting times go on from there"), (double)delta / (double)SMTPSCOPE_SECOND);
    worker->clock_steps++;
    sessions_clock_stepped(worker->sessions, delta);
}

/* Packet time has reached `time` here: nothing that is said from now on is about an earlier packet. */
static void live_worker_reached(struct live_worker *worker, smtpscope_time time)
{
    smtpscope_time reached = time - worker->clock.distance;

    if (reached > 0 && (uint64_t)reached > worker->reached)
        worker->reached = (uint64_t)reached;
}

static void live_worker_frame(void *ctx, const struct frame *frame)
{
    struct live_worker *worker = ctx;
    struct summary *summary = &worker->counting.summary;
    struct smtpscope_segment segment = {0};
    /* One numbering for all workers. */
    uint64_t number = worker->frames++ * worker->config.workers + worker->config.index + 1;

    live_worker_clock_stepped(worker, packet_clock_packet(&worker->clock, frame->time));
    live_worker_reached(worker, frame->time);
    summary->packets++;
    summary->octets += frame->len;
    summary->last_time = frame->time;
    if (!summary->first_time)
        summary->first_time = frame->time;
    if (!decoder_frame(worker->decoder, frame->link_type, frame->data, frame->caplen, frame->len, frame->time, number,
                       &segment)) {
        evidence_feed_fragment(worker->config.sessions.evidence, decoder_datagram(worker->decoder), frame);
        return;
    }
    sessions_expire(worker->sessions, frame->time);
    if (worker->config.sessions.evidence) {
        segment.hash = smtpscope_segment_hash(&segment, worker->config.sessions.hash_seed);
        evidence_feed_frame(worker->config.sessions.evidence, &segment, decoder_datagram(worker->decoder), frame);
    }
    sessions_segment(worker->sessions, &segment);
}

static void live_worker_idle(struct live_worker *worker, smtpscope_time now)
{
    live_worker_clock_stepped(worker, packet_clock_idle(&worker->clock));
    sessions_expire(worker->sessions, packet_clock_at(&worker->clock, now));
    live_worker_reached(worker, packet_clock_at(&worker->clock, now) - UNSEEN);
}

static void live_worker_tick(struct live_worker *worker, bool idle)
{
    smtpscope_time now = clock_monotonic();

    if (idle)
        live_worker_idle(worker, now);
    else
        packet_clock_handled(&worker->clock, now);
    if (report_queue_has_room(&worker->queue)) /* what is told and lost would be told again only if it changed */
        sessions_tell(worker->sessions, now);
    if (now - worker->handed_on >= HAND_ON_EVERY)
        live_worker_hand_on(worker, now);
}

static void live_worker_turn(struct live_worker *worker)
{
    int got = interface_set_dispatch(&worker->interfaces, live_worker_frame, worker);

    if (got == INTERFACE_SET_FAILED)
        worker->failed = worker->stop = true;
    live_worker_tick(worker, got <= 0);
}

/* What was on the wire when the end was asked for is on its way through the rings. */
static void live_worker_drain(struct live_worker *worker)
{
    smtpscope_time until = clock_monotonic() + interface_set_delay(&worker->interfaces);

    while (!worker->failed && clock_monotonic() < until)
        live_worker_turn(worker);
}

static void *live_worker_run(void *ctx)
{
    struct live_worker *worker = ctx;

    while (!worker->stop)
        live_worker_turn(worker);
    live_worker_drain(worker);
    sessions_finish(worker->sessions);
    live_worker_hand_on(worker, 0);
    report_queue_end(&worker->queue);
    return NULL;
}

/* --- opening and closing */

static bool live_worker_open_interface(struct live_worker *worker, size_t i)
{
    const struct live_worker *first = worker->config.first;
    struct live_config config = worker->config.live;

    config.interface = worker->config.interfaces[i];
    config.spread = worker->config.workers > 1;
    config.fanout_group = first ? live_fanout_group(first->interfaces.items[i].live) : LIVE_NEW_GROUP;
    return interface_set_add(&worker->interfaces, &config, worker->config.interface_count > 1);
}

static void live_worker_free(struct live_worker *worker)
{
    interface_set_close(&worker->interfaces);
    sessions_free(worker->sessions);
    decoder_free(worker->decoder);
    report_queue_fini(&worker->queue);
    free(worker);
}

struct live_worker *live_worker_open(const struct live_worker_config *config)
{
    struct live_worker *worker = calloc(1, sizeof *worker);

    if (!worker) {
        warn_user(_("out of memory"));
        return NULL;
    }
    worker->config = *config;
    packet_clock_init(&worker->clock, packet_clock_read);
    report_queue_init(&worker->queue, config->lock, config->changed);
    worker->queue.warm_max = WARM_BATCHES;
    worker->reports = report_queue_batch(&worker->queue);
    worker->packer = (struct report_packer){.buffer = live_worker_buffer, .ctx = worker};
    worker->taker = report_packer_taker(&worker->packer);
    worker->config.sessions.taker = &worker->taker;
    worker->config.sessions.totals = &worker->counting;
    worker->sessions = sessions_new(&worker->config.sessions);
    worker->decoder = decoder_new(&config->decoder);
    if (!worker->sessions || !worker->decoder) {
        warn_user(_("out of memory"));
        live_worker_free(worker);
        return NULL;
    }
    worker->interfaces.first = config->index == 0;
    for (size_t i = 0; i < config->interface_count; i++)
        if (!live_worker_open_interface(worker, i)) {
            live_worker_free(worker);
            return NULL;
        }
    return worker;
}

bool live_worker_start(struct live_worker *worker)
{
    worker->started = !pthread_create(&worker->thread, NULL, live_worker_run, worker);
    if (!worker->started)
        warn_user(_("no thread for a worker: try --workers 1"));
    return worker->started;
}

void live_worker_stop(struct live_worker *worker)
{
    worker->stop = true;
    if (!worker->started) /* no thread will */
        report_queue_end(&worker->queue);
    interface_set_break(&worker->interfaces);
}

void live_worker_close(struct live_worker *worker)
{
    if (!worker)
        return;
    if (worker->started)
        pthread_join(worker->thread, NULL);
    live_worker_free(worker);
}

struct report_queue *live_worker_queue(struct live_worker *worker)
{
    return &worker->queue;
}

void live_worker_totals(struct live_worker *worker, struct totals *totals)
{
    pthread_mutex_lock(worker->config.lock);
    *totals = worker->shown;
    pthread_mutex_unlock(worker->config.lock);
}

bool live_worker_failed(struct live_worker *worker)
{
    return worker->failed;
}
