/* SPDX-License-Identifier: BSD-2-Clause */
/* What every stage shares: sides, endpoints, the allocator. */
#ifndef SMTPSCOPE_TYPES_H
#define SMTPSCOPE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Around what a header declares: callers in C++ find it, and the shared library shows it, and nothing else. */
#ifdef __GNUC__
#define SMTPSCOPE_SHOWN_BEGIN _Pragma("GCC visibility push(default)")
#define SMTPSCOPE_SHOWN_END _Pragma("GCC visibility pop")
#else
#define SMTPSCOPE_SHOWN_BEGIN
#define SMTPSCOPE_SHOWN_END
#endif
#ifdef __cplusplus
#define SMTPSCOPE_C_BEGIN                                                                                                      \
    SMTPSCOPE_SHOWN_BEGIN extern "C"                                                                                           \
    {
#define SMTPSCOPE_C_END                                                                                                        \
    }                                                                                                                          \
    SMTPSCOPE_SHOWN_END
#else
#define SMTPSCOPE_C_BEGIN SMTPSCOPE_SHOWN_BEGIN
#define SMTPSCOPE_C_END SMTPSCOPE_SHOWN_END
#endif

/* Nanoseconds since the epoch, from the capture. The library has no other clock. */
typedef int64_t smtpscope_time;

#define SMTPSCOPE_SECOND ((smtpscope_time)1000000000)

/* The two ends of a session; an index into every `side[2]` array. */
enum smtpscope_side { SMTPSCOPE_CLIENT = 0, SMTPSCOPE_SERVER = 1 };

/* An IP address and a TCP port. IPv4 is written as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). The port is in host order. */
struct smtpscope_endpoint {
    uint8_t addr[16];
    uint16_t port;
};

/*
 * The memory of the library comes from here and nowhere else. `resize` has realloc's contract, and a size of 0 frees.
 * It may return NULL: the library then drops what it was about to keep, counts it, and goes on.
 * A NULL allocator, where one is accepted, means realloc(3).
 */
struct smtpscope_allocator {
    void *(*resize)(void *ctx, void *memory, size_t size);
    void *ctx;
};

/* An enhanced status code, class.subject.detail (RFC 3463 2); a class of 0: none. Its name is spelt so for callers in C++. */
struct smtpscope_enhanced {
    uint8_t klass;
    uint16_t subject, detail;
};

/* Text that is not terminated and not owned. */
struct smtpscope_text {
    const char *at;
    size_t len;
};

/* A string as such a text; NULL is the empty one. */
static inline struct smtpscope_text smtpscope_text_of(const char *string)
{
    struct smtpscope_text text = {string ? string : "", string ? strlen(string) : 0};

    return text;
}

#endif
