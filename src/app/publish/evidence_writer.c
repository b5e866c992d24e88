/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/evidence_writer.h"

#include "app/handoff/evidence_feed.h"
#include "app/handoff/totals.h"
#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"
#include "capture/savefile.h"

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

struct evidence_writer {
    struct evidence_writer_config config;
    struct evidence **stores;
    struct evidence_file *file;
    struct packet_numbering numbering; /* the names are ours */
    int64_t told_at;                   /* that it cannot be written */
    bool troubled;                     /* and not yet that it can again */
};

/* --- what the file says */

static void forget_file(struct evidence_writer *writer, const char *name)
{
    free((void *)(uintptr_t)packet_numbering_remove(&writer->numbering, name)); /* const is for its readers */
}

static void file_gone(void *ctx, const char *name)
{
    forget_file(ctx, name);
}

/* What is read is not written over. */
static bool file_spare(void *ctx, const struct stat *status)
{
    const struct evidence_writer_config *config = &((const struct evidence_writer *)ctx)->config;
    struct stat input;

    for (size_t i = 0; i < config->spared_count; i++)
        if (!savefile_stat(config->spared[i], &input) && input.st_dev == status->st_dev && input.st_ino == status->st_ino)
            return true;
    return false;
}

static void file_begun(void *ctx, const char *name, uint64_t before)
{
    struct evidence_writer *writer = ctx;
    char *kept = strdup(name);

    if (writer->numbering.count == FILES_MAX)
        forget_file(writer, writer->numbering.files[0].name);
    if (!kept || !packet_numbering_insert(&writer->numbering, kept, before))
        free(kept);
}

static void file_failed(void *ctx, const char *name, const char *why)
{
    struct evidence_writer *writer = ctx;
    int64_t now = clock_monotonic_ms();

    if (!why && writer->troubled) {
        warn_user(_("--write %s: packets are written again"), name);
        writer->troubled = false;
    } else if (why && (!writer->told_at || now >= writer->told_at + TROUBLE_AGAIN_MS)) {
        warn_user(_("--write %s: %s; it is tried again"), name, why);
        writer->troubled = true;
        writer->told_at = now;
    }
}

/* --- opening and closing */

void evidence_writer_free(struct evidence_writer *writer)
{
    if (!writer)
        return;
    evidence_file_close(writer->file);
    for (unsigned i = 0; writer->stores && i < writer->config.stores; i++)
        evidence_free(writer->stores[i]);
    free(writer->stores);
    while (writer->numbering.count)
        forget_file(writer, writer->numbering.files[0].name);
    packet_numbering_fini(&writer->numbering);
    free(writer);
}

struct evidence_writer *evidence_writer_new(const struct evidence_writer_config *config)
{
    struct evidence_writer *writer = calloc(1, sizeof *writer);
    bool right = writer && packet_numbering_init(&writer->numbering, FILES_MAX);

    if (right) {
        writer->config = *config;
        writer->stores = calloc(config->stores, sizeof(struct evidence *));
        right = writer->stores;
    }
    for (unsigned i = 0; right && i < config->stores; i++) {
        writer->stores[i] =
            evidence_new(&(struct evidence_config){.octets = STORES_OCTETS / config->stores, .linger = config->linger});
        right = writer->stores[i];
    }
    if (right)
        return writer;
    warn_user(_("out of memory"));
    evidence_writer_free(writer);
    return NULL;
}

bool evidence_writer_open(struct evidence_writer *writer)
{
    const char *path = writer->config.path;
    char error[EVIDENCE_ERROR_SIZE] = "";

    if (!strcmp(path, "-")) {
        warn_user(_("--write -: standard output has the findings: name a file"));
        return false;
    }
    writer->file = evidence_file_open(&(struct evidence_file_config){.path = path,
                                                                     .octets = writer->config.octets,
                                                                     .count = writer->config.count,
                                                                     .continues = writer->config.numbers,
                                                                     .spare = file_spare,
                                                                     .begun = file_begun,
                                                                     .gone = file_gone,
                                                                     .failed = file_failed,
                                                                     .ctx = writer},
                                      error);
    if (!writer->file)
        warn_user("--write %s: %s", path, error);
    return writer->file;
}

struct evidence *evidence_writer_store(struct evidence_writer *writer, unsigned index)
{
    return writer ? writer->stores[index] : NULL;
}

/* --- frames out */

static void write_batch(struct evidence_writer *writer, struct evidence *store, struct evidence_batch *batch)
{
    evidence_file_write(writer->file, batch->frames, batch->count, batch->numbers);
    evidence_written(store, batch);
}

static void write_due(struct evidence_writer *writer, unsigned rounds)
{
    struct evidence_batch batch;

    for (unsigned i = 0; i < writer->config.stores; i++)
        while (evidence_take_due(writer->stores[i], rounds, &batch))
            write_batch(writer, writer->stores[i], &batch);
}

static uint64_t number_of(struct evidence_writer *writer, uint64_t hash, uint64_t ordinal)
{
    uint64_t number = 0;

    for (unsigned i = 0; ordinal && !number && i < writer->config.stores; i++)
        number = evidence_number(writer->stores[i], hash, ordinal, ordinal);
    return number;
}

void evidence_writer_one_file(struct evidence_writer *writer, struct smtpscope_finding *finding)
{
    uint64_t number;

    if (packet_numbering_find(&writer->numbering, finding->packet, &number) !=
        packet_numbering_find(&writer->numbering, finding->last_packet, &number))
        finding->last_packet = 0;
}

void evidence_writer_finding(struct evidence_writer *writer, struct smtpscope_finding *finding)
{
    uint64_t hash = evidence_feed_hash(finding->flow, writer->config.hash_seed);
    /* A port may have been used again since: the connection is the one that this packet came in. */
    uint64_t packet = finding->packet ? finding->packet : finding->flow->first_packet;
    struct evidence_batch batch;

    for (unsigned i = 0; i < writer->config.stores; i++)
        if (evidence_take(writer->stores[i], hash, packet, &batch))
            write_batch(writer, writer->stores[i], &batch);
    if (!writer->config.numbers) {
        write_due(writer, 0);
        return;
    }
    finding->packet = number_of(writer, hash, finding->packet);
    finding->last_packet = number_of(writer, hash, finding->last_packet);
    evidence_writer_one_file(writer, finding);
}

void evidence_writer_tick(struct evidence_writer *writer)
{
    for (unsigned i = 0; i < writer->config.stores; i++)
        evidence_round(writer->stores[i]);
    write_due(writer, DUE_SECONDS);
}

void evidence_writer_reopen(struct evidence_writer *writer)
{
    evidence_file_reopen(writer->file);
}

bool evidence_writer_finish(struct evidence_writer *writer)
{
    struct evidence_stats written;

    write_due(writer, 0);
    evidence_file_stats(writer->file, &written);
    if (written.lost)
        warn_user(ngettext("--write %s: %llu packet could not be written", "--write %s: %llu packets could not be written",
                           (unsigned long)written.lost),
                  writer->config.path, (unsigned long long)written.lost);
    return !written.lost;
}

const struct packet_numbering *evidence_writer_numbering(const struct evidence_writer *writer)
{
    return &writer->numbering;
}

void evidence_writer_stats(struct evidence_writer *writer, struct evidence_stats *stats)
{
    evidence_file_stats(writer->file, stats);
    for (unsigned i = 0; i < writer->config.stores; i++) {
        struct evidence_stats kept;

        evidence_stats(writer->stores[i], &kept);
        counters_add(&totals_tables[STAGE_EVIDENCE], stats, &kept);
    }
}
