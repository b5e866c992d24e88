/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datagram is assembled in one buffer; a bit for each unit of 8 octets (every offset is a multiple of 8) says what has come.
 * So an overlap costs nothing to see, and the first octets win. RFC 5722 wants a whole IPv6 datagram dropped for an overlap, and
 * Linux does the same for IPv4; but a forged fragment need not reach the receiver at all, and a monitor that drops what a receiver
 * may accept can be blinded by one packet. So the first fragment that contradicts what is there begins a second version of
 * the datagram, a copy of the first one in which the last octets win. The version that comes together is told, that whose
 * checksum is right before the other. Where octets differ the datagram is contested, and the stream waits for its receiver.
 *
 * A datagram that came together is remembered for a moment, since the fragment that it lacks may be the true one.
 *
 * Bounds: the datagrams, the octets of all of them, and packet time. An entry may stand in one of a few places that a keyed
 * hash selects, so that a flood must fill the whole table before it pushes out what it wants to. When a bound is reached
 * the least useful goes: an empty entry's buffer, then a dismissed or a complete datagram, then the oldest.
 */
#include "decode/fragment.h"

#include "base/checksum.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An IP datagram's payload ends below 64 KiB: offsets have 13 bits of 8 octets. */
enum { MAX_PAYLOAD = 65535, UNIT = 8, MIN_BUFFER = 2048 };

/* The places for a key. */
enum { WAYS = 16 };

/* Much longer than what lies between two fragments, shorter than the fastest sender takes to use an identifier again. */
#define COMPLETE_KEPT (SMTPSCOPE_SECOND / 20)

enum entry_state { ENTRY_FREE, ENTRY_HELD, ENTRY_COMPLETE, ENTRY_DISMISSED };

struct fragment_key {
    uint8_t addresses[32]; /* IPv4: the rest is zero */
    uint32_t id;
    uint16_t len;      /* of the addresses */
    uint16_t protocol; /* IPv4 only (RFC 791 3.2); an IPv6 datagram has one number space (RFC 8200 4.5) */
};

/* Keys are compared and hashed as octets, so they must have no others. */
static_assert(sizeof(struct fragment_key) == 40, "a key has no padding");

/* Behind the octets a bit for each of their units; not in `size`. */
struct buffer {
    uint8_t *octets;
    size_t size;
};

/* What the search reads, apart from the rest, so that it touches little memory. */
struct fragment_slot {
    smtpscope_time time; /* of the first fragment that came, or of that which completed the datagram */
    uint32_t hash;       /* of the key */
    uint8_t state;       /* enum entry_state */
};

struct version {
    struct buffer buffer;
    uint32_t covered; /* units */
    uint32_t end;     /* of the fragment that reaches farthest */
    uint32_t total;   /* the payload's length; UINT32_MAX until the last fragment has come */
    uint32_t cut;     /* from here on octets were not captured; UINT32_MAX none */
    uint8_t protocol; /* of the fragment at offset 0 */
    uint8_t hops;     /* the least of its fragments */
    bool told;
};

struct fragment_entry {
    struct fragment_key key;
    uint64_t number; /* the datagram's */
    uint32_t count;  /* fragments held */
    bool contested;
    struct version first;
    struct version *rival; /* NULL: nothing contradicts the first */
};

struct fragments {
    struct fragments_config config;
    struct fragment_entry *entries; /* allocated when the first fragment comes: most captures have none */
    struct fragment_slot *slots;    /* one an entry */
    struct buffer whole[2];         /* the last complete datagrams: one may have come in fragments of the other */
    size_t octets;                  /* of all entries' buffers */
    uint64_t begun;                 /* datagrams */
    struct fragments_stats stats;
};

/* As many sets of places as fit, a power of two. */
static void config_round(struct fragments_config *config)
{
    size_t sets = 1;
    while (2 * sets * WAYS <= config->max_datagrams)
        sets *= 2;
    if (config->max_datagrams >= WAYS)
        config->max_datagrams = sets * WAYS;
}

struct fragments *fragments_new(const struct fragments_config *config)
{
    struct fragments *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->config = *config;
    config_round(&table->config);
    return table;
}

static void buffer_free(struct fragments *table, struct buffer *buffer)
{
    table->octets -= buffer->size;
    free(buffer->octets);
    *buffer = (struct buffer){0};
}

static void rival_free(struct fragments *table, struct fragment_entry *entry)
{
    if (entry->rival == NULL)
        return;
    buffer_free(table, &entry->rival->buffer);
    free(entry->rival);
    entry->rival = NULL;
}

void fragments_free(struct fragments *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; table->entries != NULL && i < table->config.max_datagrams; i++) {
        rival_free(table, &table->entries[i]);
        buffer_free(table, &table->entries[i].first.buffer);
    }
    free(table->entries);
    free(table->slots);
    free(table->whole[0].octets);
    free(table->whole[1].octets);
    free(table);
}

static bool fragments_ready(struct fragments *table)
{
    if (table->entries != NULL)
        return true;
    size_t count = table->config.max_datagrams;
    if (table->slots == NULL)
        table->slots = calloc(count, sizeof *table->slots);
    if (table->slots != NULL)
        table->entries = calloc(count, sizeof *table->entries);
    return table->entries != NULL;
}

static struct fragment_key key_of(const struct fragment *fragment)
{
    struct fragment_key key = {0};
    size_t len = reader_left(&fragment->addresses);
    memcpy(key.addresses, fragment->addresses.at, len);
    key.len = (uint16_t)len;
    key.id = fragment->id;
    key.protocol = len == 8 ? fragment->protocol : 0;
    return key;
}

/* The buffer stays with the entry for the next datagram. */
static void entry_release(struct fragments *table, size_t index)
{
    struct fragment_entry *entry = &table->entries[index];
    if (table->slots[index].state == ENTRY_HELD)
        table->stats.lost += entry->count;
    entry->count = 0;
    rival_free(table, entry);
    table->slots[index].state = ENTRY_FREE;
}

static uint8_t *version_bits(const struct version *version)
{
    return version->buffer.octets + version->buffer.size;
}

static bool version_has(const struct version *version, uint32_t unit)
{
    return unit < version->buffer.size / UNIT && version_bits(version)[unit / 8] >> (unit % 8) & 1;
}

static void version_start(struct version *version)
{
    *version = (struct version){.buffer = version->buffer, .total = UINT32_MAX, .cut = UINT32_MAX, .hops = UINT8_MAX};
    if (version->buffer.size > 0)
        memset(version_bits(version), 0, version->buffer.size / UNIT / 8);
}

static void entry_start(struct fragments *table, size_t index, const struct fragment_key *key, uint32_t hash,
                        smtpscope_time time)
{
    struct fragment_entry *entry = &table->entries[index];
    entry->key = *key;
    entry->number = ++table->begun;
    entry->count = 0;
    entry->contested = false;
    version_start(&entry->first);
    table->slots[index] = (struct fragment_slot){time, hash, ENTRY_HELD};
}

/* The places where a key may stand. */
struct places {
    size_t from, to;
};

static struct places places_of(const struct fragments *table, uint32_t hash)
{
    size_t count = table->config.max_datagrams;
    if (count <= WAYS)
        return (struct places){0, count};
    size_t from = hash % (count / WAYS) * WAYS;
    return (struct places){from, from + WAYS};
}

/* The entry to give up for another: a free one, else the oldest of those of no more use, else the oldest. */
static size_t entry_victim(const struct fragments *table, struct places places)
{
    static const uint8_t rank[] = {[ENTRY_FREE] = 0, [ENTRY_COMPLETE] = 1, [ENTRY_DISMISSED] = 1, [ENTRY_HELD] = 2};
    size_t best = places.from;
    for (size_t i = places.from + 1; i < places.to; i++) {
        uint8_t mine = rank[table->slots[i].state], its = rank[table->slots[best].state];
        if (mine < its || (mine == its && table->slots[i].time < table->slots[best].time))
            best = i;
    }
    return best;
}

static void entry_evict(struct fragments *table, size_t index)
{
    table->stats.evicted += table->slots[index].state == ENTRY_HELD;
    entry_release(table, index);
}

/* Packet time may run backwards: an age below zero is no age. */
static bool entry_is_stale(const struct fragments *table, size_t index, smtpscope_time now)
{
    const struct fragment_slot *slot = &table->slots[index];
    smtpscope_time most = slot->state == ENTRY_COMPLETE ? COMPLETE_KEPT : table->config.timeout;
    return now > slot->time && (uint64_t)now - (uint64_t)slot->time > (uint64_t)most;
}

static bool entry_is(const struct fragments *table, size_t index, const struct fragment_key *key, uint32_t hash)
{
    const struct fragment_slot *slot = &table->slots[index];
    return slot->hash == hash && slot->state != ENTRY_FREE && memcmp(&table->entries[index].key, key, sizeof *key) == 0;
}

/* The entry of a fragment's datagram, found or begun. */
static size_t entry_of(struct fragments *table, const struct fragment *fragment)
{
    struct fragment_key key = key_of(fragment);
    uint32_t hash = (uint32_t)hash_octets(&key, sizeof key, table->config.seed);
    struct places places = places_of(table, hash);
    for (size_t i = places.from; i < places.to; i++) {
        if (!entry_is(table, i, &key, hash))
            continue;
        if (!entry_is_stale(table, i, fragment->time))
            return i;
        entry_release(table, i);
    }
    size_t index = entry_victim(table, places);
    if (entry_is_stale(table, index, fragment->time))
        entry_release(table, index);
    else
        entry_evict(table, index);
    entry_start(table, index, &key, hash, fragment->time);
    return index;
}

/* An entry other than `index` whose buffer may go; those of no more use first, then the oldest. */
static size_t buffer_victim(const struct fragments *table, size_t index)
{
    size_t best = index;
    for (size_t i = 0; i < table->config.max_datagrams; i++) {
        if (i == index || table->entries[i].first.buffer.size == 0)
            continue;
        if (table->slots[i].state != ENTRY_HELD)
            return i;
        if (best == index || table->slots[i].time < table->slots[best].time)
            best = i;
    }
    return best;
}

/* Gives up other entries until `more` octets fit. */
static bool octets_fit(struct fragments *table, size_t index, size_t more)
{
    while (table->octets + more > table->config.max_octets) {
        size_t victim = buffer_victim(table, index);
        if (victim == index)
            return false;
        entry_evict(table, victim);
        buffer_free(table, &table->entries[victim].first.buffer);
    }
    return true;
}

/* The bits move up behind the octets; those of units that are new are zero. */
static bool buffer_grow(struct fragments *table, struct buffer *buffer, size_t size)
{
    uint8_t *octets = realloc(buffer->octets, size + size / UNIT / 8);
    if (octets == NULL)
        return false;
    memmove(octets + size, octets + buffer->size, buffer->size / UNIT / 8);
    memset(octets + size + buffer->size / UNIT / 8, 0, (size - buffer->size) / UNIT / 8);
    table->octets += size - buffer->size;
    *buffer = (struct buffer){octets, size};
    return true;
}

/* Makes room for `end` octets in a version of an entry, within the bound of all. */
static bool version_reserve(struct fragments *table, size_t index, struct version *version, uint32_t end)
{
    struct buffer *buffer = &version->buffer;
    size_t size = buffer->size ? buffer->size : MIN_BUFFER;
    if (end <= buffer->size)
        return true;
    while (size < end)
        size *= 2;
    return octets_fit(table, index, size - buffer->size) && buffer_grow(table, buffer, size);
}

/* The length that a fragment claims on the wire. Only the last one may end within a unit (RFC 791 3.2, RFC 8200 4.5). */
static bool fragment_is_sane(const struct fragment *fragment, uint32_t *len)
{
    size_t left = reader_left(&fragment->data);
    if (left > MAX_PAYLOAD || fragment->beyond > MAX_PAYLOAD)
        return false;
    *len = (uint32_t)left + fragment->beyond;
    return *len > 0 && fragment->offset + *len <= MAX_PAYLOAD && (!fragment->more || *len % UNIT == 0);
}

/* Whether the fragment agrees with the end that is known, or with what is there when it brings the end. */
static bool version_agrees(const struct version *version, const struct fragment *fragment, uint32_t end)
{
    if (version->total == UINT32_MAX)
        return fragment->more || end >= version->end;
    return fragment->more ? end <= version->total : end == version->total;
}

/* How many octets of a unit can be compared: both were captured there, and both reach as far. */
static size_t unit_shared(const struct version *version, uint32_t at, size_t captured)
{
    uint32_t most = version->cut < version->total ? version->cut : version->total;
    size_t shared = captured < UNIT ? captured : UNIT;
    if (at >= most)
        return 0;
    return shared < most - at ? shared : most - at;
}

/* Whether octets of the fragment differ from those that are there. */
static bool version_differs(const struct version *version, const struct fragment *fragment)
{
    struct reader data = fragment->data;
    for (uint32_t at = fragment->offset; reader_left(&data) > 0; at += UNIT) {
        size_t shared = unit_shared(version, at, reader_left(&data));
        if (version_has(version, at / UNIT) && memcmp(version->buffer.octets + at, data.at, shared) != 0)
            return true;
        reader_skip(&data, shared < UNIT ? reader_left(&data) : UNIT);
    }
    return fragment->offset == 0 && version_has(version, 0) && fragment->protocol != version->protocol;
}

/* Copies the units, as far as they were captured: those that are not there yet, or all of them. */
static void version_fill(struct version *version, const struct fragment *fragment, uint32_t len, bool over)
{
    struct reader data = fragment->data;
    uint8_t *to = version->buffer.octets + fragment->offset, *bits = version_bits(version);
    for (uint32_t unit = fragment->offset / UNIT; len > 0; unit++) {
        uint32_t step = len < UNIT ? len : UNIT;
        size_t left = reader_left(&data), copied = left < step ? left : step;
        bool there = version_has(version, unit);
        if (over || !there)
            memcpy(to, data.at, copied);
        version->covered += !there;
        bits[unit / 8] |= (uint8_t)(1u << unit % 8);
        reader_skip(&data, copied);
        to += step;
        len -= step;
    }
}

/* The last fragment that came says that the datagram ends here. */
static void version_shorten(struct version *version, uint32_t end)
{
    for (uint32_t unit = (end + UNIT - 1) / UNIT; unit < version->buffer.size / UNIT; unit++)
        if (version_has(version, unit)) {
            version_bits(version)[unit / 8] &= (uint8_t) ~(1u << unit % 8);
            version->covered--;
        }
    version->end = end;
}

static void version_note(struct version *version, const struct fragment *fragment, uint32_t end, bool over)
{
    uint32_t captured = fragment->offset + (uint32_t)reader_left(&fragment->data);
    if (fragment->beyond > 0 && captured < version->cut)
        version->cut = captured;
    if (over && !fragment->more && end < version->end)
        version_shorten(version, end);
    if (end > version->end)
        version->end = end;
    if (!fragment->more)
        version->total = end;
    else if (version->total < end)
        version->total = UINT32_MAX;
    if (fragment->offset == 0)
        version->protocol = fragment->protocol;
    if (fragment->hops < version->hops)
        version->hops = fragment->hops;
}

static bool version_add(struct fragments *table, size_t index, struct version *version, const struct fragment *fragment,
                        uint32_t len, bool over)
{
    if (!version_reserve(table, index, version, fragment->offset + len))
        return false;
    version_fill(version, fragment, len, over);
    version_note(version, fragment, fragment->offset + len, over);
    return true;
}

/* A copy of the first version. */
static bool rival_begin(struct fragments *table, size_t index)
{
    struct fragment_entry *entry = &table->entries[index];
    const struct version *first = &entry->first;
    struct version *rival = calloc(1, sizeof *rival);
    if (rival == NULL)
        return false;
    version_start(rival);
    entry->rival = rival;
    if (!version_reserve(table, index, rival, (uint32_t)first->buffer.size)) {
        rival_free(table, entry);
        return false;
    }
    struct buffer buffer = rival->buffer;
    memcpy(buffer.octets, first->buffer.octets, buffer.size + buffer.size / UNIT / 8);
    *rival = *first;
    rival->buffer = buffer;
    return true;
}

/* What contradicts the first version is of the rival alone. */
static bool entry_contradicted(struct fragments *table, size_t index, const struct fragment *fragment, uint32_t len)
{
    struct fragment_entry *entry = &table->entries[index];
    entry->contested |= version_differs(&entry->first, fragment);
    table->stats.contradicting++;
    if (entry->rival == NULL && !rival_begin(table, index))
        return false;
    entry->rival->told = false;
    return version_add(table, index, entry->rival, fragment, len, true);
}

static bool entry_add(struct fragments *table, size_t index, const struct fragment *fragment, uint32_t len)
{
    struct fragment_entry *entry = &table->entries[index];
    struct version *first = &entry->first;
    entry->count++;
    if (!version_agrees(first, fragment, fragment->offset + len) || version_differs(first, fragment))
        return entry_contradicted(table, index, fragment, len);
    if (entry->rival != NULL && !version_add(table, index, entry->rival, fragment, len, true))
        rival_free(table, entry);
    return version_add(table, index, first, fragment, len, false);
}

static bool version_is_ready(const struct version *version)
{
    return version != NULL && !version->told && version->total != UINT32_MAX &&
           version->covered >= (version->total + UNIT - 1) / UNIT;
}

static uint32_t version_captured(const struct version *version)
{
    return version->cut < version->total ? version->cut : version->total;
}

/* Of TCP or UDP, whose checksums are alike (RFC 9293 3.1, RFC 768). What was not captured whole is not right. */
static bool version_sum_is_right(const struct fragment_entry *entry, const struct version *version)
{
    const uint8_t rest[4] = {0, version->protocol, (uint8_t)(version->total >> 8), (uint8_t)version->total};
    uint64_t sum = checksum_add(checksum_add(0, rest, sizeof rest), entry->key.addresses, entry->key.len);
    return version_captured(version) == version->total &&
           checksum_is_right(checksum_add(sum, version->buffer.octets, version->total));
}

/* The version that is complete now; of both that whose checksum is right. NULL: none. */
static struct version *entry_ready(struct fragment_entry *entry)
{
    bool first = version_is_ready(&entry->first), rival = version_is_ready(entry->rival);
    if (first && rival)
        return version_sum_is_right(entry, entry->rival) && !version_sum_is_right(entry, &entry->first) ? entry->rival
                                                                                                        : &entry->first;
    return first ? &entry->first : rival ? entry->rival : NULL;
}

/* The table's own copy, since the entry is kept for a while. NULL: no memory. */
static const uint8_t *fragments_keep(struct fragments *table, const struct version *version)
{
    struct buffer *whole = &table->whole[table->stats.reassembled++ % 2];
    if (whole->size < version->buffer.size) {
        uint8_t *octets = realloc(whole->octets, version->buffer.size);
        if (octets == NULL)
            return NULL;
        *whole = (struct buffer){octets, version->buffer.size};
    }
    return memcpy(whole->octets, version->buffer.octets, version_captured(version));
}

static bool entry_complete(struct fragments *table, size_t index, struct version *version, smtpscope_time now,
                           struct datagram *whole)
{
    struct fragment_entry *entry = &table->entries[index];
    entry->first.told |= version_is_ready(&entry->first);
    if (version_is_ready(entry->rival))
        entry->rival->told = true;
    table->slots[index].state = ENTRY_COMPLETE;
    table->slots[index].time = now;
    const uint8_t *octets = fragments_keep(table, version);
    if (octets == NULL)
        return false;
    *whole = (struct datagram){
        .data = reader_over(octets, version_captured(version)),
        .beyond = version->total - version_captured(version),
        .protocol = version->protocol,
        .hops = version->hops,
        .contested = entry->contested,
        .number = entry->number,
    };
    return true;
}

/* A first fragment of a port that is wanted, where another said that nobody wants it: one of them lies. */
static bool entry_is_dismissed(struct fragments *table, size_t index, const struct fragment *fragment)
{
    if (table->slots[index].state == ENTRY_DISMISSED && fragment->offset == 0)
        table->slots[index].state = ENTRY_HELD;
    return table->slots[index].state == ENTRY_DISMISSED;
}

enum fragment_fate fragments_add(struct fragments *table, const struct fragment *fragment, struct datagram *whole)
{
    uint32_t len;
    table->stats.fragments++;
    if (!fragment_is_sane(fragment, &len) || !fragments_ready(table))
        return FRAGMENT_DROPPED;
    size_t index = entry_of(table, fragment);
    struct fragment_entry *entry = &table->entries[index];
    if (entry_is_dismissed(table, index, fragment))
        return FRAGMENT_DISMISSED;
    if (!entry_add(table, index, fragment, len)) {
        entry_release(table, index);
        return FRAGMENT_DROPPED;
    }
    struct version *version = entry_ready(entry);
    if (version != NULL)
        return entry_complete(table, index, version, fragment->time, whole) ? FRAGMENT_COMPLETES : FRAGMENT_DROPPED;
    whole->number = entry->number;
    return FRAGMENT_HELD;
}

void fragments_dismiss(struct fragments *table, const struct fragment *fragment)
{
    if (!fragments_ready(table))
        return;
    size_t index = entry_of(table, fragment);
    if (version_has(&table->entries[index].first, 0))
        table->stats.contradicting++;
    else
        table->slots[index].state = ENTRY_DISMISSED;
}

void fragments_stats(const struct fragments *table, struct fragments_stats *stats)
{
    *stats = table->stats;
    for (size_t i = 0; table->entries != NULL && i < table->config.max_datagrams; i++)
        stats->waiting += table->slots[i].state == ENTRY_HELD ? table->entries[i].count : 0;
}
