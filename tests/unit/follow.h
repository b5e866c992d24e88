/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One session with its judge, and what holds for its facts and findings whatever the octets were: asserted at each of them.
 * Unit tests and fuzz targets share it, so it needs no test framework.
 */
#ifndef SMTPSCOPE_TESTS_FOLLOW_H
#define SMTPSCOPE_TESTS_FOLLOW_H

#include "smtpscope/judge.h"
#include "smtpscope/session.h"

#include <assert.h>
#include <string.h>

/* Exchanges whose finding is looked for; of a longer session the first ones. */
#define FOLLOW_EXCHANGES 32768u

enum follow_exchange { FOLLOW_FINE, FOLLOW_REFUSED, FOLLOW_COVERED };

struct follow {
    struct smtpscope_session_config session_config;
    struct smtpscope_judge_config judge_config;
    struct smtpscope_flow flow;
    struct smtpscope_session *session;
    struct smtpscope_judge *judge;
    uint64_t sent[2]; /* octets of each side so far: where the next ones stand */
    smtpscope_time time;
    uint64_t packet;
    uint32_t exchanges, findings, told;
    bool ended;
    bool starved;                      /* memory may fail: what was dropped need not be covered */
    unsigned long touched;             /* so that no compiler leaves the reading out */
    uint8_t covered[FOLLOW_EXCHANGES]; /* enum follow_exchange */
    /* What the test wants to see as well; may be NULL. Kept by follow_init(). */
    void (*fact)(void *ctx, const struct smtpscope_fact *fact);
    void (*finding)(void *ctx, const struct smtpscope_finding *finding);
    void *ctx;
    bool tells; /* findings are told behind each fact too, as a live watcher does. Kept as well. */
};

/* Every octet that a text promises must be there. */
static inline void follow_touch(struct follow *follow, struct smtpscope_text text)
{
    assert(text.len == 0 || text.at != NULL);
    for (size_t i = 0; i < text.len; i++)
        follow->touched += (unsigned char)text.at[i];
}

static inline void follow_command(struct follow *follow, const struct smtpscope_command *command)
{
    assert(command != NULL && command->verb < SMTPSCOPE_VERBS);
    follow_touch(follow, command->name);
    follow_touch(follow, command->argument);
    follow_touch(follow, command->path);
    follow_touch(follow, command->unknown_parameter);
    if (command->verb == SMTPSCOPE_VERB_ANSWER)
        assert(command->name.len == 0 && command->argument.len == 0 && command->path.len == 0 &&
               command->unknown_parameter.len == 0);
    if (command->verb == SMTPSCOPE_VERB_AUTH && command->argument.len > 0)
        assert(command->argument.len <= 20 && !memchr(command->argument.at, ' ', command->argument.len));
}

static inline void follow_reply(struct follow *follow, const struct smtpscope_reply *reply)
{
    assert(reply != NULL && reply->code < 1000 && reply->offset <= reply->end);
    assert(reply->enhanced.klass <= 5 && reply->enhanced.subject < 1000 && reply->enhanced.detail < 1000);
    assert(reply->first.len <= reply->text.len && reply->lines > 0);
    follow_touch(follow, reply->text);
    follow_touch(follow, reply->first);
}

static inline void follow_exchange(struct follow *follow, const struct smtpscope_exchange *exchange)
{
    assert(exchange->index == follow->exchanges);
    assert(exchange->before != NULL && exchange->after != NULL && smtpscope_state_name(exchange->before) != NULL);
    assert(!exchange->greeting || exchange->index == 0);
    follow_command(follow, exchange->command);
    follow_reply(follow, exchange->reply);
    if (exchange->index < FOLLOW_EXCHANGES)
        follow->covered[exchange->index] = exchange->reply->code >= 400 ? FOLLOW_REFUSED : FOLLOW_FINE;
    follow->exchanges++;
}

static inline void follow_message(struct follow *follow, const struct smtpscope_message *message)
{
    size_t answered = (size_t)message->recipients_accepted + message->recipients_deferred + message->recipients_refused;

    assert(message->recipient_count <= message->recipient_total && answered == message->recipient_total);
    assert(message->content <= message->size);
    assert(message->exchange == UINT32_MAX || message->exchange < follow->exchanges);
    follow_touch(follow, message->mail_from);
    for (size_t i = 0; i < message->recipient_count; i++) {
        follow_touch(follow, message->recipients[i].path);
        assert(message->recipients[i].exchange < follow->exchanges);
    }
}

static inline void follow_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct follow *follow = ctx;

    assert(!follow->ended && smtpscope_session_user(session) == follow);
    switch (fact->type) {
    case SMTPSCOPE_FACT_OPEN: assert(fact->flow == &follow->flow); break;
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_UNANSWERED:
    case SMTPSCOPE_FACT_CROSS: follow_command(follow, fact->command); break;
    case SMTPSCOPE_FACT_EXCHANGE: follow_exchange(follow, fact->exchange); break;
    case SMTPSCOPE_FACT_MESSAGE: follow_message(follow, fact->message); break;
    case SMTPSCOPE_FACT_GAP:
    case SMTPSCOPE_FACT_CONFLICT:
    case SMTPSCOPE_FACT_URGENT: assert(fact->phase != NULL); break;
    case SMTPSCOPE_FACT_STALL: assert(fact->stall->kind && fact->stall->lasted > 0); break;
    case SMTPSCOPE_FACT_END:
        assert(fact->end->exchanges == follow->exchanges);
        for (int side = 0; side < 2; side++)
            assert(fact->end->octets[side] + fact->end->lost[side] <= follow->sent[side]);
        follow->ended = true;
        break;
    case SMTPSCOPE_FACT_TLS:
    case SMTPSCOPE_FACT_PROXY:
    case SMTPSCOPE_FACT_ALIEN:
    case SMTPSCOPE_FACT_HANDSHAKE:
    case SMTPSCOPE_FACT_INFERRED:
    case SMTPSCOPE_FACT_TLS_END:
    case SMTPSCOPE_FACT_OVERFLOW: break;
    }
    if (follow->fact)
        follow->fact(follow->ctx, fact);
    if (!follow->judge)
        return;
    smtpscope_judge_fact(follow->judge, session, fact);
    if (follow->tells && !follow->ended) {
        uint32_t wanted = follow->told + smtpscope_judge_untold(follow->judge);

        smtpscope_judge_tell(follow->judge);
        assert(follow->told == wanted && smtpscope_judge_untold(follow->judge) == 0);
    }
}

static inline void follow_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct follow *follow = ctx;

    assert(finding->id == (follow->ended ? ++follow->findings : ++follow->told));
    assert(finding->told == (follow->ended && finding->id <= follow->told) && (finding->told || !finding->changed));
    assert(finding->cause != finding->id && finding->count > 0);
    assert(finding->rule < SMTPSCOPE_RULES && finding->reason < SMTPSCOPE_REASONS && finding->detail < SMTPSCOPE_DETAILS);
    assert(finding->confidence == SMTPSCOPE_CERTAIN || finding->severity != SMTPSCOPE_ERROR);
    assert(finding->evidence_count <= finding->exchange_count && finding->flow == &follow->flow);
    follow->touched += strlen(finding->command) + strlen(finding->argument) + strlen(finding->text);
    follow->touched += strlen(finding->detail_text) + strlen(finding->state) + strlen(finding->server);
    for (size_t i = 0; i < finding->exchange_count; i++) {
        assert(finding->exchanges[i] < follow->exchanges);
        if (finding->exchanges[i] < FOLLOW_EXCHANGES)
            follow->covered[finding->exchanges[i]] = FOLLOW_COVERED;
    }
    if (follow->finding)
        follow->finding(follow->ctx, finding);
}

/* Begins a session. `follow` is large: keep it static. With an allocator memory may fail, and then either may be NULL. */
static inline void follow_init(struct follow *follow, const struct smtpscope_allocator *allocator, bool midstream)
{
    static const struct smtpscope_endpoint ends[2] = {
        {.addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}, .port = 40000},
        {.addr = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 2}, .port = 25},
    };

    memset(follow, 0, offsetof(struct follow, fact));
    follow->starved = allocator != NULL;
    follow->time = 1700000000 * SMTPSCOPE_SECOND;
    follow->packet = 1;
    follow->flow = (struct smtpscope_flow){
        .side = {ends[0], ends[1]}, .first_packet = 1, .first_time = follow->time, .midstream = midstream};
    follow->session_config = (struct smtpscope_session_config){.allocator = allocator, .fact = follow_fact, .ctx = follow};
    follow->judge_config = (struct smtpscope_judge_config){.allocator = allocator, .finding = follow_finding, .ctx = follow};
    follow->judge = smtpscope_judge_new(&follow->judge_config);
    follow->session = smtpscope_session_new(&follow->session_config, &follow->flow, follow);
}

/* Octets of one side, which had acknowledged all that the other side sent but its last `unread` octets. */
static inline void follow_feed(struct follow *follow, enum smtpscope_side side, const void *data, size_t len, uint64_t unread)
{
    struct smtpscope_octets octets = {
        .side = side,
        .data = data,
        .len = len,
        .offset = follow->sent[side],
        .acked = follow->sent[!side] > unread ? follow->sent[!side] - unread : 0,
        .time = follow->time,
        .packet = ++follow->packet,
    };

    follow->sent[side] += len;
    if (follow->session)
        smtpscope_session_feed(follow->session, &octets);
}

static inline void follow_gap(struct follow *follow, enum smtpscope_side side, uint64_t len)
{
    struct smtpscope_gap gap = {.side = side, .offset = follow->sent[side], .len = len, .time = follow->time};

    follow->sent[side] += len;
    gap.packet = ++follow->packet;
    if (follow->session)
        smtpscope_session_gap(follow->session, &gap);
}

/* Closes and frees all. The judge has covered every refusal by then. */
static inline void follow_close(struct follow *follow, const struct smtpscope_ending *ending)
{
    if (follow->session) {
        smtpscope_session_close(follow->session, ending);
        assert(follow->ended);
    }
    for (uint32_t i = 0; i < follow->exchanges && i < FOLLOW_EXCHANGES && !follow->starved; i++)
        assert(follow->covered[i] != FOLLOW_REFUSED);
    smtpscope_session_free(follow->session);
    smtpscope_judge_free(follow->judge);
    follow->session = NULL;
    follow->judge = NULL;
}

#endif
