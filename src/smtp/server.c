/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's octets -> replies.
 *
 *   Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF          RFC 5321 4.2
 *   textstring may begin with an enhanced code: class "." subject "." detail                        RFC 2034 4
 *
 * A single line that came whole is read in place; the lines of a longer reply are joined in a bounded buffer.
 */
#include "session_private.h"

#include "base/memory.h"

#define REPLY_LINE_MAX 512

struct reply_lines {
    struct smtpscope_reply reply;
    uint64_t acked;
    size_t len;
    char text[SMTPSCOPE_REPLY_TEXT_MAX];
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Three digits of a class that exists, and a separator or the end. */
static bool is_reply_line(const char *line, size_t len)
{
    return len >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]) &&
           (len == 3 || line[3] == ' ' || line[3] == '-');
}

static size_t number_read(const char *at, size_t len, uint16_t *value)
{
    size_t used = 0;

    *value = 0;
    while (used < len && used < 3 && is_digit(at[used])) {
        *value = (uint16_t)(*value * 10 + (at[used] - '0'));
        used++;
    }
    return used;
}

/* Reads an enhanced code at the start of the text; returns the octets it takes with the space behind it, or 0. */
static size_t enhanced_read(const char *at, size_t len, struct smtpscope_reply *reply)
{
    uint16_t subject, detail;
    size_t used = 2, digits;

    if (len < 5 || (at[0] != '2' && at[0] != '4' && at[0] != '5') || at[1] != '.')
        return 0;
    if (!(digits = number_read(at + used, len - used, &subject)) || used + digits >= len || at[used + digits] != '.')
        return 0;
    used += digits + 1;
    if (!(digits = number_read(at + used, len - used, &detail)))
        return 0;
    used += digits;
    if (used < len && at[used] != ' ' && at[used] != '\t')
        return 0;
    if (!reply->enhanced_class) {
        reply->enhanced_class = (uint8_t)(at[0] - '0');
        reply->enhanced_subject = subject;
        reply->enhanced_detail = detail;
    }
    return used < len ? used + 1 : used;
}

/* One line without its end. `code` 0: it is no reply line. */
struct line {
    uint16_t code;
    bool last;
    const char *text;
    size_t len;
};

static struct line line_parse(const char *at, size_t len, struct smtpscope_reply *reply)
{
    struct line line = { .last = true, .text = at, .len = len };
    size_t skip = len > 3 ? 4 : len;

    if (len < 3 || !is_digit(at[0]) || !is_digit(at[1]) || !is_digit(at[2])) {
        reply->oddities |= SMTPSCOPE_REPLY_MALFORMED;
        return line;
    }
    if (!is_reply_line(at, len))
        reply->oddities |= SMTPSCOPE_REPLY_MALFORMED;
    line.code = (uint16_t)((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
    line.last = len == 3 || at[3] != '-';
    skip += enhanced_read(at + skip, len - skip, reply);
    line.text = at + skip;
    line.len = len - skip;
    return line;
}

static void lines_append(struct reply_lines *lines, const struct line *line)
{
    size_t room = sizeof lines->text - lines->len, take;

    if (lines->reply.lines && room) {
        lines->text[lines->len++] = '\n';
        room--;
    }
    take = line->len < room ? line->len : room;
    memcpy(lines->text + lines->len, line->text, take);
    if (!lines->reply.lines)
        lines->reply.first = (struct smtpscope_text){ lines->text, take };
    lines->len += take;
    lines->reply.lines++;
    lines->reply.text = (struct smtpscope_text){ lines->text, lines->len };
}

static void lines_finish(struct smtpscope_session *session)
{
    struct reply_lines *lines = session->reply;

    session->reply = NULL;
    reply_arrived(session, &lines->reply, lines->acked);
    memory_free(session->config->allocator, lines);
}

void reply_lines_free(struct smtpscope_session *session)
{
    memory_free(session->config->allocator, session->reply);
    session->reply = NULL;
}

static void lines_unfinished(struct smtpscope_session *session)
{
    if (session->reply) {
        session->reply->reply.oddities |= SMTPSCOPE_REPLY_UNFINISHED;
        lines_finish(session);
    }
}

/* A further line of a reply that is being read. */
static void lines_continue(struct smtpscope_session *session, const struct line *line, const struct smtpscope_reply *meta)
{
    struct reply_lines *lines = session->reply;

    lines->reply.oddities |= meta->oddities;
    lines->reply.end = meta->end;
    lines->reply.time = meta->time;
    lines->reply.packet = meta->packet;
    if (line->code && line->code != lines->reply.code) {
        /* Not RFC: lines that differ in code. Clients go by the last one, so do we. */
        lines->reply.oddities |= SMTPSCOPE_REPLY_CODE_CHANGES;
        lines->reply.code = line->code;
    }
    lines_append(lines, line);
    if (line->code && line->last)
        lines_finish(session);
}

static void lines_begin(struct smtpscope_session *session, const struct line *line, const struct smtpscope_reply *meta,
                        uint64_t acked)
{
    struct reply_lines *lines = memory_resize(session->config->allocator, NULL, sizeof *lines);

    if (!lines) {
        session->secrets_lost = true;
        return;
    }
    lines->reply = *meta;
    lines->acked = acked;
    lines->len = 0;
    session->reply = lines;
    lines_append(lines, line);
}

static void server_line(struct smtpscope_session *session, const char *at, size_t len, uint64_t total, const struct place *place)
{
    struct smtpscope_reply reply = { .offset = place->offset, .end = place->offset + total, .time = place->time, .packet = place->packet };
    struct line line;

    if (total > REPLY_LINE_MAX)
        reply.oddities |= SMTPSCOPE_REPLY_TOO_LONG;
    if (len && at[len - 1] == '\n') {
        len--;
        if (len && at[len - 1] == '\r')
            len--;
        else
            reply.oddities |= SMTPSCOPE_REPLY_BARE_LF;
    }
    if (session->resync) {
        session->resync = false;
        if (!is_reply_line(at, len))
            return; /* the rest of a line whose beginning is lost */
    }
    line = line_parse(at, len, &reply);
    /* postscreen leaves its teaser unfinished when the client talks early: what follows is another reply. */
    if (session->reply && !session->greeted && line.code && line.code != session->reply->reply.code)
        lines_unfinished(session);
    if (session->reply) {
        lines_continue(session, &line, &reply);
        return;
    }
    reply.code = line.code;
    if (line.code && !line.last) {
        lines_begin(session, &line, &reply, place->acked);
        return;
    }
    reply.lines = 1;
    reply.text = reply.first = (struct smtpscope_text){ line.text, line.len };
    reply_arrived(session, &reply, place->acked);
}

static bool is_tls(char octet)
{
    /* RFC 8446 5.1: change_cipher_spec, alert, handshake, application_data */
    return octet >= 0x14 && octet <= 0x17;
}

/* Behind the 220 to STARTTLS nothing may come but TLS. */
static size_t take_tls(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    if (is_tls(*data)) {
        session->server = SERVER_OPAQUE;
        session->clear_end[SMTPSCOPE_SERVER] = place->offset;
        return 0;
    }
    fact_tell(session, &(struct smtpscope_fact){ .type = SMTPSCOPE_FACT_TLS, .time = place->time, .packet = place->packet,
                                                 .tls = SMTPSCOPE_TLS_RESPONSE_INJECTION });
    return len;
}

static size_t server_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place)
{
    switch ((enum server_mode)session->server) {
    case SERVER_REPLIES:
        if (session->not_followed && !session->line[SMTPSCOPE_SERVER] && is_tls(*data)) {
            session->server = SERVER_OPAQUE; /* an alert: the server did expect TLS */
            session->clear_end[SMTPSCOPE_SERVER] = place->offset;
            return 0;
        }
        return line_take(session, SMTPSCOPE_SERVER, data, len, place, server_line);
    case SERVER_TLS_WAIT: return take_tls(session, data, len, place);
    case SERVER_OPAQUE: return len;
    }
    return len;
}

void server_octets(struct smtpscope_session *session, const char *data, size_t len, struct place place)
{
    while (len) {
        size_t used = server_take(session, data, len, &place);

        data += used;
        len -= used;
        place.offset += used;
    }
}

/* What is there of a reply when the rest is lost. */
static void server_flush(struct smtpscope_session *session)
{
    struct kept *line = session->line[SMTPSCOPE_SERVER];

    session->line[SMTPSCOPE_SERVER] = NULL;
    if (line && is_reply_line(line->at, line->len < 4 ? line->len : 4))
        server_line(session, line->at, line->len, line->total, &line->place);
    if (line)
        kept_free(session, &line);
}

void server_gap(struct smtpscope_session *session)
{
    server_flush(session);
    lines_unfinished(session);
    if (session->server == SERVER_OPAQUE || session->server == SERVER_TLS_WAIT)
        return;
    session->resync = true;
    session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
    queue_mark_maybe(session);
    client_resolve_unknown(session);
}

void server_close(struct smtpscope_session *session)
{
    server_flush(session);
    lines_unfinished(session);
}
