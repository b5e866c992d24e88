/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the capture begins within a session, or goes on behind a gap, the octets may be TLS: then its records show at the
 * beginning of a segment, or one behind another. What is no text and shows none may be the middle of a record. It is not judged:
 * it waits for a record's head, or for a reply or a command in clear.
 *
 * The road not taken is to call the first binary octets TLS: a message with 8-bit text would end the session for us.
 */
#include "start.h"

#include "server.h"
#include "smtp/state/state.h"
#include "smtp/syntax/command.h"
#include "smtp/syntax/octets.h"

/* RFC 8446 5.1: type, version and length before each record; 5.2, RFC 5246 6.2.3: up to 2^14 octets and 2048 more. */
#define RECORD_HEAD 5
#define RECORD_MAX (16384 + 2048)
/* One random octet in nine is a control character: so many of them lack one only once in 10^12. */
#define NOISE_SIGHT 256

/* The octets of a record that begins here, with its head; 0: none does. */
static size_t record_len(const char *at, size_t len)
{
    size_t record;

    if (len < RECORD_HEAD || at[0] < 0x14 || at[0] > 0x17 || at[1] != 3 || (unsigned char)at[2] > 4)
        return 0;
    record = (size_t)(unsigned char)at[3] << 8 | (unsigned char)at[4];
    return record && record <= RECORD_MAX ? RECORD_HEAD + record : 0;
}

/* One record's head in the first place, or two of which the first one's length leads to the second, or to the end. */
static bool records_show(const char *data, size_t len)
{
    if (record_len(data, len))
        return true;
    for (size_t at = 1; at + RECORD_HEAD <= len; at++) {
        size_t record = record_len(data + at, len - at);

        if (record && (at + record == len || (at + record < len && record_len(data + at + record, len - at - record))))
            return true;
    }
    return false;
}

static bool is_noise(const char *data, size_t len)
{
    return kinds_of(data, len < NOISE_SIGHT ? len : NOISE_SIGHT) & KIND_CONTROL;
}

static bool speaks_in_clear(enum smtpscope_side side, const char *data, size_t len)
{
    return !is_noise(data, len) && (side == SMTPSCOPE_CLIENT ? command_is_known(data, len) : is_reply_line(data, len));
}

/* May what comes be anything? Not within a line, a reply or a message; nor behind a 220, which is followed by what it granted. */
static bool is_open(const struct smtpscope_session *session, enum smtpscope_side side)
{
    if (side == SMTPSCOPE_SERVER)
        return session->server == SERVER_REPLIES && !session->reply && !session->last_was_220;
    return session->client == CLIENT_RESYNC || client_is_among_commands(session);
}

void start_inside_tls(struct smtpscope_session *session, enum smtpscope_side side, const struct octet_origin *origin)
{
    side_opaque(session, side, origin->offset);
    side_opaque(session, !side, session->next[!side]);
    state_tls(&session->state);
    fact_tell(session,
              &(struct smtpscope_fact){
                  .type = SMTPSCOPE_FACT_TLS, .time = origin->time, .packet = origin->packet, .tls = SMTPSCOPE_TLS_STARTED});
}

bool start_takes(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin)
{
    if (!len || !is_open(session, side))
        return false;
    if (session->noisy ? speaks_in_clear(side, data, len) : !is_noise(data, len)) {
        session->noisy = false;
        return false;
    }
    if (records_show(data, len)) {
        start_inside_tls(session, side, origin);
        return true;
    }
    session->noisy = session->flow->midstream;
    return session->noisy;
}
