/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of counters. A table is a file of rows, COUNTER(name, kind, metric, label, help), of which all else is made: the struct
 * that the stage counts in, the sum over several workers, JSON, the metrics, the schema and the manual page (by
 * share/update_counters.py). A counter more is a row more, and the line that counts.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

/* What becomes of it when those of several workers are put together. */
enum counter_kind {
    COUNTER_TOTAL, /* only grows; they add up */
    COUNTER_NOW,   /* goes up and down; they add up */
    COUNTER_MOST,  /* each worker has seen the same ones: the largest counts */
};

struct counter {
    const char *name; /* the struct's member, and JSON's */
    enum counter_kind kind;
    const char *metric; /* Prometheus's name, without "smtpscope_" and "_total" */
    const char *label;  /* which one of those with this metric it is, as in "cause=gap"; NULL: the only one */
    const char *help;   /* what is counted */
};

/* A struct that is counted in has one uint64_t a row, in the same order, and no other member, or none before the last of them. */
struct counter_table {
    const char *name; /* of the stage */
    const struct counter *rows;
    size_t count;
};

/* A row, where COUNTER is to be one. */
#define COUNTER_ROW(name, kind, metric, label, help) {#name, COUNTER_##kind, metric, label, help},

/* `to` and `from` are such structs. */
void counters_add(const struct counter_table *table, void *to, const void *from);
/* The counter of the row `i` in such a struct. */
uint64_t counters_value(const void *counters, size_t i);

#endif
