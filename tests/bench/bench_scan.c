/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_scan [MEGABYTES [TURNS]]: the sweep over message text in memory, by each version that this machine can run, whole and
 * in segments as they come; GB/s, of processor time as others may use the machine too, median and best of the turns. Beside
 * them the text is only read, once: more than that memory does not give.
 */
#include "smtp/scan/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEGMENT 1460
#define TURNS_MAX 100

struct text {
    const char *name;
    size_t least, most; /* octets of a line, without its end */
    const char *end;
    uint8_t eighth;    /* 0x80: one octet in 64 has it */
    uint32_t oddities; /* that the sweep must find */
};

static const struct text texts[] = {
    {"text", 50, 76, "\r\n", 0, 0},
    {"base64", 76, 76, "\r\n", 0, 0},
    {"8bit", 50, 76, "\r\n", 0x80, SMTPSCOPE_DATA_EIGHT_BIT},
    {"bare-lf", 50, 76, "\n", 0, SMTPSCOPE_DATA_BARE_LF},
};

struct memory {
    uint8_t *data;
    size_t len;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void text_fill(const struct text *text, const struct memory *memory)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t line = 0, len = text->least, end = strlen(text->end);
    uint64_t random = 88172645463325252u;

    for (size_t at = 0; at < memory->len; at++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (line >= len)
            memory->data[at] = (uint8_t)text->end[line - len];
        else
            memory->data[at] = (uint8_t)letters[random & 63] | (random >> 8 & 63 ? 0 : text->eighth);
        if (++line == len + end) {
            line = 0;
            len = text->least + (size_t)((random >> 20) % (text->most - text->least + 1));
        }
    }
}

/* Seconds; or -1 when the sweep does not find what is there. */
static double sweep_s(const struct scan_version *version, const struct text *text, const struct memory *memory, size_t segment)
{
    double begin = now_s();
    struct scan scan;

    scan_start(&scan);
    for (size_t at = 0, used; at < memory->len; at += used) {
        size_t len = memory->len - at < segment ? memory->len - at : segment;

        if (scan_sweep_as(version, &scan, memory->data + at, len, &used) != SCAN_MORE)
            return -1;
    }
    return scan.oddities == text->oddities ? now_s() - begin : -1;
}

static double read_s(const struct memory *memory)
{
    double begin = now_s();
    const volatile uint8_t *found = memchr(memory->data, 0, memory->len); /* as quick as the C library can */

    return found == NULL ? now_s() - begin : -1;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* `version` NULL: reading alone. */
static int measure(const struct scan_version *version, const struct text *text, const struct memory *memory, size_t segment,
                   unsigned turns)
{
    double times[TURNS_MAX];

    for (unsigned turn = 0; turn < turns; turn++) {
        times[turn] = version == NULL ? read_s(memory) : sweep_s(version, text, memory, segment);
        if (times[turn] < 0)
            return -1;
    }
    qsort(times, turns, sizeof *times, compare);
    printf("%s %s%s %.2f %.2f\n", version == NULL ? "reading" : scan_version_name(version), text->name,
           segment == SEGMENT ? "/segments" : "", (double)memory->len / times[turns / 2] / 1e9,
           (double)memory->len / times[0] / 1e9);
    return 0;
}

static int text_measure(const struct text *text, const struct memory *memory, unsigned turns)
{
    const struct scan_version *version;
    int result = 0;

    text_fill(text, memory);
    result = measure(NULL, text, memory, memory->len, turns);
    for (unsigned i = 0; (version = scan_version(i)) != NULL && result == 0; i++) {
        result = measure(version, text, memory, memory->len, turns);
        if (result == 0)
            result = measure(version, text, memory, SEGMENT, turns);
    }
    return result;
}

int main(int argc, char **argv)
{
    unsigned turns = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    struct memory memory = {.len = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) << 20};
    int result = 0;

    memory.data = malloc(memory.len);
    if (memory.data == NULL || memory.len == 0 || turns == 0 || turns > TURNS_MAX) {
        fputs("usage: bench_scan [MEGABYTES [TURNS]]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && result == 0; i++)
        result = text_measure(&texts[i], &memory, turns);
    free(memory.data);
    if (result != 0)
        fputs("bench_scan: the sweep did not find what is there\n", stderr);
    return result != 0;
}
