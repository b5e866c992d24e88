/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's stages, one upon the other: `ladder STEP FILE` runs a capture through the first ones, up to and with STEP, and
 * throws away what comes out. What a step costs is the difference to the step below. The last step of all, which joins sessions
 * and prints, is the program itself.
 */
#include "base/pool.h"
#include "capture/input.h"
#include "capture/savefile.h"
#include "decode/decode.h"
#include "smtpscope/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum step { READ, RECORDS, DECODE, HASH, STREAM, SESSION, JUDGE, STEPS };
static const char *const names[STEPS] = {"read", "records", "decode", "hash", "stream", "session", "judge"};

#define HASH_SEED 1

/* Made up to the step that is asked for; NULL above it. `sum` is printed, so that nothing is left out as without effect. */
struct ladder {
    enum step step;
    struct pool pool;
    struct decoder *decoder;
    struct smtpscope_streams *streams;
    struct smtpscope_session_config sessions;
    struct smtpscope_follow *follow;
    uint64_t packets, sum;
};

/* --- what the streams tell: of the step SESSION the sessions, below it nobody */

static void fact_take(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct ladder *ladder = ctx;

    (void)session;
    ladder->sum += fact->type;
}

static void *flow_opened(void *ctx, const struct smtpscope_flow *flow)
{
    struct ladder *ladder = ctx;

    return ladder->step == SESSION ? (void *)smtpscope_session_new(&ladder->sessions, flow, NULL) : ctx;
}

static void flow_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct ladder *ladder = ctx;

    ladder->sum += octets->len;
    if (ladder->step == SESSION)
        smtpscope_session_feed(user, octets);
}

static void flow_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    if (((struct ladder *)ctx)->step == SESSION)
        smtpscope_session_gap(user, gap);
}

static void flow_conflict(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    if (((struct ladder *)ctx)->step == SESSION)
        smtpscope_session_conflict(user, gap);
}

static void flow_closed(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    if (((struct ladder *)ctx)->step != SESSION)
        return;
    smtpscope_session_close(user, ending);
    smtpscope_session_free(user);
}

static const struct smtpscope_stream_events events = {
    .opened = flow_opened, .octets = flow_octets, .gap = flow_gap, .conflict = flow_conflict, .closed = flow_closed};

/* --- of the step JUDGE */

static void finding_take(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    struct ladder *ladder = ctx;

    (void)session;
    ladder->sum += finding->rule;
}

static void trace_take(void *ctx, const struct smtpscope_trace *trace)
{
    struct ladder *ladder = ctx;

    ladder->sum += trace->kind;
}

/* --- up the ladder */

static bool ladder_begin(struct ladder *ladder, const uint8_t *ports)
{
    const struct smtpscope_allocator *allocator = &ladder->pool.allocator;

    pool_init(&ladder->pool);
    ladder->sessions = (struct smtpscope_session_config){.allocator = allocator, .fact = fact_take, .ctx = ladder};
    if (ladder->step >= DECODE)
        ladder->decoder = decoder_new(&(struct decoder_config){.ports = ports, .hash_seed = HASH_SEED});
    if (ladder->step == STREAM || ladder->step == SESSION)
        ladder->streams = smtpscope_streams_new(&(struct smtpscope_stream_config){
            .allocator = allocator, .events = &events, .ctx = ladder, .ports = ports, .hash_seed = HASH_SEED});
    if (ladder->step == JUDGE)
        ladder->follow = smtpscope_follow_new(&(struct smtpscope_follow_config){.allocator = allocator,
                                                                                .ports = ports,
                                                                                .hash_seed = HASH_SEED,
                                                                                .finding = finding_take,
                                                                                .trace = trace_take,
                                                                                .ctx = ladder});
    return (ladder->step < DECODE || ladder->decoder) && (ladder->step < STREAM || ladder->streams || ladder->follow);
}

static void ladder_end(struct ladder *ladder)
{
    if (ladder->follow)
        smtpscope_follow_finish(ladder->follow);
    smtpscope_follow_free(ladder->follow);
    if (ladder->streams) {
        smtpscope_streams_flush(ladder->streams);
        smtpscope_streams_free(ladder->streams);
    }
    decoder_free(ladder->decoder);
    pool_fini(&ladder->pool);
}

static void ladder_segment(struct ladder *ladder, struct smtpscope_segment *segment)
{
    segment->hash = smtpscope_segment_hash(segment, HASH_SEED);
    ladder->sum += segment->hash;
    if (ladder->follow)
        smtpscope_follow_segment(ladder->follow, segment);
    if (ladder->streams) {
        smtpscope_streams_expire(ladder->streams, segment->time);
        smtpscope_streams_segment(ladder->streams, segment);
    }
}

static void ladder_frame(struct ladder *ladder, const struct frame *frame)
{
    struct smtpscope_segment segment;

    ladder->packets++;
    ladder->sum += frame->len;
    if (!ladder->decoder || !decoder_frame(ladder->decoder, frame->link_type, frame->data, frame->caplen, frame->len,
                                           frame->time, frame->number, &segment))
        return;
    segment.time = frame->time;
    segment.packet = frame->number;
    if (ladder->step >= HASH)
        ladder_segment(ladder, &segment);
    else
        ladder->sum += segment.len;
}

/* read(2) alone, by blocks as the program reads. */
static int file_read(struct ladder *ladder, const char *path)
{
    static uint8_t block[BATCH_BLOCK];
    char error[256];
    struct input *input = input_open(path, error, sizeof error);
    ssize_t len;

    if (!input) {
        fprintf(stderr, "ladder: %s: %s\n", path, error);
        return 2;
    }
    while ((len = input_read(input, block, sizeof block)) > 0)
        ladder->sum += (uint64_t)len;
    input_close(input);
    return len ? 3 : 0;
}

static int file_follow(struct ladder *ladder, const char *path)
{
    struct batch *batch = batch_new();
    struct savefile *file;
    char error[256];
    int more;

    if (!batch || savefile_open(&file, path, error, sizeof error)) {
        fprintf(stderr, "ladder: %s: %s\n", path, batch ? error : "out of memory");
        batch_free(batch);
        return 2;
    }
    while ((more = savefile_batch(file, batch)) > 0)
        for (size_t i = 0; i < batch->count; i++)
            ladder_frame(ladder, &batch->frames[i]);
    savefile_close(file);
    batch_free(batch);
    return more ? 3 : 0;
}

static enum step step_find(const char *name)
{
    enum step step = READ;

    while (step < STEPS && strcmp(names[step], name) != 0)
        step++;
    return step;
}

int main(int argc, char **argv)
{
    uint8_t ports[8192] = {[25 >> 3] = 1 << (25 & 7)};
    struct ladder ladder = {.step = argc == 3 ? step_find(argv[1]) : STEPS};
    int status;

    if (ladder.step == STEPS) {
        fputs("usage: ladder STEP FILE    STEP: ", stderr);
        for (size_t i = 0; i < STEPS; i++)
            fprintf(stderr, "%s%s", names[i], i + 1 < STEPS ? ", " : "\n");
        return 2;
    }
    if (!ladder_begin(&ladder, ports)) {
        fputs("ladder: out of memory\n", stderr);
        return 2;
    }
    status = ladder.step == READ ? file_read(&ladder, argv[2]) : file_follow(&ladder, argv[2]);
    ladder_end(&ladder);
    printf("%" PRIu64 " packets, %" PRIu64 "\n", ladder.packets, ladder.sum);
    return status;
}
