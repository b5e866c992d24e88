/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * measure FILE.tsv [--verbose]: how well replies are read, over labelled replies of real servers.
 *
 * Three figures. With all servers known. Leave-one-server-out: for each line the server is not known, and the rows of the
 * phrase table that bear its name are left out. And harder: those rows too are left out, however general their words, that
 * of all servers in the collection only this one bears out; it has no bar, as it leaves out plain English ("internal error").
 * Exit status 1 when a figure misses its bar.
 */
#include "labelled.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINES_MAX 4096
#define CLASSES_MAX 128
#define ROWS_MAX 4096

/* The least that is right and the most that is wrong, in percent of the lines that have a reason. */
static const struct bar {
    const char *name;
    double right, wrong;
} bars[] = {
    {"all servers known", 97.0, 0.0},
    {"leave one server out", 75.0, 3.0},
    {"leave one server out, and all that it alone bears out", 0.0, 100.0},
};
enum mode { ALL_KNOWN, NAMED_OUT, BORNE_OUT };

struct tally {
    char class[64];
    unsigned right, abstained, wrong;
};

/* Labels that are not the name of a reason, and the meaning they stand for. */
static const struct label {
    const char *class;
    enum reply_meaning meaning;
} labels[] = {
    {"sequence: no EHLO or HELO yet", MEANING_SEQ_HELO},
    {"sequence: nested MAIL", MEANING_NESTED_MAIL},
    {"sequence: no MAIL yet", MEANING_SEQ_MAIL},
    {"sequence: no RCPT yet", MEANING_SEQ_RCPT},
    {"sequence: BDAT", MEANING_SEQ_BDAT},
    {"sequence: AUTH twice", MEANING_AUTH_TWICE},
    {"sequence: STARTTLS twice", MEANING_TLS_TWICE},
    {"sequence: not inside a transaction", MEANING_IN_TRANSACTION},
    {"sequence: collateral of refused recipients", MEANING_NO_VALID_RCPT},
    {"sequence: EHLO twice", MEANING_DUPLICATE_HELO},
    {"rejection: extension not offered", MEANING_NOT_OFFERED},
    {"rejection: parameter", MEANING_PARAMETER},
    {"pipelining", MEANING_PIPELINING},
    {"pipelining or early talker", MEANING_PIPELINING},
    {"command: line too long", MEANING_LINE_TOO_LONG},
    {"refusal: policy", MEANING_POLICY},
};

enum verdict { RIGHT, ABSTAINED, WRONG, NOT_COUNTED };

static enum verdict judge_reason(const char *word, enum smtpscope_verb verb, const struct smtpscope_reply *reply,
                                 const char *server, const bool *without)
{
    enum smtpscope_reason reason = reading_of(verb, reply, server, without).reason;

    if (!strcmp(smtpscope_reason_name(reason), word))
        return RIGHT;
    return reason == SMTPSCOPE_REASON_UNSPECIFIED ? ABSTAINED : WRONG;
}

static enum verdict judge_reading(enum reply_meaning wanted, enum smtpscope_verb verb, const struct smtpscope_reply *reply,
                                  const char *server, const bool *without)
{
    enum reply_meaning meaning = reading_of(verb, reply, server, without).meaning;

    if (meaning == MEANING_TOO_SOON)
        meaning = MEANING_PIPELINING;
    if (meaning == wanted || (wanted == MEANING_SEQ_RCPT && meaning == MEANING_NO_VALID_RCPT))
        return RIGHT;
    return meaning == MEANING_NONE ? ABSTAINED : WRONG;
}

static enum verdict judge(char *fields[], const bool *without)
{
    struct smtpscope_reply reply = reply_of_line(fields[3]);
    const char *known = without ? "" : software_of_server(fields[0]);
    const char *dot = strchr(fields[2], '.');

    for (size_t i = 0; i < COUNT(labels); i++)
        if (!strcmp(fields[2], labels[i].class))
            return judge_reading(labels[i].meaning, verb_of_step(fields[1]), &reply, known, without);
    if (dot && (!strncmp(fields[2], "deferral.", 9) || !strncmp(fields[2], "refusal.", 8)))
        return judge_reason(dot + 1, verb_of_step(fields[1]), &reply, known, without);
    return NOT_COUNTED; /* the state and the code decide these, not the text */
}

static struct tally *tally_of(struct tally *tallies, size_t *count, const char *class)
{
    for (size_t i = 0; i < *count; i++)
        if (!strcmp(tallies[i].class, class))
            return &tallies[i];
    if (*count == CLASSES_MAX)
        return &tallies[0];
    snprintf(tallies[*count].class, sizeof tallies[0].class, "%s", class);
    return &tallies[(*count)++];
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->class, ((const struct tally *)b)->class);
}

static bool report(const struct bar *bar, struct tally *tallies, size_t count)
{
    struct tally sum = {.class = "deferral and refusal reasons"};
    double all, right, wrong;

    qsort(tallies, count, sizeof *tallies, compare);
    printf("\n%s\n%-46s %6s %9s %6s\n", bar->name, "class", "right", "abstained", "wrong");
    for (size_t i = 0; i < count; i++) {
        printf("%-46s %6u %9u %6u\n", tallies[i].class, tallies[i].right, tallies[i].abstained, tallies[i].wrong);
        if (!strncmp(tallies[i].class, "deferral.", 9) || !strncmp(tallies[i].class, "refusal", 7)) {
            sum.right += tallies[i].right;
            sum.abstained += tallies[i].abstained;
            sum.wrong += tallies[i].wrong;
        }
    }
    all = sum.right + sum.abstained + sum.wrong;
    right = all > 0 ? 100.0 * sum.right / all : 0;
    wrong = all > 0 ? 100.0 * sum.wrong / all : 0;
    printf("%-46s %6u %9u %6u   %.1f %% right (at least %.0f), %.1f %% wrong (at most %.0f)\n", sum.class, sum.right,
           sum.abstained, sum.wrong, right, bar->right, wrong, bar->wrong);
    return right >= bar->right && wrong <= bar->wrong;
}

/* Which rows rest on this server alone. */
static void rows_of(const struct labelled *lines, size_t count, const char *server, enum mode mode, bool *rows)
{
    for (size_t row = 0; row < phrase_count(); row++) {
        bool own = false, others = false;

        for (size_t i = 0; mode == BORNE_OUT && i < count; i++) {
            struct smtpscope_reply reply = reply_of_line(lines[i].fields[3]);
            const char *name = software_of_server(lines[i].fields[0]);

            if (phrase_matches(row, verb_of_step(lines[i].fields[1]), &reply, name))
                *(strcmp(name, server) ? &others : &own) = true;
        }
        rows[row] = (own && !others) || !strcmp(phrase_server(row), server);
    }
}

static void show(const struct labelled *line, enum verdict verdict, const bool *without)
{
    struct smtpscope_reply reply = reply_of_line(line->fields[3]);
    const char *known = without ? "" : software_of_server(line->fields[0]);

    printf("%s: %s, %s: wanted %s, got %s\n    %s\n", verdict == WRONG ? "wrong" : "abstained", line->fields[0],
           line->fields[1], line->fields[2],
           smtpscope_reason_name(reading_of(verb_of_step(line->fields[1]), &reply, known, without).reason), line->fields[3]);
}

static bool measure(enum mode mode, struct labelled *lines, size_t line_count, bool verbose)
{
    static struct tally tallies[CLASSES_MAX];
    static bool rows[ROWS_MAX];
    size_t count = 0;

    memset(tallies, 0, sizeof tallies);
    for (size_t i = 0; i < line_count; i++) {
        const bool *without = mode == ALL_KNOWN ? NULL : rows;
        enum verdict verdict;
        struct tally *tally;

        if (without)
            rows_of(lines, line_count, software_of_server(lines[i].fields[0]), mode, rows);
        if ((verdict = judge(lines[i].fields, without)) == NOT_COUNTED)
            continue;
        tally = tally_of(tallies, &count, lines[i].fields[2]);
        tally->right += verdict == RIGHT;
        tally->abstained += verdict == ABSTAINED;
        tally->wrong += verdict == WRONG;
        if (verbose && verdict != RIGHT)
            show(&lines[i], verdict, without);
    }
    return report(&bars[mode], tallies, count);
}

int main(int argc, char *argv[])
{
    static struct labelled lines[LINES_MAX];
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    bool verbose = argc > 2 && !strcmp(argv[2], "--verbose"), good;
    size_t count = 0;

    if (!file) {
        printf("skipped: no file of labelled replies%s%s\n", argc > 1 ? " at " : "", argc > 1 ? argv[1] : "");
        return 77;
    }
    while (count < LINES_MAX && labelled_read(file, &lines[count]))
        count++;
    fclose(file);
    if (phrase_count() > ROWS_MAX) {
        printf("%zu rows: raise ROWS_MAX\n", phrase_count());
        return 1;
    }
    good = measure(ALL_KNOWN, lines, count, verbose);
    good &= measure(NAMED_OUT, lines, count, verbose);
    good &= measure(BORNE_OUT, lines, count, verbose);
    return good ? 0 : 1;
}
