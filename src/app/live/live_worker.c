/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/live/live_worker.h"

#include "app/live/interface_set.h"
#include "app/live/packet_clock.h"
#include "app/process/warn_user.h"
#include "app/publish/evidence_writer.h"
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
#define WARM_PARCELS 2

struct sensor {
    struct sensor_config config;
    pthread_t thread;
    bool started;
    atomic_bool stop, failed;
    struct taps taps;
    struct decoder *decoder;
    struct sessions *sessions;
    struct report report;
    struct lane lane;
    struct parcel *parcel;
    uint64_t frames;
    struct packet_clock clock;
    uint64_t reached; /* packet time as the monotonic clock would have it, which never runs back: the key of what is said */
    smtpscope_time handed_on;             /* when, by the monotonic clock */
    struct sensor_totals counting, shown; /* shown: under the lock */
};

/* --- what the sessions say */

/* Packets do not wait for readers: only what comes after the last of them does. */
static void sensor_send(struct sensor *sensor)
{
    sensor->parcel->until = sensor->reached;
    lane_send(&sensor->lane, sensor->parcel, sensor->stop);
    sensor->parcel = lane_parcel(&sensor->lane);
}

static struct outbox *sensor_outbox(struct sensor *sensor)
{
    if (sensor->parcel->outbox.octets.len >= LANE_OUTBOX_SIZE)
        sensor_send(sensor);
    sensor->parcel->outbox.now.packet = sensor->reached;
    return &sensor->parcel->outbox;
}

static void sensor_finding(void *ctx, const struct smtpscope_finding *finding)
{
    if (!finding->told || finding->changed)
        outbox_finding(sensor_outbox(ctx), finding);
}

static void sensor_trace(void *ctx, const struct trace *trace)
{
    outbox_trace(sensor_outbox(ctx), trace);
}

static void sensor_line(void *ctx, const struct smtpscope_flow *flow, size_t format, const struct output_line *line)
{
    outbox_line(sensor_outbox(ctx), flow, format, line);
}

static void sensor_hand_on(struct sensor *sensor, smtpscope_time now)
{
    struct sensor_totals *counting = &sensor->counting;

    sensor->handed_on = now;
    sessions_stats(sensor->sessions, &counting->streams);
    sessions_detect_stats(sensor->sessions, &counting->detect);
    decoder_stats(sensor->decoder, &counting->decoder);
    taps_stats(&sensor->taps, &counting->capture);
    pthread_mutex_lock(sensor->config.lock);
    sensor->shown = *counting;
    sensor->shown.lost += sensor->lane.lost;
    pthread_mutex_unlock(sensor->config.lock);
    /*
     * An empty one, too, says how far this worker is: others wait for that. Who publishes is late when the lane fills up, and has
     * enough to read: then reports gather in one that has room for more.
     */
    if (sensor->stop || lane_has_room(&sensor->lane))
        sensor_send(sensor);
}

/* --- frames */

/* What waits is moved along with the clock, so that nothing times out, or never does. */
static void sensor_clock_stepped(struct sensor *sensor, smtpscope_time delta)
{
    if (!delta)
        return;
    if (!sensor->config.index) /* all workers notice */
        complain(_("the clock was set by %+.0f s: waiting times go on from there"), (double)delta / (double)SMTPSCOPE_SECOND);
    sensor->counting.clock_steps++;
    sessions_clock_stepped(sensor->sessions, delta);
}

/* Packet time has reached `time` here: nothing that is said from now on is about an earlier packet. */
static void sensor_reached(struct sensor *sensor, smtpscope_time time)
{
    smtpscope_time reached = time - sensor->clock.distance;

    if (reached > 0 && (uint64_t)reached > sensor->reached)
        sensor->reached = (uint64_t)reached;
}

static void sensor_frame(void *ctx, const struct frame *frame)
{
    struct sensor *sensor = ctx;
    struct summary *summary = &sensor->counting.summary;
    struct smtpscope_segment segment = {0};
    /* One numbering for all workers. */
    uint64_t number = sensor->frames++ * sensor->config.workers + sensor->config.index + 1;

    sensor_clock_stepped(sensor, packet_clock_packet(&sensor->clock, frame->time));
    sensor_reached(sensor, frame->time);
    summary->packets++;
    summary->octets += frame->len;
    summary->last_time = frame->time;
    if (!summary->first_time)
        summary->first_time = frame->time;
    if (!decoder_frame(sensor->decoder, frame->link_type, frame->data, frame->caplen, frame->len, frame->time, number,
                       &segment)) {
        evidence_run_fragment(sensor->config.sessions.evidence, decoder_datagram(sensor->decoder), frame);
        return;
    }
    sessions_expire(sensor->sessions, frame->time);
    if (sensor->config.sessions.evidence) {
        segment.hash = smtpscope_segment_hash(&segment, sensor->config.sessions.hash_seed);
        evidence_run_frame(sensor->config.sessions.evidence, &segment, decoder_datagram(sensor->decoder), frame);
    }
    sessions_segment(sensor->sessions, &segment);
}

static void sensor_idle(struct sensor *sensor, smtpscope_time now)
{
    sensor_clock_stepped(sensor, packet_clock_idle(&sensor->clock));
    sessions_expire(sensor->sessions, packet_clock_at(&sensor->clock, now));
    sensor_reached(sensor, packet_clock_at(&sensor->clock, now) - UNSEEN);
}

static void sensor_tick(struct sensor *sensor, bool idle)
{
    smtpscope_time now = clock_monotonic();

    if (idle)
        sensor_idle(sensor, now);
    else
        packet_clock_handled(&sensor->clock, now);
    if (lane_has_room(&sensor->lane)) /* what is told and lost would be told again only if it changed */
        sessions_tell(sensor->sessions, now);
    if (now - sensor->handed_on >= HAND_ON_EVERY)
        sensor_hand_on(sensor, now);
}

static void sensor_turn(struct sensor *sensor)
{
    int got = taps_dispatch(&sensor->taps, sensor_frame, sensor);

    if (got == TAPS_FAILED)
        sensor->failed = sensor->stop = true;
    sensor_tick(sensor, got <= 0);
}

/* What was on the wire when the end was asked for is on its way through the rings. */
static void sensor_drain(struct sensor *sensor)
{
    smtpscope_time until = clock_monotonic() + taps_delay(&sensor->taps);

    while (!sensor->failed && clock_monotonic() < until)
        sensor_turn(sensor);
}

static void *sensor_run(void *ctx)
{
    struct sensor *sensor = ctx;

    while (!sensor->stop)
        sensor_turn(sensor);
    sensor_drain(sensor);
    sessions_finish(sensor->sessions);
    sensor_hand_on(sensor, 0);
    lane_end(&sensor->lane);
    return NULL;
}

/* --- opening and closing */

static bool sensor_open_tap(struct sensor *sensor, size_t i)
{
    const struct options *options = sensor->config.options;
    const struct sensor *first = sensor->config.first;

    return taps_add(&sensor->taps,
                    &(struct live_config){
                        .interface = options->interfaces[i],
                        .filter = sensor->config.filter,
                        .expression = options->expression,
                        .buffer_kib = options->buffer_kib,
                        .snapshot_length = options->snapshot_length,
                        .promiscuous = options->promiscuous,
                        .spread = sensor->config.workers > 1,
                        .fanout_group = first ? live_fanout_group(first->taps.items[i].live) : LIVE_NEW_GROUP,
                    },
                    options->interface_count > 1);
}

static void sensor_free(struct sensor *sensor)
{
    taps_close(&sensor->taps);
    sessions_free(sensor->sessions);
    decoder_free(sensor->decoder);
    lane_fini(&sensor->lane);
    free(sensor);
}

struct sensor *sensor_open(const struct sensor_config *config)
{
    struct sensor *sensor = calloc(1, sizeof *sensor);

    if (!sensor) {
        complain(_("out of memory"));
        return NULL;
    }
    sensor->config = *config;
    packet_clock_init(&sensor->clock, packet_clock_read);
    lane_init(&sensor->lane, config->lock, config->changed);
    sensor->lane.warm_max = WARM_PARCELS;
    sensor->parcel = lane_parcel(&sensor->lane);
    sensor->report = (struct report){.finding = sensor_finding, .trace = sensor_trace, .line = sensor_line, .ctx = sensor};
    sensor->config.sessions.report = &sensor->report;
    sensor->config.sessions.summary = &sensor->counting.summary;
    sensor->config.sessions.reply_times = config->options->metrics ? &sensor->counting.reply_times : NULL;
    sensor->sessions = sessions_new(&sensor->config.sessions);
    sensor->decoder = decoder_new(&(struct decoder_config){.ports = options_decoded_ports(config->options),
                                                           .verify_checksums = config->options->verify_checksums});
    if (!sensor->sessions || !sensor->decoder) {
        complain(_("out of memory"));
        sensor_free(sensor);
        return NULL;
    }
    sensor->taps.first = config->index == 0;
    for (size_t i = 0; i < config->options->interface_count; i++)
        if (!sensor_open_tap(sensor, i)) {
            sensor_free(sensor);
            return NULL;
        }
    return sensor;
}

bool sensor_start(struct sensor *sensor)
{
    sensor->started = !pthread_create(&sensor->thread, NULL, sensor_run, sensor);
    if (!sensor->started)
        complain(_("no thread for a worker: try --workers 1"));
    return sensor->started;
}

void sensor_stop(struct sensor *sensor)
{
    sensor->stop = true;
    if (!sensor->started) /* no thread will */
        lane_end(&sensor->lane);
    taps_break(&sensor->taps);
}

void sensor_close(struct sensor *sensor)
{
    if (!sensor)
        return;
    if (sensor->started)
        pthread_join(sensor->thread, NULL);
    sensor_free(sensor);
}

struct lane *sensor_lane(struct sensor *sensor)
{
    return &sensor->lane;
}

void sensor_totals(struct sensor *sensor, struct sensor_totals *totals)
{
    pthread_mutex_lock(sensor->config.lock);
    *totals = sensor->shown;
    pthread_mutex_unlock(sensor->config.lock);
}

bool sensor_failed(struct sensor *sensor)
{
    return sensor->failed;
}

void sensor_totals_add(struct sensor_totals *to, const struct sensor_totals *from)
{
    summary_add(&to->summary, &from->summary);
    if (from->summary.first_time && (!to->summary.first_time || from->summary.first_time < to->summary.first_time))
        to->summary.first_time = from->summary.first_time;
    if (from->summary.last_time > to->summary.last_time)
        to->summary.last_time = from->summary.last_time;
    stream_stats_add(&to->streams, &from->streams);
    candidates_stats_add(&to->detect, &from->detect);
    reply_times_add(&to->reply_times, &from->reply_times);
    decoder_stats_add(&to->decoder, &from->decoder);
    to->capture.received += from->capture.received;
    to->capture.dropped += from->capture.dropped;
    to->capture.interface_dropped += from->capture.interface_dropped;
    if (from->clock_steps > to->clock_steps) /* each worker has seen the same ones */
        to->clock_steps = from->clock_steps;
    to->lost += from->lost;
}
