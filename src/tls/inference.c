/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions by the lengths of records, where nobody has the keys.
 *
 * A session is a row of turns: octets of the client, then the server's answer. The first turn is EHLO, on a port of
 * submission the second one AUTH. Then, by RFC 5321 and 2920:
 *
 *   MAIL  RCPT ...      DATA  message   RSET or QUIT      without PIPELINING: a command a turn, DATA has 6 octets
 *   MAIL RCPT ... DATA        message   RSET QUIT         with PIPELINING: an envelope a turn
 *   MAIL RCPT BDAT message QUIT                           Exim: all in one (RFC 3030)
 *
 * 6 octets behind an envelope are DATA when a long turn follows, else RSET or QUIT: then the client gave up. Whether the answer
 * was a 250, its length shows only roughly, and whether a refusal was for now or for good not at all.
 *
 * The bounds are set so that errors are messages that are missed, and never ones that were not sent: see the manual page for
 * what was measured. Where records are padded (RFC 8446 5.4), or some are missing, nothing more is said.
 */
#include "inference.h"

#include "base/memory.h"

enum {
    SHORT_COMMAND = 6,       /* DATA, RSET, QUIT, NOOP, with CRLF */
    TWO_SHORT = 12,          /* RSET and QUIT */
    HELLO_MAX = 200,         /* a longer first turn is a padded one */
    COMMAND_MIN = 14,        /* "MAIL FROM:<>" */
    ENVELOPE_MIN = 20,       /* of all its turns: shorter ones are no transaction */
    ENVELOPE_WHOLE_MIN = 40, /* MAIL, RCPT and DATA in one turn */
    GO_AHEAD_MIN = 15,       /* the answer to DATA; shorter ones are those to RSET */
    GO_AHEAD_MAX = 80,
    ANSWERS_MIN = 30,          /* the answers to an envelope of one turn */
    MESSAGE_MIN = 120,         /* with its headers, behind DATA */
    PIPELINED_MIN = 200,       /* ... behind an envelope of one turn */
    TOGETHER_MIN = 400,        /* ... with its envelope */
    TOGETHER_ANSWERS_MIN = 60, /* the answers to MAIL, RCPT and BDAT */
    TAKEN_MAX = 75,            /* a longer answer may be no 250; that to QUIT may be in it */
    TAKEN_TOGETHER_MAX = 115,
    TICKET_OF_KEY = 5, /* a KeyUpdate, RFC 8446 4.6.3 */
    NOTIFY = 2,        /* an alert: close_notify */
};

/* How often each guess was right, of a hundred: see the manual page. */
enum { PERCENT_SENT = 97, PERCENT_TOGETHER = 90, PERCENT_NONE = 95, PERCENT_ACCEPTED = 60, PERCENT_GIVEN_UP = 90 };

#define AT_ONCE (5 * SMTPSCOPE_SECOND)

/* Of one session: whoever sends more in it has shown enough. */
#define TRANSACTIONS_MAX 256

/* Octets of each. */
struct turn {
    uint32_t client, server;
};

/* Kept small: there may be a million connections. What is counted stops at the most that its type holds. */
struct inference {
    struct smtpscope_inferred *told; /* `count` of them, room for `size` */
    smtpscope_time time;             /* where the transaction began, or seems to */
    uint64_t packet;
    struct turn now, before;
    uint32_t envelope; /* octets of the transaction's commands so far; 0: there is none */
    uint16_t count, size;
    uint8_t envelope_turns, turns, hello; /* turns in all; octets of the first one */
    bool undecided : 1;                   /* DATA, RSET or QUIT: the next turn shows which */
    bool over : 1;                        /* no more can be told */
};

static struct inference *inference_need(struct smtpscope_tls_connection *connection)
{
    if (!connection->inference)
        connection->inference = memory_new(connection->tls->config.allocator, sizeof *connection->inference);
    return connection->inference;
}

void inference_free(struct smtpscope_tls_connection *connection)
{
    if (!connection->inference)
        return;
    memory_free(connection->tls->config.allocator, connection->inference->told);
    memory_free(connection->tls->config.allocator, connection->inference);
    connection->inference = NULL;
}

/* A new last one, which may be one too many: then NULL. */
static struct smtpscope_inferred *transaction_add(struct smtpscope_tls_connection *connection)
{
    struct inference *inference = connection->inference;
    uint16_t size = inference->size ? (uint16_t)(inference->size * 2) : 2;
    struct smtpscope_inferred *told = inference->told;

    if (inference->count == inference->size && size <= TRANSACTIONS_MAX) {
        told = memory_resize(connection->tls->config.allocator, told, size * sizeof *told);
        if (told) {
            inference->told = told;
            inference->size = size;
        }
    }
    if (inference->count == inference->size) {
        inference->over = true;
        return NULL;
    }
    told += inference->count;
    *told = (struct smtpscope_inferred){
        .index = inference->count++, .envelope = inference->envelope, .time = inference->time, .packet = inference->packet};
    return told;
}

static void envelope_end(struct inference *inference)
{
    inference->envelope = 0;
    inference->envelope_turns = 0;
    inference->undecided = false;
}

/* The command's turn belongs to the transaction, or begins it. */
static void envelope_add(struct inference *inference, const struct turn *turn)
{
    inference->envelope += turn->client;
    if (inference->envelope_turns < UINT8_MAX)
        inference->envelope_turns++;
}

/* --- what a turn is */

/* CBC hides up to a block of a length (RFC 5246 6.2.3.2): what is known is about the middle of it. */
static uint32_t slack_of(const struct smtpscope_tls_connection *connection)
{
    const struct suite *suite = suite_find(connection->suite);

    return suite && suite_shape(suite)->kind == KIND_CBC ? suite_shape(suite)->explicit_iv / 2u : 0;
}

static bool is_about(uint32_t len, uint32_t wanted, uint32_t slack)
{
    return len + slack >= wanted && len <= wanted + slack;
}

static bool is_message_behind_data(const struct inference *inference, const struct turn *turn)
{
    return inference->undecided && inference->before.server >= GO_AHEAD_MIN && inference->before.server <= GO_AHEAD_MAX &&
           turn->client >= MESSAGE_MIN;
}

static bool is_message_behind_envelope(const struct inference *inference, const struct turn *turn)
{
    return !inference->undecided && inference->envelope_turns == 1 && inference->envelope >= ENVELOPE_WHOLE_MIN &&
           inference->before.server >= ANSWERS_MIN && turn->client >= PIPELINED_MIN;
}

static bool is_together(const struct inference *inference, const struct turn *turn)
{
    return !inference->envelope && turn->client >= TOGETHER_MIN && turn->server >= TOGETHER_ANSWERS_MIN;
}

/* --- what follows from it */

static void message_told(struct smtpscope_inferred *told, const struct turn *turn, bool together)
{
    bool taken = turn->server <= (together ? (uint32_t)TAKEN_TOGETHER_MAX : (uint32_t)TAKEN_MAX);

    told->sent = true;
    told->together = together;
    told->octets = turn->client;
    told->percent = together ? PERCENT_TOGETHER : PERCENT_SENT;
    told->outcome = taken ? SMTPSCOPE_INFERRED_ACCEPTED : SMTPSCOPE_INFERRED_UNKNOWN;
    told->outcome_percent = taken ? PERCENT_ACCEPTED : 0;
}

static void message_sent(struct smtpscope_tls_connection *connection, const struct turn *turn, bool together)
{
    struct smtpscope_inferred *told = transaction_add(connection);

    if (told)
        message_told(told, turn, together);
    envelope_end(connection->inference);
}

static void given_up(struct smtpscope_tls_connection *connection)
{
    struct inference *inference = connection->inference;
    struct smtpscope_inferred *told = inference->envelope >= ENVELOPE_MIN ? transaction_add(connection) : NULL;

    if (told) {
        told->percent = PERCENT_NONE;
        told->outcome = SMTPSCOPE_INFERRED_NOT_ACCEPTED;
        told->outcome_percent = PERCENT_GIVEN_UP;
    }
    envelope_end(inference);
}

/* What seemed a message with its envelope was an envelope of many recipients: the message comes now. */
static bool was_envelope(struct inference *inference, const struct turn *turn)
{
    struct smtpscope_inferred *last = inference->count ? &inference->told[inference->count - 1] : NULL;

    if (!last || !last->together || last->octets != inference->before.client || turn->client < PIPELINED_MIN ||
        turn->server > TAKEN_MAX || inference->before.server < inference->before.client / 5)
        return false;
    last->envelope = last->octets;
    message_told(last, turn, false);
    return true;
}

static void transaction_turn(struct smtpscope_tls_connection *connection, const struct turn *turn)
{
    struct inference *inference = connection->inference;
    uint32_t slack = slack_of(connection);

    if (is_message_behind_data(inference, turn) || is_message_behind_envelope(inference, turn)) {
        message_sent(connection, turn, false);
        return;
    }
    if (inference->undecided)
        given_up(connection);
    if (was_envelope(inference, turn))
        return;
    if (is_about(turn->client, SHORT_COMMAND, slack)) {
        inference->undecided = inference->envelope;
    } else if (is_about(turn->client, TWO_SHORT, slack)) {
        given_up(connection);
    } else if (is_together(inference, turn)) {
        envelope_add(inference, turn);
        message_sent(connection, turn, true);
    } else if (turn->client >= COMMAND_MIN) {
        envelope_add(inference, turn);
    }
}

static bool is_padded(const struct inference *inference, const struct turn *turn)
{
    return inference->hello > HELLO_MAX || (inference->turns == 1 && turn->client >= 64 && turn->client == inference->hello);
}

static void turn_end(struct smtpscope_tls_connection *connection)
{
    struct inference *inference = connection->inference;
    struct turn turn = inference->now;

    inference->now = (struct turn){0};
    if (!turn.client || inference->over)
        return;
    if (!inference->turns)
        inference->hello = turn.client < UINT8_MAX ? (uint8_t)turn.client : UINT8_MAX;
    inference->over = is_padded(inference, &turn);
    if (!inference->over && inference->turns >= (connection->submission ? 2 : 1))
        transaction_turn(connection, &turn);
    inference->before = turn;
    if (inference->turns < UINT8_MAX)
        inference->turns++;
}

/* --- records */

/* Up to TLS 1.2 alerts have a type of their own, and keys are not changed this way. */
static bool is_of_tls(const struct smtpscope_tls_connection *connection, uint64_t len)
{
    return is_13(connection) && (len == NOTIFY || len == TICKET_OF_KEY);
}

/* From the beginning on; and TLS 1.0 splits records so that their first octets cannot be guessed. */
static bool is_countable(const struct smtpscope_tls_connection *connection)
{
    return connection->named && (slack_of(connection) == 0 || connection->version > TLS_1_0);
}

void inference_record(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                      const struct place *place)
{
    bool client = side == SMTPSCOPE_CLIENT;
    struct inference *inference;
    uint32_t *octets;

    if (connection->open || !is_countable(connection) || is_of_tls(connection, len))
        return;
    inference = client ? inference_need(connection) : connection->inference;
    if (!inference) /* tickets, or a greeting: nobody has said anything yet */
        return;
    if (client && inference->now.server)
        turn_end(connection);
    if (client && !inference->now.client && (!inference->envelope || inference->undecided)) {
        inference->time = place->time;
        inference->packet = place->packet;
    }
    octets = client ? &inference->now.client : &inference->now.server;
    *octets += len < UINT32_MAX - *octets ? (uint32_t)len : 0;
}

void inference_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    struct inference *inference = connection->open ? NULL : connection->inference;

    if (!inference)
        return;
    if (side == SMTPSCOPE_CLIENT && inference->now.server)
        turn_end(connection);
    inference->over = true;
}

static void transaction_tell(struct smtpscope_tls_connection *connection, const struct smtpscope_inferred *inferred,
                             const struct smtpscope_ending *ending)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;

    config->events->fact(
        config->ctx, connection->user,
        &(struct smtpscope_fact){
            .type = SMTPSCOPE_FACT_INFERRED, .time = ending->time, .packet = ending->packet, .inferred = inferred});
}

static bool is_closed(const struct smtpscope_ending *ending)
{
    return ending->why == SMTPSCOPE_CLOSE_FIN || ending->why == SMTPSCOPE_CLOSE_RESET;
}

void inference_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    struct inference *inference = connection->open ? NULL : connection->inference;

    if (!inference)
        return;
    if (inference->now.server || inference->now.client <= TWO_SHORT + slack_of(connection))
        turn_end(connection);
    if (!inference->over && inference->undecided && is_closed(ending) && !inference->now.client)
        given_up(connection);
    for (uint16_t i = 0; i < inference->count && !connection->tls->config.no_inference; i++)
        transaction_tell(connection, &inference->told[i], ending);
}

/* QUIT alone is closed at once, and rightly. */
bool inference_closed_at_once(const struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    const struct inference *inference = connection->open ? NULL : connection->inference;

    return inference && connection->done && inference->turns == 1 && !inference->over && is_closed(ending) &&
           ending->by == SMTPSCOPE_SERVER && !inference->now.client &&
           !is_about(inference->hello, SHORT_COMMAND, slack_of(connection)) &&
           (ending->fin_time ? ending->fin_time : ending->time) - inference->time < AT_ONCE;
}
