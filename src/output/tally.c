/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/tally.h"

#include <stdlib.h>
#include <string.h>

/* More servers and domains than anyone reads in a table. */
#define ROWS_MAX 4096u
#define SLOTS (4 * ROWS_MAX)
/* Domains of one transaction that are told apart. */
#define DOMAINS_MAX 16

struct tally {
    struct tally_row *rows; /* `count` of them */
    size_t count, room;
    struct tally_row others;
    uint16_t slots[SLOTS]; /* of a row, from 1; 0: free */
};

struct tally *tally_new(void)
{
    return calloc(1, sizeof(struct tally));
}

void tally_free(struct tally *tally)
{
    if (tally)
        free(tally->rows);
    free(tally);
}

/* Behind the last at sign, in lower case. */
static void domain_of(struct smtpscope_text path, char domain[TALLY_DOMAIN_MAX + 1])
{
    size_t at = path.len;

    while (at && path.at[at - 1] != '@')
        at--;
    domain[0] = '\0';
    if (!at || path.len - at > TALLY_DOMAIN_MAX)
        return;
    for (size_t i = at; i < path.len; i++)
        domain[i - at] = (char)(path.at[i] >= 'A' && path.at[i] <= 'Z' ? path.at[i] + 'a' - 'A' : path.at[i]);
    domain[path.len - at] = '\0';
}

/* FNV-1a: names that were prepared to meet cost a few steps more, in a table that is bounded. */
static size_t slot_of(const struct smtpscope_endpoint *server, const char *domain)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof server->addr; i++)
        hash = (hash ^ server->addr[i]) * 16777619u;
    for (const char *at = domain; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    return hash % SLOTS;
}

static bool tally_grow(struct tally *tally)
{
    size_t room = tally->room ? 2 * tally->room : 16;
    struct tally_row *rows = realloc(tally->rows, room * sizeof *rows);

    if (!rows)
        return false;
    tally->rows = rows;
    tally->room = room;
    return true;
}

static struct tally_row *row_of(struct tally *tally, const struct smtpscope_endpoint *server, const char *domain)
{
    size_t slot = slot_of(server, domain);
    struct tally_row *row;

    for (; tally->slots[slot]; slot = (slot + 1) % SLOTS) {
        row = &tally->rows[tally->slots[slot] - 1];
        if (!memcmp(row->server.addr, server->addr, sizeof server->addr) && !strcmp(row->domain, domain))
            return row;
    }
    if (tally->count == ROWS_MAX || (tally->count == tally->room && !tally_grow(tally)))
        return &tally->others;
    row = &tally->rows[tally->count++];
    *row = (struct tally_row){.server = *server};
    strcpy(row->domain, domain);
    tally->slots[slot] = (uint16_t)tally->count;
    return row;
}

static enum tally_fate fate_of(const struct smtpscope_message *message, const struct smtpscope_recipient *recipient)
{
    bool accepted = recipient->outcome == SMTPSCOPE_OUTCOME_ACCEPTED;

    switch (accepted && (message->sent || message->code) ? message->outcome : recipient->outcome) {
    case SMTPSCOPE_OUTCOME_ACCEPTED: return message->sent ? TALLY_DELIVERED : TALLY_UNSEEN;
    case SMTPSCOPE_OUTCOME_DEFERRED: return TALLY_DEFERRED;
    case SMTPSCOPE_OUTCOME_REFUSED: return TALLY_REFUSED;
    case SMTPSCOPE_OUTCOME_LOST:
    case SMTPSCOPE_OUTCOME_UNKNOWN:
    case SMTPSCOPE_OUTCOME_GIVEN_UP: return TALLY_UNSEEN;
    }
    return TALLY_UNSEEN;
}

/* A domain of the transaction, and the worst that became of its recipients. */
struct domain_fate {
    char domain[TALLY_DOMAIN_MAX + 1];
    enum tally_fate fate;
};

/* What went wrong counts before what went well. */
static bool is_worse(enum tally_fate fate, enum tally_fate than)
{
    static const int rank[TALLY_FATES] = {[TALLY_DELIVERED] = 0, [TALLY_UNSEEN] = 1, [TALLY_DEFERRED] = 2, [TALLY_REFUSED] = 3};

    return rank[fate] > rank[than];
}

static size_t domains_add(struct domain_fate *domains, size_t count, const char *domain, enum tally_fate fate)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(domains[i].domain, domain)) {
            if (is_worse(fate, domains[i].fate))
                domains[i].fate = fate;
            return count;
        }
    if (count == DOMAINS_MAX)
        return count;
    strcpy(domains[count].domain, domain);
    domains[count].fate = fate;
    return count + 1;
}

void tally_message(struct tally *tally, const struct smtpscope_flow *flow, const struct smtpscope_message *message)
{
    struct domain_fate domains[DOMAINS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < message->recipient_count; i++) {
        char domain[TALLY_DOMAIN_MAX + 1];

        domain_of(message->recipients[i].path, domain);
        count = domains_add(domains, count, domain, fate_of(message, &message->recipients[i]));
    }
    for (size_t i = 0; i < count; i++) {
        struct tally_row *row = row_of(tally, &flow->side[SMTPSCOPE_SERVER], domains[i].domain);

        row->tried++;
        row->fates[domains[i].fate]++;
    }
}

static uint64_t trouble_of(const struct tally_row *row)
{
    return row->fates[TALLY_DEFERRED] + row->fates[TALLY_REFUSED] + row->fates[TALLY_UNSEEN];
}

static int row_compare(const void *a, const void *b)
{
    const struct tally_row *x = a, *y = b;
    uint64_t x_trouble = trouble_of(x), y_trouble = trouble_of(y);

    if (x_trouble != y_trouble)
        return x_trouble > y_trouble ? -1 : 1;
    if (x->tried != y->tried)
        return x->tried > y->tried ? -1 : 1;
    if (strcmp(x->domain, y->domain))
        return strcmp(x->domain, y->domain);
    return memcmp(x->server.addr, y->server.addr, sizeof x->server.addr);
}

const struct tally_row *tally_rows(struct tally *tally, size_t *count, const struct tally_row **others)
{
    if (tally->count)
        qsort(tally->rows, tally->count, sizeof *tally->rows, row_compare);
    memset(tally->slots, 0, sizeof tally->slots); /* the rows have moved */
    for (size_t i = 0; i < tally->count; i++) {
        size_t slot = slot_of(&tally->rows[i].server, tally->rows[i].domain);

        while (tally->slots[slot])
            slot = (slot + 1) % SLOTS;
        tally->slots[slot] = (uint16_t)(i + 1);
    }
    *count = tally->count;
    *others = &tally->others;
    return tally->rows;
}

static void row_add(struct tally_row *to, const struct tally_row *row)
{
    to->tried += row->tried;
    for (int fate = 0; fate < TALLY_FATES; fate++)
        to->fates[fate] += row->fates[fate];
}

struct tally_row tally_total(const struct tally *tally)
{
    struct tally_row total = {.domain = ""};

    row_add(&total, &tally->others);
    for (size_t i = 0; i < tally->count; i++)
        row_add(&total, &tally->rows[i]);
    return total;
}
