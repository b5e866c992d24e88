/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/delivery.h"

#include "base/writer.h"
#include "output/queue_id.h"

#include <stdlib.h>

/* Recipients that come behind a refused MAIL: more of them than this say nothing that these do not. */
#define RECIPIENTS_MAX 100

/* A reply, with all its lines. */
struct kept_reply {
    uint16_t code; /* 0: none */
    struct smtpscope_enhanced enhanced;
    struct writer text;
};

/* Where a path stands in `paths`; it moves as that grows. */
struct kept_path {
    size_t at, len;
};

struct deliveries {
    struct writer helo;
    struct kept_reply rcpt;  /* of a recipient that was not accepted: of a deferred one, if there was one */
    struct kept_reply final; /* to DATA, to a BDAT, to the end of the message: the last one */
    struct refused_mail {
        bool open;
        struct kept_reply reply;
        struct smtpscope_message message; /* its recipients are those below */
        struct writer paths;
        struct kept_path from, to[RECIPIENTS_MAX];
        struct smtpscope_recipient recipients[RECIPIENTS_MAX];
    } * refused; /* of a MAIL; NULL: there was none */
};

struct deliveries *deliveries_new(void)
{
    return calloc(1, sizeof(struct deliveries));
}

void deliveries_free(struct deliveries *deliveries)
{
    if (!deliveries)
        return;
    if (deliveries->refused) {
        writer_fini(&deliveries->refused->reply.text);
        writer_fini(&deliveries->refused->paths);
    }
    free(deliveries->refused);
    writer_fini(&deliveries->helo);
    writer_fini(&deliveries->rcpt.text);
    writer_fini(&deliveries->final.text);
    free(deliveries);
}

static void text_keep(struct writer *writer, struct smtpscope_text text)
{
    writer_clear(writer);
    writer->failed = false;
    writer_octets(writer, text.at, text.len);
}

static void reply_keep(struct kept_reply *kept, const struct smtpscope_reply *reply)
{
    kept->code = reply->code;
    kept->enhanced = reply->enhanced;
    text_keep(&kept->text, reply->text);
}

static struct smtpscope_text text_of(const struct writer *writer)
{
    return (struct smtpscope_text){writer->len ? writer->at : "", writer->len};
}

static enum smtpscope_outcome outcome_of(unsigned code)
{
    return code < 400 ? SMTPSCOPE_OUTCOME_ACCEPTED : code < 500 ? SMTPSCOPE_OUTCOME_DEFERRED : SMTPSCOPE_OUTCOME_REFUSED;
}

/* A MAIL that is refused while a transaction is open is none of its own: RFC 5321 4.1.4. */
static bool is_refused_mail(const struct smtpscope_exchange *exchange)
{
    return exchange->command->verb == SMTPSCOPE_VERB_MAIL && exchange->reply->code >= 400 && !exchange->before->transaction;
}

bool delivery_ends(const struct smtpscope_fact *fact, enum smtpscope_outcome *outcome)
{
    if (fact->type == SMTPSCOPE_FACT_MESSAGE)
        *outcome = fact->message->outcome;
    else if (fact->type == SMTPSCOPE_FACT_EXCHANGE && is_refused_mail(fact->exchange))
        *outcome = outcome_of(fact->exchange->reply->code);
    else
        return false;
    return true;
}

/* --- a refused MAIL, and what came behind it */

static struct kept_path path_keep(struct writer *paths, struct smtpscope_text path)
{
    struct kept_path kept = {paths->len, path.len};

    writer_octets(paths, path.at, path.len);
    return paths->failed ? (struct kept_path){0} : kept;
}

static void refused_begin(struct deliveries *deliveries, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *mail = exchange->command;

    if (!deliveries->refused && !(deliveries->refused = calloc(1, sizeof *deliveries->refused)))
        return;
    writer_clear(&deliveries->refused->paths);
    deliveries->refused->paths.failed = false;
    deliveries->refused->open = true;
    deliveries->refused->from = path_keep(&deliveries->refused->paths, mail->path);
    reply_keep(&deliveries->refused->reply, exchange->reply);
    deliveries->refused->message = (struct smtpscope_message){
        .declared_size = mail->declared_size,
        .has_declared_size = mail->has_size,
        .outcome = outcome_of(exchange->reply->code),
        .exchange = exchange->index,
        .time = mail->time,
        .packet = mail->packet,
    };
}

static void refused_recipient(struct deliveries *deliveries, const struct smtpscope_exchange *exchange)
{
    struct smtpscope_message *message = &deliveries->refused->message;

    message->recipient_total++;
    if (message->recipient_count == RECIPIENTS_MAX)
        return;
    deliveries->refused->to[message->recipient_count] = path_keep(&deliveries->refused->paths, exchange->command->path);
    deliveries->refused->recipients[message->recipient_count++] = (struct smtpscope_recipient){
        .code = exchange->reply->code,
        .enhanced = exchange->reply->enhanced,
        .outcome = message->outcome, /* the reply to RCPT is only a consequence */
        .exchange = exchange->index,
    };
}

static struct smtpscope_text path_of(const struct writer *paths, struct kept_path path)
{
    return (struct smtpscope_text){path.len ? paths->at + path.at : "", path.len};
}

static struct delivery delivery_of(const struct deliveries *deliveries, const struct smtpscope_message *message,
                                   enum delivery_stage stage, const struct kept_reply *reply)
{
    return (struct delivery){
        .message = message,
        .stage = stage,
        .outcome = message->outcome,
        .helo = text_of(&deliveries->helo),
        .code = reply->code,
        .enhanced = reply->enhanced,
        .reply = text_of(&reply->text),
    };
}

static void refused_end(struct deliveries *deliveries, void (*tell)(void *ctx, const struct delivery *delivery), void *ctx)
{
    struct delivery delivery;

    if (!deliveries->refused || !deliveries->refused->open)
        return;
    deliveries->refused->open = false;
    deliveries->refused->message.mail_from = path_of(&deliveries->refused->paths, deliveries->refused->from);
    deliveries->refused->message.recipients = deliveries->refused->recipients;
    for (size_t i = 0; i < deliveries->refused->message.recipient_count; i++)
        deliveries->refused->recipients[i].path = path_of(&deliveries->refused->paths, deliveries->refused->to[i]);
    delivery = delivery_of(deliveries, &deliveries->refused->message, DELIVERY_MAIL, &deliveries->refused->reply);
    tell(ctx, &delivery);
}

/* --- facts */

/* Of several recipients that were not accepted, a deferred one's reply says what became of the mail: it will be tried again. */
static void rcpt_answered(struct deliveries *deliveries, const struct smtpscope_exchange *exchange)
{
    unsigned code = exchange->reply->code, before = deliveries->rcpt.code;

    if (deliveries->refused && deliveries->refused->open)
        refused_recipient(deliveries, exchange);
    else if (code >= 400 && (!before || (before >= 500 && code < 500)))
        reply_keep(&deliveries->rcpt, exchange->reply);
}

static void mail_answered(struct deliveries *deliveries, const struct smtpscope_exchange *exchange)
{
    if (exchange->reply->code < 400)
        deliveries->rcpt.code = deliveries->final.code = 0;
    else if (is_refused_mail(exchange))
        refused_begin(deliveries, exchange);
}

static void exchange_take(struct deliveries *deliveries, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;

    switch (command->verb) {
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_HELO:
    case SMTPSCOPE_VERB_LHLO:
        if (exchange->reply->code < 400)
            text_keep(&deliveries->helo, command->path.len ? command->path : command->argument);
        break;
    case SMTPSCOPE_VERB_MAIL: mail_answered(deliveries, exchange); break;
    case SMTPSCOPE_VERB_RCPT: rcpt_answered(deliveries, exchange); break;
    case SMTPSCOPE_VERB_DATA:
    case SMTPSCOPE_VERB_BDAT:
    case SMTPSCOPE_VERB_EOD:
        if (!deliveries->refused || !deliveries->refused->open)
            reply_keep(&deliveries->final, exchange->reply);
        break;
    default: break; /* the others say nothing of a mail */
    }
}

/* What comes behind a refused MAIL belongs to it for as long as it is about recipients and the message. */
static bool ends_refused(const struct smtpscope_fact *fact)
{
    enum smtpscope_verb verb;

    if (fact->type != SMTPSCOPE_FACT_EXCHANGE)
        return fact->type == SMTPSCOPE_FACT_END || fact->type == SMTPSCOPE_FACT_MESSAGE;
    verb = fact->exchange->command->verb;
    return verb != SMTPSCOPE_VERB_RCPT && verb != SMTPSCOPE_VERB_DATA && verb != SMTPSCOPE_VERB_BDAT &&
           verb != SMTPSCOPE_VERB_EOD;
}

/* The reply that decided: to the message itself, else to DATA, else to a recipient. */
static struct delivery message_take(const struct deliveries *deliveries, const struct smtpscope_message *message)
{
    static const struct kept_reply none;
    enum delivery_stage stage = message->sent ? DELIVERY_MESSAGE : message->code ? DELIVERY_DATA : DELIVERY_RCPT;
    bool answered = message->code && message->code == deliveries->final.code;
    bool by_rcpt = stage == DELIVERY_RCPT && !message->recipients_accepted;
    struct delivery delivery = delivery_of(deliveries, message, stage,
                                           answered  ? &deliveries->final
                                           : by_rcpt ? &deliveries->rcpt
                                                     : &none);

    if (!delivery.code)
        delivery.code = message->code;
    if (stage == DELIVERY_RCPT && !message->recipient_total)
        delivery.stage = DELIVERY_MAIL;
    if (message->outcome == SMTPSCOPE_OUTCOME_ACCEPTED)
        delivery.queue_id = queue_id(delivery.reply);
    return delivery;
}

void deliveries_fact(struct deliveries *deliveries, const struct smtpscope_fact *fact,
                     void (*tell)(void *ctx, const struct delivery *delivery), void *ctx)
{
    if (ends_refused(fact))
        refused_end(deliveries, tell, ctx);
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE) {
        exchange_take(deliveries, fact->exchange);
    } else if (fact->type == SMTPSCOPE_FACT_MESSAGE) {
        struct delivery delivery = message_take(deliveries, fact->message);

        tell(ctx, &delivery);
        deliveries->rcpt.code = deliveries->final.code = 0;
    }
}

const char *delivery_stage_name(enum delivery_stage stage)
{
    static const char *const names[] = {"mail", "rcpt", "data", "message"};

    return names[stage];
}
