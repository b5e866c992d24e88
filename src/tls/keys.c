/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secrets in the order in which they came, in a ring that grows to its bound and then overwrites its oldest, and an index by
 * client random and kind: open addressing, linear probing, half full at most.
 */
#include "keys.h"

#include "base/hash.h"
#include "base/memory.h"

/* Of a connection of TLS 1.3 there are four or five: a quarter of a million connections in 100 MB. */
#define KEYS_MAX ((size_t)1 << 20)
#define KEYS_FIRST 64

struct entry {
    uint8_t name[SMTPSCOPE_RANDOM_LEN];
    uint8_t kind;
    struct smtpscope_secret secret;
};

struct smtpscope_keys {
    struct smtpscope_keys_config config;
    struct entry *entries; /* `count` of them, from `oldest` on once there are as many as may be */
    size_t count, capacity, oldest;
    uint32_t *slots; /* place in `entries`, from 1; 0: empty. Twice `capacity` */
    uint64_t generation;
    struct smtpscope_keys_stats stats;
};

static void keys_lock(const struct smtpscope_keys *keys)
{
    if (keys->config.lock)
        keys->config.lock(keys->config.ctx);
}

static void keys_unlock(const struct smtpscope_keys *keys)
{
    if (keys->config.unlock)
        keys->config.unlock(keys->config.ctx);
}

struct smtpscope_keys *smtpscope_keys_new(const struct smtpscope_keys_config *config)
{
    struct smtpscope_keys *keys = memory_new(config->allocator, sizeof *keys);

    if (!keys)
        return NULL;
    keys->config = *config;
    if (!keys->config.max || keys->config.max > UINT32_MAX / 4)
        keys->config.max = KEYS_MAX;
    return keys;
}

void smtpscope_keys_free(struct smtpscope_keys *keys)
{
    if (!keys)
        return;
    memory_wipe(keys->entries, keys->capacity * sizeof *keys->entries);
    memory_free(keys->config.allocator, keys->entries);
    memory_free(keys->config.allocator, keys->slots);
    memory_free(keys->config.allocator, keys);
}

const struct smtpscope_allocator *keys_allocator(const struct smtpscope_keys *keys)
{
    return keys->config.allocator;
}

static size_t slot_of(const struct smtpscope_keys *keys, const uint8_t *name, unsigned kind)
{
    return (size_t)hash_octets(name, SMTPSCOPE_RANDOM_LEN, keys->config.hash_seed ^ kind) & (2 * keys->capacity - 1);
}

static size_t slot_next(const struct smtpscope_keys *keys, size_t slot)
{
    return (slot + 1) & (2 * keys->capacity - 1);
}

/* The slot of the entry, or the empty one where it would be. There is room. */
static size_t slot_find(const struct smtpscope_keys *keys, const uint8_t *name, unsigned kind)
{
    size_t slot = slot_of(keys, name, kind);

    for (; keys->slots[slot]; slot = slot_next(keys, slot)) {
        const struct entry *entry = &keys->entries[keys->slots[slot] - 1];

        if (entry->kind == kind && !memcmp(entry->name, name, sizeof entry->name))
            break;
    }
    return slot;
}

/* Empties a slot, and moves up what was pushed on by it. */
static void slot_empty(struct smtpscope_keys *keys, size_t slot)
{
    for (size_t next = slot_next(keys, slot); keys->slots[next]; next = slot_next(keys, next)) {
        const struct entry *entry = &keys->entries[keys->slots[next] - 1];
        size_t home = slot_of(keys, entry->name, entry->kind), mask = 2 * keys->capacity - 1;

        if (((next - home) & mask) < ((next - slot) & mask))
            continue;
        keys->slots[slot] = keys->slots[next];
        slot = next;
    }
    keys->slots[slot] = 0;
}

/* realloc(3) would leave secrets behind where it moves. */
static bool keys_grow(struct smtpscope_keys *keys)
{
    size_t capacity = keys->capacity ? 2 * keys->capacity : KEYS_FIRST;
    struct entry *entries = memory_new(keys->config.allocator, capacity * sizeof *entries);
    uint32_t *slots = entries ? memory_new(keys->config.allocator, 2 * capacity * sizeof *slots) : NULL;

    if (!slots) {
        memory_free(keys->config.allocator, entries);
        return false;
    }
    if (keys->count)
        memcpy(entries, keys->entries, keys->count * sizeof *entries);
    memory_wipe(keys->entries, keys->capacity * sizeof *entries);
    memory_free(keys->config.allocator, keys->entries);
    memory_free(keys->config.allocator, keys->slots);
    keys->entries = entries;
    keys->slots = slots;
    keys->capacity = capacity;
    for (size_t i = 0; i < keys->count; i++)
        keys->slots[slot_find(keys, entries[i].name, entries[i].kind)] = (uint32_t)i + 1;
    return true;
}

/* Room for one entry more: at the end, or the oldest one's. NULL: there is no memory for any. */
static struct entry *entry_new(struct smtpscope_keys *keys)
{
    struct entry *entry;

    if (keys->count < keys->config.max && (keys->count < keys->capacity || keys_grow(keys)))
        return &keys->entries[keys->count++];
    if (!keys->count)
        return NULL;
    entry = &keys->entries[keys->oldest];
    keys->oldest = (keys->oldest + 1) % keys->count;
    slot_empty(keys, slot_find(keys, entry->name, entry->kind));
    keys->stats.evicted++;
    return entry;
}

static bool same_secret(const struct smtpscope_secret *a, const struct smtpscope_secret *b)
{
    return a->len == b->len && !memcmp(a->octets, b->octets, a->len);
}

/* Of two secrets of one kind and connection the later one counts: a log that was mended says so at its end. */
static void entry_put(struct smtpscope_keys *keys, unsigned kind, const uint8_t *name, const struct smtpscope_secret *secret)
{
    size_t slot = keys->capacity ? slot_find(keys, name, kind) : 0;
    struct entry *entry = keys->capacity && keys->slots[slot] ? &keys->entries[keys->slots[slot] - 1] : NULL;

    if (entry && same_secret(&entry->secret, secret))
        return;
    if (!entry) {
        if (!(entry = entry_new(keys)))
            return;
        memcpy(entry->name, name, sizeof entry->name);
        entry->kind = (uint8_t)kind;
        keys->slots[slot_find(keys, name, kind)] = (uint32_t)(entry - keys->entries) + 1;
    }
    entry->secret = *secret;
    keys->generation++;
    keys->stats.secrets += kind < SMTPSCOPE_SECRET_KINDS;
}

static bool entry_get(const struct smtpscope_keys *keys, unsigned kind, const uint8_t *name, struct smtpscope_secret *secret)
{
    size_t slot;

    if (!keys->capacity)
        return false;
    slot = slot_find(keys, name, kind);
    if (!keys->slots[slot])
        return false;
    *secret = keys->entries[keys->slots[slot] - 1].secret;
    return true;
}

void keys_add(struct smtpscope_keys *keys, enum smtpscope_secret_kind kind, const uint8_t random[SMTPSCOPE_RANDOM_LEN],
              const struct smtpscope_secret *secret)
{
    keys_lock(keys);
    entry_put(keys, kind, random, secret);
    keys_unlock(keys);
}

void keys_ignored(struct smtpscope_keys *keys)
{
    keys_lock(keys);
    keys->stats.ignored++;
    keys_unlock(keys);
}

bool smtpscope_keys_find(const struct smtpscope_keys *keys, enum smtpscope_secret_kind kind,
                         const uint8_t random[SMTPSCOPE_RANDOM_LEN], struct smtpscope_secret *secret)
{
    bool found;

    keys_lock(keys);
    found = entry_get(keys, kind, random, secret);
    keys_unlock(keys);
    if (found || !keys->config.missing)
        return found;
    keys->config.missing(keys->config.ctx);
    keys_lock(keys);
    found = entry_get(keys, kind, random, secret);
    keys_unlock(keys);
    return found;
}

void smtpscope_keys_stats(const struct smtpscope_keys *keys, struct smtpscope_keys_stats *stats)
{
    keys_lock(keys);
    *stats = keys->stats;
    keys_unlock(keys);
}

uint64_t smtpscope_keys_generation(const struct smtpscope_keys *keys)
{
    uint64_t generation;

    keys_lock(keys);
    generation = keys->generation;
    keys_unlock(keys);
    return generation;
}

void keys_name(const struct smtpscope_keys *keys, const uint8_t *octets, size_t len, uint8_t name[SMTPSCOPE_RANDOM_LEN])
{
    for (size_t i = 0; i < SMTPSCOPE_RANDOM_LEN / sizeof(uint64_t); i++) {
        uint64_t hash = hash_octets(octets, len, keys->config.hash_seed + i);

        memcpy(name + i * sizeof hash, &hash, sizeof hash);
    }
}

void keys_remember(struct smtpscope_keys *keys, enum resumption by, const uint8_t name[SMTPSCOPE_RANDOM_LEN],
                   const uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    struct smtpscope_secret value = {.len = SMTPSCOPE_RANDOM_LEN};

    memcpy(value.octets, random, SMTPSCOPE_RANDOM_LEN);
    keys_lock(keys);
    entry_put(keys, by, name, &value);
    keys_unlock(keys);
}

bool keys_recall(const struct smtpscope_keys *keys, enum resumption by, const uint8_t name[SMTPSCOPE_RANDOM_LEN],
                 uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    struct smtpscope_secret value;
    bool found;

    keys_lock(keys);
    found = entry_get(keys, by, name, &value);
    keys_unlock(keys);
    if (found)
        memcpy(random, value.octets, SMTPSCOPE_RANDOM_LEN);
    return found;
}
