/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest caller of the library, built as a project of its own: what both sides said in, findings out. */
#include <smtpscope/advice.h>
#include <smtpscope/judge.h>
#include <smtpscope/session.h>

#include <stdio.h>
#include <string.h>

static const struct {
    enum smtpscope_side side;
    const char *line;
} dialogue[] = {
    {SMTPSCOPE_SERVER, "220 mx.example ESMTP\r\n"},
    {SMTPSCOPE_CLIENT, "EHLO client.example\r\n"},
    {SMTPSCOPE_SERVER, "250 mx.example\r\n"},
    {SMTPSCOPE_CLIENT, "RCPT TO:<a@mx.example>\r\n"},
    {SMTPSCOPE_SERVER, "503 5.5.1 Need MAIL first\r\n"},
    {SMTPSCOPE_CLIENT, "QUIT\r\n"},
    {SMTPSCOPE_SERVER, "221 2.0.0 Bye\r\n"},
};
#define LINES (sizeof dialogue / sizeof dialogue[0])

static void told(void *ctx, const struct smtpscope_finding *finding)
{
    (void)ctx;
    printf("line %u: %s: %s\n", (unsigned)finding->packet, smtpscope_rule_info(finding->rule)->id,
           smtpscope_advice_summary(finding->rule));
}

static void judged(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)ctx;
    smtpscope_judge_fact(smtpscope_session_user(session), session, fact);
}

int main(void)
{
    const struct smtpscope_judge_config judge_config = {.finding = told};
    const struct smtpscope_session_config session_config = {.fact = judged};
    const struct smtpscope_flow flow = {.first_packet = 1};
    const struct smtpscope_ending ending = {
        .why = SMTPSCOPE_CLOSE_FIN, .fin = {true, true}, .seen = {true, true}, .packet = LINES};
    struct smtpscope_judge *judge = smtpscope_judge_new(&judge_config);
    struct smtpscope_session *session = judge ? smtpscope_session_new(&session_config, &flow, judge) : NULL;
    uint64_t said[2] = {0, 0};

    for (size_t i = 0; session && i < LINES; i++) {
        enum smtpscope_side side = dialogue[i].side;
        const struct smtpscope_octets octets = {.side = side,
                                                .data = (const uint8_t *)dialogue[i].line,
                                                .len = strlen(dialogue[i].line),
                                                .offset = said[side],
                                                .acked = said[!side],
                                                .time = (smtpscope_time)i * SMTPSCOPE_SECOND,
                                                .packet = i + 1};

        smtpscope_session_feed(session, &octets);
        said[side] += octets.len;
    }
    if (session) {
        smtpscope_session_close(session, &ending);
        smtpscope_session_free(session);
    }
    smtpscope_judge_free(judge);
    return 0;
}
