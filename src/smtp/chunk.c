/* SPDX-License-Identifier: BSD-2-Clause */
/* The octets of a BDAT chunk (RFC 3030 2): counted, not read, unless its command was refused. */
#include "chunk.h"

#include "client.h"
#include "resync.h"
#include "smtp/state/follower.h"
#include "smtp/state/queue.h"
#include "smtp/syntax/command.h"

#include <string.h>

uint64_t chunk_sent(const struct smtpscope_session *session, const struct smtpscope_command *bdat)
{
    return bdat->declared_size - (extra_of(session)->bdat_offset == bdat->offset ? extra_of(session)->bdat_left : 0);
}

/* A blob is complete: it has a reply of its own. */
static void blob_end(struct smtpscope_session *session, const struct octet_origin *origin)
{
    struct smtpscope_command blob = {.verb = SMTPSCOPE_VERB_BLOB,
                                     .offset = origin->offset,
                                     .acked = origin->acked,
                                     .time = origin->time,
                                     .packet = origin->packet};

    queue_push(session, &blob);
}

/* Octets of a chunk: counted, not read. */
size_t chunk_count(struct smtpscope_session *session, size_t len, const struct octet_origin *origin)
{
    size_t take = len < session->extra->bdat_left ? len : (size_t)session->extra->bdat_left;
    struct octet_origin last = *origin;

    session->extra->bdat_left -= take;
    if (session->extra->bdat_left)
        return take;
    last.offset += take ? take - 1 : 0;
    if (session->client == CLIENT_BLOB)
        blob_end(session, &last);
    client_enter(session, CLIENT_COMMANDS);
    return take;
}

void chunk_decide(struct smtpscope_session *session)
{
    struct held_octets *line = line_of(session, SMTPSCOPE_CLIENT);

    if (session->client != CLIENT_BDAT || !session->extra->bdat_refused)
        return;
    session->extra->bdat_refused = false;
    if (!line)
        return;
    session->extra->line[SMTPSCOPE_CLIENT] = NULL;
    if (command_is_known(line->at, line->len)) {
        session->extra->bdat_left = 0;
        client_enter(session, CLIENT_COMMANDS);
    }
    client_octets(session, line->at, line->len, line->origin);
    held_free(session, &line);
}

/*
 * RFC 3030 2: the chunk follows its command, also when that is refused. A client that waited and was refused may leave it
 * out all the same: then a command stands where the chunk would. A line, or as much as tells a verb, decides.
 */
static size_t refused_chunk_take(struct smtpscope_session *session, const char *data, size_t len,
                                 const struct octet_origin *origin)
{
    struct held_octets **held = &session->extra->line[SMTPSCOPE_CLIENT];
    size_t room = RESYNC_OCTETS - (*held ? (*held)->len : 0), take = len < room ? len : room;
    const char *lf = memchr(data, '\n', take);

    if (lf)
        take = (size_t)(lf - data) + 1;
    if (!held_append(session, held, data, take, RESYNC_OCTETS, origin))
        session->extra->bdat_refused = false;
    else if (lf || take == room)
        chunk_decide(session);
    return take;
}

size_t chunk_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    return session->extra->bdat_refused ? refused_chunk_take(session, data, len, origin) : chunk_count(session, len, origin);
}
