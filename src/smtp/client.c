/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's octets. What they are depends on what the server answers, so behind DATA, STARTTLS and AUTH they are held
 * until the reply is there: 354, and only 354, makes them a message, from the octet after the DATA line on; a 220 makes
 * them an injection; a 334 makes them an answer. A client that waits, as it must, is never copied.
 */
#include "session_private.h"

#include "base/hash.h"
#include "base/memory.h"

/* RFC 8314 3.3: TLS from the first octet on. */
#define IMPLICIT_TLS_PORT 465
/* Content type and version: as much of a TLS record as tells it from other binary protocols. */
#define TLS_PREFIX 3

static void oddity_place(struct smtpscope_session *session, struct transaction *transaction, const struct place *place)
{
    struct odd *odd = odd_need(session, transaction);

    if (odd && !odd->packet)
        odd->packet = place->packet;
}

/* The length of a line without its end. */
static size_t line_text(const char *line, size_t len)
{
    if (len && line[len - 1] == '\n')
        len -= len > 1 && line[len - 2] == '\r' ? 2 : 1;
    return len;
}

/* A line is complete, or will never be. `total` is its length with its end. */
static void command_fill(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                         uint64_t total, const struct place *place)
{
    command->offset = place->offset;
    command->acked = place->acked;
    command->time = place->time;
    command->packet = place->packet;
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
    if (!session->flow->midstream && !rare_of(session)->lost[SMTPSCOPE_SERVER] &&
        (!session->greeted || place->acked < session->greeting_end))
        command->circumstances |= SMTPSCOPE_COMMAND_EARLY;
    command_parse(command, line, len);
}

/* Behind AUTH and its mechanism stands the initial response. */
static void secret_of_auth(struct smtpscope_session *session, bool mechanism, const char *line, size_t len)
{
    const char *end = line + len, *at = line;

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    for (int words = 0; words < 1 + mechanism; words++) {
        while (at < end && *at != ' ' && *at != '\t')
            at++;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
    }
    secret_note(session, at, (size_t)(end - at));
}

/* An answer inside AUTH: nothing of its text is told. */
static void command_hide(struct smtpscope_command *command, enum smtpscope_verb verb)
{
    *command = (struct smtpscope_command){
        .verb = verb,
        .len = command->len,
        .offset = command->offset,
        .acked = command->acked,
        .time = command->time,
        .packet = command->packet,
        .circumstances = command->circumstances,
        .oddities = command->oddities & (SMTPSCOPE_COMMAND_BARE_LF | SMTPSCOPE_COMMAND_UNTERMINATED),
    };
}

static const char *alien_name_of(const struct smtpscope_session *session, enum smtpscope_alien alien, const char *line,
                                 size_t len)
{
    bool vague = alien == SMTPSCOPE_ALIEN_BINARY || alien == SMTPSCOPE_ALIEN_TEXT;
    const char *name = NULL;

    if (vague && session->config->name_protocol)
        name = session->config->name_protocol(session->config->ctx, (const uint8_t *)line, len);
    return name ? name : smtpscope_alien_name(alien);
}

static void alien_check(struct smtpscope_session *session, const struct place *place, const char *line, size_t len)
{
    enum smtpscope_alien alien;

    if (session->any_verb || session->alien || session->flow->midstream || session->smuggled)
        return;
    alien = alien_of(line, len);
    if (alien == SMTPSCOPE_ALIEN_NONE)
        return;
    session->alien = (uint8_t)alien;
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_ALIEN,
                                                .time = place->time,
                                                .packet = place->packet,
                                                .alien = alien,
                                                .alien_name = alien_name_of(session, alien, line, len)});
}

/* Puts what was parsed in its place: an alien's line, a possible secret, a command. */
static void command_classify(struct smtpscope_session *session, struct smtpscope_command *command, const struct place *place,
                             const char *line, size_t len)
{
    bool known = command->verb > SMTPSCOPE_VERB_ANSWER;

    alien_check(session, place, line, len);
    if (session->alien && known)
        fact_tell(session,
                  &(struct smtpscope_fact){
                      .type = SMTPSCOPE_FACT_CROSS, .time = command->time, .packet = command->packet, .command = command});
    if (session->alien && !known) {
        command->verb = SMTPSCOPE_VERB_RAW;
        command->name.len = 0;
        command->argument = (struct smtpscope_text){line, alien_shown(line, line_text(line, len))};
    }
    if (known) {
        session->secret = command->verb == SMTPSCOPE_VERB_AUTH;
        session->any_verb = true;
    } else if (session->secret) {
        command_hide(command, SMTPSCOPE_VERB_ANSWER);
    } else if (session->cut) {
        command_hide(command, SMTPSCOPE_VERB_RAW); /* the rest of anything, of an AUTH line too */
    }
}

/* `queued`: the reply will find the command. Without it nothing would end the holding. */
static void after_command(struct smtpscope_session *session, const struct smtpscope_command *command, bool queued)
{
    if (command->verb == SMTPSCOPE_VERB_QUIT)
        session->quit_sent = true;
    if (command->verb == SMTPSCOPE_VERB_BDAT && command->has_size && command->declared_size) {
        session->client = CLIENT_GUESSING;
        if (!rare_need(session))
            return;
        session->rare->bdat_left = command->declared_size;
        session->rare->bdat_offset = command->offset;
        session->client = CLIENT_BDAT;
    } else if (verb_holds(command->verb)) {
        session->client = queued ? CLIENT_HOLDING : CLIENT_GUESSING;
    } else {
        session->client = CLIENT_COMMANDS;
    }
}

static void client_line(struct smtpscope_session *session, const char *line, size_t len, uint64_t total,
                        const struct place *place)
{
    struct smtpscope_command command = {0};

    command_fill(session, &command, line, len, total, place);
    if (session->client == CLIENT_ANSWER) {
        command_hide(&command, SMTPSCOPE_VERB_ANSWER);
        session->secret = true;
    } else {
        command_classify(session, &command, place, line, len);
    }
    if (command.circumstances & SMTPSCOPE_COMMAND_EARLY)
        fact_tell(session,
                  &(struct smtpscope_fact){
                      .type = SMTPSCOPE_FACT_COMMAND, .time = place->time, .packet = place->packet, .command = &command});
    if ((command.verb == SMTPSCOPE_VERB_EHLO || command.verb == SMTPSCOPE_VERB_HELO) && command.path.len &&
        session->name_hash && (uint32_t)hash_octets(command.path.at, command.path.len, 0) == session->name_hash)
        command.oddities |= SMTPSCOPE_COMMAND_NAME_OF_SERVER;
    if (command.verb == SMTPSCOPE_VERB_ANSWER || session->cut)
        secret_note(session, line, len);
    else if (command.circumstances & SMTPSCOPE_COMMAND_SECRET)
        secret_note(session, line + command.name.len, len - command.name.len);
    else if (command.verb == SMTPSCOPE_VERB_AUTH)
        secret_of_auth(session, command.argument.len, line, len);
    session->cut = false;
    after_command(session, &command, queue_push(session, &command) != NULL);
}

/*
 * Without memory what comes next is the rest of a line, and nobody knows whether what was lost was a secret: then no line
 * is taken for more than it says, and no reply's text is shown.
 */
static void client_forget(struct smtpscope_session *session)
{
    session->cut = session->secrets_lost = true;
}

bool client_keep(struct smtpscope_session *session, struct kept **kept, const char *data, size_t len, size_t max,
                 const struct place *place)
{
    if (kept_append(session, kept, data, len, max, place))
        return true;
    client_forget(session);
    return false;
}

bool client_keep_line(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    if (rare_need(session))
        return client_keep(session, &session->rare->line[SMTPSCOPE_CLIENT], data, len, LINE_MAX_KEPT, place);
    client_forget(session);
    return false;
}

static void end_of_data(struct smtpscope_session *session, struct transaction *transaction, const struct place *place)
{
    struct smtpscope_command command = {.verb = SMTPSCOPE_VERB_EOD,
                                        .offset = place->offset,
                                        .acked = place->acked,
                                        .time = place->time,
                                        .packet = place->packet};
    struct pending *entry;

    transaction_scanned(session, transaction);
    session->client = CLIENT_COMMANDS;
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
static void tail_note(struct smtpscope_session *session, struct transaction *transaction, const struct place *place)
{
    if (tail_has_commands(transaction))
        return;
    tail_free(session, transaction);
    if (!transaction->lookalike)
        transaction->lookalike = transaction->scan->lookalike & 0xfu;
    if (odd_need(session, transaction))
        kept_append(session, &transaction->odd->tail, "", 0, TAIL_MAX, place);
}

static size_t take_data(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    struct transaction *transaction = transaction_need(session);
    struct place here = *place;
    enum scan_event event;
    uint32_t before;
    size_t used;

    if (!transaction || !transaction->scan)
        return len;
    before = transaction->scan->oddities;
    event = scan_sweep(transaction->scan, (const uint8_t *)data, len, &used);
    transaction->size += used;
    transaction->packet = place->packet;
    if (transaction->scan->oddities != before)
        oddity_place(session, transaction, place);
    if (transaction->odd && transaction->odd->tail)
        kept_append(session, &transaction->odd->tail, data, used, TAIL_MAX, place);
    here.offset += used;
    if (event == SCAN_LOOKALIKE) {
        tail_note(session, transaction, &here);
    } else if (event == SCAN_END) {
        here.offset--; /* of the final line end: behind every command before it, and before the next */
        end_of_data(session, transaction, &here);
    }
    return used;
}

/* A TLS record, or the rest of one whose head the capture lacks. */
static bool tls_is_likely(const struct smtpscope_session *session, const char *data, size_t len)
{
    return tls_begins(data, len) || (rare_of(session)->lost[SMTPSCOPE_CLIENT] && octets_are_binary(data, len));
}

static size_t take_tls(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    bool tls = tls_is_likely(session, data, len);
    struct smtpscope_fact fact = {.type = SMTPSCOPE_FACT_TLS,
                                  .time = place->time,
                                  .packet = place->packet,
                                  .tls = tls ? SMTPSCOPE_TLS_STARTED : SMTPSCOPE_TLS_NOT_FOLLOWED};

    if (tls) {
        side_opaque(session, SMTPSCOPE_CLIENT, place->offset);
        state_tls(&session->state);
        if (session->server != SERVER_TLS_WAIT)
            side_opaque(session, SMTPSCOPE_SERVER, session->next[SMTPSCOPE_SERVER]);
    } else {
        session->client = CLIENT_COMMANDS;
        session->not_followed = true;
        session->server = SERVER_REPLIES;
    }
    fact_tell(session, &fact);
    return 0;
}

static size_t take_commands(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    const struct kept *line;
    bool tls = !line_of(session, SMTPSCOPE_CLIENT) && tls_begins(data, len);
    bool granted = session->any_verb && session->state.greeting && session->ready; /* the STARTTLS was lost */
    bool implicit = !session->any_verb && !session->greeted && session->flow->side[SMTPSCOPE_SERVER].port == IMPLICIT_TLS_PORT;

    if (tls && (granted || implicit)) {
        session->client = CLIENT_TLS_WAIT;
        return 0;
    }
    len = line_take(session, SMTPSCOPE_CLIENT, data, len, place, client_line);
    /* TLS need not hold a line end for a long time: it is told by its first octets. */
    line = line_of(session, SMTPSCOPE_CLIENT);
    if (line && line->len >= TLS_PREFIX && tls_begins(line->at, line->len))
        alien_check(session, &line->place, line->at, line->len);
    return len;
}

static size_t client_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    switch ((enum client_mode)session->client) {
    case CLIENT_COMMANDS: return take_commands(session, data, len, place);
    case CLIENT_ANSWER: return line_take(session, SMTPSCOPE_CLIENT, data, len, place, client_line);
    case CLIENT_DATA: return take_data(session, data, len, place);
    case CLIENT_GUESSING: return guess_take(session, data, len, place);
    case CLIENT_TLS_WAIT: return take_tls(session, data, len, place);
    case CLIENT_OPAQUE: return len;
    case CLIENT_BDAT: return chunk_take(session, data, len, place);
    case CLIENT_HOLDING:
        if (!rare_need(session))
            client_forget(session);
        else
            client_keep(session, &session->rare->hold, data, len, HOLD_MAX, place);
        return len;
    }
    return len;
}

void client_octets(struct smtpscope_session *session, const char *data, size_t len, struct place place)
{
    while (len) {
        size_t used = client_take(session, data, len, &place);

        data += used;
        len -= used;
        place.offset += used;
    }
}

/* Reads held octets again, now that it is known what they are. */
static void release(struct smtpscope_session *session)
{
    struct kept *hold = rare_of(session)->hold;

    if (!hold)
        return;
    session->rare->hold = NULL;
    session->was_held = true;
    session->smuggled = hold->smuggled;
    while (hold->begin < hold->len && session->client != CLIENT_HOLDING) {
        size_t used = client_take(session, hold->at + hold->begin, hold->len - hold->begin, &hold->place);

        hold->begin += used;
        hold->place.offset += used;
    }
    session->was_held = session->smuggled = false;
    if (hold->begin < hold->len) { /* another command holds back the rest */
        session->rare->hold = hold;
        return;
    }
    if (hold->total > hold->len)
        client_gap(session, hold->total - hold->len, &hold->place);
    kept_free(session, &hold);
}

/* The octets of a line that turned out to be the beginning of a message. */
static void line_becomes_data(struct smtpscope_session *session)
{
    struct kept *line = line_release(session, SMTPSCOPE_CLIENT);

    if (!line)
        return;
    session->transaction->offset = line->place.offset;
    client_octets(session, line->at, line->len, line->place);
    kept_free(session, &line);
}

void client_resolve(struct smtpscope_session *session, enum client_mode mode)
{
    const struct kept *hold = rare_of(session)->hold;

    session->client = (uint8_t)mode;
    if (mode == CLIENT_DATA && transaction_need(session)) {
        struct transaction *transaction = session->transaction;

        transaction->sent = true;
        transaction->early = hold != NULL;
        transaction->offset = hold ? hold->place.offset : session->next[SMTPSCOPE_CLIENT];
        transaction_scan(session);
        if (session->state.binary)
            transaction->oddities |= SMTPSCOPE_DATA_BINARY;
        line_becomes_data(session);
    }
    if (mode == CLIENT_TLS_WAIT && hold && hold->begin < hold->len && /* there may be but a gap */
        !tls_is_likely(session, hold->at + hold->begin, hold->len - hold->begin)) {
        fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_TLS,
                                                    .time = hold->place.time,
                                                    .packet = hold->place.packet,
                                                    .tls = SMTPSCOPE_TLS_COMMAND_INJECTION});
        kept_free(session, &session->rare->hold);
    }
    release(session);
}

void client_resolve_unknown(struct smtpscope_session *session)
{
    if (session->client == CLIENT_HOLDING) {
        session->client = CLIENT_GUESSING;
        release(session);
    }
}

void client_replay(struct smtpscope_session *session, struct kept *tail)
{
    bool smuggled = session->smuggled;
    uint8_t mode = session->client;

    session->client = CLIENT_COMMANDS;
    session->smuggled = true;
    client_octets(session, tail->at, tail->len, tail->place);
    session->smuggled = smuggled;
    if (session->client == CLIENT_COMMANDS)
        session->client = mode;
    kept_free(session, &tail);
}

/* What was lost may have been a command: a place in the queue that may take replies. */
static void lost_push(struct smtpscope_session *session, uint64_t len, const struct place *place)
{
    struct smtpscope_command lost = {.verb = SMTPSCOPE_VERB_NONE,
                                     .circumstances = SMTPSCOPE_COMMAND_LOST,
                                     .offset = place->offset,
                                     .acked = place->acked,
                                     .time = place->time,
                                     .packet = place->packet};

    lost.len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX);
    queue_push(session, &lost);
    session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
}

void client_gap(struct smtpscope_session *session, uint64_t len, const struct place *place)
{
    struct kept *line;

    chunk_decide(session);
    switch ((enum client_mode)session->client) {
    case CLIENT_BDAT: /* a known length bridges the gap */
        if (len <= session->rare->bdat_left) {
            session->rare->bdat_left -= len;
            if (!session->rare->bdat_left)
                session->client = CLIENT_COMMANDS;
            return;
        }
        session->rare->bdat_left = 0;
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
    case CLIENT_COMMANDS:
    case CLIENT_ANSWER:
    case CLIENT_HOLDING:
    case CLIENT_GUESSING: break;
    }
    if (session->client == CLIENT_HOLDING) { /* a gap in what is held: told when it is known what it is a gap in */
        if (rare_need(session) && kept_append(session, &session->rare->hold, "", 0, HOLD_MAX, place)) {
            session->rare->hold->sealed = true;
            session->rare->hold->total += len;
            session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
        }
        return;
    }
    line = line_release(session, SMTPSCOPE_CLIENT);
    kept_free(session, &line);
    lost_push(session, len, place);
    session->cut = true;
    session->client = CLIENT_GUESSING;
}

/* An unfinished line at the end was sent all the same. */
void client_close(struct smtpscope_session *session)
{
    struct kept *line;

    chunk_decide(session);
    line = line_of(session, SMTPSCOPE_CLIENT);
    if (line && line->len && (session->client == CLIENT_COMMANDS || session->client == CLIENT_ANSWER)) {
        struct smtpscope_command command = {.oddities = SMTPSCOPE_COMMAND_UNTERMINATED};

        command_fill(session, &command, line->at, line->len, line->total, &line->place);
        if (session->client == CLIENT_ANSWER || (session->secret && command.verb <= SMTPSCOPE_VERB_ANSWER))
            command_hide(&command, SMTPSCOPE_VERB_ANSWER);
        else if (session->cut && command.verb <= SMTPSCOPE_VERB_ANSWER)
            command_hide(&command, SMTPSCOPE_VERB_RAW);
        else
            alien_check(session, &line->place, line->at, line->len);
        queue_push(session, &command);
    }
}
