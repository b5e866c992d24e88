/* SPDX-License-Identifier: BSD-2-Clause */
/* Octets that are kept: the only copies the follower makes. */
#include "session_private.h"

#include "base/memory.h"

bool kept_append(const struct smtpscope_session *session, struct kept **kept, const char *data, size_t len, size_t max,
                 const struct place *place)
{
    const struct smtpscope_allocator *allocator = session->config->allocator;
    struct kept *to = *kept;
    size_t room, take;

    if (!to) {
        if (!(to = *kept = memory_new(allocator, sizeof *to)))
            return false;
        to->place = *place;
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
            kept_free(session, kept);
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

/* The line came in parts, or is not complete yet. */
static void line_join(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len, bool complete,
                      const struct place *place, line_reader *reader)
{
    struct kept *line;
    struct place begin = *place;
    bool kept_all = side == SMTPSCOPE_CLIENT ? client_keep_line(session, data, len, place)
                                             : rare_need(session) && kept_append(session, &session->rare->line[side], data, len,
                                                                                 LINE_MAX_KEPT, place);

    /* Without a reply the pairing slips, and with it what is known to be a secret. */
    session->secrets_lost |= !kept_all;
    if (!kept_all || !complete)
        return;
    line = line_release(session, side);
    begin.offset = line->place.offset;
    reader(session, line->at, line->len, line->total, &begin);
    kept_free(session, &line);
}

size_t line_take(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct place *place, line_reader *reader)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf ? (size_t)(lf - data) + 1 : len;

    if (lf && !line_of(session, side))
        reader(session, data, take < LINE_MAX_KEPT ? take : LINE_MAX_KEPT, take, place);
    else
        line_join(session, side, data, take, lf != NULL, place, reader);
    return take;
}

void kept_free(const struct smtpscope_session *session, struct kept **kept)
{
    if (!*kept)
        return;
    memory_free(session->config->allocator, (*kept)->at);
    memory_free(session->config->allocator, *kept);
    *kept = NULL;
}
