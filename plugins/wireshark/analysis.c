/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same wiring as the program's: streams, sessions, judges, and what shows only across sessions.
 *
 * Findings are judged in full when a session ends. Until then the judge is asked after each packet what it has so far, so that
 * the packet at hand can show it; at the end each record gets its final word.
 */
#include "analysis.h"

#include "correlate/correlate.h"

#include <string.h>

/* What hangs on a session while it is followed. */
struct watched {
    const struct session_record *record;
    struct smtpscope_judge *judge;
    struct smtpscope_session *session;
    struct finding_record **findings; /* by id - 1, `known` of them */
    uint32_t known, capacity;
    struct watched *next; /* among those that the packet at hand has touched */
    bool touched;
    bool decrypted;     /* the octets come from Wireshark, no longer from the stream */
    uint64_t offset[2]; /* of the next clear octet of each side */
    struct followed *followed;
    bool alone;                 /* no stream stands behind it: it was never seen outside its other layer */
    struct smtpscope_flow flow; /* when alone */
    uint64_t last_packet;
    struct watched *next_alone;
};

/* A conversation outlives its session: `watched` is NULL from then on. */
struct followed {
    struct watched *watched;
    const struct session_record *record;
};

static struct {
    struct smtpscope_streams *streams;
    struct correlate *correlate;
    uint8_t ports[65536 / 8];
    smtpscope_time now;
    conversation_t *conversation; /* of the packet at hand */
    struct watched *current;      /* whose fact or finding it is */
    struct watched *touched, *alone;
    bool finished;
    bool judging_end;                            /* findings are final */
    const struct smtpscope_exchange *reason_for; /* only the reason of this exchange is asked for */
    enum smtpscope_reason reason;
} analysis;

static int proto_smtpscope;

static void *file_resize(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    if (size)
        return wmem_realloc(wmem_file_scope(), memory, size);
    wmem_free(wmem_file_scope(), memory);
    return NULL;
}

static const struct smtpscope_allocator file_allocator = {file_resize, NULL};

/* --- findings */

static void finding_keep(struct watched *watched, const struct smtpscope_finding *finding)
{
    struct finding_record *record;

    if (finding->id <= watched->known) {
        record = watched->findings[finding->id - 1];
        if (analysis.judging_end)
            records_finding_update(record, finding);
    } else {
        if (finding->id > watched->capacity) {
            watched->capacity = finding->id * 2;
            watched->findings =
                wmem_realloc(wmem_file_scope(), watched->findings, watched->capacity * sizeof(struct finding_record *));
        }
        record = records_finding(watched->record, finding);
        watched->findings[finding->id - 1] = record;
        watched->known = finding->id;
    }
    if (finding->cause && finding->cause <= watched->known && finding->cause != finding->id)
        record->cause = watched->findings[finding->cause - 1];
}

/* The finding that covers the exchange, if this is it, has its reason. */
static void reason_look(const struct smtpscope_finding *finding)
{
    if (finding->evidence_count && finding->exchanges[finding->evidence_count - 1] == analysis.reason_for->index &&
        finding->reason != SMTPSCOPE_REASON_NONE)
        analysis.reason = finding->reason;
}

static void on_finding(void *ctx, const struct smtpscope_finding *finding)
{
    (void)ctx;
    if (analysis.reason_for)
        reason_look(finding);
    else
        finding_keep(analysis.current, finding);
}

static void on_finding_across(void *ctx, const struct smtpscope_finding *finding)
{
    (void)ctx;
    records_finding(analysis.current ? analysis.current->record : records_session(finding->flow), finding);
}

static const struct smtpscope_judge_config judge_config = {.allocator = &file_allocator, .finding = on_finding};

/* --- facts */

static void touch(struct watched *watched)
{
    if (watched->touched)
        return;
    watched->touched = true;
    watched->next = analysis.touched;
    analysis.touched = watched;
}

static void untouch(struct watched *watched)
{
    for (struct watched **at = &analysis.touched; *at; at = &(*at)->next)
        if (*at == watched) {
            *at = watched->next;
            return;
        }
}

/* Why a recipient was put off or refused, as the judge's findings have it. */
static enum smtpscope_reason refusal_reason(const struct watched *watched, const struct smtpscope_exchange *exchange)
{
    if (exchange->command->verb != SMTPSCOPE_VERB_RCPT || exchange->reply->code < 400)
        return SMTPSCOPE_REASON_NONE;
    analysis.reason = SMTPSCOPE_REASON_NONE;
    analysis.reason_for = exchange;
    smtpscope_judge_peek(watched->judge, 0);
    analysis.reason_for = NULL;
    return analysis.reason;
}

static void fact_keep(const struct watched *watched, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE)
        records_exchange(watched->record, fact->exchange, refusal_reason(watched, fact->exchange));
    else if (fact->type == SMTPSCOPE_FACT_UNANSWERED)
        records_unanswered(watched->record, fact->command, smtpscope_session_state(session)->tls);
    else if (fact->type == SMTPSCOPE_FACT_MESSAGE)
        records_message(watched->record, fact->message, fact->packet);
}

static void on_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct watched *watched = smtpscope_session_user(session);

    (void)ctx;
    analysis.current = watched;
    analysis.judging_end = fact->type == SMTPSCOPE_FACT_END;
    smtpscope_judge_fact(watched->judge, session, fact);
    fact_keep(watched, session, fact);
    correlate_fact(analysis.correlate, session, fact);
    analysis.current = NULL;
    analysis.judging_end = false;
    touch(watched);
}

static const struct smtpscope_session_config session_config = {.allocator = &file_allocator, .fact = on_fact};

/* After a packet: what the judges have so far of the sessions it touched. */
static void findings_look(void)
{
    struct watched *next;

    for (struct watched *watched = analysis.touched; watched; watched = next) {
        next = watched->next;
        watched->touched = false;
        analysis.current = watched;
        smtpscope_judge_peek(watched->judge, watched->known);
        analysis.current = NULL;
    }
    analysis.touched = NULL;
}

/* --- sessions */

static void conversation_follow(struct watched *watched)
{
    struct followed *followed;

    if (!analysis.conversation)
        return;
    followed = conversation_get_proto_data(analysis.conversation, proto_smtpscope);
    if (!followed) {
        followed = wmem_new0(wmem_file_scope(), struct followed);
        conversation_add_proto_data(analysis.conversation, proto_smtpscope, followed);
    }
    followed->watched = watched;
    followed->record = watched->record;
    watched->followed = followed;
}

/* `flow` NULL: the one of its own, which the caller has filled. */
static void watched_open(struct watched *watched, const struct smtpscope_flow *flow)
{
    watched->record = records_session(flow ? flow : &watched->flow);
    watched->judge = smtpscope_judge_new(&judge_config);
    watched->session = smtpscope_session_new(&session_config, flow ? flow : &watched->flow, watched);
    conversation_follow(watched);
}

static void watched_close(struct watched *watched, const struct smtpscope_ending *ending)
{
    smtpscope_session_close(watched->session, ending);
    smtpscope_session_free(watched->session);
    smtpscope_judge_free(watched->judge);
    untouch(watched);
    if (watched->followed && watched->followed->watched == watched)
        watched->followed->watched = NULL;
    wmem_free(wmem_file_scope(), watched->findings);
    wmem_free(wmem_file_scope(), watched);
}

static void *on_opened(void *ctx, const struct smtpscope_flow *flow)
{
    struct watched *watched = wmem_new0(wmem_file_scope(), struct watched);

    (void)ctx;
    watched_open(watched, flow);
    return watched;
}

static void on_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct watched *watched = user;

    (void)ctx;
    if (watched->decrypted)
        return; /* the ciphertext of what Wireshark gives us in clear */
    watched->offset[octets->side] = octets->offset + octets->len;
    smtpscope_session_feed(watched->session, octets);
}

static void on_gap(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, uint64_t len, smtpscope_time time,
                   uint64_t packet)
{
    struct watched *watched = user;

    (void)ctx;
    if (watched->decrypted)
        offset = watched->offset[side];
    watched->offset[side] = offset + len;
    smtpscope_session_gap(watched->session, side, offset, len, time, packet);
}

static void on_conflict(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, smtpscope_time time, uint64_t packet)
{
    struct watched *watched = user;

    (void)ctx;
    if (!watched->decrypted)
        smtpscope_session_conflict(watched->session, side, offset, time, packet);
}

static void on_closed(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    (void)ctx;
    watched_close(user, ending);
}

static const struct smtpscope_stream_events stream_events = {
    .opened = on_opened,
    .octets = on_octets,
    .gap = on_gap,
    .conflict = on_conflict,
    .closed = on_closed,
};

/* --- what the packets bring */

void analysis_watch(uint16_t port)
{
    analysis.ports[port >> 3] |= (uint8_t)(1u << (port & 7));
}

bool analysis_watches(uint16_t port)
{
    return analysis.ports[port >> 3] & (1u << (port & 7));
}

void analysis_expire(smtpscope_time now)
{
    if (now > analysis.now)
        analysis.now = now;
    smtpscope_streams_expire(analysis.streams, now);
}

void analysis_segment(const struct smtpscope_segment *segment, conversation_t *conversation)
{
    analysis.conversation = conversation;
    smtpscope_streams_segment(analysis.streams, segment);
    analysis.conversation = NULL;
    findings_look();
}

static struct watched *watched_of(const conversation_t *conversation)
{
    struct followed *followed = conversation ? conversation_get_proto_data(conversation, proto_smtpscope) : NULL;

    return followed ? followed->watched : NULL;
}

static struct watched *watched_alone(const struct smtpscope_segment *segment, enum smtpscope_side side)
{
    struct watched *watched = wmem_new0(wmem_file_scope(), struct watched);

    watched->alone = true;
    watched->flow = (struct smtpscope_flow){.first_packet = segment->packet, .first_time = segment->time};
    watched->flow.side[side] = segment->src;
    watched->flow.side[!side] = segment->dst;
    watched->next_alone = analysis.alone;
    analysis.alone = watched;
    watched_open(watched, NULL);
    return watched;
}

static void alone_end(struct watched *watched, enum smtpscope_close why, enum smtpscope_side by, smtpscope_time time,
                      uint64_t packet)
{
    bool fin = why == SMTPSCOPE_CLOSE_FIN;
    struct smtpscope_ending ending = {
        .why = why, .by = by, .fin = {fin, fin}, .seen = {true, true}, .time = time, .packet = packet};

    for (struct watched **at = &analysis.alone; *at; at = &(*at)->next_alone)
        if (*at == watched) {
            *at = watched->next_alone;
            break;
        }
    watched_close(watched, &ending);
}

static void clear_feed(struct watched *watched, const struct smtpscope_segment *segment, enum smtpscope_side side)
{
    struct smtpscope_octets octets = {
        .side = side,
        .data = segment->data,
        .len = segment->len,
        .offset = watched->offset[side],
        .acked = watched->offset[!side],
        .time = segment->time,
        .packet = segment->packet,
    };

    watched->offset[side] += segment->len;
    watched->last_packet = segment->packet;
    smtpscope_session_feed(watched->session, &octets);
}

void analysis_clear(const struct smtpscope_segment *segment, enum smtpscope_side side, conversation_t *conversation, bool tls)
{
    struct watched *watched = watched_of(conversation);
    const struct smtpscope_flow *flow;

    analysis.conversation = conversation;
    if (!watched && segment->len)
        watched = watched_alone(segment, side);
    analysis.conversation = NULL;
    if (!watched)
        return;
    if (!watched->decrypted) {
        watched->decrypted = true;
        if (tls)
            smtpscope_session_decrypted(watched->session);
    }
    flow = smtpscope_session_flow(watched->session);
    side = memcmp(&flow->side[SMTPSCOPE_CLIENT], &segment->src, sizeof segment->src) ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    if (segment->len)
        clear_feed(watched, segment, side);
    findings_look();
}

void analysis_ended(const struct smtpscope_segment *segment, conversation_t *conversation)
{
    struct watched *watched = watched_of(conversation);
    enum smtpscope_close why = segment->flags & SMTPSCOPE_TCP_RST ? SMTPSCOPE_CLOSE_RESET : SMTPSCOPE_CLOSE_FIN;
    bool client;

    if (!watched || !watched->alone || !(segment->flags & (SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_FIN)))
        return;
    client = !memcmp(&watched->flow.side[SMTPSCOPE_CLIENT], &segment->src, sizeof segment->src);
    alone_end(watched, why, client ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER, segment->time, segment->packet);
}

/* The first packet comes first, as the streams have it. */
static struct watched *alone_oldest(void)
{
    struct watched *oldest = analysis.alone;

    for (struct watched *watched = oldest; watched; watched = watched->next_alone)
        if (watched->flow.first_packet < oldest->flow.first_packet)
            oldest = watched;
    return oldest;
}

void analysis_finish(void)
{
    if (!analysis.streams)
        return;
    records_begin(0);
    smtpscope_streams_flush(analysis.streams);
    for (struct watched *watched; (watched = alone_oldest());)
        alone_end(watched, SMTPSCOPE_CLOSE_END, SMTPSCOPE_CLIENT, analysis.now, watched->last_packet);
    if (!analysis.finished)
        correlate_finish(analysis.correlate, analysis.now);
    analysis.finished = true;
}

const struct session_record *analysis_session(const conversation_t *conversation)
{
    const struct followed *followed = conversation_get_proto_data(conversation, proto_smtpscope);

    return followed ? followed->record : NULL;
}

/* --- one file after the other */

void analysis_begin(void)
{
    struct smtpscope_stream_config config = {
        .allocator = &file_allocator,
        .events = &stream_events,
        .ports = analysis.ports,
        .hash_seed = (uint64_t)g_random_int() << 32 | g_random_int(),
    };

    memset(&analysis, 0, sizeof analysis);
    analysis.streams = smtpscope_streams_new(&config);
    analysis.correlate = correlate_new(&(struct correlate_config){.finding = on_finding_across});
    if (!analysis.correlate)
        g_error("smtpscope: out of memory"); /* as Wireshark's own memory does */
}

/* The file scope frees all but this. */
static void analysis_end(void)
{
    if (analysis.correlate)
        correlate_free(analysis.correlate);
    memset(&analysis, 0, sizeof analysis);
}

void analysis_register(int proto)
{
    proto_smtpscope = proto;
    register_cleanup_routine(analysis_end);
    register_postseq_cleanup_routine(analysis_finish);
}
