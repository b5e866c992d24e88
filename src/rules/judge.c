/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts in, notes, findings out: which detector hears of which fact, and what is remembered between facts. */
#include "judge_private.h"

#include "base/memory.h"

/* RFC 5321 4.5.3.1.8: every server must take 100. */
#define RECIPIENTS_EVERY_SERVER_TAKES 100
/* Postfix's smtpd_soft_error_limit: where servers begin to slow down. */
#define MANY_ERRORS 10
/* Nobody mistypes so often in one session. */
#define MANY_LOGINS 5
#define MANY_UNKNOWN 10

struct smtpscope_judge *smtpscope_judge_new(const struct smtpscope_judge_config *config)
{
    struct smtpscope_judge *judge = memory_new(config->allocator, sizeof *judge);

    if (judge)
        judge->config = config;
    return judge;
}

void smtpscope_judge_free(struct smtpscope_judge *judge)
{
    if (!judge)
        return;
    notes_free(judge);
    memory_free(judge->config->allocator, judge);
}

/* Told once, when the number is reached, with the exchange that reaches it. */
static void count_check(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint32_t before, uint32_t now,
                        uint32_t limit, enum smtpscope_rule rule, enum smtpscope_detail detail)
{
    if (before < limit && now >= limit)
        note_add(
            judge,
            &(struct ground){
                .rule = rule, .exchange = exchange, .fault = SMTPSCOPE_FAULT_CLIENT, .detail = detail, .detail_number = limit});
}

/* A transaction ends or begins anew, and with it what its refusals were the cause of; `hello`: the session too. */
static void refusals_forget(struct trouble *trouble, bool mail, bool hello)
{
    if (!trouble)
        return;
    if (hello)
        trouble->hello = (struct refusal){0};
    if (mail) {
        trouble->mail = (struct refusal){0};
        trouble->rcpt_count = 0;
        trouble->chunk = (struct refusal){0};
        trouble->lookalike = 0;
    }
}

static void remember_accepted(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    switch (exchange->command->verb) {
    case SMTPSCOPE_VERB_EHLO:
        if (exchange->after->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS))
            judge->starttls_offered = true;
        advertised_read(judge, exchange->reply);
        refusals_forget(judge->trouble, true, true);
        judge->hello_stale = false;
        break;
    case SMTPSCOPE_VERB_HELO:
        refusals_forget(judge->trouble, false, true);
        judge->hello_stale = false;
        break;
    case SMTPSCOPE_VERB_STARTTLS: judge->tls_granted = judge->hello_stale = exchange->reply->code == 220; break;
    case SMTPSCOPE_VERB_MAIL:
        judge->recipients = 0;
        judge->mail_in_clear |= !exchange->before->tls;
        refusals_forget(judge->trouble, true, false);
        judge->chunk_told = false;
        judge->smtputf8 = exchange->command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8);
        break;
    case SMTPSCOPE_VERB_RSET:
    case SMTPSCOPE_VERB_EOD: refusals_forget(judge->trouble, true, false); break;
    default: break; /* the others change nothing that is remembered */
    }
}

/* EHLO was refused, and the client tries HELO, as RFC 5321 3.2 asks; whatever becomes of it. */
static void judge_fall_back(struct smtpscope_judge *judge)
{
    struct note *note = note_find(judge, trouble_of(judge)->hello.note);

    if (note && note->finding.rule == SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED) {
        note->finding.reason = SMTPSCOPE_REASON_FELL_BACK;
        note->finding.severity = SMTPSCOPE_NOTICE;
    }
}

/* What a refusal is to the client: an error of its own, or only the consequence of an earlier one (folded, RFC 2920 3.1)? */
static bool is_own_error(struct smtpscope_judge *judge, uint32_t id, const struct smtpscope_exchange *exchange)
{
    const struct note *note = note_find(judge, id);

    return note && note->finding.fault == SMTPSCOPE_FAULT_CLIENT && note_covers(note, exchange);
}

static void judge_auth(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;

    /* RFC 4954 4: an initial response stands behind the mechanism, "=" when it is empty; the answer "*" cancels. */
    if (command->verb == SMTPSCOPE_VERB_AUTH) {
        judge->secret_hidden = mechanism_hides(&command->argument);
        judge->secret_sent = command->len > sizeof "AUTH " - 1 + command->argument.len + sizeof " =\r\n" - 1;
    } else if (command->verb == SMTPSCOPE_VERB_ANSWER) {
        judge->secret_sent |= command->len > sizeof "*\r\n" - 1;
    } else {
        return;
    }
    /* A password crossed the network, whatever the server made of it. */
    if (judge->secret_sent && !judge->secret_hidden && !exchange->before->tls && exchange->reply->code != 334)
        note_add(judge, &(struct ground){.rule = SMTPSCOPE_RULE_SECURITY_AUTH_IN_CLEAR,
                                         .exchange = exchange,
                                         .fault = SMTPSCOPE_FAULT_CLIENT});
}

static void judge_verified(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (exchange->reply->code == 252 && smtpscope_verb_family(exchange->command->verb) == SMTPSCOPE_FAMILY_VERIFY)
        note_add(judge, &(struct ground){.rule = SMTPSCOPE_RULE_REJECTION_VERIFY_DISABLED,
                                         .severity = SEVERITY(INFO),
                                         .exchange = exchange,
                                         .verdict = SMTPSCOPE_VERDICT_TOLERATED,
                                         .fault = SMTPSCOPE_FAULT_NOBODY});
}

static void judge_recipients(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (exchange->command->verb != SMTPSCOPE_VERB_RCPT)
        return;
    judge->recipients++;
    count_check(judge, exchange, judge->recipients - 1, judge->recipients, RECIPIENTS_EVERY_SERVER_TAKES + 1,
                SMTPSCOPE_RULE_COMMAND_TOO_MANY_RECIPIENTS, SMTPSCOPE_DETAIL_RECIPIENTS);
}

/* Explains a refusal, and sees whether there are too many of its kind. */
static void judge_errors(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct trouble *trouble = trouble_begin(judge);
    uint32_t errors, logins, unknown;

    if (!trouble)
        return; /* out of memory: nothing can be remembered */
    errors = trouble->errors;
    logins = trouble->failed_logins;
    unknown = trouble->unknown_recipients;
    trouble->errors += is_own_error(judge, judge_refused(judge, exchange), exchange);
    count_check(judge, exchange, errors, trouble->errors, MANY_ERRORS, SMTPSCOPE_RULE_COMMAND_TOO_MANY_ERRORS,
                SMTPSCOPE_DETAIL_ERRORS);
    count_check(judge, exchange, logins, trouble->failed_logins, MANY_LOGINS, SMTPSCOPE_RULE_SECURITY_AUTH_GUESSING,
                SMTPSCOPE_DETAIL_ERRORS);
    count_check(judge, exchange, unknown, trouble->unknown_recipients, MANY_UNKNOWN,
                SMTPSCOPE_RULE_SECURITY_RECIPIENT_HARVESTING, SMTPSCOPE_DETAIL_RECIPIENTS);
}

static void judge_accepted(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (!is_alien(judge)) {
        judge_tolerated(judge, exchange);
        judge_pipelining(judge, exchange);
        judge_accepted_parameters(judge, exchange);
    }
    judge_verified(judge, exchange);
    remember_accepted(judge, exchange);
    if (judge->trouble)
        judge->trouble->last_refused = 0;
    if (exchange->command->circumstances & SMTPSCOPE_COMMAND_EARLY && exchange->reply->code >= 200)
        judge->early_taken = true;
}

/* Every command and its reply: most are as they should be, and must cost little. */
static void judge_exchange(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    enum smtpscope_verb verb = exchange->command->verb;
    uint16_t code = exchange->reply->code;

    if (!judge->server && (exchange->greeting || verb == SMTPSCOPE_VERB_EHLO))
        judge->server = server_of(&exchange->reply->text);
    if (code == 421 || code == 221)
        judge->closing_seen = true;
    judge_oddities(judge, exchange);
    judge_auth(judge, exchange);
    if (verb == SMTPSCOPE_VERB_AUTH || judge->trouble)
        judge_mechanism(judge, exchange);
    judge_recipients(judge, exchange);
    if (judge->trouble)
        judge_limits(judge, exchange);
    if (verb == SMTPSCOPE_VERB_HELO)
        judge_fall_back(judge);
    if (code >= 400) {
        judge_errors(judge, exchange);
        judge_pipelining(judge, exchange);
    } else if (code) {
        judge_accepted(judge, exchange);
    }
    if (verb == SMTPSCOPE_VERB_EOD && judge->trouble)
        judge->trouble->rcpt_count = judge->trouble->no_recipient = 0;
}

static void judge_early(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_SEQUENCE_COMMAND_BEFORE_GREETING,
                            .command = fact->command,
                            .fault = SMTPSCOPE_FAULT_CLIENT,
                            .verdict = SMTPSCOPE_VERDICT_UNANSWERED};
    struct note *note;

    if (trouble_of(judge)->early || is_alien(judge)) /* another protocol knows no greeting to wait for */
        return;
    note = note_add(judge, &ground);
    if (note)
        judge->trouble->early = (uint16_t)note->finding.id;
}

static void judge_tls(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    static const int rules[] = {
        [SMTPSCOPE_TLS_STARTED] = -1,
        [SMTPSCOPE_TLS_COMMAND_INJECTION] = SMTPSCOPE_RULE_SECURITY_STARTTLS_COMMAND_INJECTION,
        [SMTPSCOPE_TLS_RESPONSE_INJECTION] = SMTPSCOPE_RULE_SECURITY_STARTTLS_RESPONSE_INJECTION,
        [SMTPSCOPE_TLS_NOT_FOLLOWED] = SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_FOLLOWED,
    };
    bool server = fact->tls == SMTPSCOPE_TLS_RESPONSE_INJECTION;
    struct ground ground = {.fact = fact,
                            .side = server ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT,
                            .fault = server ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_CLIENT};

    unsigned bit = 1u << fact->tls;
    bool told = judge->tls_told & bit;
    struct note *note;

    judge->tls_told |= bit & 0xfu;
    if (rules[fact->tls] < 0 || told)
        return;
    ground.rule = (enum smtpscope_rule)rules[fact->tls];
    note = note_add(judge, &ground);
    if (note && fact->tls == SMTPSCOPE_TLS_NOT_FOLLOWED)
        judge->trouble->not_followed = (uint16_t)note->finding.id;
}

/* Whose fault it is, and whether it is one, the ports do not tell. */
static void judge_open(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_SECURITY_UNEXPECTED_PORT,
                            .fact = fact,
                            .fault = SMTPSCOPE_FAULT_UNDETERMINED,
                            .detail = SMTPSCOPE_DETAIL_PORT,
                            .detail_number = fact->flow->side[SMTPSCOPE_SERVER].port};

    judge->flow = fact->flow;
    judge->doubtful = fact->flow->midstream;
    if (fact->flow->unexpected)
        note_add(judge, &ground);
}

static void judge_alien(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_SECURITY_NOT_SMTP,
                            .fact = fact,
                            .fault = SMTPSCOPE_FAULT_CLIENT,
                            .detail = SMTPSCOPE_DETAIL_PROTOCOL,
                            .detail_text = {fact->alien_name, strlen(fact->alien_name)}};
    struct note *note = note_add(judge, &ground);

    if (note)
        judge->trouble->alien = (uint16_t)note->finding.id;
}

static void judge_cross(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_SECURITY_CROSS_PROTOCOL,
                            .command = fact->command,
                            .fault = SMTPSCOPE_FAULT_CLIENT,
                            .cause = trouble_of(judge)->alien};

    note_add(judge, &ground);
}

static void judge_overflow(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct ground ground = {.rule = SMTPSCOPE_RULE_TRANSPORT_EVICTED, .fact = fact, .fault = SMTPSCOPE_FAULT_NOBODY};

    judge->doubtful = true;
    note_add(judge, &ground);
}

void smtpscope_judge_fact(struct smtpscope_judge *judge, const struct smtpscope_session *session,
                          const struct smtpscope_fact *fact)
{
    switch (fact->type) {
    case SMTPSCOPE_FACT_OPEN: judge_open(judge, fact); break;
    case SMTPSCOPE_FACT_COMMAND: judge_early(judge, fact); break;
    case SMTPSCOPE_FACT_EXCHANGE:
        judge->server_seen = true;
        if (!(fact->exchange->command->circumstances & SMTPSCOPE_COMMAND_LOST) &&
            fact->exchange->command->verb != SMTPSCOPE_VERB_NONE)
            judge->client_seen = true;
        judge_exchange(judge, fact->exchange);
        break;
    case SMTPSCOPE_FACT_UNANSWERED: judge_unanswered(judge, session, fact); break;
    case SMTPSCOPE_FACT_MESSAGE: judge_message(judge, session, fact); break;
    case SMTPSCOPE_FACT_TLS: judge_tls(judge, fact); break;
    case SMTPSCOPE_FACT_ALIEN: judge_alien(judge, fact); break;
    case SMTPSCOPE_FACT_CROSS: judge_cross(judge, fact); break;
    case SMTPSCOPE_FACT_GAP:
    case SMTPSCOPE_FACT_CONFLICT: judge_gap(judge, fact); break;
    case SMTPSCOPE_FACT_OVERFLOW: judge_overflow(judge, fact); break;
    case SMTPSCOPE_FACT_END:
        judge_end(judge, fact);
        notes_emit(judge);
        break;
    }
}
