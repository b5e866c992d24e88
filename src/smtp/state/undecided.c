/* SPDX-License-Identifier: BSD-2-Clause */
#include "undecided.h"

#include "follower.h"

#include "base/memory.h"

#include <string.h>

bool undecided_hold(struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked)
{
    struct undecided *undecided;

    if (!extra_need(session) ||
        !(undecided = memory_resize(session->config->allocator, NULL, sizeof *undecided + reply->text.len)))
        return false;
    undecided->reply = *reply;
    undecided->acked = acked;
    if (reply->text.len)
        memcpy(undecided->text, reply->text.at, reply->text.len);
    undecided->reply.text.at = undecided->reply.first.at = undecided->text;
    session->extra->undecided = undecided;
    return true;
}

struct undecided *undecided_release(struct smtpscope_session *session)
{
    struct undecided *undecided = extra_of(session)->undecided;

    if (undecided)
        session->extra->undecided = NULL;
    return undecided;
}

void undecided_free(struct smtpscope_session *session, struct undecided *undecided)
{
    memory_free(session->config->allocator, undecided);
}
