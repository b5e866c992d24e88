/* SPDX-License-Identifier: BSD-2-Clause */
/* A session as the follower keeps it. Internal to smtp. */
#ifndef SMTP_FOLLOWER_H
#define SMTP_FOLLOWER_H

#include "origin.h"
#include "smtpscope/session.h"

struct held_octets; /* held_octets.h */
struct queue;       /* the commands that wait: queue.h */
struct reply_lines; /* a multi-line reply that is being read: server.c */
struct secrets;     /* what must not come back in a later line: secret.c */
struct transaction; /* transaction.h */
struct undecided;   /* a reply that can be read in two ways: undecided.h */

enum client_mode {
    CLIENT_COMMANDS,
    CLIENT_PREFACE, /* nothing came yet: the first octets may be a PROXY header */
    CLIENT_ANSWER,  /* the next line answers a 334 */
    CLIENT_HOLDING, /* behind DATA, STARTTLS or AUTH: the reply decides what the octets are */
    CLIENT_DATA,
    CLIENT_BDAT,
    CLIENT_BLOB,     /* octets that are counted, too, and no message's: behind XEXCH50 */
    CLIENT_RESYNC,   /* after a gap or a midstream start: the next octets decide */
    CLIENT_TLS_WAIT, /* STARTTLS was accepted */
    CLIENT_OPAQUE,
};

enum server_mode { SERVER_REPLIES, SERVER_TLS_WAIT, SERVER_OPAQUE };

/* What few sessions need, made when the first of it is. Then it stays. */
struct session_extra {
    struct held_octets *line[2]; /* that straddles two calls */
    struct held_octets *hold;    /* CLIENT_HOLDING */
    struct secrets *secrets;     /* once one may have been sent */
    struct undecided *undecided;
    struct smtpscope_proxy *proxy;
    struct transaction *maybe_smuggled; /* an answered message whose look-alike may have been taken */
    uint64_t bdat_left, bdat_offset;    /* of the chunk being sent: octets to come, and where its command stands */
    uint64_t lost[2];                   /* clear-text octets that the capture lacks */
    uint32_t replies_due;               /* to the end of a message, see message_replies.c */
    bool last_decides;                  /* ... of which the last is about the whole message */
    bool bdat_refused;                  /* the chunk may not be sent: its first octets tell */
    uint8_t held_behind;                /* enum smtpscope_verb: behind which command */
};

/* There may be a million, most of them idle: what is here is paid by each. */
struct smtpscope_session {
    const struct smtpscope_session_config *config;
    const struct smtpscope_flow *flow;
    uint64_t next[2]; /* the stream offset of the next octet of each side; once it is opaque, of its first */
    union {
        smtpscope_time last_octets;
        const struct smtpscope_ending *ending; /* while it closes */
    };
    uint8_t client;         /* enum client_mode */
    uint8_t alien;          /* enum smtpscope_alien */
    uint8_t last_verb;      /* enum smtpscope_verb: of the command that was answered last */
    uint8_t server : 2;     /* enum server_mode */
    bool greeted : 1;       /* the greeting was seen, or is past */
    bool secret : 1;        /* an AUTH is about: lines that are no commands may be its answers */
    bool auth_seen : 1;     /* credentials were sent, in whatever words: what is no command of the table may be some more */
    bool user_next : 1;     /* the next answer inside AUTH names the user */
    bool secret_unseen : 1; /* the capture lacks a secret that the server knows: no failure's text is shown any more */
    bool secrets_lost : 1;  /* no memory to know them by: no text is shown any more */
    bool cut : 1;           /* the line being read may lack its beginning */
    bool unanchored : 1;    /* taken up within, or behind a gap: it may be TLS, see start.c */
    bool noisy : 1;         /* ... and octets that are no text were passed over */
    bool smuggled : 1;      /* the octets being read stood behind a look-alike */
    bool was_held : 1;      /* the octets being read were held */
    bool quit_sent : 1;
    bool resync : 1;           /* the server's next line may be the rest of one that was cut */
    bool early_reply : 1;      /* the message being sent was answered already */
    bool client_seen : 1;      /* client octets were seen */
    bool not_followed : 1;     /* a 220 to STARTTLS, by TLS */
    bool clear_behind_220 : 1; /* the first command in clear behind it is not answered yet: the reply tells why */
    bool injected : 1;         /* server octets in clear stood behind such a 220 */
    bool any_verb : 1;         /* a command of the table was seen */
    bool last_was_220 : 1;     /* the last reply was a 220 */
    bool closing : 1;
    bool replied : 1;    /* a reply was paired since the client sent its last command */
    bool last_named : 1; /* that reply said itself what it answers */
    bool unsure : 1;     /* the client goes on as if more were answered than we see, or the last reply's pair is likely only */
    uint32_t exchanges;
    struct queue *queue; /* NULL: no command waits */
    struct transaction *transaction;
    struct reply_lines *reply;
    struct session_extra *extra; /* NULL: extra_of() reads as zero */
    struct smtpscope_state state;
    uint32_t greeting_end; /* in the server's stream */
    uint32_t name_hash;    /* of the server's name in the greeting */
    void *user;
};

/* smtpscope_session_new() and _free() for callers that keep it in memory of their own, which is zero before: see session.c. */
void session_init(struct smtpscope_session *session, const struct smtpscope_session_config *config,
                  const struct smtpscope_flow *flow);
/* The first fact. */
void session_open(struct smtpscope_session *session, void *user);
void session_fini(struct smtpscope_session *session);

extern const struct session_extra extra_none; /* all zero */
/* What few sessions need, to be read; and to be written: NULL when out of memory. */
static inline const struct session_extra *extra_of(const struct smtpscope_session *session)
{
    return session->extra ? session->extra : &extra_none;
}
struct session_extra *extra_need(struct smtpscope_session *session);
/* The one way to change how the client's octets are read. */
void client_enter(struct smtpscope_session *session, enum client_mode mode);
/* Is what the client sends next read as a command, as far as is known? */
static inline bool client_is_among_commands(const struct smtpscope_session *session)
{
    return session->client == CLIENT_COMMANDS || session->client == CLIENT_PREFACE;
}
/* From `offset` on the side's octets are TLS. */
void side_opaque(struct smtpscope_session *session, enum smtpscope_side side, uint64_t offset);
bool side_is_opaque(const struct smtpscope_session *session, enum smtpscope_side side);
/* Octets of such a side. */
void opaque_tell(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin);
/* RFC 8314 3.3: TLS from the first octet on; and nothing was said in clear. */
bool is_implicit_tls(const struct smtpscope_session *session);
/* The hash of a host's name, in whatever case (RFC 5321 2.4); 0 when there is none. */
uint32_t name_hash(const struct smtpscope_text *name);
void fact_tell(struct smtpscope_session *session, const struct smtpscope_fact *fact);

#endif
