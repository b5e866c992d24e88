/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/repeats.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of trouble that are open at a time: with a few kilooctets each, a few megaoctets. */
#define WINDOWS_MAX 1024
/* Findings of a window whose own share is remembered, in case that it is told again when its session ends. */
#define SHARES_MAX 256

/* What one finding has added. */
struct share {
    uint64_t session;
    uint32_t id, count, folded;
};

struct window {
    struct window *chain; /* of the same place */
    struct window *newer; /* in the order of their beginning */
    uint64_t key;
    smtpscope_time ends;
    struct smtpscope_finding finding; /* its texts and exchanges are behind the window */
    struct smtpscope_flow flow;
    struct repeats_clients clients;
    bool more;             /* than was told at once */
    uint64_t *client_keys; /* of the clients counted */
    struct share *shares;
    size_t client_room, share_count, share_room;
};

struct repeats {
    struct repeats_config config;
    struct window *places[WINDOWS_MAX];
    struct window *oldest, *newest;
    size_t count;
};

/* Where a finding belongs: a window of another cause at the same server has the same key. */
static uint64_t key_of(const struct smtpscope_finding *finding, uint64_t seed)
{
    const struct smtpscope_endpoint *server = &finding->flow->side[SMTPSCOPE_SERVER];

    return hash_octets(server->addr, sizeof server->addr, seed ^ (uint64_t)finding->rule << 16 ^ server->port);
}

static bool same_server(const struct smtpscope_finding *a, const struct smtpscope_finding *b)
{
    const struct smtpscope_endpoint *x = &a->flow->side[SMTPSCOPE_SERVER], *y = &b->flow->side[SMTPSCOPE_SERVER];

    return a->rule == b->rule && x->port == y->port && !memcmp(x->addr, y->addr, sizeof x->addr);
}

static bool same_cause(const struct smtpscope_finding *a, const struct smtpscope_finding *b)
{
    return a->reason == b->reason && a->verdict == b->verdict && a->detail == b->detail && a->fault == b->fault;
}

/* --- windows */

static char *put(char *to, const void *from, size_t size)
{
    if (size)
        memcpy(to, from, size);
    return to + size;
}

/* A copy of the finding with all that is not static. */
static struct window *window_new(const struct smtpscope_finding *finding)
{
    const char *texts[] = {finding->detail_text, finding->command, finding->argument, finding->text};
    size_t sizes[sizeof texts / sizeof texts[0]], exchanges = finding->exchange_count * sizeof *finding->exchanges;
    size_t size = sizeof(struct window) + exchanges;
    struct window *window;
    char *to;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        size += sizes[i] = strlen(texts[i]) + 1;
    window = malloc(size);
    if (!window)
        return NULL;
    *window = (struct window){.finding = *finding, .flow = *finding->flow};
    window->finding.flow = &window->flow;
    window->finding.exchanges = (const uint32_t *)(const void *)(window + 1);
    to = put((char *)(window + 1), finding->exchanges, exchanges);
    window->finding.detail_text = to;
    window->finding.command = to = put(to, texts[0], sizes[0]);
    window->finding.argument = to = put(to, texts[1], sizes[1]);
    window->finding.text = to = put(to, texts[2], sizes[2]);
    put(to, texts[3], sizes[3]);
    return window;
}

static void window_free(struct window *window)
{
    free(window->client_keys);
    free(window->shares);
    free(window);
}

static struct window **place_of(struct repeats *repeats, uint64_t key)
{
    return &repeats->places[key % WINDOWS_MAX];
}

static void window_open(struct repeats *repeats, struct window *window, uint64_t key, smtpscope_time ends)
{
    struct window **place = place_of(repeats, key);

    window->key = key;
    window->ends = ends;
    window->chain = *place;
    *place = window;
    *(repeats->newest ? &repeats->newest->newer : &repeats->oldest) = window;
    repeats->newest = window;
    repeats->count++;
}

/* The oldest one is told, with what was added to it, and forgotten. */
static void window_end(struct repeats *repeats)
{
    struct window *window = repeats->oldest, **link = place_of(repeats, window->key);

    while (*link != window)
        link = &(*link)->chain;
    *link = window->chain;
    repeats->oldest = window->newer;
    if (!repeats->oldest)
        repeats->newest = NULL;
    repeats->count--;
    if (window->more)
        repeats->config.finding(repeats->config.ctx, &window->finding, &window->clients);
    window_free(window);
}

/* --- what a finding adds */

/* One more item's room in an array that is full; false: there is none. */
static bool grow(void **items, size_t *room, size_t most, size_t size)
{
    size_t more = *room ? *room * 2 : 4;
    void *grown = *room < most ? realloc(*items, more * size) : NULL;

    if (!grown)
        return false;
    *items = grown;
    *room = more;
    return true;
}

static void add_client(struct window *window, const struct smtpscope_endpoint *client, uint64_t seed)
{
    struct repeats_clients *clients = &window->clients;
    uint64_t key = hash_octets(client->addr, sizeof client->addr, seed);

    for (size_t i = 0; i < clients->count; i++)
        if (window->client_keys[i] == key)
            return;
    if (clients->count == window->client_room) {
        void *keys = window->client_keys;

        if (!grow(&keys, &window->client_room, REPEATS_CLIENTS_MAX, sizeof *window->client_keys))
            return;
        window->client_keys = keys;
    }
    window->client_keys[clients->count++] = key;
    if (clients->sample_count < REPEATS_SAMPLES)
        clients->sample[clients->sample_count++] = *client;
}

static void add_share(struct window *window, const struct smtpscope_finding *finding)
{
    if (window->share_count == window->share_room) {
        void *shares = window->shares;

        if (!grow(&shares, &window->share_room, SHARES_MAX, sizeof *window->shares))
            return;
        window->shares = shares;
    }
    window->shares[window->share_count++] = (struct share){
        .session = finding->flow->first_packet, .id = finding->id, .count = finding->count, .folded = finding->folded};
}

/* The window keeps the worst and the least certain. */
static void add_judgement(struct smtpscope_finding *to, const struct smtpscope_finding *from)
{
    if (from->severity < to->severity)
        to->severity = from->severity;
    if (from->confidence > to->confidence)
        to->confidence = from->confidence;
    if (from->time < to->time)
        to->time = from->time;
    if (from->last_time >= to->last_time) {
        to->last_time = from->last_time;
        to->last_packet = from->last_packet;
    }
}

static void add_finding(struct window *window, const struct smtpscope_finding *finding, uint64_t seed)
{
    window->more = true;
    window->finding.count += finding->count;
    window->finding.folded += finding->folded;
    add_judgement(&window->finding, finding);
    add_client(window, smtpscope_finding_client(finding), seed);
    add_share(window, finding);
}

/* Told again: of a window of its server it takes its old share out, and puts the new one in. */
static void change_share(struct repeats *repeats, const struct smtpscope_finding *finding)
{
    for (struct window *window = *place_of(repeats, key_of(finding, repeats->config.hash_seed)); window;
         window = window->chain) {
        if (!same_server(&window->finding, finding))
            continue;
        for (size_t i = 0; i < window->share_count; i++) {
            struct share *share = &window->shares[i];

            if (share->session != finding->flow->first_packet || share->id != finding->id)
                continue;
            window->more = true;
            window->finding.count += finding->count - share->count;
            window->finding.folded += finding->folded - share->folded;
            share->count = finding->count;
            share->folded = finding->folded;
            add_judgement(&window->finding, finding);
            return;
        }
    }
}

/* --- */

struct repeats *repeats_new(const struct repeats_config *config)
{
    struct repeats *repeats = calloc(1, sizeof *repeats);

    if (repeats)
        repeats->config = *config;
    return repeats;
}

void repeats_free(struct repeats *repeats)
{
    if (!repeats)
        return;
    for (struct window *window = repeats->oldest, *newer; window; window = newer) {
        newer = window->newer;
        window_free(window);
    }
    free(repeats);
}

void repeats_finding(struct repeats *repeats, const struct smtpscope_finding *finding, smtpscope_time now,
                     smtpscope_time window)
{
    uint64_t key = key_of(finding, repeats->config.hash_seed);
    struct window *like = *place_of(repeats, key);

    if (finding->told) {
        change_share(repeats, finding);
        return;
    }
    while (like && !(same_server(&like->finding, finding) && same_cause(&like->finding, finding)))
        like = like->chain;
    if (like) {
        add_finding(like, finding, repeats->config.hash_seed);
        return;
    }
    if (repeats->count == WINDOWS_MAX)
        window_end(repeats);
    repeats->config.finding(repeats->config.ctx, finding, NULL);
    like = window_new(finding);
    if (!like)
        return;
    like->finding.told = true;
    like->finding.told_severity = finding->severity;
    add_client(like, smtpscope_finding_client(finding), repeats->config.hash_seed);
    add_share(like, finding);
    window_open(repeats, like, key, now + window);
}

void repeats_tick(struct repeats *repeats, smtpscope_time now)
{
    while (repeats->oldest && repeats->oldest->ends <= now)
        window_end(repeats);
}

void repeats_flush(struct repeats *repeats)
{
    while (repeats->oldest)
        window_end(repeats);
}
