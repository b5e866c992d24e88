/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of fixed size, of sets with four ways each: it never grows, has no lists to keep, and a flood of SYNs costs each set
 * its oldest entry. An entry is only taken for a handshake and only lives until it is decided, so a connection in the middle
 * of something else costs one look and no memory.
 */
#include "detect/candidates.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 1024, WAYS = 4 };

/*
 * SMTP shows itself by its greeting, the client's hello and the answer to that, in at most a few hundred octets. What has
 * said more and is not known is not SMTP, or hides it. `MAX_KEPT` has room for that in segments of a few octets each.
 */
enum { MAX_SAID = 2048, MAX_KEPT = 8192, MAX_TURNS = 16 };

/* Octets that the capture may lack in one place: what is further ahead belongs to something else. */
enum { MAX_HOLE = 65536 };

/* A segment that is kept; its octets follow. */
struct kept_segment {
    smtpscope_time time;
    uint64_t packet;
    uint32_t seq, ack, missing;
    uint16_t window, len;
    uint8_t flags, side;
};

struct candidate {
    uint64_t hash; /* 0: free */
    struct smtpscope_endpoint side[2];
    smtpscope_time last;
    uint32_t first[2]; /* sequence number of each side's first octet */
    bool known[2];     /* first is */
    uint8_t *kept;     /* struct kept_segment and its octets, one behind the other, unaligned */
    uint32_t kept_len, kept_size;
};

struct candidates {
    struct candidates_config config;
    struct candidates_stats stats;
    struct candidate sets[SETS][WAYS];
};

/* What was said so far, in order, and whose turn it was. */
struct said {
    uint8_t octets[MAX_SAID];
    size_t len;
    struct detect_turn turns[MAX_TURNS];
    size_t turn_count;
    uint32_t next[2];
    bool full;
};

struct candidates *candidates_new(const struct candidates_config *config)
{
    struct candidates *candidates = calloc(1, sizeof *candidates);
    if (candidates != NULL)
        candidates->config = *config;
    return candidates;
}

static void candidate_free(struct candidate *candidate)
{
    free(candidate->kept);
    *candidate = (struct candidate){0};
}

void candidates_free(struct candidates *candidates)
{
    if (candidates == NULL)
        return;
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++)
            candidate_free(&candidates->sets[set][way]);
    free(candidates);
}

static bool endpoint_equal(const struct smtpscope_endpoint *a, const struct smtpscope_endpoint *b)
{
    return a->port == b->port && memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

static bool candidate_is(const struct candidate *candidate, uint64_t hash, const struct smtpscope_segment *segment)
{
    if (candidate->hash != hash)
        return false;
    bool back = endpoint_equal(&candidate->side[SMTPSCOPE_SERVER], &segment->src);
    return endpoint_equal(&candidate->side[back], &segment->src) && endpoint_equal(&candidate->side[!back], &segment->dst);
}

static struct candidate *candidate_find(struct candidate *set, uint64_t hash, const struct smtpscope_segment *segment)
{
    for (size_t way = 0; way < WAYS; way++)
        if (candidate_is(&set[way], hash, segment))
            return &set[way];
    return NULL;
}

/* A free entry, or the one that was silent for longest. */
static struct candidate *candidate_take(struct candidates *candidates, struct candidate *set)
{
    struct candidate *oldest = &set[0];
    for (size_t way = 0; way < WAYS; way++) {
        if (set[way].hash == 0)
            return &set[way];
        if (set[way].last < oldest->last)
            oldest = &set[way];
    }
    candidates->stats.evicted++;
    candidate_free(oldest);
    return oldest;
}

/* Begins with either segment of the handshake: the other one may be missing in the capture. */
static struct candidate *candidate_open(struct candidates *candidates, struct candidate *set, uint64_t hash,
                                        const struct smtpscope_segment *segment)
{
    struct candidate *candidate = candidate_take(candidates, set);
    bool server = (segment->flags & SMTPSCOPE_TCP_ACK) != 0;
    candidate->hash = hash;
    candidate->side[server] = segment->src;
    candidate->side[!server] = segment->dst;
    candidates->stats.opened++;
    return candidate;
}

static enum smtpscope_side side_of(const struct candidate *candidate, const struct smtpscope_segment *segment)
{
    return endpoint_equal(&candidate->side[SMTPSCOPE_CLIENT], &segment->src) ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER;
}

/* Where each side's octets begin: its SYN tells, or what the other side acknowledges first. */
static void note_first(struct candidate *candidate, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    enum smtpscope_side other = side == SMTPSCOPE_CLIENT ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    if ((segment->flags & SMTPSCOPE_TCP_SYN) != 0) {
        candidate->first[side] = segment->seq + 1;
        candidate->known[side] = true;
    }
    if ((segment->flags & SMTPSCOPE_TCP_ACK) != 0 && !candidate->known[other]) {
        candidate->first[other] = segment->ack;
        candidate->known[other] = true;
    }
}

static bool kept_reserve(struct candidate *candidate, size_t len)
{
    enum { FIRST_SIZE = 512 };
    size_t want = candidate->kept_len + len, size = candidate->kept_size ? candidate->kept_size : FIRST_SIZE;
    if (want > MAX_KEPT)
        return false;
    while (size < want)
        size *= 2;
    if (size == candidate->kept_size)
        return true;
    uint8_t *moved = realloc(candidate->kept, size);
    if (moved == NULL)
        return false;
    candidate->kept = moved;
    candidate->kept_size = (uint32_t)size;
    return true;
}

static bool keep(struct candidate *candidate, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct kept_segment kept = {
        .time = segment->time,
        .packet = segment->packet,
        .seq = segment->seq,
        .ack = segment->ack,
        .missing = segment->missing,
        .window = segment->window,
        .len = (uint16_t)segment->len,
        .flags = segment->flags,
        .side = (uint8_t)side,
    };
    if (segment->len > MAX_KEPT || !kept_reserve(candidate, sizeof kept + segment->len))
        return false;
    memcpy(candidate->kept + candidate->kept_len, &kept, sizeof kept);
    if (segment->len > 0)
        memcpy(candidate->kept + candidate->kept_len + sizeof kept, segment->data, segment->len);
    candidate->kept_len += (uint32_t)(sizeof kept + segment->len);
    return true;
}

/* The kept segment at `*at`, which moves behind it; NULL at the end. `*data` are its octets. */
static const struct kept_segment *kept_next(const struct candidate *candidate, uint32_t *at, struct kept_segment *kept,
                                            const uint8_t **data)
{
    if (*at == candidate->kept_len)
        return NULL;
    memcpy(kept, candidate->kept + *at, sizeof *kept);
    *data = candidate->kept + *at + sizeof *kept;
    *at += (uint32_t)sizeof *kept + kept->len;
    return kept;
}

static void said_add(struct said *said, enum smtpscope_side side, const uint8_t *data, size_t len)
{
    struct detect_turn *last = said->turn_count > 0 ? &said->turns[said->turn_count - 1] : NULL;
    bool same = last != NULL && last->side == side;
    size_t room = !same && said->turn_count == MAX_TURNS ? 0 : MAX_SAID - said->len;
    if (len > room) {
        said->full = true;
        len = room;
    }
    if (len == 0)
        return;
    if (same)
        last->len += len;
    else
        said->turns[said->turn_count++] = (struct detect_turn){side, said->octets + said->len, len};
    memcpy(said->octets + said->len, data, len);
    said->len += len;
}

/* Takes what is new and in order of one segment: whether there was any. */
static bool said_take(struct said *said, const struct kept_segment *kept, const uint8_t *data)
{
    uint32_t begin = kept->seq + ((kept->flags & SMTPSCOPE_TCP_SYN) != 0), old = said->next[kept->side] - begin;
    if (old >= kept->len) /* all old, or ahead of a hole: the difference is a huge number */
        return false;
    said_add(said, (enum smtpscope_side)kept->side, data + old, kept->len - old);
    said->next[kept->side] += kept->len - old;
    return !said->full;
}

/* All that is in order, in the order in which it came. */
static bool said_pass(struct said *said, const struct candidate *candidate)
{
    struct kept_segment kept;
    const uint8_t *data;
    bool more = false;
    for (uint32_t at = 0; kept_next(candidate, &at, &kept, &data) != NULL;)
        more |= said_take(said, &kept, data);
    return more;
}

/*
 * Over a hole, of the side whose octets behind it came first. A hole may still be filled: all is put together anew each time.
 */
static bool said_skip(struct said *said, const struct candidate *candidate)
{
    struct kept_segment kept;
    const uint8_t *data;
    for (uint32_t at = 0; kept_next(candidate, &at, &kept, &data) != NULL;) {
        uint32_t ahead = kept.seq - said->next[kept.side];
        if (kept.len > 0 && ahead > 0 && ahead < MAX_HOLE) {
            said->next[kept.side] = kept.seq;
            return true;
        }
    }
    return false;
}

static void said_fill(struct said *said, const struct candidate *candidate)
{
    *said = (struct said){.next = {candidate->first[0], candidate->first[1]}};
    while (said_pass(said, candidate) || (!said->full && said_skip(said, candidate)))
        ;
}

/* The words of RFC 5321 4.2 and 4.1: a reply begins with a digit, a command with a letter. */
static bool begins_like(enum smtpscope_side side, uint8_t octet)
{
    uint8_t letter = octet | 0x20;
    return side == SMTPSCOPE_SERVER ? octet >= '2' && octet <= '5' : letter >= 'a' && letter <= 'z';
}

/* Neither the one nor the other, at its first octet: that is what most connections are. */
static bool is_plainly_other(const struct candidate *candidate, enum smtpscope_side side,
                             const struct smtpscope_segment *segment)
{
    bool first = candidate->known[side] && segment->seq == candidate->first[side];
    return first && segment->len > 0 && !begins_like(side, segment->data[0]);
}

static void candidate_dismiss(struct candidate *candidate, uint64_t *counter)
{
    (*counter)++;
    candidate_free(candidate);
}

/* Hands on what was kept. The entry is given up first: the owner may come back to us. */
static void candidate_follow(struct candidates *candidates, struct candidate *candidate)
{
    struct candidate taken = *candidate;
    struct kept_segment kept;
    const uint8_t *data;
    candidates->stats.followed++;
    *candidate = (struct candidate){0};
    for (uint32_t at = 0; kept_next(&taken, &at, &kept, &data) != NULL;) {
        struct smtpscope_segment segment = {
            .src = taken.side[kept.side],
            .dst = taken.side[!kept.side],
            .seq = kept.seq,
            .ack = kept.ack,
            .flags = kept.flags,
            .window = kept.window,
            .data = data,
            .len = kept.len,
            .missing = kept.missing,
            .time = kept.time,
            .packet = kept.packet,
            .hash = taken.hash,
        };
        candidates->config.follow(candidates->config.ctx, &segment);
    }
    free(taken.kept);
}

/* A line has ended: is it known now? */
static void candidate_decide(struct candidates *candidates, struct candidate *candidate)
{
    struct said said;
    said_fill(&said, candidate);
    const char *name = detect_protocol(candidates->config.detect, said.turns, said.turn_count);
    if (name != NULL && strcmp(name, DETECT_SMTP) == 0)
        candidate_follow(candidates, candidate);
    else if (name != NULL)
        candidate_dismiss(candidate, &candidates->stats.dismissed);
    else if (said.full)
        candidate_dismiss(candidate, &candidates->stats.undecided);
}

static bool ends_a_line(const struct smtpscope_segment *segment)
{
    return segment->len > 0 && segment->data[segment->len - 1] == '\n';
}

static void candidate_segment(struct candidates *candidates, struct candidate *candidate,
                              const struct smtpscope_segment *segment)
{
    enum smtpscope_side side = side_of(candidate, segment);
    bool fin = (segment->flags & SMTPSCOPE_TCP_FIN) != 0;
    candidate->last = segment->time;
    note_first(candidate, side, segment);
    if (is_plainly_other(candidate, side, segment)) {
        candidate_dismiss(candidate, &candidates->stats.dismissed);
        return;
    }
    if (!keep(candidate, side, segment)) {
        candidate_dismiss(candidate, &candidates->stats.undecided);
        return;
    }
    if (ends_a_line(segment))
        candidate_decide(candidates, candidate);
    if (fin && candidate->hash != 0)
        candidate_dismiss(candidate, &candidates->stats.undecided);
}

/* A SYN with another sequence number on the same ports: the connection before is over, whatever it was. */
static bool is_another(const struct candidate *candidate, const struct smtpscope_segment *segment)
{
    enum smtpscope_side side = side_of(candidate, segment);
    return (segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK)) == SMTPSCOPE_TCP_SYN && candidate->known[side] &&
           candidate->first[side] != segment->seq + 1;
}

bool candidates_segment(struct candidates *candidates, const struct smtpscope_segment *segment)
{
    uint64_t hash = segment->hash ? segment->hash : smtpscope_segment_hash(segment, candidates->config.hash_seed);
    struct candidate *set = candidates->sets[hash & (SETS - 1)];
    struct candidate *candidate = candidate_find(set, hash, segment);
    uint64_t followed = candidates->stats.followed;
    bool reset = (segment->flags & SMTPSCOPE_TCP_RST) != 0;
    if (candidate != NULL && (reset || is_another(candidate, segment))) {
        candidate_dismiss(candidate, &candidates->stats.undecided);
        candidate = NULL;
    }
    if (candidate == NULL && (segment->flags & SMTPSCOPE_TCP_SYN) != 0 && !reset)
        candidate = candidate_open(candidates, set, hash, segment);
    if (candidate != NULL)
        candidate_segment(candidates, candidate, segment);
    return candidates->stats.followed > followed || candidate_find(set, hash, segment) != NULL;
}

uint64_t candidates_evicted(const struct candidates *candidates)
{
    return candidates->stats.evicted;
}

void candidates_stats(const struct candidates *candidates, struct candidates_stats *stats)
{
    *stats = candidates->stats;
}
