/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Octets that are kept because it cannot be known yet what they are: a line that straddles two calls, what the client sent
 * before the reply that decides. The only copies the follower makes. Internal to smtp.
 */
#ifndef SMTP_HELD_OCTETS_H
#define SMTP_HELD_OCTETS_H

#include "origin.h"
#include "smtpscope/session.h"

struct held_octets {
    char *at;
    size_t begin, len, capacity; /* begin: of what was not read again yet */
    uint64_t total;              /* octets that came, also those beyond the bound */
    struct octet_origin origin;  /* of the first */
    bool smuggled;               /* they stood behind a look-alike */
    bool sealed;                 /* a gap followed: what came behind it is only counted */
};

/* What is kept of a line; RFC 5321 4.5.3.1 says 512, extensions and the real world more. */
#define LINE_MAX_KEPT (SMTPSCOPE_ARGUMENT_MAX + 128)
/* What is held behind DATA or AUTH; more than an early window of a client that does not wait. */
#define HOLD_MAX 65536
/* What is kept of what stands behind a look-alike. */
#define TAIL_MAX 16384

/* The room that a growing block of `size` octets is given: that while it is small, as most stay; then up to an eighth more. */
static inline size_t block_room(size_t size)
{
    size_t step = 8;

    while (step < size / 16)
        step *= 2;
    return (size + step - 1) / step * step;
}

/* Appends up to `max` octets in all. False when out of memory. */
bool held_append(const struct smtpscope_session *session, struct held_octets **held, const char *data, size_t len, size_t max,
                 const struct octet_origin *origin);
void held_free(const struct smtpscope_session *session, struct held_octets **held);
/* held_append() for octets of the client, which may be a secret that is now lost. */
bool client_keep(struct smtpscope_session *session, struct held_octets **held, const char *data, size_t len, size_t max,
                 const struct octet_origin *origin);
/* The same for octets that wait for the reply which decides what they are, and for an unfinished line. */
bool client_hold(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin);
bool client_keep_line(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin);

/* What reads a line: `len` octets of it, of the `total` that came, with its end if it has one. */
typedef void line_reader(struct smtpscope_session *session, const char *line, size_t len, uint64_t total,
                         const struct octet_origin *origin);
/* Takes one line, or the part of it that is there. Returns the octets used. */
size_t line_take(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin, line_reader *reader);
/* What is there of an unfinished line, or NULL; and the same, now the caller's. */
struct held_octets *line_of(const struct smtpscope_session *session, enum smtpscope_side side);
struct held_octets *line_release(struct smtpscope_session *session, enum smtpscope_side side);

#endif
