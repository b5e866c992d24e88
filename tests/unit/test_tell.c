/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings told while the session goes on: what was told, replaced by what has changed, is what the end alone tells. Driven by
 * what the dialogues of tests/dialogue say; of their staging only lost octets, waits and new sessions, for whatever the octets
 * mean, it must hold.
 */
#include "test_session.h"

#include <glob.h>

#define FINDINGS_MAX 400
#define FINDING_TEXT_MAX 4096

struct told {
    char first[FINDING_TEXT_MAX], last[FINDING_TEXT_MAX]; /* as told at once, and at the end; "" when not */
    bool told, changed;                                   /* what the end said */
};

static struct run {
    struct follow follow;
    struct told findings[FINDINGS_MAX];
} alone, live;

static void finding_write(char *to, const struct smtpscope_finding *finding)
{
    int len = snprintf(
        to, FINDING_TEXT_MAX,
        "%u<%u %s %d %d %d %d %d %s %llu *%u+%u [%lld %llu] [%lld %llu] %d %llu (%s|%s|%u %u.%u.%u|%s) %s %s:", finding->id,
        finding->cause, smtpscope_rule_info(finding->rule)->id, finding->severity, finding->verdict, finding->reason,
        finding->confidence, finding->fault, finding->detail_text, (unsigned long long)finding->detail_number, finding->count,
        finding->folded, (long long)finding->time, (unsigned long long)finding->packet, (long long)finding->last_time,
        (unsigned long long)finding->last_packet, finding->side, (unsigned long long)finding->offset, finding->command,
        finding->argument, finding->code, finding->enhanced.klass, finding->enhanced.subject, finding->enhanced.detail,
        finding->text, finding->state, finding->server);

    for (size_t i = 0; i < finding->exchange_count && len < FINDING_TEXT_MAX; i++)
        len += snprintf(to + len, FINDING_TEXT_MAX - (size_t)len, "%s%u", i == finding->evidence_count ? ";" : ",",
                        finding->exchanges[i]);
}

static void on_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct run *run = ctx;
    struct told *told = &run->findings[finding->id];

    assert_true(finding->id < FINDINGS_MAX);
    finding_write(run->follow.ended ? told->last : told->first, finding);
    told->told = finding->told;
    told->changed = finding->changed;
}

static void run_begin(struct run *run, bool tells)
{
    memset(run->findings, 0, sizeof run->findings);
    run->follow.finding = on_finding;
    run->follow.ctx = run;
    run->follow.tells = tells;
    follow_init(&run->follow, NULL, false);
}

static void run_end(struct run *run)
{
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN,
                                      .fin = {true, true},
                                      .seen = {true, true},
                                      .time = run->follow.time,
                                      .packet = run->follow.packet};

    follow_close(&run->follow, &ending);
}

/* How many findings were told early, and how many of them had changed. */
struct tally {
    unsigned told, changed, late;
};

static void runs_compare(const char *name, struct tally *tally)
{
    assert_int_equal(alone.follow.findings, live.follow.findings);
    for (uint32_t id = 1; id <= alone.follow.findings; id++) {
        const struct told *want = &alone.findings[id], *has = &live.findings[id];
        bool same = has->told && !strcmp(has->first, want->last);

        if (strcmp(has->last, want->last))
            fail_msg("%s: the end says\n%s\nand without telling\n%s", name, has->last, want->last);
        if (has->told != (has->first[0] != '\0') || want->told)
            fail_msg("%s: told %d, and told was \"%s\": %s", name, has->told, has->first, has->last);
        if (has->told && has->changed == same)
            fail_msg("%s: changed %d between\n%s\nand\n%s", name, has->changed, has->first, want->last);
        tally->told += has->told;
        tally->changed += has->changed;
        tally->late += !has->told;
    }
}

static void both_begin(void)
{
    run_begin(&alone, false);
    run_begin(&live, true);
}

static void both_end(const char *name, struct tally *tally)
{
    run_end(&alone);
    run_end(&live);
    runs_compare(name, tally);
}

static void both_say(enum smtpscope_side side, const char *octets, size_t len)
{
    follow_feed(&alone.follow, side, octets, len, 0);
    follow_feed(&live.follow, side, octets, len, 0);
}

/* The escapes that matter to SMTP: \r \n \0 and \xNN; others stand for themselves. Returns the length. */
static size_t unescape(char *text, size_t len)
{
    static const char letters[] = "rn0t", octets[] = {'\r', '\n', '\0', '\t'};
    size_t used = 0;

    for (size_t at = 0; at < len; at++) {
        const char *letter = text[at] == '\\' && at + 1 < len ? memchr(letters, text[at + 1], sizeof letters - 1) : NULL;
        unsigned octet;

        if (letter) {
            text[used++] = octets[letter - letters];
            at++;
        } else if (text[at] == '\\' && at + 3 < len && sscanf(text + at + 1, "x%2x", &octet) == 1) {
            text[used++] = (char)octet;
            at += 3;
        } else {
            text[used++] = text[at];
        }
    }
    return used;
}

static void line_play(char *line, const char *name, struct tally *tally, bool *spoken)
{
    enum smtpscope_side side = *line == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    size_t len = strcspn(line, "\n");

    if (!strncmp(line, "session:", 8) && *spoken) {
        both_end(name, tally);
        both_begin();
    } else if (!strncmp(line, "wait ", 5)) {
        alone.follow.time = live.follow.time += 400 * SMTPSCOPE_SECOND;
    } else if ((*line == 'S' || *line == 'C') && (line[1] == ':' || line[1] == '&') && line[2] == ' ') {
        *spoken = true;
        if (!strncmp(line + 3, "[lost", 5)) {
            follow_gap(&alone.follow, side, 20);
            follow_gap(&live.follow, side, 20);
        } else if (line[3] != '[') {
            len = 3 + unescape(line + 3, len - 3);
            memcpy(line + len, "\r\n", 3);
            both_say(side, line + 3, len - 1);
        }
    }
}

static void test_dialogues(void **unused)
{
    static char line[65536];
    struct tally tally = {0, 0, 0};
    glob_t names;

    (void)unused;
    assert_int_equal(glob(SMTPSCOPE_SOURCE_DIR "/tests/dialogue/*.txt", 0, NULL, &names), 0);
    for (size_t i = 0; i < names.gl_pathc; i++) {
        FILE *file = fopen(names.gl_pathv[i], "r");
        bool spoken = false;

        assert_non_null(file);
        both_begin();
        while (fgets(line, sizeof line - 2, file))
            line_play(line, names.gl_pathv[i], &tally, &spoken);
        both_end(names.gl_pathv[i], &tally);
        fclose(file);
    }
    globfree(&names);
    /* Some of each, or nothing was tested. */
    if (tally.told < 200 || tally.changed < 20 || tally.late < 20)
        fail_msg("%u told early, %u of them changed, %u told at the end alone", tally.told, tally.changed, tally.late);
}

/* What changes, and what does not. */
static const struct row {
    const char *label;
    struct step steps[STEPS_MAX];
    bool changed;
} rows[] = {
    {"nothing changes", {HELLO, C("VRFY x\r\n"), S("502 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}, false},
    {"counted once more",
     {HELLO, C("FROB\r\n"), S("500 no\r\n"), C("FROB\r\n"), S("500 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     true},
    {"a symptom is folded",
     {HELLO, C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"), S("250 ok\r\n550 5.1.1 no\r\n"), S("503 5.5.1 none\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     true},
    {"severity and reason: HELO behind a refused EHLO",
     {S("220 mx\r\n"), C("EHLO c.example\r\n"), S("502 no\r\n"), C("HELO c.example\r\n"), S("250 mx\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     true},
    {"the verdict: early, and then taken",
     {C("EHLO c.example\r\n"), S("220 mx\r\n"), S("250 mx\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     true},
    {"the detail: one gap more",
     {HELLO, C_GAP(10), S("250 ok\r\n"), C_GAP(20), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     true},
};

static void test_rows(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct tally tally = {0, 0, 0};

        both_begin();
        for (size_t j = 0; j < STEPS_MAX && (rows[i].steps[j].text || rows[i].steps[j].gap); j++) {
            step_feed(&alone.follow, &rows[i].steps[j], 0);
            step_feed(&live.follow, &rows[i].steps[j], 0);
        }
        both_end(rows[i].label, &tally);
        if (!tally.told || (tally.changed > 0) != rows[i].changed)
            fail_msg("%s: %u told early, %u of them changed", rows[i].label, tally.told, tally.changed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_dialogues)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
