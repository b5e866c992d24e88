/* SPDX-License-Identifier: BSD-2-Clause */
#include "octets.h"

#define ALPHA (KIND_ALPHA | KIND_WORD | KIND_NAME | KIND_ATEXT | KIND_BASE64)
#define DIGIT (KIND_WORD | KIND_NAME | KIND_DOTTED | KIND_ATEXT | KIND_BASE64)
#define HIGH (KIND_EIGHT_BIT | KIND_NAME | KIND_ATEXT)
#define SHELL (KIND_SHELL | KIND_ATEXT)
#define TIMES_2(kind) kind, kind
#define TIMES_8(kind) TIMES_2(kind), TIMES_2(kind), TIMES_2(kind), TIMES_2(kind)
#define TIMES_26(kind) TIMES_8(kind), TIMES_8(kind), TIMES_8(kind), TIMES_2(kind)
#define TIMES_64(kind) TIMES_26(kind), TIMES_26(kind), TIMES_8(kind), TIMES_2(kind), TIMES_2(kind)

/* clang-format off */
const uint16_t octet_kinds[256] = {
    ['\0'] = KIND_NUL | KIND_CONTROL, [0x01] = TIMES_8(KIND_CONTROL), ['\t'] = KIND_SPACE,
    [0x0b] = TIMES_2(KIND_CONTROL), ['\r'] = KIND_RETURN, [0x0e] = TIMES_8(KIND_CONTROL), TIMES_8(KIND_CONTROL), TIMES_2(KIND_CONTROL),
    [' '] = KIND_SPACE, ['!'] = KIND_ATEXT, ['"'] = KIND_QUOTING, ['#'] = KIND_ATEXT, ['$'] = SHELL, ['%'] = KIND_ATEXT,
    ['&'] = TIMES_2(KIND_ATEXT), ['*'] = KIND_ATEXT, ['+'] = KIND_ATEXT | KIND_BASE64, ['-'] = KIND_WORD | KIND_NAME | KIND_ATEXT,
    ['.'] = KIND_NAME | KIND_DOTTED | KIND_DOT, ['/'] = KIND_ATEXT | KIND_BASE64, ['0'] = TIMES_8(DIGIT), TIMES_2(DIGIT),
    [':'] = KIND_COLON, [';'] = KIND_SHELL, ['='] = KIND_ATEXT, ['?'] = KIND_ATEXT, ['A'] = TIMES_8(ALPHA | KIND_BASE64_LOW),
    TIMES_8(ALPHA), TIMES_8(ALPHA), TIMES_2(ALPHA),
    ['\\'] = KIND_QUOTING, ['^'] = KIND_ATEXT, ['_'] = KIND_NAME | KIND_ATEXT, ['`'] = SHELL, ['a'] = TIMES_26(ALPHA),
    ['{'] = KIND_ATEXT, ['|'] = SHELL, ['}'] = TIMES_2(KIND_ATEXT), [0x80] = TIMES_64(HIGH), TIMES_64(HIGH),
};
/* clang-format on */
