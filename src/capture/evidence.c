/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/evidence.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A connection's middle is cut beyond so many octets, and left out beyond so many frames. */
#define CONNECTION_OCTETS ((size_t)1 << 20)
#define CONNECTION_FRAMES 4096
#define LEFT_OUT_AT_ONCE (CONNECTION_FRAMES / 4)
/* What stays whole of it: the handshake and the greeting, and what led to the finding. */
#define FIRST_FRAMES 64
#define LAST_FRAMES 16
/* What stays of a frame that is cut: the headers of a tunnel, VLAN tags, IPv6 and TCP with options fit. */
#define CUT_OCTETS 192
/* A mail client may be silent for ten minutes (RFC 5321 4.5.3.2); one that is silent for longer has gone. */
#define IDLE (3600 * SMTPSCOPE_SECOND)
/* Captures of several queues or interfaces have frames out of order by less than this. */
#define DISORDER (1 * SMTPSCOPE_SECOND)
/*
 * The part of all room for connections that closed without a finding: one across sessions, or one under way, comes soon or not at
 * all.
 */
#define CLOSED_SHARE 8
/* A datagram in fragments that fit in Ethernet's frames has 45 at most: those of some that are under way at a time. */
#define FRAGMENTS_MAX 256
/* Connections have a few frames of some hundred octets: so many octets for each place of the table. */
#define OCTETS_A_PLACE 4096

enum evidence_list { LIST_CLOSED, LIST_OPEN, LIST_WRITTEN, LIST_DUE, LISTS };

struct held_frame {
    struct frame frame;
    uint8_t octets[];
};

/* `held` is NULL once it is written or lost. */
struct kept_frame {
    uint64_t ordinal, number;
    struct held_frame *held;
};

struct connection {
    struct connection *chain;         /* of the same place, the newest first */
    struct connection *older, *newer; /* in its list */
    enum evidence_list list;
    uint64_t hash, first;
    uint32_t seq;
    bool opened, closed, busy; /* opened: `seq` is known; busy: a batch holds its frames */
    smtpscope_time last;       /* frame, or when it closed */
    uint64_t due;              /* the round in which it fell due */
    struct kept_frame *kept;
    size_t count, room;
    size_t written; /* of `kept`: the frames before it were written, or lost for good */
    size_t cut;     /* of `kept`: where cutting has got to */
    size_t octets;  /* of frames that are held */
    size_t listed;  /* the same when it came to its list */
};

struct kept_fragment {
    uint64_t datagram;
    struct held_frame *held; /* NULL: none */
};

struct evidence {
    struct evidence_config config;
    pthread_mutex_t lock;
    struct connection **places;
    size_t mask;
    struct connection *oldest[LISTS], *newest[LISTS];
    size_t octets[LISTS];                          /* listed */
    struct kept_fragment fragments[FRAGMENTS_MAX]; /* a ring */
    size_t next_fragment;
    uint64_t round;
    struct evidence_stats stats;
};

/* --- lists and the table */

static void list_remove(struct evidence *evidence, struct connection *connection)
{
    enum evidence_list list = connection->list;

    evidence->octets[list] -= connection->listed;
    *(connection->older ? &connection->older->newer : &evidence->oldest[list]) = connection->newer;
    *(connection->newer ? &connection->newer->older : &evidence->newest[list]) = connection->older;
}

static void list_append(struct evidence *evidence, struct connection *connection, enum evidence_list list)
{
    connection->list = list;
    connection->listed = connection->octets;
    evidence->octets[list] += connection->listed;
    connection->older = evidence->newest[list];
    connection->newer = NULL;
    *(connection->older ? &connection->older->newer : &evidence->oldest[list]) = connection;
    evidence->newest[list] = connection;
}

static void list_move(struct evidence *evidence, struct connection *connection, enum evidence_list list)
{
    list_remove(evidence, connection);
    list_append(evidence, connection, list);
}

/* It is the next one of those that are due. */
static void list_put_first(struct evidence *evidence, struct connection *connection)
{
    enum evidence_list list = connection->list;

    list_remove(evidence, connection);
    evidence->octets[list] += connection->listed;
    connection->older = NULL;
    connection->newer = evidence->oldest[list];
    *(connection->newer ? &connection->newer->older : &evidence->newest[list]) = connection;
    evidence->oldest[list] = connection;
}

static struct connection **place_of(struct evidence *evidence, uint64_t hash)
{
    return &evidence->places[hash & evidence->mask];
}

/* The connection with this hash that had begun when the frame `first` came. */
static struct connection *find(struct evidence *evidence, uint64_t hash, uint64_t first)
{
    struct connection *connection = *place_of(evidence, hash);

    while (connection && (connection->hash != hash || connection->first > first))
        connection = connection->chain;
    return connection;
}

/* --- memory */

static void held_free(struct evidence *evidence, struct connection *connection, struct kept_frame *kept)
{
    size_t size;

    if (!kept->held)
        return;
    size = sizeof *kept->held + kept->held->frame.caplen;
    connection->octets -= size;
    evidence->stats.octets_now -= size;
    free(kept->held);
    kept->held = NULL;
}

static void connection_free(struct evidence *evidence, struct connection *connection)
{
    struct connection **link = place_of(evidence, connection->hash);

    while (*link != connection)
        link = &(*link)->chain;
    *link = connection->chain;
    list_remove(evidence, connection);
    for (size_t i = 0; i < connection->count; i++)
        held_free(evidence, connection, &connection->kept[i]);
    evidence->stats.octets_now -= sizeof *connection + connection->room * sizeof *connection->kept;
    free(connection->kept);
    free(connection);
}

/* One connection gives way, but neither `but` nor one that is being written. false: none is left. */
static bool evict(struct evidence *evidence, const struct connection *but)
{
    for (enum evidence_list list = LIST_CLOSED; list < LIST_DUE; list++) {
        struct connection *connection = evidence->oldest[list];

        while (connection && (connection == but || connection->busy))
            connection = connection->newer;
        if (!connection)
            continue;
        evidence->stats.evicted += list == LIST_OPEN;
        connection_free(evidence, connection);
        return true;
    }
    return false;
}

static bool make_room(struct evidence *evidence, size_t size, const struct connection *but)
{
    while (evidence->stats.octets_now + size > evidence->config.octets)
        if (!evict(evidence, but))
            return false;
    return true;
}

static void expire(struct evidence *evidence, smtpscope_time now)
{
    static const enum evidence_list lists[] = {LIST_CLOSED, LIST_OPEN};
    const smtpscope_time ages[] = {evidence->config.linger, IDLE};

    if (!evidence->config.linger)
        return;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        while (evidence->oldest[lists[i]] && evidence->oldest[lists[i]]->last < now - ages[i])
            connection_free(evidence, evidence->oldest[lists[i]]);
}

struct evidence *evidence_new(const struct evidence_config *config)
{
    struct evidence *evidence = calloc(1, sizeof *evidence);
    size_t places = 1;

    while (places < config->octets / OCTETS_A_PLACE)
        places *= 2;
    if (evidence)
        evidence->places = calloc(places, sizeof(struct connection *));
    if (!evidence || !evidence->places) {
        free(evidence);
        return NULL;
    }
    evidence->config = *config;
    evidence->mask = places - 1;
    pthread_mutex_init(&evidence->lock, NULL);
    return evidence;
}

static void fragment_free(struct evidence *evidence, struct kept_fragment *fragment)
{
    if (fragment->held)
        evidence->stats.octets_now -= sizeof *fragment->held + fragment->held->frame.caplen;
    free(fragment->held);
    fragment->held = NULL;
}

void evidence_free(struct evidence *evidence)
{
    if (!evidence)
        return;
    for (size_t i = 0; i < FRAGMENTS_MAX; i++)
        fragment_free(evidence, &evidence->fragments[i]);
    for (enum evidence_list list = LIST_CLOSED; list < LISTS; list++)
        while (evidence->oldest[list])
            connection_free(evidence, evidence->oldest[list]);
    pthread_mutex_destroy(&evidence->lock);
    free(evidence->places);
    free(evidence);
}

/* --- frames in */

static struct connection *connection_new(struct evidence *evidence, const struct evidence_place *place)
{
    struct connection *connection, **link = place_of(evidence, place->connection);

    if (!make_room(evidence, sizeof *connection, NULL))
        return NULL;
    connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->hash = place->connection;
    connection->first = place->ordinal;
    connection->opened = place->opens;
    connection->seq = place->seq;
    connection->chain = *link;
    *link = connection;
    list_append(evidence, connection, LIST_OPEN);
    evidence->stats.octets_now += sizeof *connection;
    return connection;
}

/* A SYN that was sent again, or one that the capture has behind the frames that followed it. */
static bool opens_again(struct connection *connection, const struct evidence_place *place, smtpscope_time now)
{
    if (connection->opened)
        return connection->seq == place->seq;
    connection->opened = !connection->closed && now < connection->last + DISORDER;
    connection->seq = place->seq;
    return connection->opened;
}

static struct connection *connection_of(struct evidence *evidence, const struct evidence_place *place, smtpscope_time now)
{
    struct connection *connection = find(evidence, place->connection, UINT64_MAX);

    if (connection && (!place->opens || opens_again(connection, place, now)))
        return connection;
    return connection_new(evidence, place);
}

/* Frames in the middle go, so that what comes has a place. */
static void leave_out(struct evidence *evidence, struct connection *connection)
{
    struct kept_frame *from = connection->kept + FIRST_FRAMES;

    for (size_t i = 0; i < LEFT_OUT_AT_ONCE; i++) {
        evidence->stats.left_out += from[i].held != NULL;
        held_free(evidence, connection, &from[i]);
    }
    connection->count -= LEFT_OUT_AT_ONCE;
    memmove(from, from + LEFT_OUT_AT_ONCE, (connection->count - FIRST_FRAMES) * sizeof *from);
    connection->written -= connection->written < FIRST_FRAMES + LEFT_OUT_AT_ONCE
                               ? connection->written < FIRST_FRAMES ? 0 : connection->written - FIRST_FRAMES
                               : LEFT_OUT_AT_ONCE;
    connection->cut = FIRST_FRAMES;
}

/* The place of one more frame; NULL: there is none. */
static struct kept_frame *connection_room(struct evidence *evidence, struct connection *connection)
{
    size_t room = connection->room ? connection->room * 2 : 16, more = room - connection->room;
    struct kept_frame *kept;

    if (connection->count == CONNECTION_FRAMES && !connection->busy)
        leave_out(evidence, connection);
    if (connection->count == CONNECTION_FRAMES)
        return NULL;
    if (connection->count < connection->room)
        return &connection->kept[connection->count];
    if (!make_room(evidence, more * sizeof *kept, connection))
        return NULL;
    kept = realloc(connection->kept, room * sizeof *kept);
    if (!kept)
        return NULL;
    connection->kept = kept;
    connection->room = room;
    evidence->stats.octets_now += more * sizeof *kept;
    return &kept[connection->count];
}

static void held_cut(struct evidence *evidence, struct connection *connection, struct kept_frame *kept)
{
    struct held_frame *held = kept->held;
    size_t less;

    if (!held || held->frame.caplen <= CUT_OCTETS)
        return;
    less = held->frame.caplen - CUT_OCTETS;
    held->frame.caplen = CUT_OCTETS;
    held = realloc(held, sizeof *held + CUT_OCTETS);
    if (held) {
        held->frame.data = held->octets;
        kept->held = held;
    }
    connection->octets -= less;
    evidence->stats.octets_now -= less;
    evidence->stats.cut++;
}

static void trim(struct evidence *evidence, struct connection *connection)
{
    if (connection->cut < FIRST_FRAMES)
        connection->cut = FIRST_FRAMES;
    for (; connection->octets > CONNECTION_OCTETS && connection->cut + LAST_FRAMES < connection->count; connection->cut++)
        held_cut(evidence, connection, &connection->kept[connection->cut]);
}

/* A copy of the frame for the connection, NULL for a fragment of an unknown one; NULL: there is no room. */
static struct held_frame *held_new(struct evidence *evidence, const struct connection *connection, const struct frame *frame)
{
    size_t size = sizeof(struct held_frame) + frame->caplen;
    struct held_frame *held = make_room(evidence, size, connection) ? malloc(size) : NULL;

    if (!held)
        return NULL;
    held->frame = *frame;
    held->frame.data = held->octets;
    memcpy(held->octets, frame->data, frame->caplen);
    evidence->stats.octets_now += size;
    return held;
}

static bool keep(struct evidence *evidence, struct connection *connection, uint64_t ordinal, const struct frame *frame)
{
    struct kept_frame *kept = connection_room(evidence, connection);
    struct held_frame *held = kept ? held_new(evidence, connection, frame) : NULL;

    if (!held)
        return false;
    *kept = (struct kept_frame){ordinal, 0, held};
    connection->count++;
    connection->octets += sizeof *held + frame->caplen;
    evidence->stats.kept++;
    if (!connection->busy)
        trim(evidence, connection);
    return true;
}

static void touch(struct evidence *evidence, struct connection *connection, smtpscope_time now)
{
    if (!connection->closed)
        connection->last = now;
    switch (connection->list) {
    case LIST_OPEN: list_move(evidence, connection, LIST_OPEN); break;
    case LIST_WRITTEN:
        connection->due = evidence->round;
        list_move(evidence, connection, LIST_DUE);
        if (connection->closed)
            list_put_first(evidence, connection);
        break;
    case LIST_CLOSED:
    case LIST_DUE:
    case LISTS: break;
    }
}

/* Those of the datagram, in front of its last one, whose ordinal is theirs too: only together they are a segment. */
static void keep_fragments(struct evidence *evidence, struct connection *connection, const struct evidence_place *place)
{
    for (size_t i = 0; i < FRAGMENTS_MAX; i++) {
        struct kept_fragment *fragment = &evidence->fragments[(evidence->next_fragment + i) % FRAGMENTS_MAX];

        if (!fragment->held || fragment->datagram != place->datagram)
            continue;
        if (!keep(evidence, connection, place->ordinal, &fragment->held->frame))
            evidence->stats.left_out++;
        fragment_free(evidence, fragment);
    }
}

void evidence_fragment(struct evidence *evidence, uint64_t datagram, const struct frame *frame)
{
    struct kept_fragment *fragment;

    pthread_mutex_lock(&evidence->lock);
    fragment = &evidence->fragments[evidence->next_fragment++ % FRAGMENTS_MAX];
    fragment_free(evidence, fragment);
    *fragment = (struct kept_fragment){datagram, held_new(evidence, NULL, frame)};
    pthread_mutex_unlock(&evidence->lock);
}

void evidence_frame(struct evidence *evidence, const struct evidence_place *place, const struct frame *frame)
{
    struct connection *connection;

    pthread_mutex_lock(&evidence->lock);
    expire(evidence, frame->time);
    connection = connection_of(evidence, place, frame->time);
    if (connection && place->datagram)
        keep_fragments(evidence, connection, place);
    if (connection && keep(evidence, connection, place->ordinal, frame))
        touch(evidence, connection, frame->time);
    else
        evidence->stats.left_out++;
    pthread_mutex_unlock(&evidence->lock);
}

static void close_listed(struct evidence *evidence, struct connection *connection)
{
    list_move(evidence, connection, LIST_CLOSED);
    while (evidence->octets[LIST_CLOSED] > evidence->config.octets / CLOSED_SHARE &&
           evidence->oldest[LIST_CLOSED] != connection)
        connection_free(evidence, evidence->oldest[LIST_CLOSED]);
}

void evidence_closed(struct evidence *evidence, uint64_t hash, uint64_t first, smtpscope_time now)
{
    struct connection *connection;

    pthread_mutex_lock(&evidence->lock);
    connection = find(evidence, hash, first);
    if (connection && !connection->closed) {
        connection->closed = true;
        connection->last = now;
        if (connection->list == LIST_OPEN)
            close_listed(evidence, connection);
        else if (connection->list == LIST_DUE)
            list_put_first(evidence, connection);
    }
    pthread_mutex_unlock(&evidence->lock);
}

void evidence_dropped(struct evidence *evidence, uint64_t hash, uint64_t ordinal)
{
    struct connection *connection;

    pthread_mutex_lock(&evidence->lock);
    connection = find(evidence, hash, ordinal);
    if (connection && connection->list == LIST_OPEN)
        connection_free(evidence, connection);
    pthread_mutex_unlock(&evidence->lock);
}

/* --- frames out */

/* The caller holds the lock. */
static bool take(struct evidence *evidence, struct connection *connection, struct evidence_batch *batch)
{
    size_t count = connection->count - connection->written;

    *batch = (struct evidence_batch){.connection = connection};
    list_move(evidence, connection, LIST_WRITTEN);
    if (!count)
        return false;
    batch->frames = malloc(count * sizeof *batch->frames);
    batch->numbers = calloc(count, sizeof *batch->numbers);
    if (!batch->frames || !batch->numbers) {
        free(batch->frames);
        free(batch->numbers);
        return false;
    }
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->frames[i] = &connection->kept[connection->written + i].held->frame;
    connection->busy = true;
    return true;
}

bool evidence_take(struct evidence *evidence, uint64_t hash, uint64_t first, struct evidence_batch *batch)
{
    struct connection *connection;
    bool taken;

    pthread_mutex_lock(&evidence->lock);
    connection = find(evidence, hash, first);
    taken = connection && take(evidence, connection, batch);
    pthread_mutex_unlock(&evidence->lock);
    return taken;
}

bool evidence_take_due(struct evidence *evidence, unsigned rounds, struct evidence_batch *batch)
{
    struct connection *connection;
    bool taken;

    pthread_mutex_lock(&evidence->lock);
    connection = evidence->oldest[LIST_DUE];
    taken =
        connection && (connection->closed || connection->due + rounds <= evidence->round) && take(evidence, connection, batch);
    pthread_mutex_unlock(&evidence->lock);
    return taken;
}

void evidence_round(struct evidence *evidence)
{
    pthread_mutex_lock(&evidence->lock);
    evidence->round++;
    pthread_mutex_unlock(&evidence->lock);
}

void evidence_written(struct evidence *evidence, struct evidence_batch *batch)
{
    struct connection *connection = batch->connection;

    pthread_mutex_lock(&evidence->lock);
    for (size_t i = 0; i < batch->count; i++) {
        struct kept_frame *kept = &connection->kept[connection->written + i];

        kept->number = batch->numbers[i];
        held_free(evidence, connection, kept);
    }
    connection->written += batch->count;
    connection->busy = false;
    pthread_mutex_unlock(&evidence->lock);
    free(batch->frames);
    free(batch->numbers);
}

/* Where several have the ordinal, the last one's. */
static uint64_t number_of(const struct connection *connection, uint64_t ordinal)
{
    size_t begin = 0, end = connection->count, middle;

    while (begin < end) {
        middle = begin + (end - begin) / 2;
        if (connection->kept[middle].ordinal <= ordinal)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin && connection->kept[begin - 1].ordinal == ordinal ? connection->kept[begin - 1].number : 0;
}

uint64_t evidence_number(struct evidence *evidence, uint64_t hash, uint64_t first, uint64_t ordinal)
{
    const struct connection *connection;
    uint64_t number;

    pthread_mutex_lock(&evidence->lock);
    connection = find(evidence, hash, first);
    number = connection ? number_of(connection, ordinal) : 0;
    pthread_mutex_unlock(&evidence->lock);
    return number;
}

void evidence_stats(struct evidence *evidence, struct evidence_stats *stats)
{
    pthread_mutex_lock(&evidence->lock);
    *stats = evidence->stats;
    pthread_mutex_unlock(&evidence->lock);
}
