/* SPDX-License-Identifier: BSD-2-Clause */
/* The registries' words for numbers on the wire. */
#include "smtpscope/tls.h"

#include "suite.h"

const char *smtpscope_tls_version_name(uint16_t version)
{
    switch (version) {
    case SSL_3: return "SSLv3";
    case TLS_1_0: return "TLSv1";
    case TLS_1_1: return "TLSv1.1";
    case TLS_1_2: return "TLSv1.2";
    case TLS_1_3: return "TLSv1.3";
    default: return NULL;
    }
}

const char *smtpscope_tls_cipher_name(uint16_t cipher)
{
    const struct suite *suite = suite_find(cipher);

    return suite ? suite->name : NULL;
}

bool smtpscope_tls_cipher_is_weak(uint16_t cipher)
{
    const struct suite *suite = suite_find(cipher);

    return suite && suite->weakness != WEAKNESS_NONE;
}

const char *smtpscope_tls_alert_name(uint8_t alert)
{
    static const char *const names[] = {
#define ALERT(number, name) [number] = name,
#include "alerts.def"
    };

    return alert < sizeof names / sizeof *names ? names[alert] : NULL;
}

const char *smtpscope_decrypted_name(enum smtpscope_decrypted decrypted)
{
    switch (decrypted) {
    case SMTPSCOPE_DECRYPTED_NOT: break;
    case SMTPSCOPE_DECRYPTED_YES: return "yes";
    case SMTPSCOPE_DECRYPTED_PARTLY: return "partly";
    case SMTPSCOPE_DECRYPTED_NO_KEYS: return "no-keys";
    case SMTPSCOPE_DECRYPTED_WRONG_KEYS: return "wrong-keys";
    }
    return "no";
}

const char *smtpscope_inferred_name(enum smtpscope_inferred_outcome outcome)
{
    switch (outcome) {
    case SMTPSCOPE_INFERRED_UNKNOWN: break;
    case SMTPSCOPE_INFERRED_ACCEPTED: return "accepted";
    case SMTPSCOPE_INFERRED_NOT_ACCEPTED: return "not-accepted";
    }
    return "unknown";
}

const char *smtpscope_handshake_name(enum smtpscope_handshake_outcome outcome)
{
    switch (outcome) {
    case SMTPSCOPE_HANDSHAKE_UNKNOWN: break;
    case SMTPSCOPE_HANDSHAKE_DONE: return "done";
    case SMTPSCOPE_HANDSHAKE_REFUSED: return "refused";
    case SMTPSCOPE_HANDSHAKE_ABANDONED: return "abandoned";
    case SMTPSCOPE_HANDSHAKE_SILENT: return "silent";
    }
    return "unknown";
}

bool smtpscope_handshake_has_side(enum smtpscope_handshake_outcome outcome)
{
    return outcome != SMTPSCOPE_HANDSHAKE_UNKNOWN && outcome != SMTPSCOPE_HANDSHAKE_DONE;
}
