/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers capture and follow, each on its own thread (live_worker.c); this thread publishes, looks after outputs and metrics, and
 * takes the signals. Nothing that a reader of ours does, or leaves undone, reaches the workers: every queue between them is
 * bounded.
 */
#include "app/live/watch.h"

#include "app/handoff/report_merge.h"
#include "app/keys/key_store.h"
#include "app/live/live_worker.h"
#include "app/options/configs.h"
#include "app/process/notify.h"
#include "app/process/privileges.h"
#include "app/process/processors.h"
#include "app/process/random_seed.h"
#include "app/process/warn_user.h"
#include "app/publish/own_losses.h"
#include "app/publish/publication.h"
#include "base/clock.h"
#include "base/gettext.h"
#include "base/writer.h"

#include <signal.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MILLISECOND (SMTPSCOPE_SECOND / 1000)
/* Signals are looked for so often; reports wake this thread by themselves. */
#define WAIT_NS (100 * MILLISECOND)
/* Findings of a session that belong together come within a round trip; a finding must be out within a second. */
#define PATIENCE (200 * MILLISECOND)
/* A finding across sessions may come when its session has closed; and segments straggle in. */
#define EVIDENCE_LINGER (60 * SMTPSCOPE_SECOND)
/* Outputs and metrics have so long to get what is left. */
#define CLOSE_MS 5000
/* Outputs that a reload replaces have less: reports wait meanwhile, and workers queue no more than a few seconds of them. */
#define REPLACED_MS 500
/* Servers say their keys some milliseconds behind the records that need them: sessions wait so long, in packet time. */
#define KEY_PATIENCE (2 * SMTPSCOPE_SECOND)
#define KEYS_EVERY (50 * MILLISECOND)
/* glibc's own first idea of what is large. */
#define LARGE_BLOCK (128 << 10)

struct watch {
    struct options *options;
    int argc;
    char **argv;
    struct options fixed; /* what the workers read: a copy that stays as it is while the options are reloaded */
    char *filter;
    char *watched; /* "eth0, eth1" */
    struct publication publication;
    struct key_store *keys; /* NULL: no key log is followed */
    struct metrics *metrics;
    struct metrics_snapshot snapshot;
    struct live_worker *workers[WORKERS_MAX];
    struct report_merge merge;
    unsigned count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    smtpscope_time next_second, next_stats, next_watchdog, next_keys;
    struct totals totals;
    struct own_losses losses;
    bool stop, failed;
};

/* --- statistics */

static void watch_gather(struct watch *watch)
{
    watch->totals = (struct totals){0};
    for (unsigned i = 0; i < watch->count; i++) {
        struct totals totals;

        live_worker_totals(watch->workers[i], &totals);
        totals_add(&watch->totals, &totals);
    }
    summary_add(&watch->totals.summary, publisher_summary(watch->publication.publisher));
}

static void watch_show_totals(struct watch *watch)
{
    struct summary summary;

    watch_gather(watch);
    publication_summary(&watch->publication, &watch->totals, &summary);
    outputs_totals(watch->publication.outputs, &summary);
}

/* SIGUSR1: the totals for people at the terminal, or in the journal. */
static void watch_show_totals_on_stderr(struct watch *watch)
{
    struct summary summary;

    watch_gather(watch);
    publication_summary(&watch->publication, &watch->totals, &summary);
    outputs_totals_to_stderr(&watch->publication.config.outputs, &summary);
}

/* All stages are shown, at work or not: a series that comes and goes is of no use. */
static void watch_metrics(struct watch *watch)
{
    struct metrics_snapshot *snapshot = &watch->snapshot;
    struct summary summary;

    if (!watch->metrics)
        return;
    publication_summary(&watch->publication, &watch->totals, &summary);
    summary.stage_count = 0;
    for (int stage = 0; stage < STAGES; stage++)
        totals_show(&watch->totals, (enum totals_stage)stage, &summary);
    metrics_summary(snapshot, &summary);
    snapshot->reply_times = watch->totals.reply_times;
    snapshot->output_count = 0;
    outputs_metrics(watch->publication.outputs, snapshot);
    metrics_publish(watch->metrics, snapshot);
}

static void watch_count_finding(void *ctx, const struct smtpscope_finding *finding)
{
    metrics_finding(&((struct watch *)ctx)->snapshot, finding);
}

/* --- losses of our own */

static void watch_count_losses(void *ctx, struct loss_counts *counts)
{
    struct watch *watch = ctx;

    counts->kernel = watch->totals.capture.dropped;
    counts->interface = watch->totals.capture.interface_dropped;
    counts->reports = watch->totals.capture.lost;
    outputs_lost(watch->publication.outputs, counts);
}

static void watch_loss(void *ctx, const struct smtpscope_finding *finding)
{
    struct report_taker taker = publisher_taker(((struct watch *)ctx)->publication.publisher);

    taker.finding(taker.ctx, finding);
}

/* As gathered last. `all`: without the pause between two of a kind, because what they are about ends. */
static void watch_losses(struct watch *watch, bool all)
{
    own_losses_look(&watch->losses, clock_monotonic(), clock_read(CLOCK_REALTIME), all);
}

/* --- opening */

static bool watch_filter(struct watch *watch)
{
    struct filter_config config = options_filter(watch->options);
    uint16_t tunnels[64];

    config.tunnels = tunnels;
    config.tunnel_count = decoder_tunnel_ports(tunnels, sizeof tunnels / sizeof tunnels[0]);
    watch->filter = filter_text(&config);
    if (!watch->filter)
        warn_user(_("out of memory"));
    return watch->filter != NULL;
}

static bool watch_name(struct watch *watch)
{
    const struct options *options = watch->options;
    struct writer names = {0};

    for (size_t i = 0; i < options->interface_count; i++) {
        writer_string(&names, i ? ", " : "");
        writer_string(&names, options->interfaces[i]);
    }
    writer_char(&names, '\0');
    watch->watched = names.failed ? NULL : strdup(names.at);
    writer_fini(&names);
    if (!watch->watched)
        warn_user(_("out of memory"));
    return watch->watched != NULL;
}

static bool watch_new_publication(struct watch *watch, unsigned workers, uint64_t seed)
{
    struct publication_config config = options_publication(&watch->fixed);

    config.watched = watch->watched;
    config.evidence.stores = workers;
    config.evidence.hash_seed = seed;
    config.publisher.hash_seed = seed;
    config.evidence.numbers = true;
    config.evidence.linger = EVIDENCE_LINGER;
    return publication_new(&watch->publication, &config);
}

static struct live_worker *watch_open_worker(struct watch *watch, unsigned workers, uint64_t seed)
{
    struct live_worker_config config = {
        .interfaces = watch->fixed.interfaces,
        .interface_count = watch->fixed.interface_count,
        .live = options_live(&watch->fixed),
        .decoder = options_decoder(&watch->fixed),
        .sessions = options_sessions(&watch->fixed),
        .index = watch->count,
        .workers = workers,
        .first = watch->workers[0],
        .lock = &watch->lock,
        .changed = &watch->changed,
    };

    config.live.filter = watch->filter;
    config.decoder.hash_seed = seed;
    config.sessions.hash_seed = seed;
    config.sessions.workers = workers;
    config.sessions.patience = PATIENCE;
    config.sessions.keys = watch->keys ? key_store_keys(watch->keys) : NULL;
    config.sessions.key_patience = KEY_PATIENCE;
    config.sessions.evidence = evidence_writer_store(watch->publication.evidence, watch->count);
    return live_worker_open(&config);
}

/* Key logs are often their server's alone: they are opened while that is possible. */
static bool watch_open_keys(struct watch *watch)
{
    const struct options *options = &watch->fixed;

    if (!options->keylog_count)
        return true;
    watch->keys = key_store_new(&(struct key_store_config){
        .logs = options->keylogs, .log_count = options->keylog_count, .hash_seed = random_seed(), .follow = true});
    return watch->keys;
}

static bool watch_open_workers(struct watch *watch)
{
    unsigned workers = options_workers(watch->options);
    uint64_t seed = random_seed();

    if (!watch_new_publication(watch, workers, seed))
        return false;
    publisher_watch(watch->publication.publisher, watch_count_finding, watch);
    for (; watch->count < workers; watch->count++) {
        struct live_worker *worker = watch_open_worker(watch, workers, seed);

        if (!worker)
            return false;
        watch->workers[watch->count] = worker;
        report_merge_add(&watch->merge, live_worker_queue(worker));
    }
    return true;
}

static bool watch_open_metrics(struct watch *watch)
{
    char error[SINK_ERROR_SIZE];

    if (!watch->options->metrics)
        return true;
    watch->metrics = metrics_open(watch->options->metrics, error, sizeof error);
    if (!watch->metrics)
        warn_user("--metrics %s", error);
    return watch->metrics != NULL;
}

/* First what needs privileges; then they are given up; then outputs, as the user that will rotate and reopen them. */
static bool watch_open(struct watch *watch)
{
    struct privileges privileges;

    watch->losses.config = (struct own_losses_config){.count = watch_count_losses, .finding = watch_loss, .ctx = watch};
    if (!privileges_lookup(&privileges, watch->options->user) || !watch_filter(watch) || !watch_name(watch) ||
        !watch_open_keys(watch) || !watch_open_workers(watch) || !watch_open_metrics(watch) ||
        !privileges_drop(&privileges, watch->options->sandbox))
        return false;
    if (!publication_open(&watch->publication)) {
        privileges_explain(&privileges);
        return false;
    }
    watch_gather(watch);
    watch_metrics(watch); /* the first to ask sees every series */
    if (!watch->metrics || metrics_serve(watch->metrics))
        return true;
    warn_user(_("out of memory"));
    return false;
}

/* --- the loop */

/* true: there was something to publish. */
static bool watch_publish(struct watch *watch)
{
    struct report_taker taker = publisher_taker(watch->publication.publisher);

    return report_merge_publish(&watch->merge, &taker);
}

static void watch_wait(struct watch *watch)
{
    smtpscope_time until = clock_monotonic() + WAIT_NS;
    struct timespec deadline = {.tv_sec = (time_t)(until / SMTPSCOPE_SECOND), .tv_nsec = (long)(until % SMTPSCOPE_SECOND)};

    report_merge_wait(&watch->merge, &deadline);
}

/* false: all stays as it is. */
static bool watch_read_config(struct watch *watch)
{
    struct publication_config config;
    struct options fresh;
    bool others;

    if (!options_reload(watch->options, &fresh, watch->argc, watch->argv))
        return false;
    others = !options_same_outputs(watch->options, &fresh);
    config = options_publication(&fresh);
    if (others) /* of those that are replaced, what they lose from here on is not told any more */
        watch_losses(watch, true);
    if (!publication_change(&watch->publication, &config, others, REPLACED_MS)) {
        options_fini(&fresh);
        return false;
    }
    if (others)
        own_losses_new_outputs(&watch->losses);
    options_fini(watch->options);
    *watch->options = fresh;
    return true;
}

/* SIGHUP. */
static void watch_reload(struct watch *watch)
{
    notify_reloading();
    outputs_reopen(watch->publication.outputs);
    if (watch->publication.evidence)
        evidence_writer_reopen(watch->publication.evidence);
    if (watch->options->config && watch_read_config(watch))
        warn_user(_("the configuration was read anew"));
    else if (watch->options->config)
        warn_user(_("the configuration stays as it was"));
    notify_ready(NULL);
}

/* Finishing may take a while where an output is slow: the next SIGINT or SIGTERM ends the program. */
static void watch_give_signals_back(void)
{
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &both, NULL);
}

static void watch_signal(struct watch *watch, int number)
{
    switch (number) {
    case SIGHUP: watch_reload(watch); break;
    case SIGUSR1: watch_show_totals_on_stderr(watch); break;
    default:
        watch->stop = true;
        watch_give_signals_back();
        break;
    }
}

/* Those that watch_signal() knows. */
static sigset_t watch_signal_set(void)
{
    sigset_t all;

    sigemptyset(&all);
    sigaddset(&all, SIGHUP);
    sigaddset(&all, SIGUSR1);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGTERM);
    return all;
}

static void watch_signals(struct watch *watch)
{
    static const struct timespec at_once = {0};
    sigset_t all = watch_signal_set();
    int number;

    while (!watch->stop && (number = sigtimedwait(&all, NULL, &at_once)) > 0)
        watch_signal(watch, number);
}

static void watch_tick(struct watch *watch)
{
    smtpscope_time now = clock_monotonic(), interval = notify_watchdog_interval();

    publisher_tick(watch->publication.publisher, now);
    if (watch->keys && now >= watch->next_keys) {
        watch->next_keys = now + KEYS_EVERY;
        key_store_follow(watch->keys);
    }
    if (now >= watch->next_second) {
        watch->next_second = now + SMTPSCOPE_SECOND;
        watch_gather(watch);
        watch_losses(watch, false);
        outputs_look(watch->publication.outputs);
        watch_metrics(watch);
        notify_again();
        if (watch->publication.evidence)
            evidence_writer_tick(watch->publication.evidence);
    }
    if (watch->options->stats_interval && now >= watch->next_stats) {
        if (watch->next_stats)
            watch_show_totals(watch);
        watch->next_stats = now + watch->options->stats_interval;
    }
    if (interval && now >= watch->next_watchdog) {
        watch->next_watchdog = now + interval / 2;
        notify_watchdog();
    }
    for (unsigned i = 0; i < watch->count; i++)
        watch->failed |= live_worker_failed(watch->workers[i]);
    watch->stop |= watch->failed || outputs_broken(watch->publication.outputs);
}

/* Workers close what is open, and hand on what that brings. */
static void watch_finish(struct watch *watch)
{
    struct totals *totals = &watch->totals;
    uint64_t open;

    watch_gather(watch);
    open = totals->streams.flows_now;
    notify_stopping(NULL);
    if (watch->keys)
        key_store_follow(watch->keys);
    for (unsigned i = 0; i < watch->count; i++)
        live_worker_stop(watch->workers[i]);
    while (!report_merge_is_done(&watch->merge))
        if (!watch_publish(watch))
            watch_wait(watch);
    publication_finish(&watch->publication, totals->summary.last_time);
    watch_gather(watch);
    watch_losses(watch, true);
    watch_show_totals(watch);
    warn_user(_("stopped; packets: %llu, dropped by the kernel: %llu; sessions: %llu, still open: %llu; findings: %llu"),
              (unsigned long long)totals->summary.packets, (unsigned long long)totals->capture.dropped,
              (unsigned long long)totals->summary.sessions, (unsigned long long)open,
              (unsigned long long)summary_findings(&totals->summary));
}

static void watch_run(struct watch *watch)
{
    warn_user(ngettext("watching %s with %u worker", "watching %s with %u workers", watch->count), watch->watched,
              watch->count);
    for (unsigned i = 0; i < watch->count && !watch->stop; i++)
        watch->failed = watch->stop = !live_worker_start(watch->workers[i]);
    if (!watch->stop)
        notify_ready(NULL);
    while (!watch->stop) {
        watch_signals(watch);
        if (!watch_publish(watch))
            watch_wait(watch);
        watch_tick(watch);
    }
    watch_finish(watch);
}

/*
 * What is large goes back to the system when it is freed. Left alone, glibc learns from the first such block to keep them,
 * between others that stay: the memory of a busy minute would be kept for months.
 */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
#endif
}

static bool watch_init(struct watch *watch)
{
    pthread_condattr_t attributes;
    sigset_t all = watch_signal_set();

    /* All threads inherit it: watch_signals() takes them. */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    /* The machine's clock may be set; waiting must not notice. */
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    give_memory_back();
    return watch_open(watch);
}

static void watch_fini(struct watch *watch)
{
    report_merge_fini(&watch->merge);
    for (unsigned i = watch->count; i-- > 0;)
        live_worker_close(watch->workers[i]);
    key_store_free(watch->keys);
    metrics_stop(watch->metrics);
    publication_close(&watch->publication, CLOSE_MS);
    free(watch->watched);
    free(watch->filter);
    options_fini(&watch->fixed);
}

enum status watch(struct options *options, int argc, char **argv)
{
    struct watch *watch = calloc(1, sizeof *watch);
    enum status status = STATUS_FAILED;

    if (!watch || !options_copy(&watch->fixed, options)) {
        warn_user(_("out of memory"));
        free(watch);
        return STATUS_FAILED;
    }
    watch->options = options;
    watch->argc = argc;
    watch->argv = argv;
    if (watch_init(watch)) {
        watch_run(watch);
        status = watch->failed ? STATUS_FAILED : publication_status(&watch->publication);
    }
    watch_fini(watch);
    free(watch);
    return status;
}
