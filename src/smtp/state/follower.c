/* SPDX-License-Identifier: BSD-2-Clause */
/* What all that follow a session share. */
#include "follower.h"

#include "base/memory.h"

const struct session_extra extra_none;

struct session_extra *extra_need(struct smtpscope_session *session)
{
    if (!session->extra)
        session->extra = memory_new(session->config->allocator, sizeof *session->extra);
    return session->extra;
}

void fact_tell(struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    session->config->fact(session->config->ctx, session, fact);
}

void client_enter(struct smtpscope_session *session, enum client_mode mode)
{
    session->client = (uint8_t)mode;
}

bool side_is_opaque(const struct smtpscope_session *session, enum smtpscope_side side)
{
    return side == SMTPSCOPE_CLIENT ? session->client == CLIENT_OPAQUE : session->server == SERVER_OPAQUE;
}

void side_opaque(struct smtpscope_session *session, enum smtpscope_side side, uint64_t offset)
{
    if (side == SMTPSCOPE_CLIENT)
        client_enter(session, CLIENT_OPAQUE);
    else
        session->server = SERVER_OPAQUE;
    session->next[side] = offset;
}

void opaque_tell(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin)
{
    if (session->config->inside_tls)
        session->config->inside_tls(session->config->ctx, session,
                                    &(struct smtpscope_octets){.side = side,
                                                               .data = (const uint8_t *)data,
                                                               .len = len,
                                                               .offset = origin->offset,
                                                               .acked = origin->acked,
                                                               .time = origin->time,
                                                               .packet = origin->packet});
}

#define IMPLICIT_TLS_PORT 465

bool is_implicit_tls(const struct smtpscope_session *session)
{
    return !session->any_verb && !session->greeted && session->flow->side[SMTPSCOPE_SERVER].port == IMPLICIT_TLS_PORT;
}

uint32_t name_hash(const struct smtpscope_text *name)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < name->len; i++)
        hash = (hash ^ (uint8_t)(name->at[i] >= 'A' && name->at[i] <= 'Z' ? name->at[i] | 0x20 : name->at[i])) *
               0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}
