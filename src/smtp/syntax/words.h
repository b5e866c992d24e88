/* SPDX-License-Identifier: BSD-2-Clause */
/* What a word of a client's line may be: a verb of another protocol, one behind which a secret stands, a secret. Internal to smtp. */
#ifndef SMTP_WORDS_H
#define SMTP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Octets of base64 that may be a secret. A password that is shorter than this in clear is found out anyway. */
#define SECRET_MIN 8

/* Where the word that begins the text ends: letters, digits, hyphens and underscores. */
size_t word_len(const char *at, size_t len);
/* What stands behind it is a secret: words.def, or the name of a SASL mechanism. */
bool word_is_credential(const char *at, size_t len);
/* Behind the first such word of the text, or NULL. */
const char *credential_find(const char *at, size_t len);
/*
 * May the word, which begins a line that is no command of the table, be shown? A few letters, all large or all small, as
 * verbs are; or a word of words.def.
 */
bool word_may_be_shown(const char *at, size_t len);
/* As long as a secret, and of letters, digits and signs in a mixture that no name has, nor an address. */
bool word_looks_secret(const char *at, size_t len);
/* Where the base64 of a SASL message with a password in it begins (RFC 4616 2, RFC 7628 3.1), or NULL. */
const char *sasl_find(const char *at, size_t len);
/* Where the value of a word such as "password" begins: what stands behind "=" or a bare ":", or looks like a secret; or NULL. */
const char *credential_value_find(const char *at, size_t len);
/* Stands between words: space, control characters, brackets, quotes, and what separates names from values. */
bool is_separator(char c);
/* "user:password" in a URL, whole or cut off: where the user begins, or NULL. */
const char *userinfo_find(const char *at, size_t len);

#endif
