/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/history/history.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"
#include "output/format.h"
#include "output/json_writer.h"
#include "smtpscope/advice.h"
#include "smtpscope/rule.h"
#include "store/store.h"

/* How a row is written. */
struct listing {
    FILE *out;
    struct writer line;
    uint64_t count;
};

static void listing_end_line(struct listing *listing)
{
    writer_char(&listing->line, '\n');
    fwrite(listing->line.at, 1, listing->line.len, listing->out);
    writer_clear(&listing->line);
    listing->count++;
}

/* "deferral.resolved", or "unknown" where nobody looked. "": nothing is to be said. */
static const char *fate_name(const struct store_fate *fate)
{
    if (!fate->known)
        return "";
    return fate->unseen ? "unknown" : smtpscope_rule_info(fate->rule)->id;
}

/* None is null. */
static void put_known(struct writer *line, const char *key, struct smtpscope_text text)
{
    if (text.len)
        put_member_text(line, key, text);
    else
        put_member_name(line, key, NULL);
}

static void json_mail(void *ctx, const struct store_mail *mail)
{
    struct listing *listing = ctx;
    struct writer *line = &listing->line;

    put_open(line, '{');
    put_key(line, "timestamp");
    writer_char(line, '"');
    format_time(line, mail->time, 'T', 9);
    writer_char(line, '"');
    put_member_name(line, "event_type", "mail");
    put_member_number(line, "session", mail->session);
    put_member_text(line, "src_ip", mail->client);
    put_member_text(line, "dest_ip", mail->server);
    put_member_number(line, "dest_port", mail->port);
    put_known(line, "helo", mail->helo);
    put_member_text(line, "mail_from", mail->sender);
    put_member_text(line, "rcpt", mail->rcpt);
    put_key(line, "size");
    if (mail->has_size)
        put_number(line, mail->size);
    else
        put_null(line);
    put_member_text(line, "outcome", mail->outcome);
    put_member_nonzero(line, "code", mail->code);
    put_known(line, "enhanced", mail->enhanced);
    put_known(line, "reason", mail->reason);
    put_known(line, "text", mail->text);
    put_member_nonempty(line, "fate", fate_name(&mail->fate));
    put_member_name(line, "confidence",
                    mail->fate.known && !mail->fate.unseen ? smtpscope_confidence_name(mail->fate.confidence) : NULL);
    put_known(line, "file", mail->file);
    put_member_nonzero(line, "packet", mail->packet);
    put_close(line, '}');
    listing_end_line(listing);
}

/*
 * A field of RFC 4180. A spreadsheet takes what begins with one of these for a formula, and what comes from the wire is not to
 * compute there: an apostrophe in front makes it text.
 */
static void csv_field(struct writer *line, struct smtpscope_text text)
{
    struct writer shown = {0};

    writer_escaped(&shown, text.at, text.len, ESCAPE_TERMINAL);
    writer_char(line, '"');
    if (shown.len && strchr("=+-@", *shown.at))
        writer_char(line, '\'');
    for (size_t i = 0; i < shown.len; i++) {
        if (shown.at[i] == '"')
            writer_char(line, '"');
        writer_char(line, shown.at[i]);
    }
    writer_char(line, '"');
    writer_fini(&shown);
}

#define CSV_HEADING "time,client,server,port,helo,mail_from,rcpt,size,outcome,code,enhanced,reason,text,fate,file,packet\n"

static void csv_number(struct writer *line, bool known, uint64_t number)
{
    if (known)
        writer_unsigned(line, number);
    writer_char(line, ',');
}

static void csv_text(struct writer *line, struct smtpscope_text text)
{
    csv_field(line, text);
    writer_char(line, ',');
}

static void csv_mail(void *ctx, const struct store_mail *mail)
{
    struct listing *listing = ctx;
    struct writer *line = &listing->line;
    const char *fate = fate_name(&mail->fate);

    format_time(line, mail->time, 'T', 9);
    writer_char(line, ',');
    csv_text(line, mail->client);
    csv_text(line, mail->server);
    csv_number(line, true, mail->port);
    csv_text(line, mail->helo);
    csv_text(line, mail->sender);
    csv_text(line, mail->rcpt);
    csv_number(line, mail->has_size, mail->size);
    csv_text(line, mail->outcome);
    csv_number(line, mail->code, mail->code);
    csv_text(line, mail->enhanced);
    csv_text(line, mail->reason);
    csv_text(line, mail->text);
    csv_text(line, (struct smtpscope_text){fate, strlen(fate)});
    csv_text(line, mail->file);
    if (mail->packet)
        writer_unsigned(line, mail->packet);
    listing_end_line(listing);
}

/* --- for people */

static void put_shown(struct writer *line, struct smtpscope_text text)
{
    writer_escaped(line, text.at, text.len, ESCAPE_TERMINAL);
}

static void put_fate(struct writer *line, const struct store_fate *fate)
{
    if (!fate->known)
        return;
    writer_string(line, "\n    ");
    if (fate->unseen)
        writer_string(line, _("what became of it is unknown: not all of the time since was captured"));
    else
        writer_format(line, "%s: %s (%s)", smtpscope_rule_info(fate->rule)->id, smtpscope_advice_summary(fate->rule),
                      smtpscope_confidence_name(fate->confidence));
}

static void text_mail(void *ctx, const struct store_mail *mail)
{
    struct listing *listing = ctx;
    struct writer *line = &listing->line;

    format_time(line, mail->time, ' ', 0);
    writer_string(line, "  ");
    put_shown(line, mail->outcome);
    if (mail->code)
        writer_format(line, "  %u", mail->code);
    if (mail->enhanced.len)
        writer_char(line, ' ');
    put_shown(line, mail->enhanced);
    if (mail->reason.len)
        writer_string(line, "  ");
    put_shown(line, mail->reason);
    writer_string(line, "\n    <");
    put_shown(line, mail->sender);
    writer_string(line, "> -> <");
    put_shown(line, mail->rcpt);
    writer_string(line, ">  ");
    put_shown(line, mail->client);
    writer_string(line, " -> ");
    put_shown(line, mail->server);
    if (mail->text.len) {
        writer_string(line, "\n    ");
        put_shown(line, mail->text);
    }
    put_fate(line, &mail->fate);
    listing_end_line(listing);
}

static enum status list(const char *path, const char *rcpt, void (*mail)(void *ctx, const struct store_mail *mail),
                        struct listing *listing)
{
    char error[STORE_ERROR_SIZE];
    struct store_reader *reader = store_read(path, error);
    bool done = reader && store_mails(reader, rcpt, mail, listing, error);

    if (!done)
        warn_user("%s: %s", path, error);
    if (reader)
        store_read_close(reader);
    writer_fini(&listing->line);
    return done ? STATUS_DONE : STATUS_FAILED;
}

enum status history_export(const char *path, bool json, FILE *out)
{
    struct listing listing = {.out = out};

    if (!json)
        fputs(CSV_HEADING, out);
    return list(path, NULL, json ? json_mail : csv_mail, &listing);
}

enum status history_mail(const char *path, const char *rcpt, bool json, FILE *out)
{
    struct listing listing = {.out = out};
    enum status status = list(path, rcpt, json ? json_mail : text_mail, &listing);

    if (status == STATUS_DONE && !json && !listing.count)
        fprintf(out, _("no mail to %s was seen\n"), rcpt);
    return status;
}
