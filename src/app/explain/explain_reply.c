/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reply line -> a session in which the server says it -> the finding of that session. So a line means here what it means in a
 * capture, whatever the tables say of codes and states.
 */
#include "app/explain/explain_reply.h"

#include "smtpscope/advice.h"
#include "smtpscope/follow.h"

#include "app/explain/explain_advice.h"
#include "app/explain/explain_codes.h"
#include "app/explain/explain_page.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Of a reply, its lines together; more is not read. */
#define REPLY_MAX 8192

/* --- where it was said */

#define EHLO "EHLO client.example\r\n"
#define MAIL "MAIL FROM:<a@client.example>\r\n"
#define RCPT "RCPT TO:<b@server.example>\r\n"

/* The step of a session; what the client says before it, each of which is answered; how bounces call it; codes of it alone. */
static const struct stage {
    const char *word;
    const char *commands[5]; /* the last one is answered by the line */
    const char *marks[6];    /* in small letters */
    unsigned codes[4];
} stages[] = {
    {"rcpt", {EHLO, MAIL, RCPT}, {"rcpt to", "rcpt-to"}},
    {"data",
     {EHLO, MAIL, RCPT, "DATA\r\n", "Subject: x\r\n\r\nx\r\n.\r\n"},
     {"end of data", "end-of-data", "end of message", "end-of-message", "data command", "after data"}},
    {"mail", {EHLO, MAIL}, {"mail from", "mail-from"}},
    {"connect", {NULL}, {"initial connection", "initial server greeting", "refused to talk to me", "greeting"}},
    {"helo", {EHLO}, {"ehlo command", "helo command", "after ehlo", "after helo"}},
    {"auth", {EHLO, "AUTH PLAIN AGEAYg==\r\n"}, {"auth command", "after auth"}, {432, 534, 535, 538}}, /* RFC 4954 6 */
    {"tls", {EHLO, "STARTTLS\r\n"}, {"starttls command", "after starttls"}},
};

static const struct stage *stage_of_word(const char *word)
{
    for (size_t i = 0; i < COUNT(stages); i++)
        if (!strcmp(stages[i].word, word))
            return &stages[i];
    return NULL;
}

/* Does the text have the mark, whatever its letters' case? */
static bool has_mark(const char *text, size_t len, const char *mark)
{
    size_t size = strlen(mark);

    for (size_t at = 0; at + size <= len; at++) {
        size_t same = 0;

        while (same < size && tolower((unsigned char)text[at + same]) == mark[same])
            same++;
        if (same == size)
            return true;
    }
    return false;
}

static const struct stage *stage_of_marks(const char *text, size_t len)
{
    for (size_t i = 0; i < COUNT(stages); i++)
        for (size_t mark = 0; mark < COUNT(stages[i].marks) && stages[i].marks[mark] != NULL; mark++)
            if (has_mark(text, len, stages[i].marks[mark]))
                return &stages[i];
    return NULL;
}

static const struct stage *stage_of_code(unsigned code)
{
    for (size_t i = 0; i < COUNT(stages); i++)
        for (size_t n = 0; n < COUNT(stages[i].codes) && stages[i].codes[n] != 0; n++)
            if (stages[i].codes[n] == code)
                return &stages[i];
    return NULL;
}

/* --- the line in the text */

/* A line as a bounce or a log has it. */
struct reply_line {
    const char *at; /* from the code on; NULL: there is no reply */
    size_t len;
    const struct stage *stage;
};

static bool is_code(const char *at)
{
    return *at >= '2' && *at <= '5' && isdigit((unsigned char)at[1]) && isdigit((unsigned char)at[2]) &&
           (at[3] == ' ' || at[3] == '-');
}

/* The code at the beginning; else behind "said: ", "smtp; ", "after RCPT TO:<b@example>: ", "<<< ". */
static const char *code_find(const char *text)
{
    const char *at = text + strspn(text, " \t\"");

    if (is_code(at))
        return at;
    for (; *at != '\0'; at++)
        if (at > text + 1 && at[-1] == ' ' && strchr(":;<", at[-2]) != NULL && is_code(at))
            return at;
    return NULL;
}

/* "... (in reply to RCPT TO command)" is what the client has added. */
static size_t reply_len(const char *reply)
{
    const char *added = strstr(reply, " (in reply to ");
    size_t len = added != NULL ? (size_t)(added - reply) : strlen(reply);

    while (len > 3 && strchr(" \t\r\n\"", reply[len - 1]) != NULL)
        len--;
    return len;
}

static struct reply_line said_in(const char *text, const char *stage)
{
    struct reply_line said = {.at = code_find(text)};

    if (said.at == NULL)
        return said;
    said.len = reply_len(said.at);
    if (stage != NULL)
        said.stage = stage_of_word(stage);
    if (said.stage == NULL)
        said.stage = stage_of_marks(said.at + said.len, strlen(said.at + said.len)); /* what stands behind it is meant more */
    if (said.stage == NULL)
        said.stage = stage_of_marks(text, (size_t)(said.at - text));
    if (said.stage == NULL)
        said.stage = stage_of_code((unsigned)strtoul(said.at, NULL, 10));
    if (said.stage == NULL)
        said.stage = &stages[0];
    return said;
}

/* --- the session */

/* A session in the making, and what was found in it. */
struct rehearsal {
    struct smtpscope_follow *follow;
    struct smtpscope_session *session;
    unsigned code;
    bool found;
    struct smtpscope_finding finding; /* its texts are not valid */
};

static void take_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    static const char *const families[] = {"deferral", "refusal", "rejection", "sequence", "pipelining"};
    struct rehearsal *rehearsal = ctx;
    const char *family = smtpscope_rule_info(finding->rule)->family;

    (void)session;
    for (size_t i = 0; i < COUNT(families) && !rehearsal->found; i++)
        if (finding->code == rehearsal->code && strcmp(family, families[i]) == 0) {
            rehearsal->found = true;
            rehearsal->finding = *finding;
        }
}

static void say(struct rehearsal *rehearsal, enum smtpscope_side side, const char *text, size_t len)
{
    const struct smtpscope_octets octets = {.side = side, .data = (const uint8_t *)text, .len = len};

    smtpscope_follow_clear(rehearsal->follow, rehearsal->session, &octets, false);
}

static void client_says(struct rehearsal *rehearsal, const char *text)
{
    say(rehearsal, SMTPSCOPE_CLIENT, text, strlen(text));
}

static void server_says(struct rehearsal *rehearsal, const char *text)
{
    say(rehearsal, SMTPSCOPE_SERVER, text, strlen(text));
}

/* As on the wire: each line ends with CRLF, and the last has a space behind its code. */
static void server_says_reply(struct rehearsal *rehearsal, const struct reply_line *said)
{
    char reply[2 * REPLY_MAX];
    size_t len = 0, last = 0;

    for (size_t i = 0; i < said->len && len + 4 < sizeof reply; i++) {
        if (said->at[i] == '\r' || (said->at[i] == '\n' && i + 1 == said->len))
            continue;
        if (said->at[i] == '\n')
            reply[len++] = '\r';
        reply[len++] = said->at[i];
        if (said->at[i] == '\n')
            last = len;
    }
    if (len > last + 3 && reply[last + 3] == '-')
        reply[last + 3] = ' ';
    memcpy(reply + len, "\r\n", 2);
    say(rehearsal, SMTPSCOPE_SERVER, reply, len + 2);
}

static void play(struct rehearsal *rehearsal, const struct reply_line *said)
{
    const struct stage *stage = said->stage;

    for (size_t i = 0; i < COUNT(stage->commands) && stage->commands[i] != NULL; i++) {
        if (i == 0)
            server_says(rehearsal, "220 server.example ESMTP\r\n");
        else if (i == 1)
            server_says(rehearsal, "250-server.example\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n"
                                   "250-SIZE\r\n250 8BITMIME\r\n");
        else
            server_says(rehearsal, i == 4 ? "354 Go on\r\n" : "250 Ok\r\n");
        client_says(rehearsal, stage->commands[i]);
    }
    server_says_reply(rehearsal, said);
}

/* false: out of memory. */
static bool rehearse(struct rehearsal *rehearsal, const struct reply_line *said)
{
    const struct smtpscope_follow_config config = {.finding = take_finding, .ctx = rehearsal};
    const struct smtpscope_flow flow = {.side = {[SMTPSCOPE_SERVER] = {.port = 25}}, .first_packet = 1};
    const struct smtpscope_ending ending = {0};

    *rehearsal = (struct rehearsal){.code = (unsigned)strtoul(said->at, NULL, 10)};
    rehearsal->follow = smtpscope_follow_new(&config);
    rehearsal->session = rehearsal->follow != NULL ? smtpscope_follow_open(rehearsal->follow, &flow) : NULL;
    if (rehearsal->session != NULL) {
        play(rehearsal, said);
        smtpscope_follow_close(rehearsal->follow, rehearsal->session, &ending);
    }
    smtpscope_follow_free(rehearsal->follow);
    if (rehearsal->session == NULL)
        warn_user("%s", _("out of memory"));
    return rehearsal->session != NULL;
}

/* --- pages */

static void put_json(struct writer *json, const char *text, const struct reply_line *said, const struct rehearsal *rehearsal)
{
    const struct smtpscope_finding *finding = rehearsal->found ? &rehearsal->finding : NULL;
    enum smtpscope_reason reason = finding != NULL ? finding->reason : SMTPSCOPE_REASON_NONE;

    put_open(json, '{');
    put_member_string(json, "type", "reply");
    put_member_text(json, "line", (struct smtpscope_text){text, strcspn(text, "\r\n")});
    put_key(json, "reply");
    if (said->at != NULL)
        put_text(json, said->at, said->len);
    else
        put_null(json);
    put_member_string(json, "stage", said->at != NULL ? said->stage->word : NULL);
    put_member_string(json, "rule", finding != NULL ? smtpscope_rule_info(finding->rule)->id : NULL);
    put_member_string(json, "severity", finding != NULL ? smtpscope_severity_name(finding->severity) : NULL);
    put_member_string(json, "reason", smtpscope_reason_name(reason));
    put_member_string(json, "reason_evidence",
                      finding != NULL && *finding->reason_evidence != '\0' ? finding->reason_evidence : NULL);
    put_member_string(json, "confidence", finding != NULL ? smtpscope_confidence_name(finding->confidence) : NULL);
    put_member_string(json, "fault", finding != NULL ? smtpscope_fault_name(finding->fault) : NULL);
    put_member_string(json, "retry",
                      reason != SMTPSCOPE_REASON_NONE ? smtpscope_retry_name(smtpscope_finding_retry(finding->rule, reason))
                                                      : NULL);
    if (finding != NULL)
        explain_json_advice(json, finding->rule, reason);
    put_close(json, '}');
}

static int explain_in_json(const char *text, const char *stage, FILE *out)
{
    struct reply_line said = said_in(text, stage);
    struct rehearsal rehearsal = {0};
    struct writer json = {0};

    if (said.at != NULL && !rehearse(&rehearsal, &said))
        return 2;
    put_json(&json, text, &said, &rehearsal);
    return page_json(&json, out);
}

static void put_page(FILE *out, const struct reply_line *said, const struct smtpscope_finding *finding)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(finding->rule);
    const char *reason = smtpscope_reason_name(finding->reason);
    struct page page = page_of(out);

    fputs(info->id, out);
    if (reason != NULL && strcmp(info->id + strlen(info->family) + 1, reason) != 0)
        fprintf(out, " (%s)", reason);
    putc('\n', out);
    page_filled(&page, 2, smtpscope_advice_summary(finding->rule));
    fprintf(out, "  %s%s%s\n", smtpscope_severity_name(finding->severity), info->reference == NULL ? "" : ", ",
            info->reference == NULL ? "" : info->reference);
    fprintf(out, "  ");
    fprintf(out, _("read as said at: %s (--stage says another)"), said->stage->word);
    putc('\n', out);
    if (*finding->reason_evidence != '\0') {
        fprintf(out, "  ");
        fprintf(out, _("the reason is read from %s"), finding->reason_evidence);
        putc('\n', out);
    }
    explain_advice(&page, finding->rule, finding->reason, &finding->fault);
    if (reason != NULL)
        page_section(&page, _("Does it help to send again?"),
                     explain_retry(smtpscope_finding_retry(finding->rule, finding->reason)));
}

bool explain_is_reply(const char *topic)
{
    const char *code = code_find(topic);

    /* "450 4.7.1" is a topic of its own. */
    return code != NULL && (code > topic || strspn(code + 3, " -.0123456789Xx") < strlen(code + 3));
}

int explain_reply(const char *topic, const char *stage, bool json, FILE *out)
{
    struct reply_line said = said_in(topic, stage);
    struct rehearsal rehearsal;

    if (json)
        return explain_in_json(topic, stage, out);
    if (!rehearse(&rehearsal, &said))
        return 2;
    if (!rehearsal.found) {
        char code[] = {said.at[0], said.at[1], said.at[2], '\0'};

        return explain_number(code, json, out);
    }
    put_page(out, &said, &rehearsal.finding);
    return 0;
}

/* --- many of them */

/* One reply, with all its lines; false at the end. */
static bool read_reply(FILE *in, char *reply, size_t size)
{
    size_t len = 0;

    while (len + 2 < size && fgets(reply + len, (int)(size - len), in) != NULL) {
        const char *line = reply + len;

        len += strlen(line);
        if (!is_code(line) || line[3] != '-')
            break;
    }
    reply[len] = '\0';
    return len != 0;
}

int explain_replies(FILE *in, const char *stage, FILE *out)
{
    char reply[REPLY_MAX];
    int status = 0;

    while (status == 0 && read_reply(in, reply, sizeof reply))
        status = explain_in_json(reply, stage, out);
    return status;
}
