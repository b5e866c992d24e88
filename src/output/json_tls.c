/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json_tls.h"

#include "output/format.h"
#include "output/json_parts.h"
#include "smtpscope/correlate.h"

#include <stdio.h>

static void put_certificate(struct writer *line, const struct transcript *transcript)
{
    const struct transcript_tls *tls = &transcript->tls;

    put_key(line, "certificate");
    if (!tls->certified) {
        put_null(line);
        put_member_bool(line, "certificate_hidden", tls->told.hidden);
        return;
    }
    put_open(line, '{');
    put_member_text(line, "subject", transcript_text(transcript, tls->subject));
    put_member_text(line, "issuer", transcript_text(transcript, tls->issuer));
    put_member_time(line, "not_before", tls->certificate.not_before);
    put_member_time(line, "not_after", tls->certificate.not_after);
    put_member_bool(line, "self_signed", tls->certificate.self_signed);
    put_close(line, '}');
}

/* A number of a registry: its name, or itself. */
static void put_registered(struct writer *line, const char *key, const char *name, unsigned number)
{
    char text[16];

    snprintf(text, sizeof text, "0x%04x", number);
    put_member_name(line, key, name ? name : text);
}

static void put_handshake(struct writer *line, const struct transcript *transcript)
{
    const struct transcript_tls *tls = &transcript->tls;
    const struct smtpscope_handshake *told = &tls->told;

    put_member_name(line, "handshake", smtpscope_handshake_name(told->outcome));
    if (smtpscope_handshake_has_side(told->outcome))
        put_member_name(line, "handshake_by", format_side(told->by));
    if (told->version)
        put_registered(line, "version", smtpscope_tls_version_name(told->version), told->version);
    if (told->version)
        put_registered(line, "cipher", smtpscope_tls_cipher_name(told->cipher), told->cipher);
    if (tls->sni.len)
        put_member_text(line, "sni", transcript_text(transcript, tls->sni));
    if (tls->alpn.len)
        put_member_text(line, "alpn", transcript_text(transcript, tls->alpn));
    put_member_bool(line, "resumed", told->resumed);
    if (told->alerted) {
        put_registered(line, "alert", smtpscope_tls_alert_name(told->alert), told->alert);
        put_member_name(line, "alert_by", format_side(told->alert_by));
    }
    put_certificate(line, transcript);
    if (told->begun && told->end)
        put_member_number(line, "handshake_ms", (uint64_t)((told->end - told->time) / 1000000));
}

/* Hundredths, as a fraction of one. */
static void put_probability(struct writer *line, const char *key, unsigned percent)
{
    put_key(line, key);
    writer_format(line, "%u.%02u", percent / 100, percent % 100);
}

static void put_inferred_one(struct output *output, const struct transcript_inferred *inferred)
{
    const struct smtpscope_inferred *told = &inferred->told;
    struct writer *line = &output->line;

    put_open(line, '{');
    put_member_time(line, "timestamp", told->time);
    put_packet(output, told->packet);
    put_member_bool(line, "sent", told->sent);
    put_member_number(line, "octets", told->octets);
    put_probability(line, "probability", told->percent);
    put_member_name(line, "outcome", smtpscope_inferred_name(told->outcome));
    if (told->outcome != SMTPSCOPE_INFERRED_UNKNOWN)
        put_probability(line, "outcome_probability", told->outcome_percent);
    put_key(line, "retry");
    if (inferred->retry_of) {
        put_number(line, inferred->retry_of);
        put_probability(line, "retry_probability", SMTPSCOPE_RETRY_PERCENT);
    } else {
        put_null(line);
    }
    put_close(line, '}');
}

static void put_inferred(struct output *output, const struct transcript *transcript)
{
    struct writer *line = &output->line;

    put_key(line, "inferred");
    put_open(line, '[');
    for (size_t i = 0; i < transcript->inferred_count; i++)
        put_inferred_one(output, &transcript->inferred[i]);
    put_close(line, ']');
}

void put_tls(struct output *output, const struct transcript *transcript)
{
    const struct transcript_tls *tls = &transcript->tls;
    struct writer *line = &output->line;

    put_key(line, "tls");
    if (!tls->seen) {
        put_null(line);
        return;
    }
    put_open(line, '{');
    put_member_time(line, "timestamp", tls->time);
    put_packet(output, tls->packet);
    put_member_bool(line, "started", tls->started);
    put_member_bool(line, "command_injection", tls->command_injection);
    put_member_bool(line, "response_injection", tls->response_injection);
    if (tls->handshake)
        put_handshake(line, transcript);
    if (tls->ended || tls->by_capture)
        put_member_name(line, "decrypted", tls->by_capture ? "by-capture" : smtpscope_decrypted_name(tls->end.decrypted));
    if (transcript->inferred_count)
        put_inferred(output, transcript);
    put_close(line, '}');
}
