/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datagram is assembled in one buffer; a bit for each unit of 8 octets (every offset is a multiple of 8) says what has come.
 * So an overlap costs nothing to see, and the first octets win: what came later over it is not looked at. RFC 5722 wants a
 * whole IPv6 datagram dropped for an overlap, but a monitor that drops what a receiver may accept can be blinded by one packet.
 *
 * Bounds: the datagrams, the octets of all of them, and packet time. When one is reached the least useful goes: an empty
 * entry's buffer, then a dismissed datagram, then the oldest.
 */
#include "decode/fragment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An IP datagram's payload ends below 64 KiB: offsets have 13 bits of 8 octets. */
enum { MAX_PAYLOAD = 65535, UNIT = 8, UNITS = 65536 / UNIT, MIN_BUFFER = 2048 };

enum entry_state { ENTRY_FREE, ENTRY_HELD, ENTRY_DISMISSED };

struct fragment_key {
    uint8_t addresses[32]; /* IPv4: the rest is zero */
    uint32_t id;
    uint16_t len;      /* of the addresses */
    uint16_t protocol; /* IPv4 only (RFC 791 3.2); an IPv6 datagram has one number space (RFC 8200 4.5) */
};

/* Keys are compared and hashed as octets, so they must have no others. */
static_assert(sizeof(struct fragment_key) == 40, "a key has no padding");

struct buffer {
    uint8_t *octets;
    size_t size;
};

/* What the search reads, apart from the rest, so that it touches little memory. */
struct fragment_slot {
    smtpscope_time time; /* of the first fragment that came */
    uint32_t hash;       /* of the key */
    uint8_t state;       /* enum entry_state */
};

struct fragment_entry {
    struct fragment_key key;
    uint64_t number;  /* the datagram's */
    uint32_t count;   /* fragments held */
    uint32_t covered; /* units */
    uint32_t end;     /* of the fragment that reaches farthest */
    uint32_t total;   /* the payload's length; UINT32_MAX until the last fragment has come */
    uint32_t cut;     /* from here on octets were not captured; UINT32_MAX none */
    uint8_t protocol; /* of the fragment at offset 0 */
    struct buffer buffer;
    uint8_t units[UNITS / 8]; /* a bit per unit that has come */
};

struct fragments {
    struct fragments_config config;
    struct fragment_entry *entries; /* allocated when the first fragment comes: most captures have none */
    struct fragment_slot *slots;    /* one an entry */
    struct buffer whole;            /* the last complete datagram */
    size_t octets;                  /* of all entries' buffers */
    uint64_t begun;                 /* datagrams */
    struct fragments_stats stats;
};

struct fragments *fragments_new(const struct fragments_config *config)
{
    struct fragments *table = calloc(1, sizeof *table);
    if (table != NULL)
        table->config = *config;
    return table;
}

void fragments_free(struct fragments *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; table->entries != NULL && i < table->config.max_datagrams; i++)
        free(table->entries[i].buffer.octets);
    free(table->entries);
    free(table->slots);
    free(table->whole.octets);
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

/* FNV-1a. It only narrows the search, so it needs no seed. */
static uint32_t key_hash(const struct fragment_key *key)
{
    const uint8_t *octets = (const uint8_t *)key;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof *key; i++)
        hash = (hash ^ octets[i]) * 16777619u;
    return hash;
}

/* The buffer stays with the entry for the next datagram. */
static void entry_release(struct fragments *table, size_t index, bool in_vain)
{
    struct fragment_entry *entry = &table->entries[index];
    if (in_vain)
        table->stats.lost += entry->count;
    entry->count = 0;
    table->slots[index].state = ENTRY_FREE;
}

static void entry_start(struct fragments *table, size_t index, const struct fragment_key *key, uint32_t hash,
                        smtpscope_time time)
{
    struct fragment_entry *entry = &table->entries[index];
    entry->key = *key;
    entry->number = ++table->begun;
    entry->count = entry->covered = entry->end = 0;
    entry->total = entry->cut = UINT32_MAX;
    entry->protocol = 0;
    memset(entry->units, 0, sizeof entry->units);
    table->slots[index] = (struct fragment_slot){time, hash, ENTRY_HELD};
}

/* The entry to give up for another: a free one, else the oldest of the dismissed, else the oldest. */
static size_t entry_victim(const struct fragments *table)
{
    static const uint8_t rank[] = {[ENTRY_FREE] = 0, [ENTRY_DISMISSED] = 1, [ENTRY_HELD] = 2};
    size_t best = 0;
    for (size_t i = 1; i < table->config.max_datagrams; i++) {
        uint8_t mine = rank[table->slots[i].state], its = rank[table->slots[best].state];
        if (mine < its || (mine == its && table->slots[i].time < table->slots[best].time))
            best = i;
    }
    return best;
}

static void entry_evict(struct fragments *table, size_t index)
{
    table->stats.evicted += table->slots[index].state == ENTRY_HELD;
    entry_release(table, index, true);
}

/* Packet time may run backwards: an age below zero is no age. */
static bool entry_is_stale(const struct fragments *table, size_t index, smtpscope_time now)
{
    smtpscope_time time = table->slots[index].time;
    return now > time && (uint64_t)now - (uint64_t)time > (uint64_t)table->config.timeout;
}

/* The entry of a fragment's datagram, found or begun. */
static size_t entry_of(struct fragments *table, const struct fragment *fragment)
{
    struct fragment_key key = key_of(fragment);
    uint32_t hash = key_hash(&key);
    for (size_t i = 0; i < table->config.max_datagrams; i++) {
        const struct fragment_slot *slot = &table->slots[i];
        if (slot->hash != hash || slot->state == ENTRY_FREE || memcmp(&table->entries[i].key, &key, sizeof key) != 0)
            continue;
        if (!entry_is_stale(table, i, fragment->time))
            return i;
        entry_release(table, i, true);
    }
    size_t index = entry_victim(table);
    if (entry_is_stale(table, index, fragment->time))
        entry_release(table, index, true);
    else if (table->slots[index].state != ENTRY_FREE)
        entry_evict(table, index);
    entry_start(table, index, &key, hash, fragment->time);
    return index;
}

static void buffer_free(struct fragments *table, struct buffer *buffer)
{
    table->octets -= buffer->size;
    free(buffer->octets);
    *buffer = (struct buffer){0};
}

/* An entry other than `index` whose buffer may go; the free ones first, then the oldest. */
static size_t buffer_victim(const struct fragments *table, size_t index)
{
    size_t best = index;
    for (size_t i = 0; i < table->config.max_datagrams; i++) {
        if (i == index || table->entries[i].buffer.size == 0)
            continue;
        if (table->slots[i].state != ENTRY_HELD)
            return i;
        if (best == index || table->slots[i].time < table->slots[best].time)
            best = i;
    }
    return best;
}

/* Makes room for `end` octets in an entry, within the bound of all. */
static bool entry_reserve(struct fragments *table, size_t index, uint32_t end)
{
    struct buffer *buffer = &table->entries[index].buffer;
    size_t size = buffer->size ? buffer->size : MIN_BUFFER;
    if (end <= buffer->size)
        return true;
    while (size < end)
        size *= 2;
    while (table->octets - buffer->size + size > table->config.max_octets) {
        size_t victim = buffer_victim(table, index);
        if (victim == index)
            return false;
        if (table->slots[victim].state == ENTRY_HELD)
            entry_evict(table, victim);
        buffer_free(table, &table->entries[victim].buffer);
    }
    uint8_t *octets = realloc(buffer->octets, size);
    if (octets == NULL)
        return false;
    table->octets += size - buffer->size;
    *buffer = (struct buffer){octets, size};
    return true;
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
static bool entry_agrees(const struct fragment_entry *entry, const struct fragment *fragment, uint32_t end)
{
    if (entry->total == UINT32_MAX)
        return fragment->more || end >= entry->end;
    return fragment->more ? end <= entry->total : end == entry->total;
}

/* Copies the units that are not there yet, as far as they were captured. */
static void entry_fill(struct fragment_entry *entry, const struct fragment *fragment, uint32_t len)
{
    struct reader data = fragment->data;
    uint8_t *to = entry->buffer.octets + fragment->offset;
    for (uint32_t unit = fragment->offset / UNIT; len > 0; unit++) {
        uint32_t step = len < UNIT ? len : UNIT;
        size_t left = reader_left(&data), copied = left < step ? left : step;
        if ((entry->units[unit / 8] >> (unit % 8) & 1) == 0) {
            entry->units[unit / 8] |= (uint8_t)(1u << unit % 8);
            entry->covered++;
            memcpy(to, data.at, copied);
        }
        reader_skip(&data, copied);
        to += step;
        len -= step;
    }
}

static void entry_note(struct fragment_entry *entry, const struct fragment *fragment, uint32_t end)
{
    uint32_t captured = fragment->offset + (uint32_t)reader_left(&fragment->data);
    entry->count++;
    if (fragment->beyond > 0 && captured < entry->cut)
        entry->cut = captured;
    if (end > entry->end)
        entry->end = end;
    if (!fragment->more)
        entry->total = end;
    if (fragment->offset == 0)
        entry->protocol = fragment->protocol;
}

/* Gives the entry's buffer away and takes the one of the datagram before, which nobody reads any more. */
static void entry_complete(struct fragments *table, size_t index, struct datagram *whole)
{
    struct fragment_entry *entry = &table->entries[index];
    struct buffer old = table->whole;
    table->octets += old.size - entry->buffer.size;
    table->whole = entry->buffer;
    entry->buffer = old;
    uint32_t captured = entry->cut < entry->total ? entry->cut : entry->total;
    *whole = (struct datagram){
        .data = reader_over(table->whole.octets, captured),
        .beyond = entry->total - captured,
        .protocol = entry->protocol,
        .number = entry->number,
    };
    table->stats.reassembled++;
    entry_release(table, index, false);
}

enum fragment_fate fragments_add(struct fragments *table, const struct fragment *fragment, struct datagram *whole)
{
    uint32_t len;
    table->stats.fragments++;
    if (!fragment_is_sane(fragment, &len) || !fragments_ready(table))
        return FRAGMENT_DROPPED;
    size_t index = entry_of(table, fragment);
    struct fragment_entry *entry = &table->entries[index];
    if (table->slots[index].state == ENTRY_DISMISSED)
        return FRAGMENT_DISMISSED;
    uint32_t end = fragment->offset + len;
    if (!entry_agrees(entry, fragment, end))
        return FRAGMENT_DROPPED;
    if (!entry_reserve(table, index, end)) {
        entry_release(table, index, true);
        return FRAGMENT_DROPPED;
    }
    entry_fill(entry, fragment, len);
    entry_note(entry, fragment, end);
    if (entry->total == UINT32_MAX || entry->covered < (entry->total + UNIT - 1) / UNIT) {
        whole->number = entry->number;
        return FRAGMENT_HELD;
    }
    entry_complete(table, index, whole);
    return FRAGMENT_COMPLETES;
}

void fragments_dismiss(struct fragments *table, const struct fragment *fragment)
{
    if (!fragments_ready(table))
        return;
    size_t index = entry_of(table, fragment);
    table->entries[index].count = 0;
    table->slots[index].state = ENTRY_DISMISSED;
}

void fragments_stats(const struct fragments *table, struct fragments_stats *stats)
{
    *stats = table->stats;
    for (size_t i = 0; table->entries != NULL && i < table->config.max_datagrams; i++)
        stats->waiting += table->slots[i].state == ENTRY_HELD ? table->entries[i].count : 0;
}
