/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts in, notes, findings out: which detector hears of which fact, and what is remembered between facts. */
#include "detectors.h"

#include "base/memory.h"

/* RFC 5321 4.5.3.1.8: every server must take 100. */
#define RECIPIENTS_EVERY_SERVER_TAKES 100
/* Postfix's smtpd_soft_error_limit: where servers begin to slow down. */
#define MANY_ERRORS 10
/* Nobody mistypes so often in one session. */
#define MANY_LOGINS 5
#define MANY_UNKNOWN 10

void judge_init(struct smtpscope_judge *judge, const struct smtpscope_judge_config *config)
{
    judge->config = config;
}

/* Exim's: a client that knows this of a server from an earlier session need not wait for the greeting. */
#define EARLY_ALLOWED                                                                                                          \
    (SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPECONNECT) | SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPE_CONNECT) |                            \
     SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_X_PIPE_CONNECT))

struct smtpscope_judge *smtpscope_judge_new(const struct smtpscope_judge_config *config)
{
    struct smtpscope_judge *judge = memory_new(config->allocator, sizeof *judge);

    if (judge)
        judge_init(judge, config);
    return judge;
}

void judge_fini(struct smtpscope_judge *judge)
{
    notes_free(judge);
    memory_free(judge->config->allocator, judge->memory);
    judge->memory = NULL;
}

void smtpscope_judge_free(struct smtpscope_judge *judge)
{
    if (!judge)
        return;
    judge_fini(judge);
    memory_free(judge->config->allocator, judge);
}

/* Told once, when the number is reached, with the exchange that reaches it. */
static void count_check(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint32_t before, uint32_t now,
                        uint32_t limit, enum smtpscope_rule rule, enum smtpscope_detail detail)
{
    if (before < limit && now >= limit)
        note_add(
            judge,
            &(struct claim){
                .rule = rule, .exchange = exchange, .fault = SMTPSCOPE_FAULT_CLIENT, .detail = detail, .detail_number = limit});
}

/* Does a transaction end or begin with the reply, or what was said where none could be opened? */
static bool is_turn(const struct smtpscope_exchange *exchange)
{
    bool accepted = exchange->reply->code < 400;

    switch (exchange->command->verb) {
    case SMTPSCOPE_VERB_EOD: return true; /* RFC 5321 4.1.1.4: whatever the reply */
    case SMTPSCOPE_VERB_MAIL: return accepted || !exchange->before->transaction;
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO:
    case SMTPSCOPE_VERB_RSET: return accepted;
    case SMTPSCOPE_VERB_BDAT: return false; /* what is remembered is needed for its message, which is told behind this */
    default: return exchange->before->transaction && !exchange->after->transaction;
    }
}

static void hello_accepted(struct smtpscope_judge *judge)
{
    judge->session.hello_stale = false;
    if (judge->memory)
        judge->memory->session.hello = (struct past_refusal){0};
}

static void offer_remember(struct smtpscope_judge *judge, const struct smtpscope_offer *offer)
{
    struct session_memory *memory;

    if (!offer)
        return;
    judge->mechanisms = offer->mechanisms;
    memory = offer->limit_mail || offer->limit_rcpt ? memory_begin(judge) : judge->memory;
    if (memory) {
        memory->session.limit_mail = offer->limit_mail;
        memory->session.limit_rcpt = offer->limit_rcpt;
    }
}

static void remember_accepted(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    switch (exchange->command->verb) {
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
        if (exchange->after->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS))
            judge->session.starttls_offered = true;
        if (judge->memory)
            judge->memory->session.early_allowed |= (exchange->after->extensions & EARLY_ALLOWED) != 0;
        offer_remember(judge, exchange->offer);
        hello_accepted(judge);
        break;
    case SMTPSCOPE_VERB_HELO: hello_accepted(judge); break;
    case SMTPSCOPE_VERB_STARTTLS: judge->session.tls_granted = judge->session.hello_stale = exchange->reply->code == 220; break;
    case SMTPSCOPE_VERB_MAIL:
        judge->session.mail_in_clear |= !exchange->before->tls;
        judge->transaction.null_sender = is_null_sender(exchange->command);
        judge->transaction.smtputf8 = exchange->command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8);
        break;
    default: break; /* the others change nothing that is remembered */
    }
}

/* What later refusals may follow from is remembered with the note that explains it. */
static void remember_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint16_t note)
{
    struct past_refusal refusal = {.note = note, .reply_end = exchange->reply->end};
    struct session_memory *memory = judge->memory;

    switch (exchange->command->verb) {
    case SMTPSCOPE_VERB_EHLO: memory->session.ehlo_refused = true; /* fall through */
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO: memory->session.hello = refusal; break;
    case SMTPSCOPE_VERB_MAIL: memory->transaction.mail = refusal; break;
    case SMTPSCOPE_VERB_BDAT: memory->transaction.chunk = refusal; break;
    case SMTPSCOPE_VERB_RCPT:
        if (memory->transaction.rcpt_count < ROOTS_MAX)
            memory->transaction.rcpt[memory->transaction.rcpt_count++] = refusal;
        else
            memory->transaction.rcpt[ROOTS_MAX - 1].reply_end = refusal.reply_end;
        break;
    default: break; /* nothing follows from the others */
    }
}

/*
 * EHLO was refused, and the client tries HELO, as RFC 5321 3.2 asks, whatever becomes of it; or MAIL, and the server takes it.
 */
static void judge_helo_fallback(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    uint16_t id = memory_of(judge)->session.hello.note;
    const struct smtpscope_finding *hello = note_find(judge, id);
    bool helo = exchange->command->verb == SMTPSCOPE_VERB_HELO;
    bool mail = exchange->command->verb == SMTPSCOPE_VERB_MAIL && exchange->reply->code < 400;

    if (hello && hello->rule == SMTPSCOPE_RULE_REJECTION_EHLO_REFUSED && hello->reason == SMTPSCOPE_REASON_GAVE_UP &&
        (helo || mail))
        note_revise(judge, id,
                    &(struct revision){.reason = helo ? SMTPSCOPE_REASON_FELL_BACK : SMTPSCOPE_REASON_WENT_ON,
                                       .severity = SEVERITY(NOTICE)});
}

/* What a refusal is to the client: an error of its own, or only the consequence of an earlier one (folded, RFC 2920 3.1)? */
static bool is_own_error(struct smtpscope_judge *judge, uint32_t id, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_finding *finding = note_find(judge, id);

    return finding && finding->fault == SMTPSCOPE_FAULT_CLIENT && note_covers(judge, id, exchange);
}

static void judge_auth(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;

    /* RFC 4954 4: an initial response stands behind the mechanism, "=" when it is empty; the answer "*" cancels. */
    if (smtpscope_verb_is_login(command->verb)) {
        judge->session.secret_hidden =
            command->mechanism != SMTPSCOPE_MECHANISM_NONE && !smtpscope_mechanism_exposes(command->mechanism);
        judge->session.secret_sent = command->len > sizeof "AUTH " - 1 + command->argument.len + sizeof " =\r\n" - 1;
    } else if (command->verb == SMTPSCOPE_VERB_ANSWER) {
        judge->session.secret_sent |= command->len > sizeof "*\r\n" - 1;
    } else {
        return;
    }
    /* A password crossed the network, whatever the server made of it. */
    if (judge->session.secret_sent && !judge->session.secret_hidden && !exchange->before->tls && exchange->reply->code != 334)
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_SECURITY_AUTH_IN_CLEAR,
                                        .exchange = exchange,
                                        .fault = SMTPSCOPE_FAULT_CLIENT});
}

static void judge_verified(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (exchange->reply->code == 252 && smtpscope_verb_family(exchange->command->verb) == SMTPSCOPE_FAMILY_VERIFY)
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_REJECTION_VERIFY_DISABLED,
                                        .severity = SEVERITY(INFO),
                                        .exchange = exchange,
                                        .verdict = SMTPSCOPE_VERDICT_TOLERATED,
                                        .fault = SMTPSCOPE_FAULT_NOBODY});
}

static void judge_recipients(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (exchange->command->verb != SMTPSCOPE_VERB_RCPT ||
        !(exchange->before->transaction || exchange->before->doubt & SMTPSCOPE_DOUBT_TRANSACTION))
        return; /* none that a transaction would have to take */
    judge->transaction.recipients++;
    count_check(judge, exchange, judge->transaction.recipients - 1, judge->transaction.recipients,
                RECIPIENTS_EVERY_SERVER_TAKES + 1, SMTPSCOPE_RULE_COMMAND_TOO_MANY_RECIPIENTS, SMTPSCOPE_DETAIL_RECIPIENTS);
}

/* Explains a refusal, and sees whether there are too many of its kind. Returns the note that covers it. */
static uint16_t judge_errors(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct session_memory *memory = memory_begin(judge);
    uint32_t errors, logins, unknown;
    uint16_t note;

    if (!memory)
        return 0; /* out of memory: nothing can be remembered */
    errors = memory->session.errors;
    logins = memory->session.failed_logins;
    unknown = memory->session.unknown_recipients;
    note = judge_refused(judge, exchange);
    memory->session.errors += is_own_error(judge, note, exchange);
    count_check(judge, exchange, errors, memory->session.errors, MANY_ERRORS, SMTPSCOPE_RULE_COMMAND_TOO_MANY_ERRORS,
                SMTPSCOPE_DETAIL_ERRORS);
    count_check(judge, exchange, logins, memory->session.failed_logins, MANY_LOGINS, SMTPSCOPE_RULE_SECURITY_AUTH_GUESSING,
                SMTPSCOPE_DETAIL_ERRORS);
    count_check(judge, exchange, unknown, memory->session.unknown_recipients, MANY_UNKNOWN,
                SMTPSCOPE_RULE_SECURITY_RECIPIENT_HARVESTING, SMTPSCOPE_DETAIL_RECIPIENTS);
    return note;
}

static void judge_accepted(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    if (!is_alien(judge)) {
        judge_tolerated(judge, exchange);
        judge_pipelining(judge, exchange);
        judge_accepted_parameters(judge, exchange);
    }
    judge_verified(judge, exchange);
}

/* What was sent before the greeting was answered for what it is: that it came early was let pass. */
static bool is_early_let_pass(const struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint16_t note)
{
    return exchange->command->circumstances & SMTPSCOPE_COMMAND_EARLY && exchange->reply->code >= 200 &&
           (exchange->reply->code < 400 || (note && note != memory_of(judge)->session.early));
}

/* 221 that no QUIT asked for is 421 under another code ("221 idle timeout, bye"). */
static bool is_refusal(const struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    return exchange->reply->code >= 400 || (exchange->reply->code == 221 && !judge->session.doubtful &&
                                            exchange->reply->oddities & SMTPSCOPE_REPLY_UNSOLICITED);
}

/* The server's answer, as one or the other; and what is remembered of it. */
static void judge_answer(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    bool refused = is_refusal(judge, exchange);
    uint16_t note = 0;

    if (refused) {
        note = judge_errors(judge, exchange);
        judge_pipelining(judge, exchange);
    } else {
        judge_accepted(judge, exchange);
    }
    judge->session.early_taken |= is_early_let_pass(judge, exchange, note);
    judge_unsolicited(judge, exchange, note);
    if (is_turn(exchange))
        transaction_forget(judge);
    if (!refused)
        remember_accepted(judge, exchange);
    else if (judge->memory)
        remember_refused(judge, exchange, note);
}

/* Every command and its reply: most are as they should be, and must cost little. */
static void judge_exchange(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    enum smtpscope_verb verb = exchange->command->verb;
    uint16_t code = exchange->reply->code;

    exchange_forget(judge);
    if (!judge->session.server && (exchange->greeting || smtpscope_verb_hello(verb) == SMTPSCOPE_HELLO_EHLO))
        judge->session.server = server_of(&exchange->reply->text);
    judge->session.closing_seen |= code == 221;
    judge_oddities(judge, exchange);
    judge_auth(judge, exchange);
    if (verb == SMTPSCOPE_VERB_AUTH || judge->memory)
        judge_mechanism(judge, exchange);
    judge_recipients(judge, exchange);
    if (judge->memory)
        judge_limits(judge, exchange);
    if (judge->memory)
        judge_helo_fallback(judge, exchange);
    if (code)
        judge_answer(judge, exchange);
    judge->session.message_accepted |= verb == SMTPSCOPE_VERB_EOD && code < 400;
    judge_duplicate(judge, exchange);
    judge->last_reply = exchange->reply->time;
    judge->transaction.hindered = judge->transaction.hindered_by_client = false;
}

static void judge_early(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_SEQUENCE_COMMAND_BEFORE_GREETING,
                          .command = fact->command,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .confidence = judge->flow->unbegun ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN,
                          .verdict = SMTPSCOPE_VERDICT_UNANSWERED};
    uint16_t note;

    if (memory_of(judge)->session.early || is_alien(judge)) /* another protocol knows no greeting to wait for */
        return;
    note = note_add(judge, &claim);
    if (note)
        judge->memory->session.early = note;
}

static void judge_tls(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    static const int rules[] = {
        [SMTPSCOPE_TLS_STARTED] = -1,
        [SMTPSCOPE_TLS_COMMAND_INJECTION] = SMTPSCOPE_RULE_SECURITY_STARTTLS_COMMAND_INJECTION,
        [SMTPSCOPE_TLS_RESPONSE_INJECTION] = SMTPSCOPE_RULE_SECURITY_STARTTLS_RESPONSE_INJECTION,
        [SMTPSCOPE_TLS_NOT_FOLLOWED] = SMTPSCOPE_RULE_SECURITY_STARTTLS_NOT_FOLLOWED,
        [SMTPSCOPE_TLS_BY_CAPTURE] = -1,
    };
    bool server = fact->tls == SMTPSCOPE_TLS_RESPONSE_INJECTION;
    struct claim claim = {.fact = fact,
                          .side = server ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT,
                          .fault = server ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_CLIENT};

    unsigned bit = 1u << fact->tls;
    bool told = judge->session.tls_told & bit;
    uint16_t note;

    judge->session.tls_told |= bit & 0x1fu;
    if (rules[fact->tls] < 0 || told)
        return;
    claim.rule = (enum smtpscope_rule)rules[fact->tls];
    note = note_add(judge, &claim);
    if (note && fact->tls == SMTPSCOPE_TLS_NOT_FOLLOWED)
        judge->memory->session.not_followed = note;
}

/* Whose fault it is, and whether it is one, the ports do not tell. */
static void judge_open(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_SECURITY_UNEXPECTED_PORT,
                          .fact = fact,
                          .fault = SMTPSCOPE_FAULT_UNDETERMINED,
                          .detail = SMTPSCOPE_DETAIL_PORT,
                          .detail_number = fact->flow->side[SMTPSCOPE_SERVER].port};

    judge->flow = fact->flow;
    judge->session.doubtful = fact->flow->midstream;
    if (fact->flow->unexpected)
        note_add(judge, &claim);
}

static void judge_alien(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_SECURITY_NOT_SMTP,
                          .fact = fact,
                          .side = fact->alien_side,
                          .fault = fact->alien_side == SMTPSCOPE_CLIENT ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER,
                          .detail = SMTPSCOPE_DETAIL_PROTOCOL,
                          .detail_text = smtpscope_text_of(fact->alien_name)};
    uint16_t note = note_add(judge, &claim);

    if (note)
        judge->memory->session.alien = note;
}

static void judge_cross(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_SECURITY_CROSS_PROTOCOL,
                          .command = fact->command,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .cause = memory_of(judge)->session.alien};

    note_add(judge, &claim);
}

static void judge_overflow(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    struct claim claim = {.rule = SMTPSCOPE_RULE_TRANSPORT_EVICTED, .fact = fact, .fault = SMTPSCOPE_FAULT_NOBODY};

    judge->session.doubtful = true;
    note_add(judge, &claim);
}

void smtpscope_judge_fact(struct smtpscope_judge *judge, const struct smtpscope_session *session,
                          const struct smtpscope_fact *fact)
{
    if (smtpscope_session_ending(session) && !judge->session.network_seen)
        judge_network(judge, smtpscope_session_ending(session), fact);
    switch (fact->type) {
    case SMTPSCOPE_FACT_OPEN: judge_open(judge, fact); break;
    case SMTPSCOPE_FACT_COMMAND: judge_early(judge, fact); break;
    case SMTPSCOPE_FACT_EXCHANGE:
        judge->session.server_seen = true;
        if (!(fact->exchange->command->circumstances & SMTPSCOPE_COMMAND_LOST) &&
            fact->exchange->command->verb != SMTPSCOPE_VERB_NONE)
            judge->session.client_seen = true;
        judge_exchange(judge, fact->exchange);
        break;
    case SMTPSCOPE_FACT_UNANSWERED: judge_unanswered(judge, session, fact); break;
    case SMTPSCOPE_FACT_MESSAGE: judge_message(judge, session, fact); break;
    case SMTPSCOPE_FACT_PROXY: judge_proxy(judge, fact); break;
    case SMTPSCOPE_FACT_TLS: judge_tls(judge, fact); break;
    case SMTPSCOPE_FACT_ALIEN: judge_alien(judge, fact); break;
    case SMTPSCOPE_FACT_CROSS: judge_cross(judge, fact); break;
    case SMTPSCOPE_FACT_GAP:
    case SMTPSCOPE_FACT_CONFLICT: judge_gap(judge, fact); break;
    case SMTPSCOPE_FACT_URGENT: judge_urgent(judge, fact); break;
    case SMTPSCOPE_FACT_HANDSHAKE: judge_handshake(judge, fact); break;
    case SMTPSCOPE_FACT_INFERRED: break;
    case SMTPSCOPE_FACT_TLS_END: judge_tls_end(judge, fact); break;
    case SMTPSCOPE_FACT_STALL: judge_stall(judge, fact); break;
    case SMTPSCOPE_FACT_OVERFLOW: judge_overflow(judge, fact); break;
    case SMTPSCOPE_FACT_END:
        judge_end(judge, fact);
        notes_emit(judge);
        break;
    }
}
