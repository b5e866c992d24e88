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

void kept_free(const struct smtpscope_session *session, struct kept **kept)
{
    if (!*kept)
        return;
    memory_free(session->config->allocator, (*kept)->at);
    memory_free(session->config->allocator, *kept);
    *kept = NULL;
}
