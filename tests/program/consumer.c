/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest useful caller of the library, built as a project of its own: TCP segments in, what went wrong out. */
#include <smtpscope.h>

#include <stdio.h>
#include <string.h>

/* Who sends, and what; a capture has it. */
static const struct {
    enum smtpscope_side side;
    uint8_t flags;
    const char *line;
} sent[] = {
    {SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_SYN, ""},
    {SMTPSCOPE_SERVER, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, ""},
    {SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, "220 mx.example ESMTP\r\n"},
    {SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_ACK, "EHLO client.example\r\n"},
    {SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, "250 mx.example\r\n"},
    {SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_ACK, "RCPT TO:<a@mx.example>\r\n"},
    {SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, "503 5.5.1 Need MAIL first\r\n"},
    {SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_ACK, "QUIT\r\n"},
    {SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_FIN, "221 2.0.0 Bye\r\n"},
};

static void told(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    (void)ctx, (void)session;
    printf("packet %u: %s: %s\n", (unsigned)finding->packet, smtpscope_rule_info(finding->rule)->id,
           smtpscope_advice_summary(finding->rule));
}

int main(void)
{
    const struct smtpscope_endpoint ends[2] = {{{[10] = 255, 255, 192, 0, 2, 1}, 40000}, {{[10] = 255, 255, 192, 0, 2, 2}, 25}};
    struct smtpscope_follow *follow = smtpscope_follow_new(&(struct smtpscope_follow_config){.finding = told});
    uint32_t next[2] = {100, 200};

    for (size_t i = 0; follow && i < sizeof sent / sizeof sent[0]; i++) {
        enum smtpscope_side side = sent[i].side;
        const struct smtpscope_segment segment = {.src = ends[side],
                                                  .dst = ends[!side],
                                                  .seq = next[side],
                                                  .ack = next[!side],
                                                  .flags = sent[i].flags,
                                                  .window = UINT16_MAX,
                                                  .data = (const uint8_t *)sent[i].line,
                                                  .len = (uint32_t)strlen(sent[i].line),
                                                  .time = (smtpscope_time)(i + 1) * SMTPSCOPE_SECOND,
                                                  .packet = i + 1};

        smtpscope_follow_segment(follow, &segment);
        next[side] += segment.len + (sent[i].flags & SMTPSCOPE_TCP_SYN ? 1 : 0);
    }
    if (follow)
        smtpscope_follow_finish(follow);
    smtpscope_follow_free(follow);
    return 0;
}
