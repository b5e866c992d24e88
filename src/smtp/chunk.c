/* SPDX-License-Identifier: BSD-2-Clause */
/* The octets of a BDAT chunk (RFC 3030 2): counted, not read, unless its command was refused. */
#include "session_private.h"

#include <string.h>

uint64_t chunk_sent(const struct smtpscope_session *session, const struct smtpscope_command *bdat)
{
    return bdat->declared_size - (rare_of(session)->bdat_offset == bdat->offset ? rare_of(session)->bdat_left : 0);
}

/* Octets of a chunk: counted, not read. */
static size_t chunk_count(struct smtpscope_session *session, size_t len)
{
    size_t take = len < session->rare->bdat_left ? len : (size_t)session->rare->bdat_left;

    session->rare->bdat_left -= take;
    if (!session->rare->bdat_left)
        session->client = CLIENT_COMMANDS;
    return take;
}

void chunk_decide(struct smtpscope_session *session)
{
    struct kept *line = line_of(session, SMTPSCOPE_CLIENT);
    size_t len = line ? line->len : 0;

    if (session->client != CLIENT_BDAT || !session->rare->bdat_refused)
        return;
    session->rare->bdat_refused = false;
    if (!line)
        return;
    session->rare->line[SMTPSCOPE_CLIENT] = NULL;
    while (len && (line->at[len - 1] == '\n' || line->at[len - 1] == '\r'))
        len--;
    if (command_is_known(line->at, len)) {
        session->rare->bdat_left = 0;
        session->client = CLIENT_COMMANDS;
    }
    client_octets(session, line->at, line->len, line->place);
    kept_free(session, &line);
}

/*
 * RFC 3030 2: the chunk follows its command, also when that is refused. A client that waited and was refused may leave it
 * out all the same: then a command stands where the chunk would. A line, or as much as tells a verb, decides.
 */
static size_t refused_chunk_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    struct kept **kept = &session->rare->line[SMTPSCOPE_CLIENT];
    size_t room = GUESS_OCTETS - (*kept ? (*kept)->len : 0), take = len < room ? len : room;
    const char *lf = memchr(data, '\n', take);

    if (lf)
        take = (size_t)(lf - data) + 1;
    if (!kept_append(session, kept, data, take, GUESS_OCTETS, place))
        session->rare->bdat_refused = false;
    else if (lf || take == room)
        chunk_decide(session);
    return take;
}

size_t chunk_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    return session->rare->bdat_refused ? refused_chunk_take(session, data, len, place) : chunk_count(session, len);
}
