/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the handshake went, keys or not.
 *
 * An alert says what one side did not like, but not always what happened: a client of OpenSSL complains of a record that it
 * cannot decode when the server has closed in the middle of the handshake. So who closed first decides, and the alert counts
 * only if nobody had.
 *
 * In TLS 1.3 the last messages are encrypted. Without their keys their lengths have to do: an alert has two octets, a Finished
 * as many as the digest and four, RFC 8446 6 and 4.4.4, and a record adds the tag and the type.
 */
#include "outcome.h"

#include "handshake.h"
#include "inference.h"

/* RFC 8446 6 */
enum { ALERT_FATAL = 2, ALERT_CLOSE_NOTIFY = 0, ALERT_USER_CANCELED = 90 };

/* Who closes after so long a silence did so because the other one, who had the word, did not say any. */
#define SILENCE (5 * SMTPSCOPE_SECOND)

/* The handshake, while it is not told. */
static struct handshake *handshake_untold(const struct smtpscope_tls_connection *connection)
{
    return connection->told ? NULL : handshake_of(connection);
}

static void fact_tell(struct smtpscope_tls_connection *connection, const struct smtpscope_fact *fact)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;

    config->events->fact(config->ctx, connection->user, fact);
}

static void outcome_tell(struct smtpscope_tls_connection *connection, enum smtpscope_handshake_outcome outcome,
                         enum smtpscope_side by, smtpscope_time time, uint64_t packet)
{
    struct smtpscope_handshake *told = &handshake_of(connection)->told;

    told->outcome = outcome;
    told->by = by;
    told->hidden &= !told->resumed;
    connection->told = true;
    connection->done = outcome == SMTPSCOPE_HANDSHAKE_DONE;
    fact_tell(connection,
              &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_HANDSHAKE, .time = time, .packet = packet, .handshake = told});
}

/* A record's head says that it is a handshake, the message's that it is a ClientHello of so many octets: RFC 8446 4.1.2. */
static bool hello_has_begun(const struct smtpscope_tls_connection *connection)
{
    enum { MESSAGE_HEAD = 4, VERSION = 2 };
    const struct side *side = &connection->side[SMTPSCOPE_CLIENT];
    const struct gathered *part = busy_of(connection)->partial[SMTPSCOPE_CLIENT];

    return part && part->len >= MESSAGE_HEAD + VERSION + SMTPSCOPE_RANDOM_LEN && side->epoch == EPOCH_CLEAR &&
           side->head[0] == CONTENT_HANDSHAKE && part->octets[0] == MESSAGE_CLIENT_HELLO && part->octets[1] == 0 &&
           part->octets[MESSAGE_HEAD] == SSL_3 >> 8;
}

/* Who hangs up within a ClientHello has begun a handshake all the same. */
static void hello_begin(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets)
{
    struct handshake *handshake = handshake_need(connection);

    if (!handshake || handshake->told.begun)
        return;
    handshake->told.begun = true;
    handshake->told.time = octets->time;
    handshake->told.packet = octets->packet;
}

void outcome_heard(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets)
{
    struct handshake *handshake;

    if (!connection->told && !connection->named && hello_has_begun(connection))
        hello_begin(connection, octets);
    handshake = handshake_untold(connection);
    if (handshake) {
        handshake->last_by = (uint8_t)octets->side;
        handshake->last_time = octets->time;
    }
}

void outcome_alert(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                   bool encrypted, const struct place *place)
{
    struct handshake *handshake = handshake_of(connection);
    bool fatal;

    if (!connection->told && !handshake && !encrypted) /* the answer to what was no ClientHello */
        handshake = handshake_need(connection);
    if (connection->told || !handshake || len < 2 || handshake->told.alerted)
        return;
    /* RFC 8446 6: in 1.3 the level says nothing */
    fatal = data[1] != ALERT_CLOSE_NOTIFY && data[1] != ALERT_USER_CANCELED && (data[0] == ALERT_FATAL || is_13(connection));
    if (fatal) {
        handshake->told.alerted = true;
        handshake->told.alert = data[1];
        handshake->told.alert_by = side;
        handshake->told.alert_encrypted = encrypted;
        handshake->alert_time = place->time;
        handshake->told.end = place->time;
        handshake->told.end_packet = place->packet;
    } else if (data[1] == ALERT_CLOSE_NOTIFY && !handshake->notified) {
        handshake->notified = true;
        handshake->notified_by = (uint8_t)side;
    }
}

/* A record that nobody opens can only be an alert. */
static void sealed_alert(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place)
{
    struct handshake *handshake = handshake_of(connection);

    if (handshake->sealed_alert || handshake->told.alerted)
        return;
    handshake->sealed_alert = true;
    handshake->sealed_by = (uint8_t)side;
    handshake->alert_time = place->time;
    handshake->told.end = place->time;
    handshake->told.end_packet = place->packet;
}

/* The last message of the handshake that is known; the server's answer shows whether it was taken. */
void outcome_finished(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct place *place)
{
    struct handshake *handshake = handshake_untold(connection);
    struct side *side = &connection->side[index];

    if (!handshake || side->finished)
        return;
    side->finished = true;
    handshake->told.end = place->time;
    handshake->told.end_packet = place->packet;
    if (!is_13(connection) && connection->side[!index].finished)
        outcome_tell(connection, SMTPSCOPE_HANDSHAKE_DONE, index, place->time, place->packet);
}

void outcome_content(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place)
{
    if (handshake_untold(connection) && is_13(connection) && side == SMTPSCOPE_SERVER &&
        connection->side[SMTPSCOPE_CLIENT].finished)
        outcome_tell(connection, SMTPSCOPE_HANDSHAKE_DONE, side, place->time, place->packet);
}

/* What follows on a side that nobody can read is application data, or tickets. */
static void traffic_begins(struct side *side)
{
    if (side->blind)
        side->epoch = EPOCH_TRAFFIC;
}

static void client_finished(struct smtpscope_tls_connection *connection, const struct place *place)
{
    outcome_finished(connection, SMTPSCOPE_CLIENT, place);
    traffic_begins(&connection->side[SMTPSCOPE_CLIENT]);
    traffic_begins(&connection->side[SMTPSCOPE_SERVER]);
}

static void passed_13(struct smtpscope_tls_connection *connection, enum smtpscope_side side, size_t len,
                      const struct place *place)
{
    struct handshake *handshake = handshake_of(connection);
    const struct suite *suite = suite_find(connection->suite);
    size_t overhead = suite_overhead(suite, connection->version), alert = 2 + overhead;
    size_t finished = 4 + (suite ? digest_len((enum digest)suite->digest) : 32) + overhead;
    bool client_done = connection->side[SMTPSCOPE_CLIENT].finished;

    if (side == SMTPSCOPE_CLIENT && !client_done) {
        if (len == alert)
            sealed_alert(connection, side, place);
        else if (len == finished)
            client_finished(connection, place);
        else
            handshake->answered |= len > finished && handshake->early == EARLY_NONE;
    } else if (side == SMTPSCOPE_SERVER && (client_done || handshake->answered)) {
        if (!client_done)
            client_finished(connection, place);
        if (len == alert)
            sealed_alert(connection, side, place);
        else if (!handshake->sealed_alert)
            outcome_content(connection, side, place);
    }
}

void outcome_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type, size_t len,
                    const struct place *place)
{
    if (!handshake_untold(connection))
        return;
    if (is_13(connection))
        passed_13(connection, side, len, place);
    else if (type == CONTENT_ALERT)
        sealed_alert(connection, side, place);
    else if (type == CONTENT_HANDSHAKE)
        outcome_finished(connection, side, place);
}

/* --- the end */

/* Who has the word: the server behind a whole ClientHello, the client behind what the server said, or before its hello is whole. */
static enum smtpscope_side word_of(const struct smtpscope_tls_connection *connection)
{
    const struct handshake *handshake = handshake_of(connection);

    if (!connection->named)
        return SMTPSCOPE_CLIENT;
    return handshake->last_by == SMTPSCOPE_CLIENT ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
}

static bool was_closed(const struct smtpscope_ending *ending)
{
    return ending->why == SMTPSCOPE_CLOSE_FIN || ending->why == SMTPSCOPE_CLOSE_RESET;
}

/* By whom does not matter: whoever had the word did not say any. */
static bool closed_in_silence(const struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    smtpscope_time closed = ending->fin_time ? ending->fin_time : ending->time;

    return closed - handshake_of(connection)->last_time >= SILENCE;
}

/* Had the other side closed before the alert was sent? Then that only says so. */
static bool alert_is_late(const struct handshake *handshake, enum smtpscope_side by, const struct smtpscope_ending *ending)
{
    return was_closed(ending) && ending->by != by && ending->fin_time && ending->fin_time <= handshake->alert_time;
}

/* Did either side say a hello? If not, nobody knows what an alert is about. */
static bool has_hello(const struct handshake *handshake)
{
    return handshake->told.begun || handshake->hello[SMTPSCOPE_CLIENT] || handshake->hello[SMTPSCOPE_SERVER];
}

static void outcome_decide(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    const struct handshake *handshake = handshake_of(connection);
    enum smtpscope_handshake_outcome outcome = SMTPSCOPE_HANDSHAKE_UNKNOWN;
    enum smtpscope_side by = handshake->told.alerted ? handshake->told.alert_by : (enum smtpscope_side)handshake->sealed_by;
    bool alert = handshake->told.alerted || handshake->sealed_alert;

    if (alert && !has_hello(handshake)) {
        outcome = SMTPSCOPE_HANDSHAKE_UNKNOWN;
    } else if (alert && !alert_is_late(handshake, by, ending)) {
        outcome = SMTPSCOPE_HANDSHAKE_REFUSED;
    } else if (connection->side[SMTPSCOPE_CLIENT].finished && !(was_closed(ending) && ending->by == SMTPSCOPE_SERVER)) {
        outcome = SMTPSCOPE_HANDSHAKE_DONE;
    } else if (ending->why == SMTPSCOPE_CLOSE_IDLE || (was_closed(ending) && closed_in_silence(connection, ending))) {
        outcome = SMTPSCOPE_HANDSHAKE_SILENT;
        by = word_of(connection);
    } else if (was_closed(ending) && !connection->gapped) { /* what lacks may be its end */
        outcome = SMTPSCOPE_HANDSHAKE_ABANDONED;
        by = handshake->notified ? (enum smtpscope_side)handshake->notified_by : ending->by;
    }
    outcome_tell(connection, outcome, by, ending->time, ending->packet);
}

static enum smtpscope_decrypted how_decrypted(const struct smtpscope_tls_connection *connection)
{
    const struct side *sides = connection->side;
    struct smtpscope_keys_stats stats;
    bool traffic = sides[0].epoch == EPOCH_TRAFFIC || sides[1].epoch == EPOCH_TRAFFIC;

    if (!connection->tls->config.keys)
        return SMTPSCOPE_DECRYPTED_NOT;
    if (connection->open)
        return connection->lost || sides[0].blind || sides[1].blind ? SMTPSCOPE_DECRYPTED_PARTLY : SMTPSCOPE_DECRYPTED_YES;
    if (connection->wrong_keys)
        return SMTPSCOPE_DECRYPTED_WRONG_KEYS;
    smtpscope_keys_stats(connection->tls->config.keys, &stats);
    if (!stats.secrets) /* nobody gave any */
        return SMTPSCOPE_DECRYPTED_NOT;
    return connection->no_keys && (traffic || !connection->named) ? SMTPSCOPE_DECRYPTED_NO_KEYS : SMTPSCOPE_DECRYPTED_NOT;
}

void outcome_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    struct smtpscope_tls_end end = {.decrypted = how_decrypted(connection),
                                    .unnamed = !connection->named,
                                    .records = {connection->side[0].records, connection->side[1].records},
                                    .wrong_time = busy_of(connection)->wrong_time,
                                    .wrong_packet = busy_of(connection)->wrong_packet};

    if (handshake_untold(connection))
        outcome_decide(connection, ending);
    inference_close(connection, ending);
    end.closed_at_once = inference_closed_at_once(connection, ending);
    fact_tell(connection, &(struct smtpscope_fact){
                              .type = SMTPSCOPE_FACT_TLS_END, .time = ending->time, .packet = ending->packet, .tls_end = &end});
}
