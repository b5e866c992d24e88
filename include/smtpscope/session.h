/* SPDX-License-Identifier: BSD-2-Clause */
/* The octets of both sides of one SMTP session -> facts: what was said, answered, sent and lost. Judges nothing. */
#ifndef SMTPSCOPE_SESSION_H
#define SMTPSCOPE_SESSION_H

#include "smtpscope/stream.h"
#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_session;

enum smtpscope_verb {
    SMTPSCOPE_VERB_NONE,    /* no command: the greeting, an unsolicited reply, or a command that the capture lost */
    SMTPSCOPE_VERB_RAW,     /* octets that are no command line */
    SMTPSCOPE_VERB_UNKNOWN, /* the form of a command, a verb of no RFC in the table */
    SMTPSCOPE_VERB_EOD,     /* the end of a message sent by DATA: the final dot */
    SMTPSCOPE_VERB_PROXY,   /* haproxy's header before the first command, in a server's eyes that does not know it */
    SMTPSCOPE_VERB_BLOB,    /* octets that a command counted, not a message's: those of XEXCH50 */
    SMTPSCOPE_VERB_ANSWER,  /* the client's answer inside AUTH: never shown */
#define VERB(id, name, family, extension, holds, argument, success, detail) SMTPSCOPE_VERB_##id,
#include "smtpscope/verbs.def"
    SMTPSCOPE_VERBS
};

enum smtpscope_verb_family {
    SMTPSCOPE_FAMILY_MANDATORY,     /* RFC 5321 4.5.1 */
    SMTPSCOPE_FAMILY_VERIFY,        /* VRFY, EXPN */
    SMTPSCOPE_FAMILY_OPTIONAL_VERB, /* HELP */
    SMTPSCOPE_FAMILY_EXTENSION,     /* needs an advertised keyword */
    SMTPSCOPE_FAMILY_TURNING,       /* TURN, ATRN, ETRN */
    SMTPSCOPE_FAMILY_OBSOLETE,
    SMTPSCOPE_FAMILY_LMTP,    /* RFC 2033 */
    SMTPSCOPE_FAMILY_NO_VERB, /* the pseudo verbs before the table */
};

enum smtpscope_extension {
#define EXTENSION(id, keyword, source) SMTPSCOPE_EXT_##id,
#include "smtpscope/extensions.def"
    SMTPSCOPE_EXTENSIONS,
    SMTPSCOPE_EXT_NONE = 63
};
#define SMTPSCOPE_EXT_BIT(ext) ((uint64_t)1 << (ext))

/* "MAIL"; "." for the final dot, "(auth)", "(raw)"; "(hidden)" for an UNKNOWN whose own word may be a secret; NULL for NONE. */
const char *smtpscope_verb_name(enum smtpscope_verb verb);
enum smtpscope_verb_family smtpscope_verb_family(enum smtpscope_verb verb);
/* The keyword a verb needs, or SMTPSCOPE_EXT_NONE. */
enum smtpscope_extension smtpscope_verb_extension(enum smtpscope_verb verb);
/* The codes that RFC 5321 4.3.2 and the extensions allow for success, "250 251 252"; "" for the pseudo verbs. */
const char *smtpscope_verb_success(enum smtpscope_verb verb);
bool smtpscope_verb_allows(enum smtpscope_verb verb, uint16_t code);
/* Must the command be the last of a pipelined group (RFC 2920 3.1)? */
bool smtpscope_verb_ends_group(enum smtpscope_verb verb);
enum smtpscope_hello { SMTPSCOPE_HELLO_NONE, SMTPSCOPE_HELLO_HELO, SMTPSCOPE_HELLO_EHLO };
/* How the verb begins a session, LHLO as EHLO does; HELLO_NONE: it does not. */
enum smtpscope_hello smtpscope_verb_hello(enum smtpscope_verb verb);
/* AUTH, or Exchange's word for it. */
static inline bool smtpscope_verb_is_login(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_XEXPS;
}
/* "8BITMIME"; NULL beyond the table. */
const char *smtpscope_extension_keyword(enum smtpscope_extension extension);

/* SASL mechanisms, as the table of mechanisms.def knows them. */
enum smtpscope_mechanism {
    SMTPSCOPE_MECHANISM_NONE, /* none of the table */
#define MECHANISM(id, name, exposes) SMTPSCOPE_MECHANISM_##id,
#include "smtpscope/mechanisms.def"
    SMTPSCOPE_MECHANISMS
};
#define SMTPSCOPE_MECHANISM_BIT(mechanism) ((uint32_t)1 << (mechanism))
/* Can what the client sends be used by whoever sees it, a password or a token? False for NONE. */
bool smtpscope_mechanism_exposes(enum smtpscope_mechanism mechanism);

/* What was odd about a command line. Bits. */
enum smtpscope_command_oddity {
    SMTPSCOPE_COMMAND_NO_PATH = 1 << 0,        /* MAIL or RCPT without <path> (RFC 5321 4.1.2) */
    SMTPSCOPE_COMMAND_NO_ARGUMENT = 1 << 1,    /* one is required and missing */
    SMTPSCOPE_COMMAND_ARGUMENT = 1 << 2,       /* one is given where none is allowed */
    SMTPSCOPE_COMMAND_SPACE_AT_COLON = 1 << 3, /* "MAIL FROM: <a>" */
    SMTPSCOPE_COMMAND_LEADING_SPACE = 1 << 4,
    SMTPSCOPE_COMMAND_TRAILING_SPACE = 1 << 5,
    SMTPSCOPE_COMMAND_BAD_PARAMETER = 1 << 6, /* no esmtp-param by RFC 5321 4.1.2, or a BDAT count that is no number */
    SMTPSCOPE_COMMAND_BARE_LF = 1 << 7,       /* the line ended in LF alone */
    SMTPSCOPE_COMMAND_NUL = 1 << 8,
    SMTPSCOPE_COMMAND_EIGHT_BIT = 1 << 9,
    SMTPSCOPE_COMMAND_LINE_TOO_LONG = 1 << 10,   /* RFC 5321 4.5.3.1.4, more where an extension adds */
    SMTPSCOPE_COMMAND_PATH_TOO_LONG = 1 << 11,   /* 4.5.3.1.3 */
    SMTPSCOPE_COMMAND_LOCAL_TOO_LONG = 1 << 12,  /* 4.5.3.1.1 */
    SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG = 1 << 13, /* 4.5.3.1.2 */
    SMTPSCOPE_COMMAND_EMPTY = 1 << 14,
    SMTPSCOPE_COMMAND_NAME_INVALID = 1 << 15, /* EHLO or HELO: not a host name nor an address literal */
    SMTPSCOPE_COMMAND_NAME_BARE_IP = 1 << 16, /* EHLO or HELO: an IP address without brackets */
    SMTPSCOPE_COMMAND_NAME_NOT_QUALIFIED = 1 << 17,
    SMTPSCOPE_COMMAND_NAME_OF_SERVER = 1 << 18, /* the name of the greeting */
    SMTPSCOPE_COMMAND_EXPLOIT = 1 << 19,        /* ${run{...}}, shell metacharacters in a path, XLINK2STATE chunks */
    SMTPSCOPE_COMMAND_UNTERMINATED = 1 << 20,   /* the session ended before the line did */
    SMTPSCOPE_COMMAND_BAD_ADDRESS = 1 << 21,    /* MAIL or RCPT: what stands as the address is none by 4.1.2 */
    SMTPSCOPE_COMMAND_ENCODED_WORD = 1 << 22,   /* the local part is an encoded word of RFC 2047 */
    SMTPSCOPE_COMMAND_MASKED = 1 << 23,         /* the verb is written over with X, as some firewalls do */
};

/* How a command came to be where it is. Bits. */
enum smtpscope_command_circumstance {
    SMTPSCOPE_COMMAND_EARLY = 1 << 0,    /* sent before the greeting was complete */
    SMTPSCOPE_COMMAND_SMUGGLED = 1 << 1, /* stood in what a strict reader takes for a message; the server executed it */
    SMTPSCOPE_COMMAND_HELD = 1 << 2,     /* sent behind DATA, STARTTLS or AUTH before their reply */
    SMTPSCOPE_COMMAND_LOST = 1 << 3,     /* the capture lost the command; only its reply was seen */
    SMTPSCOPE_COMMAND_SECRET = 1 << 4,   /* it is no SMTP but has the words of credentials, which are not shown */
    SMTPSCOPE_COMMAND_PASSED = 1 << 5,   /* it got no reply, and what was sent behind it did */
};

/*
 * A command as it was sent, without what may be a secret: a text ends where that begins, and of what is no command of the
 * table a first word is left at most. Texts are valid during the fact only.
 */
struct smtpscope_command {
    enum smtpscope_verb verb;
    struct smtpscope_text name;              /* as sent, in upper case; empty when it may be a secret */
    struct smtpscope_text argument;          /* everything behind the verb; at most SMTPSCOPE_ARGUMENT_MAX octets are kept */
    struct smtpscope_text path;              /* inside the brackets, or the EHLO name; empty when there is none */
    uint64_t parameters;                     /* SMTPSCOPE_EXT_BIT of each extension whose parameter was used */
    struct smtpscope_text unknown_parameter; /* the first one of no extension in the table */
    uint64_t declared_size;                  /* MAIL SIZE=, or the BDAT count */
    bool has_size, last;                     /* last: BDAT LAST */
    bool eight_bit;                          /* MAIL BODY=8BITMIME or BINARYMIME */
    enum smtpscope_mechanism mechanism;      /* of AUTH */
    uint32_t len;                            /* of the line, with its end */
    uint32_t oddities;                       /* enum smtpscope_command_oddity */
    uint8_t circumstances;                   /* enum smtpscope_command_circumstance */
    uint64_t offset;                         /* of the line in the client's stream */
    uint64_t acked;                          /* server octets the client had acknowledged when it sent this */
    smtpscope_time time;
    uint64_t packet;
};
/* The verb as it is shown: an UNKNOWN's own word where that may be shown, else smtpscope_verb_name(); empty for NONE. */
struct smtpscope_text smtpscope_command_name(const struct smtpscope_command *command);
#define SMTPSCOPE_ARGUMENT_MAX 4096
#define SMTPSCOPE_REPLY_TEXT_MAX 8192

enum smtpscope_reply_oddity {
    SMTPSCOPE_REPLY_MALFORMED = 1 << 0,    /* no three digits, class outside 2..5, bad separator */
    SMTPSCOPE_REPLY_CODE_CHANGES = 1 << 1, /* lines of one reply differ in code */
    SMTPSCOPE_REPLY_TOO_LONG = 1 << 2,     /* a line over 512 octets, RFC 5321 4.5.3.1.5 */
    SMTPSCOPE_REPLY_BARE_LF = 1 << 3,
    SMTPSCOPE_REPLY_UNFINISHED = 1 << 4,  /* a last line never came, or not its end: the next reply, a gap or the end did */
    SMTPSCOPE_REPLY_UNSOLICITED = 1 << 5, /* no command waits for it */
    SMTPSCOPE_REPLY_MASKED = 1 << 6,      /* a greeting that is written over with asterisks, as some firewalls do */
};

/* A reply, all its lines, without what is known to be a secret. `text` holds them without code, separator and enhanced code, joined by LF. Valid during the fact. */
struct smtpscope_reply {
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    struct smtpscope_text text;
    struct smtpscope_text first; /* the first line of text */
    uint32_t lines;
    uint32_t oddities;    /* enum smtpscope_reply_oddity */
    uint64_t offset, end; /* in the server's stream */
    uint64_t acked;       /* client octets the server had acknowledged when it sent this; one more: its FIN too */
    smtpscope_time time;
    uint64_t packet;
};

/* What the reply to EHLO (or, not RFC, to HELO) advertises; words in whatever case (RFC 5321 2.4, 4.1.1.1). Texts are the reply's. */
struct smtpscope_offer {
    uint64_t extensions;             /* SMTPSCOPE_EXT_BIT */
    uint64_t size_limit;             /* of SIZE (RFC 1870 3); 0 none or not said */
    uint32_t mechanisms;             /* of AUTH (RFC 4954 3), SMTPSCOPE_MECHANISM_BIT */
    uint32_t limit_mail, limit_rcpt; /* MAILMAX and RCPTMAX of LIMITS (RFC 9422 4); 0 none */
    struct smtpscope_text masked;    /* the first keyword that a firewall has written over with X; empty: none */
};

enum smtpscope_greeting { SMTPSCOPE_GREETING_NONE, SMTPSCOPE_GREETING_ACCEPTED, SMTPSCOPE_GREETING_REFUSED };
/* Which parts of a state the capture leaves open. Bits. */
enum smtpscope_doubt {
    SMTPSCOPE_DOUBT_HELLO = 1 << 0,
    SMTPSCOPE_DOUBT_TRANSACTION = 1 << 1,
    SMTPSCOPE_DOUBT_AUTH = 1 << 2,
    SMTPSCOPE_DOUBT_EXTENSIONS = 1 << 3,
    SMTPSCOPE_DOUBT_TLS = 1 << 4,
    SMTPSCOPE_DOUBT_ALL = 0x1f,
};

/* The server's state: what its replies so far have made of the session. */
struct smtpscope_state {
    uint8_t greeting, hello; /* enum smtpscope_greeting, enum smtpscope_hello */
    uint8_t doubt;           /* enum smtpscope_doubt */
    bool tls : 1, authenticated : 1, quit : 1, transaction : 1;
    bool bdat_open : 1;                                  /* a BDAT chunk of this transaction was accepted, LAST not yet */
    bool bdat_done : 1;                                  /* BDAT LAST was answered, and no transaction was begun since */
    bool binary : 1;                                     /* MAIL said BODY=BINARYMIME */
    bool turned : 1;                                     /* ATRN or TURN: whoever connected is the server */
    bool lmtp : 1;                                       /* the hello was LHLO: each recipient has a reply behind the data */
    uint32_t rcpt_accepted, rcpt_deferred, rcpt_refused; /* of this transaction, by reply */
    uint64_t extensions;                                 /* SMTPSCOPE_EXT_BIT of what the last EHLO reply advertised */
    uint64_t size_limit;                                 /* of SIZE; 0 none or not said */
};
/* "connected", "greeted", "helo", "ehlo" (LHLO as well), "mail", "rcpt", "bdat", "quit": one word for people and filters. */
const char *smtpscope_state_name(const struct smtpscope_state *state);

/*
 * One command and the reply that answers it, in the order of the replies. `index` counts them from 0 in the session; when a
 * greeting was seen it is 0. `before` is the server's state before the reply.
 */
struct smtpscope_exchange {
    uint32_t index;
    const struct smtpscope_command *command; /* never NULL; verb NONE for the greeting and unsolicited replies */
    const struct smtpscope_reply *reply;     /* never NULL */
    const struct smtpscope_state *before, *after;
    const struct smtpscope_offer *offer; /* of an EHLO or HELO that was accepted; else NULL */
    uint32_t behind;                     /* commands that were sent and not answered before this one when it was sent */
    enum smtpscope_verb previous;        /* the one right before it among those; VERB_NONE when there was none */
    bool greeting;
    bool likely; /* that the reply answers this command is likely, and no more */
};

enum smtpscope_outcome {
    SMTPSCOPE_OUTCOME_ACCEPTED,
    SMTPSCOPE_OUTCOME_DEFERRED, /* 4yz */
    SMTPSCOPE_OUTCOME_REFUSED,  /* 5yz */
    SMTPSCOPE_OUTCOME_LOST,     /* the session ended before the message did */
    SMTPSCOPE_OUTCOME_UNKNOWN,  /* complete, the reply never seen */
    SMTPSCOPE_OUTCOME_GIVEN_UP, /* the transaction ended before a message was sent, and no reply says why */
};
#define SMTPSCOPE_OUTCOMES (SMTPSCOPE_OUTCOME_GIVEN_UP + 1)
const char *smtpscope_outcome_name(enum smtpscope_outcome outcome);

/* What was in a message sent by DATA or BDAT. Bits. */
enum smtpscope_data_oddity {
    SMTPSCOPE_DATA_BARE_LF = 1 << 0,
    SMTPSCOPE_DATA_BARE_CR = 1 << 1,
    SMTPSCOPE_DATA_NUL = 1 << 2,
    SMTPSCOPE_DATA_EIGHT_BIT = 1 << 3,
    SMTPSCOPE_DATA_LINE_TOO_LONG = 1 << 4,
    SMTPSCOPE_DATA_LOOKALIKE = 1 << 5,          /* an end-of-data look-alike */
    SMTPSCOPE_DATA_LOOKALIKE_COMMANDS = 1 << 6, /* ... with SMTP commands behind it */
    SMTPSCOPE_DATA_LOOKALIKE_TAKEN = 1 << 7,    /* ... and the server took it for the end of the message */
    SMTPSCOPE_DATA_GAP = 1 << 8,                /* octets of it were not captured */
    SMTPSCOPE_DATA_BINARY = 1 << 9,             /* BODY=BINARYMIME, sent by DATA */
    SMTPSCOPE_DATA_END_SPLIT = 1 << 10,         /* CRLF.CRLF came in more than one segment */
};

/* RFC 5321 4.1.1.4 knows CRLF.CRLF alone; these are what some servers take as well. */
enum smtpscope_lookalike {
    SMTPSCOPE_LOOKALIKE_NONE,
    SMTPSCOPE_LOOKALIKE_LF_LF,   /* LF.LF */
    SMTPSCOPE_LOOKALIKE_LF_CRLF, /* LF.CRLF */
    SMTPSCOPE_LOOKALIKE_CRLF_LF, /* CRLF.LF */
    SMTPSCOPE_LOOKALIKE_CR_CRLF, /* CR.CRLF */
    SMTPSCOPE_LOOKALIKE_CR_CR,   /* CR.CR */
    SMTPSCOPE_LOOKALIKE_CRLF_CR, /* CRLF.CR */
    SMTPSCOPE_LOOKALIKE_LF_CR,   /* LF.CR */
    SMTPSCOPE_LOOKALIKE_CR_LF,   /* CR.LF */
    SMTPSCOPE_LOOKALIKE_NUL,     /* one of these, or CRLF.CRLF, with a NUL inside */
};
/* "LF.CRLF" and so on; NULL for NONE. */
const char *smtpscope_lookalike_name(enum smtpscope_lookalike lookalike);

struct smtpscope_recipient {
    struct smtpscope_text path;
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    /* Of RCPT, or of a reply of its own behind the message: ACCEPTED, DEFERRED, REFUSED, or UNKNOWN when no reply was seen. */
    enum smtpscope_outcome outcome;
    uint32_t exchange; /* index of the exchange that says so; UINT32_MAX when unanswered */
};

/* A message, or a transaction that ended without one (`sent` false). */
struct smtpscope_message {
    struct smtpscope_text mail_from; /* the reverse-path, empty for a bounce; `at` is NULL when no MAIL was accepted */
    const struct smtpscope_recipient *recipients; /* `recipient_count` of them were kept, `recipient_total` were named */
    size_t recipient_count, recipient_total;
    uint32_t recipients_accepted, recipients_deferred, recipients_refused;
    bool sent; /* DATA was answered by 354, or a BDAT chunk was sent */
    bool bdat;
    uint64_t size;          /* octets as sent: dot-stuffed, with the terminator; BDAT: the chunks */
    uint64_t content;       /* octets as RFC 1870 3 counts them: without stuffing and terminator */
    uint64_t declared_size; /* MAIL SIZE= */
    bool has_declared_size;
    enum smtpscope_outcome outcome;
    uint16_t code;                      /* of the reply to the end of the message; 0 none */
    uint32_t exchange;                  /* its index; UINT32_MAX when unanswered */
    uint32_t oddities;                  /* enum smtpscope_data_oddity */
    enum smtpscope_lookalike lookalike; /* the first one */
    bool body_8bitmime, smtputf8;       /* what MAIL declared */
    uint64_t offset;                    /* of the first octet of the message in the client's stream */
    uint64_t odd_offset;                /* of the first oddity */
    uint32_t longest_line;
    smtpscope_time time; /* of MAIL */
    uint64_t packet;     /* the last of the message */
};

/* What the server made of a PROXY header. */
enum smtpscope_proxy_outcome {
    SMTPSCOPE_PROXY_UNKNOWN,  /* the session ended before that was seen */
    SMTPSCOPE_PROXY_ACCEPTED, /* it answered what came behind it */
    SMTPSCOPE_PROXY_REFUSED,  /* it answered the header, as if it were a command */
};

/* A PROXY header before the client's first command: whoever connected says for whom. haproxy's proxy-protocol.txt */
struct smtpscope_proxy {
    uint8_t version;                  /* 1 or 2 */
    bool malformed;                   /* a version, a family or an address that there is not */
    bool has_client;                  /* it names the client; LOCAL and UNKNOWN do not */
    bool told;                        /* the fact was */
    struct smtpscope_endpoint client; /* behind the proxy */
    enum smtpscope_proxy_outcome outcome;
    smtpscope_time time;
    uint64_t packet;
};

enum smtpscope_tls_event {
    SMTPSCOPE_TLS_STARTED,            /* TLS began, or the capture begins within it; from here both sides are opaque */
    SMTPSCOPE_TLS_COMMAND_INJECTION,  /* client octets behind STARTTLS, before the handshake */
    SMTPSCOPE_TLS_RESPONSE_INJECTION, /* server octets behind the 220, before its handshake */
    SMTPSCOPE_TLS_NOT_FOLLOWED,       /* 220 to STARTTLS, then no TLS */
    SMTPSCOPE_TLS_BY_CAPTURE,         /* it was, and the capture is of what a device has decrypted: all goes on in clear */
};

/* What is not SMTP, told by the first octets of either side. */
enum smtpscope_alien {
    SMTPSCOPE_ALIEN_NONE,
    SMTPSCOPE_ALIEN_HTTP,
    SMTPSCOPE_ALIEN_TLS,
    SMTPSCOPE_ALIEN_SSH,
    SMTPSCOPE_ALIEN_SIP,
    SMTPSCOPE_ALIEN_BINARY,
    SMTPSCOPE_ALIEN_IMAP, /* from here on: what a server greets in */
    SMTPSCOPE_ALIEN_POP3,
    SMTPSCOPE_ALIEN_FTP,
    SMTPSCOPE_ALIEN_IRC,
};
const char *smtpscope_alien_name(enum smtpscope_alien alien);

/* How the session ended, as SMTP sees it. */
struct smtpscope_end {
    const struct smtpscope_ending *ending;
    const struct smtpscope_state *state;
    bool quit_sent, quit_answered;
    smtpscope_time last_octets; /* when either side was last heard */
    bool opaque;                /* it went on inside TLS */
    bool in_message;            /* it ended between 354 and the end of the message */
    uint64_t octets[2];         /* clear-text octets that were seen of each side */
    uint64_t lost[2];           /* clear-text octets that the capture lacks */
    uint32_t exchanges;
};

enum smtpscope_fact_type {
    SMTPSCOPE_FACT_OPEN,       /* `flow` */
    SMTPSCOPE_FACT_COMMAND,    /* `command`: sent before the greeting ended (EARLY), told when it is seen */
    SMTPSCOPE_FACT_EXCHANGE,   /* `exchange` */
    SMTPSCOPE_FACT_UNANSWERED, /* `command`, while the session is closed (see smtpscope_session_ending); after all exchanges */
    SMTPSCOPE_FACT_MESSAGE,    /* `message` */
    SMTPSCOPE_FACT_TLS,        /* `tls` */
    SMTPSCOPE_FACT_PROXY,      /* `proxy`: told once, when it is seen what the server made of it, or at the end */
    SMTPSCOPE_FACT_ALIEN,      /* `alien` */
    SMTPSCOPE_FACT_CROSS,      /* `command`: an SMTP command among the lines of another protocol */
    SMTPSCOPE_FACT_GAP,        /* `gap`, `phase` */
    SMTPSCOPE_FACT_CONFLICT,   /* `gap`: where; len is 0 */
    SMTPSCOPE_FACT_URGENT,     /* `gap`: where the urgent octets begin, which stay in line; once a direction; len is 0 */
    SMTPSCOPE_FACT_STALL,      /* `stall`, `in_message`, `breaks`: a pause is over; before what its last octets say */
    SMTPSCOPE_FACT_OVERFLOW,   /* one of the session's own bounds was reached: it goes on in doubt */
    SMTPSCOPE_FACT_HANDSHAKE,  /* `handshake`: how that of TLS went, see tls.h */
    SMTPSCOPE_FACT_INFERRED,   /* `inferred`: a transaction that nobody can read, by its sizes; before TLS_END */
    SMTPSCOPE_FACT_TLS_END,    /* `tls_end`: before the last facts of a session inside TLS */
    SMTPSCOPE_FACT_END,        /* `end`; the last fact */
};

struct smtpscope_handshake;
struct smtpscope_inferred;
struct smtpscope_tls_end;

struct smtpscope_fact {
    enum smtpscope_fact_type type;
    smtpscope_time time;
    uint64_t packet;
    union {
        const struct smtpscope_flow *flow;
        const struct smtpscope_command *command;
        const struct smtpscope_exchange *exchange;
        const struct smtpscope_message *message;
        struct {
            const struct smtpscope_gap *gap;
            const char *phase; /* of what is missing: "commands", "message", "replies", "tls" */
        };
        struct {
            const struct smtpscope_stall *stall;
            bool in_message;            /* inside a message's octets */
            enum smtpscope_side breaks; /* who spoke then */
        };
        const struct smtpscope_end *end;
        enum smtpscope_tls_event tls;
        const struct smtpscope_proxy *proxy;
        const struct smtpscope_handshake *handshake;
        const struct smtpscope_inferred *inferred;
        const struct smtpscope_tls_end *tls_end;
        struct {
            enum smtpscope_alien alien;
            enum smtpscope_side alien_side; /* who speaks it */
            const char *alien_name; /* the owner's word for it, see smtpscope_session_config, or smtpscope_alien_name()'s */
        };
    };
};

struct smtpscope_session_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3) */
    /* Called for each fact, in order. All that a fact points to is valid during the call. */
    void (*fact)(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact);
    /*
     * NULL, or names the protocol of a client's first octets that are not SMTP, where we know only that they are BINARY or
     * TEXT: NULL when it cannot tell either. The name is valid as long as the session.
     */
    const char *(*name_protocol)(void *ctx, const uint8_t *octets, size_t len);
    /*
     * NULL, or takes the octets of a side that is inside TLS, from its first record on. Who can decrypt may call
     * smtpscope_session_decrypted() from there, and feed the clear octets.
     */
    void (*inside_tls)(void *ctx, struct smtpscope_session *session, const struct smtpscope_octets *octets);
    void *ctx;
};

/*
 * A session over `flow`, which must outlive it. `config` is kept by reference and may be shared by all sessions.
 * `user` is the owner's own, see smtpscope_session_user(). NULL when out of memory.
 */
struct smtpscope_session *smtpscope_session_new(const struct smtpscope_session_config *config,
                                                const struct smtpscope_flow *flow, void *user);
void smtpscope_session_free(struct smtpscope_session *session);
void *smtpscope_session_user(const struct smtpscope_session *session);
const struct smtpscope_flow *smtpscope_session_flow(const struct smtpscope_session *session);
/* NULL: the session did not begin with a PROXY header. Valid as long as the session. */
const struct smtpscope_proxy *smtpscope_session_proxy(const struct smtpscope_session *session);
/* The client, or, where the server accepted what a PROXY header says, the one that it names. */
struct smtpscope_endpoint smtpscope_session_client(const struct smtpscope_session *session);
const struct smtpscope_state *smtpscope_session_state(const struct smtpscope_session *session);
/* Where the next octet of the side stands in its stream; of a side that went on inside TLS, where that began. */
uint64_t smtpscope_session_offset(const struct smtpscope_session *session, enum smtpscope_side side);
/* How it ends, while smtpscope_session_close() tells its last facts; NULL before. */
const struct smtpscope_ending *smtpscope_session_ending(const struct smtpscope_session *session);

/* The octets of both sides, each side in order; a reply after the command it acknowledges. */
void smtpscope_session_feed(struct smtpscope_session *session, const struct smtpscope_octets *octets);
void smtpscope_session_gap(struct smtpscope_session *session, const struct smtpscope_gap *gap);
void smtpscope_session_conflict(struct smtpscope_session *session, const struct smtpscope_gap *gap);
/* The octets that come next have urgent ones among them (RFC 6093). */
void smtpscope_session_urgent(struct smtpscope_session *session, const struct smtpscope_gap *gap);
/* The clock that stamps the octets was set by `delta`: what waits for a reply was sent as long ago as before. */
void smtpscope_session_clock_stepped(struct smtpscope_session *session, smtpscope_time delta);
/*
 * For who can decrypt: from here on the octets of both sides are the clear text inside TLS, and their offsets count on from
 * where each side stood. The server's state is that of RFC 3207 4.2; a session that began with TLS has its greeting to come.
 */
void smtpscope_session_decrypted(struct smtpscope_session *session);
/* Tells what is unanswered and how it ended. The session can only be freed afterwards. */
void smtpscope_session_close(struct smtpscope_session *session, const struct smtpscope_ending *ending);

SMTPSCOPE_C_END

#endif
