/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/evidence_writer.h"

#include "app/files/capture_files.h"
#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"

#include <stdlib.h>
#include <string.h>

/* All stores together: a minute of what a busy exchange says, and little beside its queue. */
#define STORES_OCTETS ((size_t)256 << 20)
/* Files whose numbers can still be told. A finding names the file written last, or one shortly before. */
#define FILES_MAX 1024
/* What comes later of a connection with findings is gathered for so many seconds, or until it closes. */
#define DUE_SECONDS 10
/* A disk that is nearly full takes some connections and others not: that is told so often at most. */
#define TROUBLE_AGAIN_MS 60000

struct evidence_run {
    struct evidence_run_config config;
    struct evidence **stores;
    struct evidence_file *file;
    struct packets packets; /* the names are ours */
    int64_t told_at;        /* that it cannot be written */
    bool troubled;          /* and not yet that it can again */
};

/* --- what the file says */

static void forget_file(struct evidence_run *run, const char *name)
{
    free((void *)(uintptr_t)packets_remove(&run->packets, name)); /* const is for its readers */
}

static void file_gone(void *ctx, const char *name)
{
    forget_file(ctx, name);
}

/* What is read is not written over. */
static bool file_spare(void *ctx, const struct stat *status)
{
    const struct options *options = ((const struct evidence_run *)ctx)->config.options;
    struct stat input;

    for (size_t i = 0; i < options->file_count; i++)
        if (!sources_stat(options->files[i], &input) && input.st_dev == status->st_dev && input.st_ino == status->st_ino)
            return true;
    return false;
}

static void file_begun(void *ctx, const char *name, uint64_t before)
{
    struct evidence_run *run = ctx;
    char *kept = strdup(name);

    if (run->packets.count == FILES_MAX)
        forget_file(run, run->packets.files[0].name);
    if (!kept || !packets_insert(&run->packets, kept, before))
        free(kept);
}

static void file_failed(void *ctx, const char *name, const char *why)
{
    struct evidence_run *run = ctx;
    int64_t now = clock_monotonic_ms();

    if (!why && run->troubled) {
        complain(_("--write %s: packets are written again"), name);
        run->troubled = false;
    } else if (why && (!run->told_at || now >= run->told_at + TROUBLE_AGAIN_MS)) {
        complain(_("--write %s: %s; it is tried again"), name, why);
        run->troubled = true;
        run->told_at = now;
    }
}

/* --- opening and closing */

void evidence_run_free(struct evidence_run *run)
{
    if (!run)
        return;
    evidence_file_close(run->file);
    for (unsigned i = 0; run->stores && i < run->config.stores; i++)
        evidence_free(run->stores[i]);
    free(run->stores);
    while (run->packets.count)
        forget_file(run, run->packets.files[0].name);
    packets_fini(&run->packets);
    free(run);
}

struct evidence_run *evidence_run_new(const struct evidence_run_config *config)
{
    struct evidence_run *run = calloc(1, sizeof *run);
    bool right = run && packets_init(&run->packets, FILES_MAX);

    if (right) {
        run->config = *config;
        run->stores = calloc(config->stores, sizeof(struct evidence *));
        right = run->stores;
    }
    for (unsigned i = 0; right && i < config->stores; i++) {
        run->stores[i] =
            evidence_new(&(struct evidence_config){.octets = STORES_OCTETS / config->stores, .linger = config->linger});
        right = run->stores[i];
    }
    if (right)
        return run;
    complain(_("out of memory"));
    evidence_run_free(run);
    return NULL;
}

bool evidence_run_open(struct evidence_run *run)
{
    const struct options *options = run->config.options;
    char error[EVIDENCE_ERROR_SIZE] = "";

    if (!strcmp(options->evidence, "-")) {
        complain(_("--write -: standard output has the findings: name a file"));
        return false;
    }
    run->file = evidence_file_open(&(struct evidence_file_config){.path = options->evidence,
                                                                  .octets = options->evidence_octets,
                                                                  .count = options->evidence_count,
                                                                  .spare = file_spare,
                                                                  .begun = file_begun,
                                                                  .gone = file_gone,
                                                                  .failed = file_failed,
                                                                  .ctx = run},
                                   error);
    if (!run->file)
        complain("--write %s: %s", options->evidence, error);
    return run->file;
}

/* --- frames in */

struct evidence *evidence_run_store(struct evidence_run *run, unsigned index)
{
    return run ? run->stores[index] : NULL;
}

void evidence_run_fragment(struct evidence *store, uint64_t datagram, const struct frame *frame)
{
    if (store && datagram)
        evidence_fragment(store, datagram, frame);
}

void evidence_run_frame(struct evidence *store, const struct smtpscope_segment *segment, uint64_t datagram,
                        const struct frame *frame)
{
    evidence_frame(
        store,
        &(struct evidence_place){.connection = segment->hash,
                                 .ordinal = segment->packet,
                                 .seq = segment->seq,
                                 .datagram = datagram,
                                 .opens = (segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK)) == SMTPSCOPE_TCP_SYN},
        frame);
}

static uint64_t flow_hash(const struct smtpscope_flow *flow, uint64_t seed)
{
    const struct smtpscope_segment segment = {.src = flow->side[SMTPSCOPE_CLIENT], .dst = flow->side[SMTPSCOPE_SERVER]};

    return smtpscope_segment_hash(&segment, seed);
}

void evidence_run_closed(struct evidence *store, uint64_t hash_seed, const struct smtpscope_flow *flow, smtpscope_time now)
{
    evidence_closed(store, flow_hash(flow, hash_seed), flow->first_packet, now);
}

/* --- frames out */

static void write_batch(struct evidence_run *run, struct evidence *store, struct evidence_batch *batch)
{
    evidence_file_write(run->file, batch->frames, batch->count, batch->numbers);
    evidence_written(store, batch);
}

static void write_due(struct evidence_run *run, unsigned rounds)
{
    struct evidence_batch batch;

    for (unsigned i = 0; i < run->config.stores; i++)
        while (evidence_take_due(run->stores[i], rounds, &batch))
            write_batch(run, run->stores[i], &batch);
}

static uint64_t number_of(struct evidence_run *run, uint64_t hash, uint64_t ordinal)
{
    uint64_t number = 0;

    for (unsigned i = 0; ordinal && !number && i < run->config.stores; i++)
        number = evidence_number(run->stores[i], hash, ordinal, ordinal);
    return number;
}

void evidence_run_one_file(struct evidence_run *run, struct smtpscope_finding *finding)
{
    uint64_t number;

    if (packets_find(&run->packets, finding->packet, &number) != packets_find(&run->packets, finding->last_packet, &number))
        finding->last_packet = 0;
}

void evidence_run_finding(struct evidence_run *run, struct smtpscope_finding *finding)
{
    uint64_t hash = flow_hash(finding->flow, run->config.hash_seed);
    /* A port may have been used again since: the connection is the one that this packet came in. */
    uint64_t packet = finding->packet ? finding->packet : finding->flow->first_packet;
    struct evidence_batch batch;

    for (unsigned i = 0; i < run->config.stores; i++)
        if (evidence_take(run->stores[i], hash, packet, &batch))
            write_batch(run, run->stores[i], &batch);
    if (!run->config.numbers) {
        write_due(run, 0);
        return;
    }
    finding->packet = number_of(run, hash, finding->packet);
    finding->last_packet = number_of(run, hash, finding->last_packet);
    evidence_run_one_file(run, finding);
}

void evidence_run_tick(struct evidence_run *run)
{
    for (unsigned i = 0; i < run->config.stores; i++)
        evidence_round(run->stores[i]);
    write_due(run, DUE_SECONDS);
}

void evidence_run_reopen(struct evidence_run *run)
{
    evidence_file_reopen(run->file);
}

bool evidence_run_finish(struct evidence_run *run)
{
    struct evidence_file_stats written;

    write_due(run, 0);
    evidence_file_stats(run->file, &written);
    if (written.lost)
        complain(ngettext("--write %s: %llu packet could not be written", "--write %s: %llu packets could not be written",
                          (unsigned long)written.lost),
                 run->config.options->evidence, (unsigned long long)written.lost);
    return !written.lost;
}

const struct packets *evidence_run_packets(const struct evidence_run *run)
{
    return &run->packets;
}

static void stores_stats(struct evidence_run *run, struct evidence_stats *all)
{
    *all = (struct evidence_stats){0};
    for (unsigned i = 0; i < run->config.stores; i++) {
        struct evidence_stats stats;

        evidence_stats(run->stores[i], &stats);
        all->frames += stats.frames;
        all->octets += stats.octets;
        all->cut += stats.cut;
        all->left_out += stats.left_out;
        all->evicted += stats.evicted;
    }
}

void evidence_run_metrics(struct evidence_run *run, struct metrics_evidence *metrics)
{
    struct evidence_stats kept;
    struct evidence_file_stats written;

    stores_stats(run, &kept);
    evidence_file_stats(run->file, &written);
    *metrics = (struct metrics_evidence){.kept = kept.frames,
                                         .packets = written.frames,
                                         .octets = written.octets,
                                         .files = written.files,
                                         .lost = written.lost,
                                         .cut = kept.cut,
                                         .left_out = kept.left_out,
                                         .evicted = kept.evicted,
                                         .held = kept.octets};
}
