/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/transcript.h"

#include "output/format.h"

#include <stdlib.h>
#include <string.h>

/* More holes than this in one session say nothing that fewer do not. */
#define TRANSCRIPT_GAPS_MAX 4096

struct transcript *transcript_new(void)
{
    return calloc(1, sizeof(struct transcript));
}

void transcript_free(struct transcript *transcript)
{
    if (!transcript)
        return;
    writer_fini(&transcript->octets);
    free(transcript->exchanges);
    free(transcript->gaps);
    free(transcript->inferred);
    free(transcript);
}

struct smtpscope_text transcript_text(const struct transcript *transcript, struct transcript_slice slice)
{
    return (struct smtpscope_text){slice.len ? transcript->octets.at + slice.at : "", slice.len};
}

static struct transcript_slice transcript_keep(struct transcript *transcript, struct smtpscope_text text)
{
    struct transcript_slice slice = {(uint32_t)transcript->octets.len, (uint32_t)text.len};

    if (text.len > TRANSCRIPT_OCTETS_MAX - transcript->octets.len)
        return (struct transcript_slice){0};
    writer_octets(&transcript->octets, text.at, text.len);
    return transcript->octets.failed ? (struct transcript_slice){0} : slice;
}

/* A new last exchange, or NULL at a bound. */
static struct transcript_exchange *transcript_append(struct transcript *transcript)
{
    size_t size = transcript->exchange_size ? transcript->exchange_size * 2 : 16;
    struct transcript_exchange *exchanges = transcript->exchanges;

    if (transcript->exchange_count >= TRANSCRIPT_EXCHANGES_MAX || transcript->octets.len >= TRANSCRIPT_OCTETS_MAX) {
        transcript->omitted++;
        return NULL;
    }
    if (transcript->exchange_count == transcript->exchange_size) {
        exchanges = realloc(exchanges, size * sizeof *exchanges);
        if (!exchanges) {
            transcript->omitted++;
            return NULL;
        }
        transcript->exchanges = exchanges;
        transcript->exchange_size = size;
    }
    exchanges += transcript->exchange_count++;
    *exchanges = (struct transcript_exchange){0};
    return exchanges;
}

static void transcript_command(struct transcript *transcript, struct transcript_exchange *kept,
                               const struct smtpscope_command *command)
{
    kept->command = transcript_keep(transcript, smtpscope_command_name(command));
    if (command->verb != SMTPSCOPE_VERB_NONE)
        kept->argument = transcript_keep(transcript, command->argument);
    kept->packet = command->packet;
}

/* What the EHLO or HELO said of both sides. A refused one counts until one is accepted. */
static void transcript_hello(struct transcript *transcript, const struct smtpscope_exchange *exchange,
                             struct transcript_slice reply)
{
    const struct smtpscope_command *command = exchange->command;
    struct smtpscope_text first = format_first_line(exchange->reply->text);
    uint32_t skip = (uint32_t)first.len + 1;
    bool accepted = exchange->reply->code / 100 == 2;

    if (accepted || !transcript->helo.len)
        transcript->helo = transcript_keep(transcript, command->path.len ? command->path : command->argument);
    if (!accepted)
        return;
    transcript->extensions = (struct transcript_slice){0};
    if (smtpscope_verb_hello(command->verb) == SMTPSCOPE_HELLO_EHLO && reply.len > skip)
        transcript->extensions = (struct transcript_slice){reply.at + skip, reply.len - skip};
}

static void transcript_exchange(struct transcript *transcript, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;
    struct transcript_exchange *kept = transcript_append(transcript);

    if (!kept)
        return;
    transcript_command(transcript, kept, exchange->command);
    kept->reply = transcript_keep(transcript, reply->text);
    kept->answered = true;
    kept->likely = exchange->likely;
    kept->code = reply->code;
    kept->enhanced = reply->enhanced;
    kept->packet = reply->packet;
    if (exchange->greeting && !transcript->has_greeting) {
        transcript->has_greeting = true;
        transcript->greeting = kept->reply;
        transcript->greeting.len = (uint32_t)format_first_line(transcript_text(transcript, kept->reply)).len;
    }
    if (smtpscope_verb_hello(exchange->command->verb))
        transcript_hello(transcript, exchange, kept->reply);
}

static void transcript_unanswered(struct transcript *transcript, const struct smtpscope_command *command)
{
    struct transcript_exchange *kept = transcript_append(transcript);

    if (!kept)
        return;
    transcript_command(transcript, kept, command);
}

static void transcript_gap(struct transcript *transcript, const struct smtpscope_gap *gap)
{
    struct transcript_gap *gaps = NULL;

    if (transcript->gap_count < TRANSCRIPT_GAPS_MAX)
        gaps = realloc(transcript->gaps, (transcript->gap_count + 1) * sizeof *gaps);
    if (!gaps) {
        transcript->omitted++;
        return;
    }
    transcript->gaps = gaps;
    gaps[transcript->gap_count++] =
        (struct transcript_gap){gap->side, gap->offset, gap->len, (uint32_t)transcript->exchange_count};
}

static void transcript_tls(struct transcript *transcript, const struct smtpscope_fact *fact)
{
    struct transcript_tls *tls = &transcript->tls;

    if (!tls->seen) {
        tls->time = fact->time;
        tls->packet = fact->packet;
    }
    tls->seen = true;
    switch (fact->tls) {
    case SMTPSCOPE_TLS_STARTED:
        tls->started = true;
        tls->before = (uint32_t)transcript->exchange_count;
        tls->time = fact->time;
        tls->packet = fact->packet;
        break;
    case SMTPSCOPE_TLS_COMMAND_INJECTION: tls->command_injection = true; break;
    case SMTPSCOPE_TLS_RESPONSE_INJECTION: tls->response_injection = true; break;
    case SMTPSCOPE_TLS_NOT_FOLLOWED: tls->not_followed = true; break;
    case SMTPSCOPE_TLS_BY_CAPTURE:
        tls->by_capture = true;
        tls->before = (uint32_t)transcript->exchange_count;
        break;
    }
}

static void transcript_handshake(struct transcript *transcript, const struct smtpscope_handshake *handshake)
{
    struct transcript_tls *tls = &transcript->tls;

    tls->handshake = true;
    tls->told = *handshake;
    tls->told.certificate = NULL;
    tls->told.sni = tls->told.alpn = (struct smtpscope_text){0};
    tls->sni = transcript_keep(transcript, handshake->sni);
    tls->alpn = transcript_keep(transcript, handshake->alpn);
    tls->certified = handshake->certificate;
    if (!tls->certified)
        return;
    tls->certificate = *handshake->certificate;
    tls->certificate.subject = tls->certificate.issuer = (struct smtpscope_text){0};
    tls->subject = transcript_keep(transcript, handshake->certificate->subject);
    tls->issuer = transcript_keep(transcript, handshake->certificate->issuer);
}

/* The stage that tells them has a bound for them. */
static void transcript_inferred(struct transcript *transcript, const struct smtpscope_inferred *told)
{
    struct transcript_inferred *inferred = realloc(transcript->inferred, (transcript->inferred_count + 1) * sizeof *inferred);

    if (!inferred) {
        transcript->omitted++;
        return;
    }
    transcript->inferred = inferred;
    inferred[transcript->inferred_count++] = (struct transcript_inferred){.told = *told};
}

static void transcript_tls_end(struct transcript_tls *tls, const struct smtpscope_tls_end *end)
{
    tls->ended = true;
    tls->end = *end;
}

static void transcript_stall(struct transcript *transcript, const struct smtpscope_stall *stall)
{
    if (stall->lasted > transcript->stall.lasted)
        transcript->stall = *stall;
}

/* What the stream counted may be longer than any silence: a window that is probed, segments that are sent again. */
static void transcript_network(struct transcript *transcript, const struct smtpscope_network *network)
{
    transcript->network = *network;
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        const struct smtpscope_network_side *figures = &network->side[side];

        transcript_stall(transcript, &(struct smtpscope_stall){
                                         .kind = SMTPSCOPE_STALL_RECEIVER, .side = side, .lasted = figures->window_longest});
        transcript_stall(transcript, &(struct smtpscope_stall){
                                         .kind = SMTPSCOPE_STALL_NETWORK, .side = side, .lasted = figures->recovered_longest});
        transcript_stall(transcript, &(struct smtpscope_stall){
                                         .kind = SMTPSCOPE_STALL_NETWORK, .side = side, .lasted = figures->unacked_time});
    }
}

static void transcript_end(struct transcript *transcript, const struct smtpscope_end *end)
{
    transcript->ending = *end->ending;
    transcript->ending.network = NULL; /* it is there during the call only */
    transcript->in_trouble = end->ending->network;
    if (transcript->in_trouble)
        transcript_network(transcript, end->ending->network);
    transcript->quit_sent = end->quit_sent;
    memcpy(transcript->octets_seen, end->octets, sizeof end->octets);
}

void transcript_fact(struct transcript *transcript, const struct smtpscope_fact *fact)
{
    switch (fact->type) {
    case SMTPSCOPE_FACT_EXCHANGE: transcript_exchange(transcript, fact->exchange); break;
    case SMTPSCOPE_FACT_UNANSWERED: transcript_unanswered(transcript, fact->command); break;
    case SMTPSCOPE_FACT_PROXY: transcript->proxy = *fact->proxy; break;
    case SMTPSCOPE_FACT_TLS: transcript_tls(transcript, fact); break;
    case SMTPSCOPE_FACT_GAP: transcript_gap(transcript, fact->gap); break;
    case SMTPSCOPE_FACT_STALL: transcript_stall(transcript, fact->stall); break;
    case SMTPSCOPE_FACT_END: transcript_end(transcript, fact->end); break;
    case SMTPSCOPE_FACT_HANDSHAKE: transcript_handshake(transcript, fact->handshake); break;
    case SMTPSCOPE_FACT_INFERRED: transcript_inferred(transcript, fact->inferred); break;
    case SMTPSCOPE_FACT_TLS_END: transcript_tls_end(&transcript->tls, fact->tls_end); break;
    case SMTPSCOPE_FACT_OPEN:
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_MESSAGE:
    case SMTPSCOPE_FACT_ALIEN:
    case SMTPSCOPE_FACT_CROSS:
    case SMTPSCOPE_FACT_CONFLICT:
    case SMTPSCOPE_FACT_URGENT:
    case SMTPSCOPE_FACT_OVERFLOW: break;
    }
}
