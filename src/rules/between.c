/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands between client and server, and shows: a proxy's header, a firewall that writes over what it does not know. */
#include "detectors.h"

#include "base/address.h"

#include <string.h>

void judge_proxy(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_proxy *proxy = fact->proxy;
    bool refused = proxy->outcome == SMTPSCOPE_PROXY_REFUSED;
    char address[ADDRESS_TEXT];
    struct claim claim = {.rule = SMTPSCOPE_RULE_TRANSPORT_PROXY_HEADER,
                          .fact = fact,
                          .severity = refused ? 0 : SEVERITY(INFO),
                          .verdict = refused ? SMTPSCOPE_VERDICT_REFUSED_OTHER : SMTPSCOPE_VERDICT_NONE,
                          .fault = refused ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_NOBODY,
                          .detail = SMTPSCOPE_DETAIL_PROXY_UNKNOWN,
                          .detail_number = proxy->version,
                          .side = SMTPSCOPE_CLIENT};
    uint16_t note;

    if (proxy->has_client) {
        claim.detail = SMTPSCOPE_DETAIL_PROXY_FOR;
        claim.detail_text = smtpscope_text_of(address_text(proxy->client.addr, address));
    }
    note = note_add(judge, &claim);
    if (!note)
        return;
    judge->memory->session.proxy = note;
    judge->memory->session.is_proxied = proxy->has_client && !refused;
    judge->memory->session.proxied_for = proxy->client;
}

uint16_t detect_proxy(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t proxy = judge->memory->session.proxy;

    return refused->verb == SMTPSCOPE_VERB_PROXY && note_fold(judge, proxy, refused->exchange->index) ? proxy : 0;
}

static uint16_t middlebox_report(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange,
                                 enum smtpscope_detail detail, struct smtpscope_text text)
{
    bool refused = exchange->reply->code >= 400;
    uint16_t note =
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_TRANSPORT_MIDDLEBOX,
                                        .exchange = exchange,
                                        .verdict = refused ? SMTPSCOPE_VERDICT_REFUSED_OTHER : SMTPSCOPE_VERDICT_NONE,
                                        .fault = SMTPSCOPE_FAULT_NETWORK,
                                        .detail = detail,
                                        .detail_text = text});

    if (note)
        judge->memory->session.middlebox = note;
    return note;
}

/* What it writes over on the server's side: the greeting, and the keywords of EHLO that it does not know. */
void judge_between(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (exchange->reply->oddities & SMTPSCOPE_REPLY_MASKED)
        middlebox_report(judge, exchange, SMTPSCOPE_DETAIL_MASKED_GREETING, smtpscope_text_of(""));
    if (exchange->offer && exchange->offer->masked.len)
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_SECURITY_STARTTLS_STRIPPED,
                                        .exchange = exchange,
                                        .fault = SMTPSCOPE_FAULT_NETWORK,
                                        .detail = SMTPSCOPE_DETAIL_MASKED,
                                        .detail_text = exchange->offer->masked});
}

/* A word of four Xs or more in the text of a reply: what the server was given in place of the verb. Empty: there is none. */
static struct smtpscope_text masked_word(const struct smtpscope_text *text)
{
    struct smtpscope_text word = {text->at, 0};

    for (size_t i = 0; i < text->len; i++) {
        if (text->at[i] == 'X') {
            word.len++;
            continue;
        }
        if (word.len >= 4)
            return word;
        word = (struct smtpscope_text){text->at + i + 1, 0};
    }
    return word.len >= 4 ? word : (struct smtpscope_text){"", 0};
}

/* A verb that was written over, seen behind the firewall; before it, it shows when the server says what it was given. */
uint16_t detect_masked(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    struct smtpscope_text word = {"", 0};

    if (refused->command->oddities & SMTPSCOPE_COMMAND_MASKED)
        word = refused->command->name;
    else if (refused->verb != SMTPSCOPE_VERB_UNKNOWN && refused->verb != SMTPSCOPE_VERB_RAW && refused->code >= 500 &&
             refused->code <= 502)
        word = masked_word(&refused->reply->text);
    return word.len ? middlebox_report(judge, refused->exchange, SMTPSCOPE_DETAIL_MASKED_VERB, word) : 0;
}
