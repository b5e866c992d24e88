/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's octets where the capture does not show what they are: enough of a line is collected to tell. */
#include "resync.h"

#include "client.h"
#include "smtp/state/follower.h"
#include "smtp/state/held_octets.h"
#include "smtp/state/queue.h"
#include "smtp/state/transaction.h"
#include "smtp/syntax/command.h"

#include <string.h>

bool tls_begins(const char *data, size_t len)
{
    /* RFC 8446 5.1: handshake (22), legacy version 3.x. A cut record still shows its first octet. */
    return data[0] == 0x16 && (len < 2 || data[1] == 3);
}

/* Content type, version 3.x, and no more than a record may have, RFC 8446 5.1. */
#define TLS_HEAD 5
#define TLS_RECORD_MAX (16384 + 2048)

bool record_begins(const char *data, size_t len)
{
    const unsigned char *at = (const unsigned char *)data;

    return len >= TLS_HEAD && at[0] >= 0x14 && at[0] <= 0x17 && at[1] == 3 && at[2] <= 4 &&
           (at[3] << 8 | at[4]) <= TLS_RECORD_MAX;
}

/* So many octets of a random record are not all of ASCII's text: 2 in 5 are, which makes one in 10^12. */
#define BINARY_SIGHT 32

bool octets_are_binary(const char *data, size_t len)
{
    size_t sight = len < BINARY_SIGHT ? len : BINARY_SIGHT;

    for (size_t i = 0; i < sight; i++)
        if ((unsigned char)data[i] > '~' || ((unsigned char)data[i] < ' ' && !memchr("\t\r\n", data[i], 3)))
            return true;
    return false;
}

/* The last DATA that waits for its reply, or NULL. */
static struct pending *data_waiting(const struct smtpscope_session *session)
{
    struct pending *data = NULL;

    for (struct pending *entry = queue_first(session); entry; entry = pending_next(session->queue, entry))
        if (entry->verb == SMTPSCOPE_VERB_DATA)
            data = entry;
    return data;
}

/* What a line behind a gap, or at a start in midstream, is: TLS, a command of the table, or else the text of a message. */
static void resync_decide(struct smtpscope_session *session, const struct held_octets *line)
{
    bool tls = tls_begins(line->at, line->len) || record_begins(line->at, line->len);
    struct pending *data_command;

    client_enter(session, tls ? CLIENT_TLS_WAIT : CLIENT_COMMANDS);
    if (tls || command_is_known(line->at, line->len) || session->secret)
        return;
    data_command = data_waiting(session);
    if (!data_command && session->queue)
        return;
    while (data_command && queue_first(session) != data_command)
        queue_pop(session);
    if (data_command)
        queue_pop(session);
    maybe_smuggled_end(session, false); /* its tail is not the new message's */
    client_enter(session, CLIENT_DATA);
    if (transaction_need(session)) {
        session->transaction->sent = true;
        session->transaction->offset = line->origin.offset;
        session->transaction->doubtful = true;
        transaction_scan(session);
    }
}

/* Collects enough to guess by, guesses, and reads it again as what it is. */
size_t resync_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf ? (size_t)(lf - data) + 1 : len;
    struct held_octets *line;

    if (!client_keep_line(session, data, take, origin))
        return take;
    line = line_of(session, SMTPSCOPE_CLIENT);
    if (!lf && line->len < RESYNC_OCTETS && !tls_begins(line->at, line->len) && !record_begins(line->at, line->len))
        return take;
    line_release(session, SMTPSCOPE_CLIENT);
    resync_decide(session, line);
    client_octets(session, line->at, line->len, line->origin);
    held_free(session, &line);
    return take;
}
