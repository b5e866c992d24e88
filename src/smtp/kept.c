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
        size_t capacity = to->len + take < 128 ? 128 : (to->len + take) * 2;
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

size_t line_take(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len, const struct place *place,
                 line_reader *reader)
{
    const char *lf = memchr(data, '\n', len);
    size_t take = lf ? (size_t)(lf - data) + 1 : len;
    struct kept **kept = &session->line[side], *line;
    struct place end = *place;
    bool kept_all;

    if (lf && !*kept) {
        reader(session, data, take < LINE_MAX_KEPT ? take : LINE_MAX_KEPT, take, place);
        return take;
    }
    kept_all = side == SMTPSCOPE_CLIENT ? client_keep(session, kept, data, take, LINE_MAX_KEPT, place)
                                        : kept_append(session, kept, data, take, LINE_MAX_KEPT, place);
    /* Without a reply the pairing slips, and with it what is known to be a secret. */
    session->secrets_lost |= !kept_all;
    if (!kept_all || !lf)
        return take;
    line = *kept;
    *kept = NULL;
    end.offset = line->place.offset;
    reader(session, line->at, line->len, line->total, &end);
    kept_free(session, &line);
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
