/* SPDX-License-Identifier: BSD-2-Clause */
#include "held_octets.h"

#include "follower.h"

#include "base/memory.h"

bool held_append(const struct smtpscope_session *session, struct held_octets **held, const char *data, size_t len, size_t max,
                 const struct octet_origin *origin)
{
    const struct smtpscope_allocator *allocator = session->config->allocator;
    struct held_octets *to = *held;
    size_t room, take;

    if (!to) {
        if (!(to = *held = memory_new(allocator, sizeof *to)))
            return false;
        to->origin = *origin;
        to->smuggled = session->smuggled;
        if (!len)
            return true;
    }
    to->total += len;
    room = to->sealed ? 0 : max - to->len;
    take = len < room ? len : room;
    if (to->len + take > to->capacity) {
        size_t doubled = to->len + take < 128 ? 128 : (to->len + take) * 2, capacity = doubled < max ? doubled : max;
        char *at = memory_resize(allocator, to->at, capacity);

        if (!at) {
            held_free(session, held);
            return false;
        }
        to->at = at;
        to->capacity = capacity;
    }
    if (take)
        memcpy(to->at + to->len, data, take);
    to->len += take;
    return true;
}

void held_free(const struct smtpscope_session *session, struct held_octets **held)
{
    if (!*held)
        return;
    memory_free(session->config->allocator, (*held)->at);
    memory_free(session->config->allocator, *held);
    *held = NULL;
}

/*
 * Without memory what comes next is the rest of a line, and nobody knows whether what was lost was a secret: then no line
 * is taken for more than it says, and no reply's text is shown.
 */
static void client_forget(struct smtpscope_session *session)
{
    session->cut = session->secrets_lost = true;
}

bool client_keep(struct smtpscope_session *session, struct held_octets **held, const char *data, size_t len, size_t max,
                 const struct octet_origin *origin)
{
    if (held_append(session, held, data, len, max, origin))
        return true;
    client_forget(session);
    return false;
}

bool client_keep_line(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    if (extra_need(session))
        return client_keep(session, &session->extra->line[SMTPSCOPE_CLIENT], data, len, LINE_MAX_KEPT, origin);
    client_forget(session);
    return false;
}

bool client_hold(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    if (extra_need(session))
        return client_keep(session, &session->extra->hold, data, len, HOLD_MAX, origin);
    client_forget(session);
    return false;
}

struct held_octets *line_of(const struct smtpscope_session *session, enum smtpscope_side side)
{
    return extra_of(session)->line[side];
}

struct held_octets *line_release(struct smtpscope_session *session, enum smtpscope_side side)
{
    struct held_octets *line = line_of(session, side);

    if (line)
        session->extra->line[side] = NULL;
    return line;
}

/* The line came in parts, or is not complete yet. */
static void line_join(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len, bool complete,
                      const struct octet_origin *origin, line_reader *reader)
{
    struct held_octets *line;
    struct octet_origin begin = *origin;
    bool kept_all = side == SMTPSCOPE_CLIENT ? client_keep_line(session, data, len, origin)
                                             : extra_need(session) && held_append(session, &session->extra->line[side], data,
                                                                                  len, LINE_MAX_KEPT, origin);

    /* Without a reply the pairing slips, and with it what is known to be a secret. */
    session->secrets_lost |= !kept_all;
    if (!kept_all || !complete)
        return;
    line = line_release(session, side);
    begin.offset = line->origin.offset;
    reader(session, line->at, line->len, line->total, &begin);
    held_free(session, &line);
}

size_t line_take(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin, line_reader *reader)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf ? (size_t)(lf - data) + 1 : len;

    if (lf && !line_of(session, side))
        reader(session, data, take < LINE_MAX_KEPT ? take : LINE_MAX_KEPT, take, origin);
    else
        line_join(session, side, data, take, lf != NULL, origin, reader);
    return take;
}
