/* SPDX-License-Identifier: BSD-2-Clause */
/* Base64, RFC 4648 4. Internal to smtp. */
#ifndef SMTP_BASE64_H
#define SMTP_BASE64_H

#include <stddef.h>

/* Octets that `len` characters say, at most. */
#define BASE64_DECODED(len) ((len) / 4 * 3 + 3)
/* Characters for `len` octets, without padding. */
#define BASE64_ENCODED(len) ((len)*8 / 6 + 2)

/* Decodes into `to`, of BASE64_DECODED(len) octets. Padding at either end is skipped. Returns the octets; 0: it is no base64. */
size_t base64_decode(const char *at, size_t len, char *to);
/*
 * Encodes into `to`, of BASE64_ENCODED(len + 2) characters: those that the octets decide alone when `before` octets, 0 to 2,
 * stand before them in their group of three. Returns the characters.
 */
size_t base64_encode(const char *at, size_t len, unsigned before, char *to);

#endif
