/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's octets -> replies.
 *
 *   Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF          RFC 5321 4.2
 *   textstring may begin with an enhanced code: class "." subject "." detail                        RFC 2034 4
 *
 * A single line that came whole is read in place; the lines of a longer reply are joined in a buffer that grows to its bound.
 */
#include "server.h"

#include "client.h"
#include "pairing.h"
#include "resync.h"
#include "smtp/state/follower.h"
#include "smtp/state/held_octets.h"
#include "smtp/state/queue.h"
#include "smtp/syntax/octets.h"
#include "start.h"

#include "base/memory.h"

#define REPLY_LINE_MAX 512
/* Enough for the reply of most servers to EHLO. */
#define REPLY_TEXT_USUAL 384

struct reply_lines {
    struct smtpscope_reply reply; /* its texts are set when it is complete */
    uint64_t acked;
    size_t first, len, capacity; /* of `text`: the octets of the first line, of all, and the room */
    char text[];
};

bool is_reply_line(const char *line, size_t len)
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

/* One line without its end. `code` 0: it is no reply line. */
struct line {
    const char *text;
    size_t len;
    uint32_t oddities; /* enum smtpscope_reply_oddity */
    uint16_t code;
    bool last;
    struct smtpscope_enhanced enhanced;
};

/* Reads an enhanced code at the start of the text, which then begins behind it and its space. */
static void enhanced_read(struct line *line)
{
    const char *at = line->text;
    uint16_t subject, detail;
    size_t len = line->len, used = 2, digits;

    if (len < 5 || at[1] != '.' || (at[0] != '2' && at[0] != '4' && at[0] != '5'))
        return;
    if (!(digits = number_read(at + used, len - used, &subject)) || used + digits >= len || at[used + digits] != '.')
        return;
    used += digits + 1;
    if (!(digits = number_read(at + used, len - used, &detail)))
        return;
    used += digits;
    if (used < len && at[used] != ' ' && at[used] != '\t')
        return;
    line->enhanced.klass = (uint8_t)(at[0] - '0');
    line->enhanced.subject = subject;
    line->enhanced.detail = detail;
    used += used < len;
    line->text += used;
    line->len -= used;
}

static void line_parse(struct line *line, const char *at, size_t len)
{
    size_t skip = len > 3 ? 4 : len;

    line->last = true;
    line->text = at;
    line->len = len;
    if (len < 3 || !is_digit(at[0]) || !is_digit(at[1]) || !is_digit(at[2])) {
        line->oddities |= SMTPSCOPE_REPLY_MALFORMED;
        return;
    }
    if (!is_reply_line(at, len))
        line->oddities |= SMTPSCOPE_REPLY_MALFORMED;
    line->code = (uint16_t)((at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0'));
    line->last = len == 3 || at[3] != '-';
    line->text += skip;
    line->len -= skip;
    enhanced_read(line);
}

/* Room for `len` octets of text in all. Where there is none they are cut, and no text is shown: what is cut is not redacted. */
static struct reply_lines *lines_reserve(struct smtpscope_session *session, size_t len)
{
    struct reply_lines *lines = session->reply, *grown;
    size_t capacity = lines->capacity * 2;

    if (len <= lines->capacity || lines->capacity == SMTPSCOPE_REPLY_TEXT_MAX)
        return lines;
    while (capacity < len)
        capacity *= 2;
    if (capacity > SMTPSCOPE_REPLY_TEXT_MAX)
        capacity = SMTPSCOPE_REPLY_TEXT_MAX;
    grown = memory_resize(session->config->allocator, lines, sizeof *lines + capacity);
    if (!grown) {
        session->secrets_lost = true;
        return lines;
    }
    grown->capacity = capacity;
    return session->reply = grown;
}

static void lines_append(struct smtpscope_session *session, const char *text, size_t len)
{
    struct reply_lines *lines = lines_reserve(session, session->reply->len + 1 + len);
    size_t room = lines->capacity - lines->len, take;

    if (lines->reply.lines && room) {
        lines->text[lines->len++] = '\n';
        room--;
    }
    take = len < room ? len : room;
    memcpy(lines->text + lines->len, text, take);
    if (!lines->reply.lines)
        lines->first = take;
    lines->len += take;
    lines->reply.lines++;
}

static void lines_finish(struct smtpscope_session *session)
{
    struct reply_lines *lines = session->reply;

    session->reply = NULL;
    lines->reply.text = (struct smtpscope_text){lines->text, lines->len};
    lines->reply.first = (struct smtpscope_text){lines->text, lines->first};
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

/* A line of a reply that is being read: what it says of the whole. */
static void lines_continue(struct smtpscope_session *session, const struct line *line, uint64_t end,
                           const struct octet_origin *origin)
{
    struct smtpscope_reply *reply = &session->reply->reply;

    reply->oddities |= line->oddities;
    reply->end = end;
    reply->time = origin->time;
    reply->packet = origin->packet;
    if (line->code && line->code != reply->code) {
        /* Not RFC: lines that differ in code. Clients go by the last one, so do we. */
        reply->oddities |= SMTPSCOPE_REPLY_CODE_CHANGES;
        reply->code = line->code;
    }
    lines_append(session, line->text, line->len);
    if (line->code && line->last)
        lines_finish(session);
}

static void lines_begin(struct smtpscope_session *session, const struct line *line, const struct smtpscope_reply *reply,
                        uint64_t acked)
{
    struct reply_lines *lines = memory_resize(session->config->allocator, NULL, sizeof *lines + REPLY_TEXT_USUAL);

    if (!lines) {
        session->secrets_lost = true;
        return;
    }
    lines->reply = *reply;
    lines->acked = acked;
    lines->len = 0;
    lines->capacity = REPLY_TEXT_USUAL;
    session->reply = lines;
    lines_append(session, line->text, line->len);
}

/* The first line of a reply, most often the only one. */
static void reply_begin(struct smtpscope_session *session, const struct line *line, uint64_t end,
                        const struct octet_origin *origin)
{
    struct smtpscope_reply reply = {
        .code = line->code,
        .enhanced = line->enhanced,
        .oddities = line->oddities,
        .offset = origin->offset,
        .end = end,
        .acked = origin->acked,
        .time = origin->time,
        .packet = origin->packet,
    };

    if (line->code && !line->last) {
        lines_begin(session, line, &reply, origin->acked);
        return;
    }
    reply.lines = 1;
    reply.text = reply.first = (struct smtpscope_text){line->text, line->len};
    reply_arrived(session, &reply, origin->acked);
}

static void server_line(struct smtpscope_session *session, const char *at, size_t len, uint64_t total,
                        const struct octet_origin *origin)
{
    struct line line = {0};

    if (total > REPLY_LINE_MAX)
        line.oddities |= SMTPSCOPE_REPLY_TOO_LONG;
    if (len && at[len - 1] == '\n') {
        len--;
        if (len && at[len - 1] == '\r')
            len--;
        else
            line.oddities |= SMTPSCOPE_REPLY_BARE_LF;
    } else if (len == total) {
        line.oddities |= SMTPSCOPE_REPLY_UNFINISHED;
    }
    if (session->resync) {
        session->resync = false;
        if (!is_reply_line(at, len))
            return; /* the rest of a line whose beginning is lost */
    }
    line_parse(&line, at, len);
    if (!line.oddities)
        start_anchor(session);
    /* postscreen leaves its teaser unfinished when the client talks early: what follows is another reply. */
    if (session->reply && !session->greeted && line.code && line.code != session->reply->reply.code)
        lines_unfinished(session);
    if (session->reply)
        lines_continue(session, &line, origin->offset + total, origin);
    else
        reply_begin(session, &line, origin->offset + total, origin);
}

/*
 * Lines in the middle of a reply, as most of EHLO's are: the reply's code and a hyphen, then no enhanced code, a line end as it
 * should be. Takes as many as are there whole and returns their octets; all others are for server_line().
 */
static size_t take_middle(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    uint16_t code = session->reply->reply.code;
    const char prefix[4] = {(char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10), '-'};
    const char *at = data, *end = data + len, *lf;

    while (end - at > (ptrdiff_t)sizeof prefix + 2 && !memcmp(at, prefix, sizeof prefix) && at[sizeof prefix + 1] != '.' &&
           (lf = memchr(at, '\n', (size_t)(end - at))) && lf - at < REPLY_LINE_MAX && lf[-1] == '\r') {
        lines_append(session, at + sizeof prefix, (size_t)(lf - at) - sizeof prefix - 1);
        at = lf + 1;
    }
    if (at > data) {
        session->reply->reply.end = origin->offset + (uint64_t)(at - data);
        session->reply->reply.time = origin->time;
        session->reply->reply.packet = origin->packet;
    }
    return (size_t)(at - data);
}

static bool is_tls(char octet)
{
    /* RFC 8446 5.1: change_cipher_spec, alert, handshake, application_data */
    return octet >= 0x14 && octet <= 0x17;
}

/* The STARTTLS was not captured, its 220 was: a TLS record of some version behind it. */
static bool tls_follows(const struct smtpscope_session *session, const char *data, size_t len)
{
    return session->last_was_220 && session->greeted && is_tls(data[0]) && (len < 2 || data[1] == 3);
}

/* Behind the 220 to STARTTLS nothing may come but TLS. */
static size_t take_tls(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    if (is_tls(*data) || (extra_of(session)->lost[SMTPSCOPE_SERVER] && octets_are_binary(data, len))) {
        side_opaque(session, SMTPSCOPE_SERVER, origin->offset);
        return 0;
    }
    /* RFC 3207 4: when the handshake fails, the server may say so in clear; nobody gains by an error that is not its own. */
    if (!session->injected && (*data == '4' || *data == '5')) {
        session->server = SERVER_REPLIES;
        return 0;
    }
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_TLS,
                                                .time = origin->time,
                                                .packet = origin->packet,
                                                .tls = SMTPSCOPE_TLS_RESPONSE_INJECTION});
    session->injected = true;
    return len;
}

static size_t server_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    size_t used;

    switch ((enum server_mode)session->server) {
    case SERVER_REPLIES:
        if (!line_of(session, SMTPSCOPE_SERVER) &&
            ((session->not_followed && is_tls(*data)) || tls_follows(session, data, len) ||
             (record_begins(data, len) && (session->resync || is_implicit_tls(session))))) {
            side_opaque(session, SMTPSCOPE_SERVER, origin->offset); /* not_followed: an alert, the server did expect TLS */
            return 0;
        }
        if (session->reply && !line_of(session, SMTPSCOPE_SERVER) && (used = take_middle(session, data, len, origin)))
            return used;
        return line_take(session, SMTPSCOPE_SERVER, data, len, origin, server_line);
    case SERVER_TLS_WAIT: return take_tls(session, data, len, origin);
    case SERVER_OPAQUE: opaque_tell(session, SMTPSCOPE_SERVER, data, len, origin); return len;
    }
    return len;
}

void server_octets(struct smtpscope_session *session, const char *data, size_t len, struct octet_origin origin)
{
    while (len) {
        size_t used = server_take(session, data, len, &origin);

        data += used;
        len -= used;
        origin.offset += used;
    }
}

/* What is there of a reply when the rest is lost. */
static void server_flush(struct smtpscope_session *session)
{
    struct held_octets *line = line_release(session, SMTPSCOPE_SERVER);

    if (line && is_reply_line(line->at, line->len < 4 ? line->len : 4))
        server_line(session, line->at, line->len, line->total, &line->origin);
    if (line)
        held_free(session, &line);
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
