/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep over a message agrees with the reference, whatever the text and its cut. */
#include "scan_reference.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 1050 /* more than a line may have */

/* Any text, made denser: most octets of a random input would be nothing that matters. */
static uint8_t dense(uint8_t octet)
{
    static const uint8_t telling[] = {'\r', '\n', '.', 0, 'a', '\r', '\n', 0xe4};

    return octet & 0x40 ? octet : telling[octet & 7];
}

/* A clean line, so that there are whole blocks of clean text. Returns its length. */
static size_t line(uint8_t *text, size_t len)
{
    memset(text, 'x', len);
    memcpy(text + len, "\r\n", 2);
    return len + 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text;
    size_t len = 0;

    if (!size || !(text = calloc(size, LINE_MAX_LEN + 2)))
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((data[i] & 0xf0) == 0x70)
            len += line(text + len, (data[i] & 0x0fu) * LINE_MAX_LEN / 15);
        else
            text[len++] = dense(data[i]);
    reference_compare(text, len, data[0] & 0x80 ? (data[0] & 0x7fu) * 16 + 65 : data[0] % 40 + 1u);
    free(text);
    return 0;
}
