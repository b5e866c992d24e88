/* SPDX-License-Identifier: BSD-2-Clause */
/* Reply codes and enhanced codes -> words. */
#include "smtpscope/advice.h"

#include "advice/code_use.h"
#include "advice/text.h"

struct code_row {
    uint16_t code;
    const char *name, *reference;
    enum smtpscope_fault acts;
    enum smtpscope_retry retry;
    const uint16_t *related;
    const char *meaning, *seen, *resolve, *use;
};

static const struct code_row codes[] = {
#define RELATED(...) ((const uint16_t[]){__VA_ARGS__, 0})
#define CODE(code, name, reference, acts, retry, ...)                                                                          \
    {code, name, reference, SMTPSCOPE_FAULT_##acts, SMTPSCOPE_RETRY_##retry, __VA_ARGS__},
#include "codes.def"
};

#define CODES (sizeof codes / sizeof codes[0])

/* By the first digit, RFC 5321 4.2.1. */
static const char *const classes[10] = {
    [2] = N_("positive completion"),
    [3] = N_("positive intermediate"),
    [4] = N_("transient negative completion"),
    [5] = N_("permanent negative completion"),
};

struct enhanced_words {
    uint16_t subject, detail;
    const char *meaning;
};

static const struct enhanced_words enhanced[] = {
#define ENHANCED(subject, detail, meaning) {subject, detail, meaning},
#include "enhanced.def"
};

static const struct code_row *code_find(unsigned code)
{
    for (size_t i = 0; i < CODES; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

bool smtpscope_advice_code(unsigned code, struct smtpscope_code_advice *advice)
{
    const struct code_row *row = code_find(code);

    if (row == NULL)
        return false;
    *advice = (struct smtpscope_code_advice){
        .code = row->code,
        .name = text_translate(row->name),
        .reference = row->reference,
        .klass = text_translate(classes[row->code / 100]),
        .meaning = text_translate(row->meaning),
        .seen = text_translate(row->seen),
        .resolve = text_translate(row->resolve),
        .transient = row->code / 100 == 4,
        .permanent = row->code / 100 == 5,
        .acts = row->acts,
        .retry = row->retry,
        .related = row->related,
    };
    return true;
}

const char *smtpscope_advice_code_use(unsigned code)
{
    const struct code_row *row = code_find(code);

    return row == NULL ? NULL : text_translate(row->use);
}

size_t smtpscope_advice_codes(uint16_t *list, size_t max)
{
    for (size_t i = 0; i < CODES && i < max; i++)
        list[i] = codes[i].code;
    return CODES;
}

const char *smtpscope_advice_enhanced(unsigned klass, unsigned subject, unsigned detail)
{
    if (klass != 2 && klass != 4 && klass != 5)
        return NULL;
    for (size_t i = 0; i < sizeof enhanced / sizeof enhanced[0]; i++)
        if (enhanced[i].subject == subject && enhanced[i].detail == detail)
            return text_translate(enhanced[i].meaning);
    return NULL;
}
