/* SPDX-License-Identifier: BSD-2-Clause */
/* Another protocol where SMTP was looked for: the first line of either side shows it. */
#include "alien.h"

#include "smtp/syntax/command.h"

static const char *alien_name_of(const struct smtpscope_session *session, enum smtpscope_alien alien, const char *line,
                                 size_t len)
{
    const char *name = NULL;

    if (alien == SMTPSCOPE_ALIEN_BINARY && session->config->name_protocol)
        name = session->config->name_protocol(session->config->ctx, (const uint8_t *)line, len);
    return name ? name : smtpscope_alien_name(alien);
}

void alien_check_line(struct smtpscope_session *session, const struct octet_origin *origin, const char *line, size_t len)
{
    enum smtpscope_alien alien;

    if (session->any_verb || session->alien || session->flow->midstream || session->smuggled)
        return;
    alien = alien_of(line, len);
    if (alien == SMTPSCOPE_ALIEN_NONE)
        return;
    session->alien = (uint8_t)alien;
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_ALIEN,
                                                .time = origin->time,
                                                .packet = origin->packet,
                                                .alien = alien,
                                                .alien_side = SMTPSCOPE_CLIENT,
                                                .alien_name = alien_name_of(session, alien, line, len)});
}

/* A server of another protocol, on the port of mail. */
void alien_check_greeting(struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    enum smtpscope_alien alien = alien_of_greeting(reply->text.at, reply->text.len, reply->code);

    if (alien == SMTPSCOPE_ALIEN_NONE || session->alien || session->flow->midstream)
        return;
    session->alien = (uint8_t)alien;
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_ALIEN,
                                                .time = reply->time,
                                                .packet = reply->packet,
                                                .alien = alien,
                                                .alien_side = SMTPSCOPE_SERVER,
                                                .alien_name = smtpscope_alien_name(alien)});
}
