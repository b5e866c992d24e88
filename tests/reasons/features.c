/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reading_features FILE.tsv: what the tables say of each labelled reply, for learn.py. A line each: server, meanings, the reason that is
 * read, the same without the rows that bear the server's name or that of all servers it alone bears out ("unspecified" where
 * the fallback would be asked), and the features.
 */
#include "labelled.h"

#include "rules/reading/phrases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 8192

struct line {
    struct labelled labelled;
    enum smtpscope_verb verb;
    size_t server; /* the first line of the same server */
};

static struct line lines[LINES_MAX];
static size_t line_count;

static void lines_read(FILE *file)
{
    while (line_count < LINES_MAX && labelled_read(file, &lines[line_count].labelled)) {
        struct line *line = &lines[line_count];

        line->verb = verb_of_step(line->labelled.fields[1]);
        for (line->server = 0; strcmp(lines[line->server].labelled.fields[0], line->labelled.fields[0]) != 0;)
            line->server++;
        line_count++;
    }
}

/* For each row the only server whose lines it matches: LINES_MAX, none; LINES_MAX + 1, several. */
static size_t *rows_borne_out(void)
{
    size_t *only = calloc(phrase_count(), sizeof *only);

    for (size_t row = 0; only && row < phrase_count(); row++) {
        only[row] = LINES_MAX;
        for (size_t i = 0; i < line_count; i++) {
            struct smtpscope_reply reply = reply_of_line(lines[i].labelled.fields[3]);

            if ((only[row] == LINES_MAX || lines[i].server != only[row]) &&
                phrase_matches(row, lines[i].verb, &reply, software_of_server(lines[i].labelled.fields[0])))
                only[row] = only[row] == LINES_MAX ? lines[i].server : LINES_MAX + 1;
        }
    }
    return only;
}

static void put_reading(const struct reading *reading)
{
    bool silent = reading->source == SOURCE_LEARNED || reading_is_silent(reading);

    printf("\t%s", smtpscope_reason_name(silent ? SMTPSCOPE_REASON_UNSPECIFIED : reading->reason));
}

static void put_feature(void *ctx, const char *feature, size_t len)
{
    (void)ctx;
    printf("\t%.*s", (int)len, feature);
}

int main(int argc, char *argv[])
{
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    bool *left_out = calloc(phrase_count(), sizeof *left_out);
    size_t *only;

    if (!file || !left_out)
        return 2;
    lines_read(file);
    fclose(file);
    only = rows_borne_out();
    for (size_t i = 0; only && i < line_count; i++) {
        char **fields = lines[i].labelled.fields;
        struct smtpscope_reply reply = reply_of_line(fields[3]);
        struct reading known = reading_of(lines[i].verb, &reply, software_of_server(fields[0]), NULL), unknown;

        for (size_t row = 0; row < phrase_count(); row++)
            left_out[row] = only[row] == lines[i].server || !strcmp(phrase_server(row), software_of_server(fields[0]));
        unknown = reading_of(lines[i].verb, &reply, "", left_out);
        printf("%s\t%s", fields[0], fields[2]);
        put_reading(&known);
        put_reading(&unknown);
        reading_features(&known, &reply, put_feature, NULL);
        putchar('\n');
    }
    free(only);
    free(left_out);
    return 0;
}
