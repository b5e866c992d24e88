/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's octets. What they are depends on what the server answers, so behind DATA, STARTTLS and AUTH they are held
 * until the reply is there: 354, and only 354, makes them a message, from the octet after the DATA line on; a 220 makes
 * them an injection; a 334 makes them an answer. A client that waits, as it must, is never copied.
 */
#include "client.h"

#include "alien.h"
#include "chunk.h"
#include "pairing.h"
#include "proxy_header.h"
#include "resync.h"
#include "smtp/shown/shown.h"
#include "smtp/state/queue.h"
#include "smtp/state/state.h"
#include "smtp/state/transaction.h"
#include "smtp/syntax/command.h"
#include "smtp/syntax/verbs.h"
#include "start.h"

#include "base/memory.h"

/* Content type and version: as much of a TLS record as tells it from other binary protocols. */
#define TLS_PREFIX 3

/* The length of a line without its end. */
static size_t line_text(const char *line, size_t len)
{
    if (len && line[len - 1] == '\n')
        len -= len > 1 && line[len - 2] == '\r' ? 2 : 1;
    return len;
}

/* A line is complete, or will never be. `total` is its length with its end. Returns the kinds of its octets. */
static unsigned command_fill(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                             uint64_t total, const struct octet_origin *origin)
{
    command->offset = origin->offset;
    command->acked = origin->acked;
    command->time = origin->time;
    command->packet = origin->packet;
    command->len = (uint32_t)(total < UINT32_MAX ? total : UINT32_MAX);
    if (len && line[len - 1] == '\n') {
        len--;
        if (len && line[len - 1] == '\r')
            len--;
        else
            command->oddities |= SMTPSCOPE_COMMAND_BARE_LF;
    }
    if (session->smuggled)
        command->circumstances |= SMTPSCOPE_COMMAND_SMUGGLED;
    if (session->was_held)
        command->circumstances |= SMTPSCOPE_COMMAND_HELD;
    if (!session->flow->midstream && !extra_of(session)->lost[SMTPSCOPE_SERVER] &&
        (!session->greeted || origin->acked < session->greeting_end))
        command->circumstances |= SMTPSCOPE_COMMAND_EARLY;
    return command_parse(command, line, len);
}

/* Puts what was parsed in its place: an answer inside AUTH, or what may be one; an alien's line; a command. */
static void command_classify(struct smtpscope_session *session, struct smtpscope_command *command,
                             const struct octet_origin *origin, const char *line, size_t len)
{
    if (session->client == CLIENT_ANSWER) {
        command->verb = SMTPSCOPE_VERB_ANSWER;
        session->secret = true;
        return;
    }
    alien_check_line(session, origin, line, len);
    if (command->verb > SMTPSCOPE_VERB_ANSWER) {
        session->secret = smtpscope_verb_is_login(command->verb);
        session->any_verb = true;
        start_anchor(session);
    } else if (session->secret) {
        command->verb = SMTPSCOPE_VERB_ANSWER;
    } else if (session->alien || session->cut) { /* cut: the rest of anything, of an AUTH line too */
        command->verb = SMTPSCOPE_VERB_RAW;
    }
}

/* `queued`: the reply will find the command. Without it nothing would end the holding. */
static void after_command(struct smtpscope_session *session, const struct smtpscope_command *command, bool queued)
{
    if (command->verb == SMTPSCOPE_VERB_QUIT)
        session->quit_sent = true;
    if (command->verb == SMTPSCOPE_VERB_BDAT && command->has_size && command->declared_size) {
        client_enter(session, CLIENT_RESYNC);
        if (!extra_need(session))
            return;
        session->extra->bdat_left = command->declared_size;
        session->extra->bdat_offset = command->offset;
        client_enter(session, CLIENT_BDAT);
    } else if (verb_holds(command->verb)) {
        client_enter(session, queued ? CLIENT_HOLDING : CLIENT_RESYNC);
    } else {
        client_enter(session, CLIENT_COMMANDS);
    }
}

/* A line as what it is, with the texts that may be shown. */
static void command_read(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                         uint64_t total, const struct octet_origin *origin)
{
    unsigned seen = command_fill(session, command, line, len, total, origin);

    command_classify(session, command, origin, line, len);
    command_show(session, command, line, line_text(line, len), seen, len == total);
    session->cut = false;
}

static void client_line(struct smtpscope_session *session, const char *line, size_t len, uint64_t total,
                        const struct octet_origin *origin)
{
    struct smtpscope_command command = {0};
    struct smtpscope_fact fact = {.time = origin->time, .packet = origin->packet, .command = &command};

    command_read(session, &command, line, len, total, origin);
    if (session->alien && session->alien < SMTPSCOPE_ALIEN_IMAP && command.verb > SMTPSCOPE_VERB_ANSWER) {
        fact.type = SMTPSCOPE_FACT_CROSS;
        fact_tell(session, &fact);
    }
    if (command.circumstances & SMTPSCOPE_COMMAND_EARLY) {
        fact.type = SMTPSCOPE_FACT_COMMAND;
        fact_tell(session, &fact);
    }
    if (smtpscope_verb_hello(command.verb) && command.path.len && name_hash(&command.path) == session->name_hash)
        command.oddities |= SMTPSCOPE_COMMAND_NAME_OF_SERVER;
    session->unsure |= session->queue && session->replied && origin->acked >= session->next[SMTPSCOPE_SERVER];
    session->replied = false;
    after_command(session, &command, queue_push(session, &command) != NULL);
}

static void end_of_data(struct smtpscope_session *session, struct transaction *transaction, const struct octet_origin *origin)
{
    struct smtpscope_command command = {.verb = SMTPSCOPE_VERB_EOD,
                                        .offset = origin->offset,
                                        .acked = origin->acked,
                                        .time = origin->time,
                                        .packet = origin->packet};
    struct pending *entry;

    transaction_scanned(session, transaction);
    client_enter(session, CLIENT_COMMANDS);
    if (session->early_reply) {
        session->early_reply = false;
        transaction_end(session, (enum smtpscope_outcome)transaction->outcome, transaction->code, transaction->exchange);
        return;
    }
    if (session->smuggled)
        command.circumstances |= SMTPSCOPE_COMMAND_SMUGGLED;
    if (transaction->early)
        command.circumstances |= SMTPSCOPE_COMMAND_HELD;
    entry = queue_push(session, &command);
    if (entry && transaction->early)
        entry->previous = SMTPSCOPE_VERB_DATA;
}

/* The octets behind a look-alike are kept until the server shows how it read them. */
static void tail_note(struct smtpscope_session *session, struct transaction *transaction, const struct octet_origin *origin)
{
    if (tail_has_commands(transaction))
        return;
    tail_free(session, transaction);
    if (!transaction->lookalike)
        transaction->lookalike = transaction->scan->lookalike & 0xfu;
    if (message_oddity_need(session, transaction))
        held_append(session, &transaction->oddity->tail, "", 0, TAIL_MAX, origin);
}

static size_t take_data(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    struct transaction *transaction = transaction_need(session);
    struct octet_origin here = *origin;
    enum scan_event event;
    size_t used;

    if (!transaction || !transaction->scan)
        return len;
    event = scan_sweep(transaction->scan, (const uint8_t *)data, len, &used);
    transaction->size += used;
    transaction->packet = origin->packet;
    if (transaction->oddity && transaction->oddity->tail)
        held_append(session, &transaction->oddity->tail, data, used, TAIL_MAX, origin);
    here.offset += used;
    if (event == SCAN_LOOKALIKE) {
        tail_note(session, transaction, &here);
    } else if (event == SCAN_END) {
        if (used < sizeof "\r\n.\r\n" - 1 && transaction->size > used)
            transaction->oddities |= SMTPSCOPE_DATA_END_SPLIT;
        here.offset--; /* of the final line end: behind every command before it, and before the next */
        end_of_data(session, transaction, &here);
    }
    return used;
}

/* A TLS record, or the rest of one whose head the capture lacks. */
static bool tls_is_likely(const struct smtpscope_session *session, const char *data, size_t len)
{
    return tls_begins(data, len) || record_begins(data, len) ||
           (extra_of(session)->lost[SMTPSCOPE_CLIENT] && octets_are_binary(data, len));
}

/*
 * TLS begins. Or else the client goes on in clear: it does not follow, or the capture is of what was decrypted; that shows with the
 * next reply, see clear_explain() in pairing.c.
 */
static size_t take_tls(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    bool tls = tls_is_likely(session, data, len);

    if (tls) {
        side_opaque(session, SMTPSCOPE_CLIENT, origin->offset);
        state_tls(&session->state);
        if (session->server != SERVER_TLS_WAIT)
            side_opaque(session, SMTPSCOPE_SERVER, session->next[SMTPSCOPE_SERVER]);
        fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_TLS,
                                                    .time = origin->time,
                                                    .packet = origin->packet,
                                                    .tls = SMTPSCOPE_TLS_STARTED});
    } else {
        client_enter(session, CLIENT_COMMANDS);
        session->not_followed = session->clear_behind_220 = true;
        session->server = SERVER_REPLIES;
    }
    return 0;
}

static size_t take_commands(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    const struct held_octets *line;
    bool first = !line_of(session, SMTPSCOPE_CLIENT);
    bool granted = session->any_verb && session->state.greeting && session->last_was_220; /* the STARTTLS was lost */
    bool implicit = is_implicit_tls(session);

    if (first && ((tls_begins(data, len) && (granted || implicit)) || (record_begins(data, len) && implicit))) {
        client_enter(session, CLIENT_TLS_WAIT);
        return 0;
    }
    len = line_take(session, SMTPSCOPE_CLIENT, data, len, origin, client_line);
    /* TLS need not hold a line end for a long time: it is told by its first octets. */
    line = line_of(session, SMTPSCOPE_CLIENT);
    if (line && line->len >= TLS_PREFIX && tls_begins(line->at, line->len))
        alien_check_line(session, &line->origin, line->at, line->len);
    return len;
}

static size_t client_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    switch ((enum client_mode)session->client) {
    case CLIENT_PREFACE: return proxy_header_take(session, data, len, origin);
    case CLIENT_COMMANDS: return take_commands(session, data, len, origin);
    case CLIENT_ANSWER: return line_take(session, SMTPSCOPE_CLIENT, data, len, origin, client_line);
    case CLIENT_DATA: return take_data(session, data, len, origin);
    case CLIENT_RESYNC: return resync_take(session, data, len, origin);
    case CLIENT_TLS_WAIT: return take_tls(session, data, len, origin);
    case CLIENT_OPAQUE: opaque_tell(session, SMTPSCOPE_CLIENT, data, len, origin); return len;
    case CLIENT_BLOB:
    case CLIENT_BDAT: return chunk_take(session, data, len, origin);
    case CLIENT_HOLDING: client_hold(session, data, len, origin); return len;
    }
    return len;
}

void client_octets(struct smtpscope_session *session, const char *data, size_t len, struct octet_origin origin)
{
    if (session->extra)
        client_goes_on(session, origin.acked);
    while (len) {
        size_t used = client_take(session, data, len, &origin);

        data += used;
        len -= used;
        origin.offset += used;
    }
}

/* Reads held octets again, now that it is known what they are. */
static void release(struct smtpscope_session *session)
{
    struct held_octets *hold = extra_of(session)->hold;

    if (!hold)
        return;
    session->extra->hold = NULL;
    session->was_held = true;
    session->smuggled = hold->smuggled;
    while (hold->begin < hold->len && session->client != CLIENT_HOLDING) {
        size_t used = client_take(session, hold->at + hold->begin, hold->len - hold->begin, &hold->origin);

        hold->begin += used;
        hold->origin.offset += used;
    }
    session->was_held = session->smuggled = false;
    if (hold->begin < hold->len) { /* another command holds back the rest */
        session->extra->hold = hold;
        return;
    }
    if (hold->total > hold->len)
        client_gap(session, hold->total - hold->len, &hold->origin);
    held_free(session, &hold);
}

/* The octets of a line that turned out to be the beginning of a message. */
static void line_becomes_data(struct smtpscope_session *session)
{
    struct held_octets *line = line_release(session, SMTPSCOPE_CLIENT);

    if (!line)
        return;
    session->transaction->offset = line->origin.offset;
    client_octets(session, line->at, line->len, line->origin);
    held_free(session, &line);
}

void client_resolve(struct smtpscope_session *session, enum client_mode mode)
{
    const struct held_octets *hold = extra_of(session)->hold;

    client_enter(session, mode);
    if (mode == CLIENT_DATA && transaction_need(session)) {
        struct transaction *transaction = session->transaction;

        transaction->sent = true;
        transaction->early = hold != NULL;
        transaction->offset = hold ? hold->origin.offset : session->next[SMTPSCOPE_CLIENT];
        transaction_scan(session);
        if (session->state.binary)
            transaction->oddities |= SMTPSCOPE_DATA_BINARY;
        line_becomes_data(session);
    }
    if (mode == CLIENT_TLS_WAIT && hold && hold->begin < hold->len && /* there may be but a gap */
        !tls_is_likely(session, hold->at + hold->begin, hold->len - hold->begin)) {
        fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_TLS,
                                                    .time = hold->origin.time,
                                                    .packet = hold->origin.packet,
                                                    .tls = SMTPSCOPE_TLS_COMMAND_INJECTION});
        held_free(session, &session->extra->hold);
    }
    release(session);
}

void client_resolve_unknown(struct smtpscope_session *session)
{
    if (session->client == CLIENT_HOLDING) {
        client_enter(session, CLIENT_RESYNC);
        release(session);
    }
}

void client_replay(struct smtpscope_session *session, struct held_octets *tail)
{
    bool smuggled = session->smuggled;
    enum client_mode mode = (enum client_mode)session->client;

    client_enter(session, CLIENT_COMMANDS);
    session->smuggled = true;
    client_octets(session, tail->at, tail->len, tail->origin);
    session->smuggled = smuggled;
    if (session->client == CLIENT_COMMANDS)
        client_enter(session, mode);
    held_free(session, &tail);
}

/* What was lost may have been a command: a place in the queue that may take replies. */
static void lost_push(struct smtpscope_session *session, uint64_t len, const struct octet_origin *origin)
{
    struct smtpscope_command lost = {.verb = SMTPSCOPE_VERB_NONE,
                                     .circumstances = SMTPSCOPE_COMMAND_LOST,
                                     .offset = origin->offset,
                                     .acked = origin->acked,
                                     .time = origin->time,
                                     .packet = origin->packet};

    lost.len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX);
    queue_push(session, &lost);
    session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
}

void client_gap(struct smtpscope_session *session, uint64_t len, const struct octet_origin *origin)
{
    struct held_octets *line;

    chunk_decide(session);
    switch ((enum client_mode)session->client) {
    case CLIENT_BLOB:
    case CLIENT_BDAT: /* a known length bridges the gap */
        if (len <= session->extra->bdat_left) {
            chunk_count(session, (size_t)len, origin);
            return;
        }
        session->extra->bdat_left = 0;
        break;
    case CLIENT_DATA:
        if (session->transaction) {
            session->transaction->size += len;
            session->transaction->oddities |= SMTPSCOPE_DATA_GAP;
            if (session->transaction->scan)
                scan_resume(session->transaction->scan, len);
            tail_free(session, session->transaction);
        }
        return;
    case CLIENT_OPAQUE:
    case CLIENT_TLS_WAIT: return;
    case CLIENT_PREFACE:
    case CLIENT_COMMANDS:
    case CLIENT_ANSWER:
    case CLIENT_HOLDING:
    case CLIENT_RESYNC: break;
    }
    if (session->client == CLIENT_HOLDING) { /* a gap in what is held: told when it is known what it is a gap in */
        if (extra_need(session) && held_append(session, &session->extra->hold, "", 0, HOLD_MAX, origin)) {
            session->extra->hold->sealed = true;
            session->extra->hold->total += len;
            session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
        }
        return;
    }
    session->secret_unseen |= session->client == CLIENT_ANSWER;
    line = line_release(session, SMTPSCOPE_CLIENT);
    held_free(session, &line);
    lost_push(session, len, origin);
    session->cut = true;
    client_enter(session, CLIENT_RESYNC);
}

/* An unfinished line at the end was sent all the same. */
void client_close(struct smtpscope_session *session)
{
    struct held_octets *line;

    chunk_decide(session);
    line = line_of(session, SMTPSCOPE_CLIENT);
    if (line && line->len && (client_is_among_commands(session) || session->client == CLIENT_ANSWER)) {
        struct smtpscope_command command = {.oddities = SMTPSCOPE_COMMAND_UNTERMINATED};

        command_read(session, &command, line->at, line->len, line->total, &line->origin);
        queue_push(session, &command);
    }
}
