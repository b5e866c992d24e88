/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_scan MEGABYTES TURNS: the sweep over message text in memory, in segments as they come; GB/s, median of the turns. */
#include "smtp/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEGMENT 1460
#define TURNS_MAX 100

struct text {
    const char *name;
    uint8_t *data;
    size_t len;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Lines from `least` to `most` octets, and CRLF. */
static void text_fill(struct text *text, size_t least, size_t most)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t random = 88172645463325252u;
    size_t line = 0, ends = least;

    for (size_t at = 0; at < text->len; at++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (line == ends)
            text->data[at] = '\r';
        else if (line == ends + 1)
            text->data[at] = '\n';
        else
            text->data[at] = (uint8_t)letters[random & 63];
        if (line++ > ends) {
            line = 0;
            ends = least + (random >> 20) % (most - least + 1);
        }
    }
}

static double sweep_s(const struct text *text, size_t segment)
{
    struct scan scan;
    double begin = now_s();

    scan_start(&scan);
    for (size_t at = 0, used; at < text->len; at += used) {
        size_t len = text->len - at < segment ? text->len - at : segment;

        if (scan_sweep(&scan, text->data + at, len, &used) != SCAN_MORE)
            exit(3);
    }
    if (scan.oddities != 0)
        exit(3);
    return now_s() - begin;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void text_measure(const struct text *text, size_t segment, unsigned turns)
{
    double times[TURNS_MAX];

    for (unsigned turn = 0; turn < turns; turn++)
        times[turn] = sweep_s(text, segment);
    qsort(times, turns, sizeof *times, compare);
    printf("scan %s/%s %.2f\n", text->name, segment == SEGMENT ? "segments" : "whole", (double)text->len / times[turns / 2] / 1e9);
}

int main(int argc, char **argv)
{
    unsigned turns = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    struct text text = { .name = "text", .len = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) << 20 };

    text.data = malloc(text.len);
    if (text.data == NULL || text.len == 0 || turns == 0 || turns > TURNS_MAX) {
        fputs("usage: bench_scan [MEGABYTES [TURNS]]\n", stderr);
        return 2;
    }
    text_fill(&text, 50, 76);
    text_measure(&text, text.len, turns);
    text_measure(&text, SEGMENT, turns);
    text.name = "base64";
    text_fill(&text, 76, 76);
    text_measure(&text, text.len, turns);
    text_measure(&text, SEGMENT, turns);
    free(text.data);
    return 0;
}
