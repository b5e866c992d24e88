/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tries are linked by message, not by address. The envelope finds the stories that a try may belong to; whether it does, the
 * evidence decides, the first that fits:
 *
 *   SIZE equal, the same address                            certain, unless two open stories have that size
 *   SIZE equal, the same EHLO name, domain of it or network likely: a pool of senders
 *   SIZE differs, the same address                          another message: a server does not change what it has queued
 *   SIZE differs by less than 2 kB, name or domain the same likely: each host of a pool adds its Received line
 *   SIZE differs                                            another message
 *   no SIZE on a side, the same address, name, domain or network  likely
 *   the envelope alone                                      possible: it settles nothing, but forbids to say that the message was lost
 *
 * Nothing of a null sender is more than likely: all bounces to a recipient have the same envelope. And nothing is said to be
 * missing where it may have gone unseen: in a session inside TLS from the same client.
 *
 * The road not taken: /24, sender and recipient, as greylists have it. Pools of senders spread over networks, and two messages
 * between two people are not one.
 */
#include "stories.h"

#include "base/hash.h"
#include "site.h"

#define NEIGHBOURS 16u
#define DEFAULT_TOO_SOON (60 * SMTPSCOPE_SECOND)
#define HOUR (3600 * SMTPSCOPE_SECOND)
#define DEFAULT_PERSISTENT (4 * HOUR)
#define DEFAULT_TRIES 5
/* Documented schedules of large senders reach eight hours between two tries: only what this client has shown counts beyond that. */
#define DEFAULT_OVERDUE (4 * HOUR)
#define INTERVALS_LATE 3
/* Tries within a minute are a client in a hurry, and no schedule to learn. */
#define INTERVAL_LEARNED (60 * SMTPSCOPE_SECOND)
/* RFC 5321 4.5.4.1: "at least 4-5 days". */
#define DEFAULT_ABANDONED (4 * 24 * HOUR)
/* What a hop adds to a message: its trace headers. */
#define SIZE_OF_HOP 2048u

enum kinship { KINSHIP_NONE, KINSHIP_POSSIBLE, KINSHIP_LIKELY, KINSHIP_CERTAIN };

void stories_defaults(struct smtpscope_correlate_config *config)
{
    if (!config->too_soon)
        config->too_soon = DEFAULT_TOO_SOON;
    if (!config->persistent_time)
        config->persistent_time = DEFAULT_PERSISTENT;
    if (!config->persistent_tries)
        config->persistent_tries = DEFAULT_TRIES;
    if (!config->overdue)
        config->overdue = DEFAULT_OVERDUE;
    if (!config->abandoned)
        config->abandoned = DEFAULT_ABANDONED;
}

static uint64_t seconds(smtpscope_time time)
{
    return time > 0 ? (uint64_t)(time / SMTPSCOPE_SECOND) : 0;
}

/* --- who it is */

static bool is_ipv4(const uint8_t *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(addr, mapped, sizeof mapped);
}

static uint64_t site_key(const struct smtpscope_hello_key *hello)
{
    struct smtpscope_text site = site_of(hello->domain, hello->domain_len);
    uint64_t key = hash_octets(site.at, site.len, hello->seed);

    return site.len ? (key ? key : 1) : 0;
}

/* The network is the /24 or the /64. */
static struct client_keys keys_of(const struct smtpscope_trace *trace, uint64_t seed)
{
    const uint8_t *addr = trace->client.addr;

    return (struct client_keys){.address = hash_octets(addr, 16, seed),
                                .network = hash_octets(addr, is_ipv4(addr) ? 15 : 8, seed),
                                .hello = trace->hello.hello,
                                .site = site_key(&trace->hello)};
}

static bool is_kin(const struct client_keys *a, const struct client_keys *b)
{
    return a->network == b->network || (a->hello && a->hello == b->hello) || (a->site && a->site == b->site);
}

static bool is_pool(const struct client_keys *a, const struct client_keys *b)
{
    return (a->hello && a->hello == b->hello) || (a->site && a->site == b->site);
}

static uint64_t server_key(const struct smtpscope_trace *trace, uint64_t seed)
{
    return hash_octets(trace->flow.side[SMTPSCOPE_SERVER].addr, 16, seed);
}

/* --- which story a try belongs to */

static enum kinship kinship_sized(const struct story *story, const struct smtpscope_trace *trace,
                                  const struct client_keys *client)
{
    bool same_host = story->client.address == client->address;
    uint64_t apart = story->size > trace->size ? story->size - trace->size : trace->size - story->size;

    if (!apart)
        return same_host ? KINSHIP_CERTAIN : is_kin(&story->client, client) ? KINSHIP_LIKELY : KINSHIP_POSSIBLE;
    return !same_host && apart < SIZE_OF_HOP && is_pool(&story->client, client) ? KINSHIP_LIKELY : KINSHIP_NONE;
}

static enum kinship kinship_of(const struct story *story, const struct smtpscope_trace *trace, const struct client_keys *client)
{
    enum kinship kinship;

    if (story->size != SMTPSCOPE_NO_SIZE && trace->size != SMTPSCOPE_NO_SIZE)
        kinship = kinship_sized(story, trace, client);
    else
        kinship = is_kin(&story->client, client) ? KINSHIP_LIKELY : KINSHIP_POSSIBLE;
    return kinship == KINSHIP_CERTAIN && trace->null_sender ? KINSHIP_LIKELY : kinship;
}

/* What the open stories of the try's envelope say of it. */
struct story_match {
    struct story *story; /* the best; NULL: none fits */
    enum kinship kinship;
    unsigned equals; /* how many fit as well */
};

static struct story_match match_find(struct stories *stories, const struct smtpscope_trace *trace,
                                     const struct client_keys *client)
{
    struct story_match best = {.kinship = KINSHIP_POSSIBLE};

    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        uint64_t slot = (trace->envelope + i) % STORIES_SLOTS;
        enum kinship kinship =
            stories->keys[slot] == trace->envelope ? kinship_of(&stories->slots[slot], trace, client) : KINSHIP_NONE;

        if (kinship <= KINSHIP_POSSIBLE)
            continue;
        best.equals += kinship == best.kinship;
        if (kinship > best.kinship)
            best = (struct story_match){.story = &stories->slots[slot], .kinship = kinship, .equals = 1};
        else if (kinship == best.kinship && stories->slots[slot].first < best.story->first)
            best.story = &stories->slots[slot];
    }
    if (best.equals > 1)
        best.kinship = KINSHIP_LIKELY; /* one of them, the oldest as likely as any */
    return best;
}

/* The try got through, and belongs to none of its stories for sure. */
static void match_perhaps(struct stories *stories, const struct smtpscope_trace *trace, const struct client_keys *client)
{
    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        uint64_t slot = (trace->envelope + i) % STORIES_SLOTS;

        if (stories->keys[slot] == trace->envelope && kinship_of(&stories->slots[slot], trace, client) == KINSHIP_POSSIBLE)
            stories->slots[slot].perhaps_over = true;
    }
}

static struct story *story_at(struct stories *stories, uint32_t place)
{
    return place ? &stories->slots[place - 1] : NULL;
}

static void story_remove(struct stories *stories, struct story *story)
{
    struct story *prev = story_at(stories, story->prev), *next = story_at(stories, story->next);

    *(prev ? &prev->next : &stories->first) = story->next;
    *(next ? &next->prev : &stories->last) = story->prev;
    stories->homes[stories->keys[story - stories->slots] % STORIES_SLOTS]--;
    stories->keys[story - stories->slots] = 0;
}

/* When a neighbourhood is full, the story that was silent longest makes room. */
static struct story *story_add(struct stories *stories, uint64_t key)
{
    uint64_t best = key % STORIES_SLOTS;
    struct story *story, *last;

    for (uint64_t i = 0; i < NEIGHBOURS && stories->keys[best]; i++) {
        uint64_t slot = (key + i) % STORIES_SLOTS;

        if (!stories->keys[slot] || stories->slots[slot].last < stories->slots[best].last)
            best = slot;
    }
    story = &stories->slots[best];
    if (stories->keys[best]) {
        stories->forgotten++;
        story_remove(stories, story);
    }
    stories->keys[best] = key;
    stories->homes[key % STORIES_SLOTS]++;
    *story = (struct story){.prev = stories->last};
    last = story_at(stories, stories->last);
    stories->last = (uint32_t)best + 1;
    *(last ? &last->next : &stories->first) = stories->last;
    return story;
}

static void story_move(struct story *story, const struct smtpscope_trace *trace, const struct client_keys *client,
                       uint64_t seed)
{
    story->moved |= story->tries && story->client.address != client->address;
    story->client = *client;
    story->flow = trace->flow;
    story->last = trace->time;
    story->packet = trace->packet;
    story->exchange = trace->exchange;
    story->code = trace->code;
    story->enhanced = trace->enhanced;
    story->server = server_key(trace, seed);
    if (trace->size != SMTPSCOPE_NO_SIZE || !story->tries)
        story->size = trace->size;
    story->tries++;
}

/* --- what is told */

static enum smtpscope_fault fault_of(enum smtpscope_rule rule)
{
    switch ((int)rule) {
    case SMTPSCOPE_RULE_DEFERRAL_RESOLVED:
    case SMTPSCOPE_RULE_DEFERRAL_OVERDUE: return SMTPSCOPE_FAULT_NOBODY;
    case SMTPSCOPE_RULE_DEFERRAL_TURNED_PERMANENT:
    case SMTPSCOPE_RULE_DEFERRAL_PERSISTENT: return SMTPSCOPE_FAULT_SERVER;
    default: return SMTPSCOPE_FAULT_CLIENT;
    }
}

static void story_tell(const struct smtpscope_correlate_config *config, const struct story *story, enum smtpscope_rule rule,
                       enum smtpscope_confidence confidence, enum smtpscope_detail detail, const char *text, uint64_t number)
{
    struct smtpscope_finding finding = {
        .rule = rule,
        .severity = smtpscope_rule_info(rule)->severity,
        .confidence = confidence,
        .detail = detail,
        .detail_text = text,
        .detail_number = number,
        .count = 1,
        .flow = &story->flow,
        .time = story->last,
        .last_time = story->last,
        .packet = story->packet,
        .last_packet = story->packet,
        .side = SMTPSCOPE_SERVER,
        .command = "",
        .argument = "",
        .text = "",
        .code = story->code,
        .enhanced = story->enhanced,
        .state = "",
        .server = "",
        .exchanges = &story->exchange,
        .exchange_count = story->exchange != UINT32_MAX,
        .evidence_count = story->exchange != UINT32_MAX,
        .fault = fault_of(rule),
    };

    config->finding(config->ctx, &finding);
}

static enum smtpscope_confidence confidence_of(enum kinship kinship)
{
    return kinship == KINSHIP_CERTAIN ? SMTPSCOPE_CERTAIN : SMTPSCOPE_LIKELY;
}

/* Deferred once more. */
static void story_again(const struct smtpscope_correlate_config *config, struct story *story, enum kinship kinship,
                        const struct smtpscope_trace *trace, const struct client_keys *client)
{
    smtpscope_time since = trace->time - story->last;
    bool same_server = story->server == server_key(trace, config->hash_seed);

    if (since <= 0)
        return; /* named twice in one transaction, or a transaction that began before the last one and ended behind it */
    if (since > story->interval)
        story->interval = since;
    story_move(story, trace, client, config->hash_seed);
    if (since < config->too_soon && same_server && !story->told_soon) {
        story->told_soon = true;
        story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_RETRY_TOO_SOON, confidence_of(kinship), SMTPSCOPE_DETAIL_RETRY, "",
                   seconds(since));
    }
    if (story->tries > config->persistent_tries && trace->time - story->first > config->persistent_time &&
        !story->told_persistent) {
        story->told_persistent = true;
        story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_PERSISTENT, confidence_of(kinship), SMTPSCOPE_DETAIL_PERSISTENT, "",
                   story->tries);
    }
}

static void story_end(struct stories *stories, const struct smtpscope_correlate_config *config, const struct story_match *match,
                      const struct smtpscope_trace *trace, const struct client_keys *client)
{
    struct story *story = match->story;
    bool accepted = trace->outcome == SMTPSCOPE_OUTCOME_ACCEPTED;
    uint64_t after = seconds(trace->time - story->first);
    char digits[12];
    size_t at = sizeof digits - 1;

    story_move(story, trace, client, config->hash_seed);
    digits[at] = '\0';
    for (uint32_t tries = story->tries; tries; tries /= 10)
        digits[--at] = (char)('0' + tries % 10);
    if (accepted)
        story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_RESOLVED, confidence_of(match->kinship),
                   story->moved ? SMTPSCOPE_DETAIL_RESOLVED_ELSEWHERE : SMTPSCOPE_DETAIL_RESOLVED, digits + at, after);
    else
        story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_TURNED_PERMANENT, confidence_of(match->kinship),
                   SMTPSCOPE_DETAIL_RETRY, "", after);
    story_remove(stories, story);
}

void stories_try(struct stories *stories, const struct smtpscope_correlate_config *config, const struct smtpscope_trace *trace)
{
    struct client_keys client;
    struct story_match match;
    struct story *story;

    if (trace->outcome != SMTPSCOPE_OUTCOME_DEFERRED && !stories->homes[trace->envelope % STORIES_SLOTS])
        return; /* it was never deferred, as most are not */
    client = keys_of(trace, config->hash_seed);
    match = match_find(stories, trace, &client);
    if (trace->outcome != SMTPSCOPE_OUTCOME_DEFERRED) {
        if (match.story)
            story_end(stories, config, &match, trace, &client);
        else
            match_perhaps(stories, trace, &client);
    } else if (match.story) {
        story_again(config, match.story, match.kinship, trace, &client);
    } else {
        story = story_add(stories, trace->envelope);
        story->first = trace->time;
        story_move(story, trace, &client, config->hash_seed);
    }
}

/* --- what nobody saw */

static void blind_note(struct stories *stories, uint64_t key, smtpscope_time time)
{
    if (key)
        stories->blind[key % STORIES_BLIND] = (struct blind_client){key, time};
}

void stories_blind(struct stories *stories, const struct smtpscope_correlate_config *config,
                   const struct smtpscope_trace *trace)
{
    struct client_keys client = keys_of(trace, config->hash_seed);

    blind_note(stories, client.network, trace->time);
    blind_note(stories, client.hello, trace->time);
    blind_note(stories, client.site, trace->time);
}

static bool went_unseen(const struct stories *stories, const struct story *story)
{
    const uint64_t keys[] = {story->client.network, story->client.hello, story->client.site};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct blind_client *blind = &stories->blind[keys[i] % STORIES_BLIND];

        if (keys[i] && blind->key == keys[i] && blind->last > story->last)
            return true;
    }
    return false;
}

void stories_finish(struct stories *stories, const struct smtpscope_correlate_config *config, smtpscope_time end)
{
    for (const struct story *story = story_at(stories, stories->first); story; story = story_at(stories, story->next)) {
        smtpscope_time silent = end - story->last;

        if (story->perhaps_over || went_unseen(stories, story))
            continue;
        if (silent >= config->abandoned)
            story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_ABANDONED, SMTPSCOPE_LIKELY, SMTPSCOPE_DETAIL_ABANDONED, "",
                       seconds(silent));
        else if (story->interval >= INTERVAL_LEARNED && silent >= config->overdue && silent >= INTERVALS_LATE * story->interval)
            story_tell(config, story, SMTPSCOPE_RULE_DEFERRAL_OVERDUE, SMTPSCOPE_LIKELY, SMTPSCOPE_DETAIL_ABANDONED, "",
                       seconds(silent));
    }
}
