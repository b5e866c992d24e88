/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wireshark's conversations, and the library's sessions: which is whose, and what either says goes to the other.
 *
 * What a packet makes known is told behind it, so that the packet can show it; when its session ends, each finding gets its
 * final word.
 */
#include "analysis.h"

#include <smtpscope/follow.h>

#include <string.h>

/* What hangs on a session while it is followed: its user. */
struct watched {
    const struct session_record *record;
    struct smtpscope_session *session;
    struct finding_record **findings; /* by id - 1, `known` of them */
    uint32_t known, capacity;
    bool alone; /* no stream stands behind it: it was never seen outside its other layer */
    struct conversation_session *owner;
};

/* A conversation outlives its session: `watched` is NULL from then on. */
struct conversation_session {
    struct watched *watched;
    const struct session_record *record;
};

static struct {
    struct smtpscope_follow *follow;
    uint8_t ports[65536 / 8];
    conversation_t *conversation; /* of the packet at hand */
    bool opening_alone;
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

/* --- what the library tells */

/* The cause may be told behind what it has caused, and may become another one. */
static void causes_link(const struct watched *watched)
{
    for (uint32_t i = 0; i < watched->known; i++) {
        struct finding_record *record = watched->findings[i];
        uint32_t cause = record->finding.cause;

        record->cause = cause && cause <= watched->known && cause != i + 1 ? watched->findings[cause - 1] : NULL;
    }
}

static void finding_keep(struct watched *watched, const struct smtpscope_finding *finding)
{
    if (finding->id <= watched->known) {
        smtpscope_finding_revise(&watched->findings[finding->id - 1]->finding, finding);
    } else {
        if (finding->id > watched->capacity) {
            watched->capacity = finding->id * 2;
            watched->findings =
                wmem_realloc(wmem_file_scope(), watched->findings, watched->capacity * sizeof(struct finding_record *));
        }
        watched->findings[finding->id - 1] = records_finding(watched->record, finding);
        watched->known = finding->id;
    }
    causes_link(watched);
}

static void on_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    struct watched *watched = session ? smtpscope_session_user(session) : NULL;

    (void)ctx;
    if (finding->id)
        finding_keep(watched, finding);
    else
        records_finding(watched ? watched->record : records_session(finding->flow), finding);
}

/* Why a recipient was put off or refused. */
static enum smtpscope_reason refusal_reason(const struct smtpscope_session *session, const struct smtpscope_exchange *exchange)
{
    bool refused = exchange->command->verb == SMTPSCOPE_VERB_RCPT && exchange->reply->code >= 400;

    return refused ? smtpscope_follow_reason(session, exchange) : SMTPSCOPE_REASON_NONE;
}

static void on_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct watched *watched = smtpscope_session_user(session);

    (void)ctx;
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE)
        records_exchange(watched->record, fact->exchange, refusal_reason(session, fact->exchange));
    else if (fact->type == SMTPSCOPE_FACT_UNANSWERED)
        records_unanswered(watched->record, fact->command, smtpscope_session_state(session)->tls);
    else if (fact->type == SMTPSCOPE_FACT_MESSAGE)
        records_message(watched->record, fact->message, fact->packet);
}

static void conversation_follow(struct watched *watched)
{
    struct conversation_session *owner;

    if (!analysis.conversation)
        return;
    owner = conversation_get_proto_data(analysis.conversation, proto_smtpscope);
    if (!owner) {
        owner = wmem_new0(wmem_file_scope(), struct conversation_session);
        conversation_add_proto_data(analysis.conversation, proto_smtpscope, owner);
    }
    owner->watched = watched;
    owner->record = watched->record;
    watched->owner = owner;
}

static void *on_opened(void *ctx, struct smtpscope_session *session)
{
    struct watched *watched = wmem_new0(wmem_file_scope(), struct watched);

    (void)ctx;
    watched->session = session;
    watched->record = records_session(smtpscope_session_flow(session));
    watched->alone = analysis.opening_alone;
    conversation_follow(watched);
    return watched;
}

static void on_closed(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    struct watched *watched = smtpscope_session_user(session);

    (void)ctx;
    (void)ending;
    if (watched->owner && watched->owner->watched == watched)
        watched->owner->watched = NULL;
    wmem_free(wmem_file_scope(), watched->findings);
    wmem_free(wmem_file_scope(), watched);
}

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
    smtpscope_follow_expire(analysis.follow, now);
}

void analysis_segment(const struct smtpscope_segment *segment, conversation_t *conversation)
{
    analysis.conversation = conversation;
    smtpscope_follow_segment(analysis.follow, segment);
    analysis.conversation = NULL;
    smtpscope_follow_tell(analysis.follow, 0);
}

static struct watched *watched_of(const conversation_t *conversation)
{
    struct conversation_session *owner = conversation ? conversation_get_proto_data(conversation, proto_smtpscope) : NULL;

    return owner ? owner->watched : NULL;
}

static struct watched *watched_alone(const struct smtpscope_segment *segment, enum smtpscope_side side,
                                     conversation_t *conversation)
{
    struct smtpscope_flow flow = {.first_packet = segment->packet, .first_time = segment->time};
    struct smtpscope_session *session;

    flow.side[side] = segment->src;
    flow.side[!side] = segment->dst;
    analysis.conversation = conversation;
    analysis.opening_alone = true;
    session = smtpscope_follow_open(analysis.follow, &flow);
    analysis.opening_alone = false;
    analysis.conversation = NULL;
    return smtpscope_session_user(session);
}

/* Who sent the segment. */
static enum smtpscope_side side_of(const struct watched *watched, const struct smtpscope_segment *segment)
{
    const struct smtpscope_flow *flow = smtpscope_session_flow(watched->session);

    return memcmp(&flow->side[SMTPSCOPE_CLIENT], &segment->src, sizeof segment->src) ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
}

void analysis_clear(const struct smtpscope_segment *segment, enum smtpscope_side side, conversation_t *conversation, bool tls)
{
    struct watched *watched = watched_of(conversation);
    struct smtpscope_octets octets = {
        .data = segment->data, .len = segment->len, .time = segment->time, .packet = segment->packet};

    if (!segment->len)
        return;
    if (!watched)
        watched = watched_alone(segment, side, conversation);
    octets.side = side_of(watched, segment);
    smtpscope_follow_clear(analysis.follow, watched->session, &octets, tls);
    smtpscope_follow_tell(analysis.follow, 0);
}

void analysis_ended(const struct smtpscope_segment *segment, conversation_t *conversation)
{
    struct watched *watched = watched_of(conversation);
    bool reset = segment->flags & SMTPSCOPE_TCP_RST, fin = segment->flags & SMTPSCOPE_TCP_FIN && !reset;
    struct smtpscope_ending ending = {.why = reset ? SMTPSCOPE_CLOSE_RESET : SMTPSCOPE_CLOSE_FIN,
                                      .fin = {fin, fin},
                                      .seen = {true, true},
                                      .time = segment->time,
                                      .packet = segment->packet};

    if (!watched || !watched->alone || !(reset || fin))
        return;
    ending.by = side_of(watched, segment);
    smtpscope_follow_close(analysis.follow, watched->session, &ending);
}

void analysis_finish(void)
{
    if (!analysis.follow)
        return;
    records_begin(0);
    smtpscope_follow_finish(analysis.follow);
}

const struct session_record *analysis_session(const conversation_t *conversation)
{
    const struct conversation_session *owner = conversation_get_proto_data(conversation, proto_smtpscope);

    return owner ? owner->record : NULL;
}

/* --- one file after the other */

void analysis_begin(void)
{
    memset(&analysis, 0, sizeof analysis);
    analysis.follow = smtpscope_follow_new(&(struct smtpscope_follow_config){
        .allocator = &file_allocator,
        .ports = analysis.ports,
        .hash_seed = (uint64_t)g_random_int() << 32 | g_random_int(),
        .live = true,
        .opened = on_opened,
        .fact = on_fact,
        .finding = on_finding,
        .closed = on_closed,
    });
}

/* The file scope frees the rest. */
static void analysis_end(void)
{
    memset(&analysis, 0, sizeof analysis);
}

void analysis_register(int proto)
{
    proto_smtpscope = proto;
    register_cleanup_routine(analysis_end);
    register_postseq_cleanup_routine(analysis_finish);
}
