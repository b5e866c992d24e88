/* SPDX-License-Identifier: BSD-2-Clause */
/* A session as a dialogue, a message as a line. */
#include "base/gettext.h"
#include "output/format.h"
#include "output/text.h"

static enum paint reply_paint(unsigned code)
{
    if (code >= 500)
        return PAINT_RED;
    return code >= 400 ? PAINT_YELLOW : PAINT_PLAIN;
}

static void session_heading(const struct layout *layout, const struct packet_numbering *numbering,
                            const struct smtpscope_flow *flow)
{
    struct writer *writer = layout->writer;

    layout_paint(layout, PAINT_BOLD);
    writer_format(writer, _("Session %llu"), (unsigned long long)flow->first_packet);
    layout_paint(layout, PAINT_PLAIN);
    writer_string(writer, "  ");
    format_time(writer, flow->first_time, ' ', 3);
    writer_string(writer, "  ");
    format_endpoint(writer, &flow->side[SMTPSCOPE_CLIENT]);
    writer_string(writer, " -> ");
    format_endpoint(writer, &flow->side[SMTPSCOPE_SERVER]);
    if (numbering->room > 1) {
        text_packet(layout, "  ", numbering, flow->first_packet);
    }
    writer_char(writer, '\n');
    if (flow->midstream)
        writer_format(writer, "  [%s]\n", _("the capture began in the middle of this session"));
}

/* A part of a line, if there is any, behind `before`. */
static void session_text(const struct layout *layout, const char *before, struct smtpscope_text text)
{
    if (!text.len)
        return;
    writer_string(layout->writer, before);
    writer_escaped(layout->writer, text.at, text.len, ESCAPE_TERMINAL);
}

static void session_command(const struct layout *layout, const struct transcript *transcript,
                            const struct transcript_exchange *exchange)
{
    struct smtpscope_text command = transcript_text(transcript, exchange->command);

    if (!command.len)
        return;
    session_text(layout, "           C: ", command);
    session_text(layout, " ", transcript_text(transcript, exchange->argument));
    writer_char(layout->writer, '\n');
}

/* The packet, and all lines of the reply, as they were on the wire but for what the parser took out of them and we put back. */
static void session_reply(const struct layout *layout, const struct packet_numbering *numbering,
                          const struct transcript *transcript, const struct transcript_exchange *exchange)
{
    uint64_t number = 0;
    bool found = packet_numbering_find(numbering, exchange->packet, &number) != NULL, begun = false;
    struct smtpscope_text text = transcript_text(transcript, exchange->reply), first;
    bool more;

    layout_paint(layout, reply_paint(exchange->code));
    do {
        first = format_first_line(text);
        more = first.len < text.len;
        if (found && !begun)
            writer_format(layout->writer, "%9llu  S: ", (unsigned long long)number);
        else
            writer_string(layout->writer, "           S: ");
        begun = true;
        text_code(layout->writer, exchange->code, more ? '-' : ' ', &exchange->enhanced);
        writer_escaped(layout->writer, first.at, first.len, ESCAPE_TERMINAL);
        if (!more && reply_paint(exchange->code) != PAINT_PLAIN)
            layout_paint(layout, PAINT_PLAIN);
        writer_char(layout->writer, '\n');
        text.at += first.len + more;
        text.len -= first.len + more;
    } while (more);
}

static void session_gap(const struct layout *layout, const struct transcript_gap *gap)
{
    unsigned long len = (unsigned long)gap->len;

    writer_string(layout->writer, "  [");
    writer_format(layout->writer,
                  gap->side == SMTPSCOPE_CLIENT ? ngettext("%llu octet of the client is missing in the capture",
                                                           "%llu octets of the client are missing in the capture", len)
                                                : ngettext("%llu octet of the server is missing in the capture",
                                                           "%llu octets of the server are missing in the capture", len),
                  (unsigned long long)gap->len);
    writer_string(layout->writer, "]\n");
}

/* What was said inside TLS stands among the rest; what was not is said here. NULL: nothing is missing. */
static const char *unseen_words(const struct transcript_tls *tls)
{
    switch (tls->ended ? tls->end.decrypted : SMTPSCOPE_DECRYPTED_NOT) {
    case SMTPSCOPE_DECRYPTED_YES: return NULL;
    case SMTPSCOPE_DECRYPTED_PARTLY: return _("a part of what follows could not be read");
    case SMTPSCOPE_DECRYPTED_NO_KEYS: return _("what follows cannot be seen: its keys are not in the key log");
    case SMTPSCOPE_DECRYPTED_WRONG_KEYS: return _("what follows cannot be seen: the keys in the key log do not open it");
    case SMTPSCOPE_DECRYPTED_NOT: break;
    }
    return _("what follows cannot be seen");
}

static void session_proxy(const struct layout *layout, const struct smtpscope_proxy *proxy)
{
    if (!proxy->version)
        return;
    writer_format(layout->writer, _("  [PROXY header, version %u"), proxy->version);
    if (proxy->has_client) {
        writer_string(layout->writer, ": ");
        format_endpoint(layout->writer, &proxy->client);
    }
    writer_string(layout->writer, "]\n");
}

static void session_tls(const struct layout *layout, const struct transcript_tls *tls)
{
    const char *unseen = unseen_words(tls), *version = smtpscope_tls_version_name(tls->told.version),
               *cipher = smtpscope_tls_cipher_name(tls->told.cipher);

    if (tls->by_capture)
        writer_format(layout->writer, "  [%s]\n", _("TLS from here, decrypted before it was captured"));
    if (!tls->started)
        return;
    writer_format(layout->writer, "  [%s", _("TLS from here"));
    if (version)
        writer_format(layout->writer, ", %s", version);
    if (cipher)
        writer_format(layout->writer, ", %s", cipher);
    if (unseen)
        writer_format(layout->writer, ": %s", unseen);
    writer_string(layout->writer, "]\n");
}

/* A guess, and how often such guesses are right. */
static void session_inferred(const struct layout *layout, const struct transcript_inferred *inferred)
{
    const struct smtpscope_inferred *told = &inferred->told;

    writer_string(layout->writer, "  [");
    if (told->sent)
        writer_format(layout->writer, _("by its sizes a message of about %lu octets was sent"), (unsigned long)told->octets);
    else
        writer_string(layout->writer, _("by its sizes a transaction without a message, so it was deferred or refused"));
    if (told->outcome == SMTPSCOPE_INFERRED_ACCEPTED)
        writer_format(layout->writer, ", %s", _("and perhaps accepted"));
    if (inferred->retry_of)
        writer_format(layout->writer, ", %s", _("most likely one that was tried before"));
    writer_format(layout->writer, " (%u %%)]\n", told->percent);
}

static void session_injections(const struct layout *layout, const struct transcript_tls *tls)
{
    if (tls->command_injection)
        writer_format(layout->writer, "  [%s]\n", _("the client sent commands in clear behind STARTTLS"));
    if (tls->response_injection)
        writer_format(layout->writer, "  [%s]\n", _("the server sent replies in clear behind the 220 to STARTTLS"));
}

static const char *close_words(enum smtpscope_close close)
{
    static const char *const words[] = {
        [SMTPSCOPE_CLOSE_FIN] = N_("closed"),
        [SMTPSCOPE_CLOSE_RESET] = N_("reset"),
        [SMTPSCOPE_CLOSE_IDLE] = N_("fell silent"),
        [SMTPSCOPE_CLOSE_END] = N_("the capture ended first"),
        [SMTPSCOPE_CLOSE_REUSED] = N_("a new connection took the same ports"),
        [SMTPSCOPE_CLOSE_EVICTED] = N_("no longer followed: this program's limit"),
    };

    return _(words[close]);
}

static void session_end(const struct layout *layout, const struct smtpscope_flow *flow, const struct transcript *transcript)
{
    enum smtpscope_close why = transcript->ending.why;
    smtpscope_time lasted = transcript->ending.time - flow->first_time;

    writer_format(layout->writer, "  -- %s", close_words(why));
    if (why == SMTPSCOPE_CLOSE_FIN || why == SMTPSCOPE_CLOSE_RESET)
        writer_format(layout->writer, " %s",
                      transcript->ending.by == SMTPSCOPE_CLIENT ? _("by the client") : _("by the server"));
    if (!transcript->quit_sent)
        writer_format(layout->writer, ", %s", _("without QUIT"));
    writer_format(layout->writer, _(", after %.3f s\n\n"), (double)lasted / (double)SMTPSCOPE_SECOND);
}

void text_session(const struct layout *layout, const struct packet_numbering *numbering, const struct smtpscope_flow *flow,
                  const struct transcript *transcript)
{
    size_t gap = 0;

    session_heading(layout, numbering, flow);
    session_proxy(layout, &transcript->proxy);
    for (size_t i = 0; i < transcript->exchange_count; i++) {
        if (transcript->tls.before == i)
            session_tls(layout, &transcript->tls);
        for (; gap < transcript->gap_count && transcript->gaps[gap].before <= i; gap++)
            session_gap(layout, &transcript->gaps[gap]);
        session_command(layout, transcript, &transcript->exchanges[i]);
        if (transcript->exchanges[i].answered)
            session_reply(layout, numbering, transcript, &transcript->exchanges[i]);
        else
            writer_format(layout->writer, "              [%s]\n", _("no reply"));
    }
    for (; gap < transcript->gap_count; gap++)
        session_gap(layout, &transcript->gaps[gap]);
    if (transcript->tls.before >= transcript->exchange_count)
        session_tls(layout, &transcript->tls);
    for (size_t i = 0; i < transcript->inferred_count; i++)
        session_inferred(layout, &transcript->inferred[i]);
    session_injections(layout, &transcript->tls);
    if (transcript->omitted)
        writer_format(layout->writer,
                      ngettext("  [%llu more exchange is not kept]\n", "  [%llu more exchanges are not kept]\n",
                               (unsigned long)transcript->omitted),
                      (unsigned long long)transcript->omitted);
    session_end(layout, flow, transcript);
}

static enum paint outcome_paint(enum smtpscope_outcome outcome)
{
    static const enum paint paints[SUMMARY_OUTCOMES] = {
        [SMTPSCOPE_OUTCOME_ACCEPTED] = PAINT_GREEN, [SMTPSCOPE_OUTCOME_DEFERRED] = PAINT_YELLOW,
        [SMTPSCOPE_OUTCOME_REFUSED] = PAINT_RED,    [SMTPSCOPE_OUTCOME_LOST] = PAINT_RED,
        [SMTPSCOPE_OUTCOME_UNKNOWN] = PAINT_YELLOW, [SMTPSCOPE_OUTCOME_GIVEN_UP] = PAINT_FAINT,
    };

    return paints[outcome];
}

static const char *outcome_words(enum smtpscope_outcome outcome)
{
    static const char *const words[SUMMARY_OUTCOMES] = {
        [SMTPSCOPE_OUTCOME_ACCEPTED] = N_("accepted"), [SMTPSCOPE_OUTCOME_DEFERRED] = N_("deferred"),
        [SMTPSCOPE_OUTCOME_REFUSED] = N_("refused"),   [SMTPSCOPE_OUTCOME_LOST] = N_("lost"),
        [SMTPSCOPE_OUTCOME_UNKNOWN] = N_("unknown"),   [SMTPSCOPE_OUTCOME_GIVEN_UP] = N_("given up"),
    };

    return _(words[outcome]);
}

static void message_recipient(const struct layout *layout, const struct smtpscope_recipient *recipient)
{
    writer_char(layout->writer, '<');
    writer_escaped(layout->writer, recipient->path.at, recipient->path.len, ESCAPE_TERMINAL);
    writer_char(layout->writer, '>');
    if (recipient->outcome == SMTPSCOPE_OUTCOME_ACCEPTED)
        return;
    writer_string(layout->writer, " (");
    layout_painted(layout, outcome_paint(recipient->outcome), outcome_words(recipient->outcome));
    if (recipient->code)
        writer_format(layout->writer, " %03u", recipient->code);
    writer_char(layout->writer, ')');
}

/* What was sent, or how far it got. */
static void message_content(struct writer *writer, const struct delivery *delivery, const struct smtpscope_flow *flow)
{
    static const char *const stages[] = {[DELIVERY_MAIL] = "MAIL", [DELIVERY_RCPT] = "RCPT", [DELIVERY_DATA] = "DATA"};
    const struct smtpscope_message *message = delivery->message;

    if (!message->sent)
        writer_format(writer, _("  not sent: it ended at %s, session %llu"), stages[delivery->stage],
                      (unsigned long long)flow->first_packet);
    else
        writer_format(
            writer,
            ngettext("  %llu octet by %s, session %llu", "  %llu octets by %s, session %llu", (unsigned long)message->size),
            (unsigned long long)message->size, message->bdat ? "BDAT" : "DATA", (unsigned long long)flow->first_packet);
}

/* The server's words to what did not go well, each line of them. */
static void message_reply(const struct layout *layout, const struct delivery *delivery)
{
    struct smtpscope_text lines = delivery->reply, first;

    for (bool begun = false; lines.len; begun = true) {
        first = format_first_line(lines);
        writer_string(layout->writer, begun ? "         " : "      S: ");
        if (!begun)
            text_code(layout->writer, delivery->code, ' ', &delivery->enhanced);
        writer_escaped(layout->writer, first.at, first.len, ESCAPE_TERMINAL);
        writer_char(layout->writer, '\n');
        first.len += first.len < lines.len;
        lines.at += first.len;
        lines.len -= first.len;
    }
}

void text_message(const struct layout *layout, const struct packet_numbering *numbering, const struct smtpscope_flow *flow,
                  const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    struct writer *writer = layout->writer;
    size_t unnamed = message->recipient_total - message->recipient_count;

    format_time(writer, message->time, ' ', 3);
    writer_string(writer, "  ");
    layout_painted(layout, outcome_paint(delivery->outcome), outcome_words(delivery->outcome));
    if (delivery->code)
        writer_format(writer, " %03u", delivery->code);
    writer_string(writer, "  <");
    writer_escaped(writer, message->mail_from.at, message->mail_from.len, ESCAPE_TERMINAL);
    writer_string(writer, "> -> ");
    for (size_t i = 0; i < message->recipient_count; i++) {
        writer_string(writer, i ? ", " : "");
        message_recipient(layout, &message->recipients[i]);
    }
    if (unnamed)
        writer_format(writer, ngettext(", %llu more", ", %llu more", (unsigned long)unnamed), (unsigned long long)unnamed);
    message_content(writer, delivery, flow);
    text_packet(layout, ", ", numbering, message->packet);
    if (delivery->queue_id.len) {
        writer_string(writer, _(", queued as "));
        writer_escaped(writer, delivery->queue_id.at, delivery->queue_id.len, ESCAPE_TERMINAL);
    }
    writer_char(writer, '\n');
    if (delivery->outcome != SMTPSCOPE_OUTCOME_ACCEPTED)
        message_reply(layout, delivery);
}
