/* SPDX-License-Identifier: BSD-2-Clause */
/* The sweep over a message agrees with the reference, whatever the text and its cut. */
#include "scan_reference.h"

#include <stdlib.h>

/* Any text, made denser: most octets of a random input would be nothing that matters. */
static uint8_t dense(uint8_t octet)
{
    static const uint8_t telling[] = { '\r', '\n', '.', 0, 'a', '\r', '\n', 0xe4 };

    return octet & 0x40 ? octet : telling[octet & 7];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text;

    if (!size || !(text = calloc(size, 1)))
        return 0;
    for (size_t i = 1; i < size; i++)
        text[i - 1] = dense(data[i]);
    reference_compare(text, size - 1, data[0] % 40 + 1u);
    free(text);
    return 0;
}
