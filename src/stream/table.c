/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of flows. Open addressing with linear probing and backward-shift deletion: no tombstones, so a table that
 * lives for weeks does not decay. A slot holds the hash beside the place, so that a probe touches a flow only when it
 * is almost surely the right one. The key is symmetric: both directions of a connection find the same slot.
 */
#include "table.h"

#include "base/hash.h"
#include "base/memory.h"
#include "stream/prefetch.h"

#include "waiting.h"

#define INITIAL_CAPACITY 1024u
#define CACHE_LINE 64u

_Static_assert(sizeof(struct smtpscope_endpoint) == 18, "an end is hashed as it stands");

/* An end of IPv4 (RFC 4291 2.5.5.2) in one word: address and port. */
static bool endpoint_is_short(const struct smtpscope_endpoint *end, uint64_t *word)
{
    static const uint8_t mapped[4] = {[2] = 0xff, [3] = 0xff};
    uint64_t zero;
    uint32_t prefix, address, wanted;

    memcpy(&zero, end->addr, sizeof zero);
    memcpy(&prefix, end->addr + 8, sizeof prefix);
    memcpy(&wanted, mapped, sizeof wanted);
    memcpy(&address, end->addr + 12, sizeof address);
    *word = (uint64_t)address << 16 | end->port;
    return !(zero | (prefix ^ wanted));
}

/*
 * Both directions hash alike: two ends of IPv4 are put in order; others are hashed each, and combined by operations that do not
 * care about their order.
 */
uint64_t smtpscope_segment_hash(const struct smtpscope_segment *segment, uint64_t seed)
{
    uint64_t src, dst, hash;

    if (endpoint_is_short(&segment->src, &src) & endpoint_is_short(&segment->dst, &dst)) {
        hash = hash_octets((const uint64_t[]){src < dst ? src : dst, src < dst ? dst : src}, 2 * sizeof src, seed);
    } else {
        src = hash_octets(&segment->src, sizeof segment->src, seed);
        dst = hash_octets(&segment->dst, sizeof segment->dst, seed);
        hash = hash_octets((const uint64_t[]){src + dst, src ^ dst}, 2 * sizeof src, seed);
    }
    return hash ? hash : 1;
}

static bool endpoint_equal(const struct smtpscope_endpoint *a, const struct smtpscope_endpoint *b)
{
    uint64_t left[2], right[2];

    memcpy(left, a->addr, sizeof left);
    memcpy(right, b->addr, sizeof right);
    return !((left[0] ^ right[0]) | (left[1] ^ right[1]) | (uint64_t)(a->port ^ b->port));
}

static bool flow_is(const struct flow *flow, const struct smtpscope_segment *segment, enum smtpscope_side *side)
{
    const struct smtpscope_endpoint *ends = flow->public.side;

    *side = endpoint_equal(&ends[SMTPSCOPE_CLIENT], &segment->src) ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER;
    return endpoint_equal(&ends[!*side], &segment->dst) &&
           (*side == SMTPSCOPE_CLIENT || endpoint_equal(&ends[SMTPSCOPE_SERVER], &segment->src));
}

struct flow *flow_find(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment, uint64_t hash,
                       enum smtpscope_side *side)
{
    size_t mask = streams->capacity - 1;
    struct flow *flow;

    if (!streams->capacity)
        return NULL;
    for (size_t at = (uint32_t)hash & mask; streams->slots[at].place; at = (at + 1) & mask)
        if (streams->slots[at].hash == (uint32_t)hash &&
            flow_is(flow = flow_at(streams, streams->slots[at].place), segment, side))
            return flow;
    return NULL;
}

/*
 * Up to so many flows, most of them ended and waiting to be forgotten, those that go on stay in the caches anyway, and looking
 * ahead costs more than it saves: a tenth of the time with 100 and with 20,000 open flows; with 100,000 it saves as much.
 */
#define FEW_FLOWS (32u << 10)

bool smtpscope_streams_are_many(const struct smtpscope_streams *streams)
{
    return streams->used > FEW_FLOWS;
}

void smtpscope_streams_prefetch(const struct smtpscope_streams *streams, uint64_t hash)
{
    if (smtpscope_streams_are_many(streams))
        __builtin_prefetch(&streams->slots[(uint32_t)hash & (streams->capacity - 1)]);
}

/* The first flow with this hash; almost surely the one that flow_find() finds. NULL: none, or there are only a few. */
static const struct flow *flow_likely(const struct smtpscope_streams *streams, uint64_t hash)
{
    size_t mask = streams->capacity - 1;

    if (!smtpscope_streams_are_many(streams))
        return NULL;
    for (size_t at = (uint32_t)hash & mask; streams->slots[at].place; at = (at + 1) & mask)
        if (streams->slots[at].hash == (uint32_t)hash)
            return flow_at(streams, streams->slots[at].place);
    return NULL;
}

void smtpscope_streams_prefetch_flow(const struct smtpscope_streams *streams, uint64_t hash)
{
    const char *flow = (const char *)flow_likely(streams, hash);

    if (!flow)
        return;
    for (size_t off = 0; off < sizeof(struct flow); off += CACHE_LINE)
        __builtin_prefetch(flow + off, 1);
    __builtin_prefetch(flow + sizeof(struct flow) - 1, 1); /* flows are not at the beginnings of lines */
}

void *smtpscope_streams_likely_user(const struct smtpscope_streams *streams, uint64_t hash)
{
    const struct flow *flow = flow_likely(streams, hash);

    return flow ? flow->user : NULL;
}

static void slot_insert(struct slot *slots, size_t mask, struct slot slot)
{
    size_t at = slot.hash & mask;

    while (slots[at].place)
        at = (at + 1) & mask;
    slots[at] = slot;
}

static bool table_grow(struct smtpscope_streams *streams)
{
    size_t capacity = streams->capacity ? streams->capacity * 2 : INITIAL_CAPACITY;
    struct slot *slots = memory_new(streams->config.allocator, capacity * sizeof *slots);

    if (!slots)
        return false;
    for (size_t i = 0; i < streams->capacity; i++)
        if (streams->slots[i].place)
            slot_insert(slots, capacity - 1, streams->slots[i]);
    memory_free(streams->config.allocator, streams->slots);
    streams->slots = slots;
    streams->capacity = capacity;
    return true;
}

static bool slab_add(struct smtpscope_streams *streams)
{
    if (streams->slab_count == streams->slab_room) {
        size_t room = streams->slab_room ? streams->slab_room * 2 : 16;
        struct flow **slabs = memory_resize(streams->config.allocator, streams->slabs, room * sizeof *slabs);

        if (!slabs)
            return false;
        streams->slabs = slabs;
        streams->slab_room = room;
    }
    streams->slabs[streams->slab_count] = memory_resize(streams->config.allocator, NULL, SLAB_FLOWS * sizeof(struct flow));
    if (!streams->slabs[streams->slab_count])
        return false;
    streams->slab_count++;
    return true;
}

/* The place of a flow that is not in use; 0: no memory. */
static uint32_t place_take(struct smtpscope_streams *streams)
{
    uint32_t place = streams->spare;

    if (place) {
        streams->spare = flow_at(streams, place)->next;
        return place;
    }
    if ((streams->places + 1) >> SLAB_BITS == streams->slab_count && !slab_add(streams))
        return 0;
    return ++streams->places;
}

struct flow *flow_add(struct smtpscope_streams *streams, uint64_t hash)
{
    struct flow *flow;
    uint32_t place;

    /* Two thirds full at most: linear probing stays at a few slots. */
    if ((streams->used + 1) * 3 > streams->capacity * 2 && !table_grow(streams))
        return NULL;
    place = place_take(streams);
    if (!place)
        return NULL;
    flow = flow_at(streams, place);
    memset(flow, 0, sizeof *flow);
    slot_insert(streams->slots, streams->capacity - 1, (struct slot){.hash = (uint32_t)hash, .place = place});
    streams->used++;
    flow_enlist(streams, flow, place, LIST_EMBRYO);
    return flow;
}

/* Closes the hole at `at`: each slot behind it that is there only because its own was taken moves up. */
static void slot_delete(struct smtpscope_streams *streams, size_t at)
{
    size_t mask = streams->capacity - 1;
    struct slot *slots = streams->slots;

    for (size_t next = (at + 1) & mask; slots[next].place; next = (next + 1) & mask) {
        size_t home = slots[next].hash & mask;

        if (((next - home) & mask) >= ((next - at) & mask)) {
            slots[at] = slots[next];
            at = next;
        }
    }
    slots[at] = (struct slot){0};
}

/* As in its slot. It is not kept: a flow is removed once, and has no room for it. */
static uint32_t flow_hash(const struct smtpscope_streams *streams, const struct flow *flow)
{
    const struct smtpscope_segment segment = {.src = flow->public.side[0], .dst = flow->public.side[1]};

    return (uint32_t)smtpscope_segment_hash(&segment, streams->config.hash_seed);
}

void flow_remove(struct smtpscope_streams *streams, struct flow *flow)
{
    size_t mask = streams->capacity - 1, at = flow_hash(streams, flow) & mask;
    uint32_t place = flow_unlist(streams, flow);

    while (streams->slots[at].place != place)
        at = (at + 1) & mask;
    slot_delete(streams, at);
    streams->used--;
    flow->next = streams->spare;
    streams->spare = place;
}

void table_free(struct smtpscope_streams *streams)
{
    for (size_t i = 0; i < streams->slab_count; i++)
        memory_free(streams->config.allocator, streams->slabs[i]);
    memory_free(streams->config.allocator, streams->slabs);
    memory_free(streams->config.allocator, streams->slots);
}
