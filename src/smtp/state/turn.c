/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 2645 5.2, RFC 821 3.8: behind the 250 to ATRN or TURN the roles are reversed, and the new server greets. All that is kept of
 * a side is kept of a role, so it changes places, and the rest of the session's state is that of a new one.
 */
#include "turn.h"

#include "held_octets.h"
#include "queue.h"
#include "transaction.h"

static void swap(uint64_t pair[2])
{
    uint64_t first = pair[0];

    pair[0] = pair[1];
    pair[1] = first;
}

void session_turn(struct smtpscope_session *session)
{
    bool turned = session->state.turned;

    transaction_abandon(session);
    queue_free(session);
    swap(session->next);
    if (session->extra) {
        swap(session->extra->lost);
        held_free(session, &session->extra->line[0]);
        held_free(session, &session->extra->line[1]);
        held_free(session, &session->extra->hold);
    }
    session->state = (struct smtpscope_state){.turned = !turned};
    client_enter(session, CLIENT_COMMANDS);
    session->server = SERVER_REPLIES;
    session->greeted = session->quit_sent = session->secret = session->last_was_220 = false;
    session->greeting_end = session->name_hash = 0;
}
