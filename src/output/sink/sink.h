/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where finished lines go while the program runs on: standard output, a file with rotation, syslog, journald, a Unix socket.
 * Each sink has a bounded queue and a thread that empties it, so a reader that is slow or absent never holds up the caller.
 *
 * Caution: a sink's thread inherits what the thread that opens it may do. Change user and give capabilities up with calls that
 * reach all threads (setuid(2) of the C library does), or before; what is opened again later is opened with what is left then.
 */
#ifndef OUTPUT_SINK_SINK_H
#define OUTPUT_SINK_SINK_H

#include "smtpscope/rule.h"

/* Some thousand lines: enough for a reader that is started again, little beside the sessions. */
#define SINK_QUEUE_OCTETS ((size_t)4 << 20)
#define SINK_ERROR_SIZE 256

struct sink;

struct sink_config {
    /*
     * "-"                     standard output
     * "file:PATH"             a file, appended to; FIFOs and devices are written to but neither rotated nor cut
     * "syslog[:PATH]"         RFC 5424 over the local socket, /dev/log unless it says; as syslog(3) where that is journald's
     * "syslog:udp:HOST:PORT"  RFC 5426; a message is cut at SINK_UDP_MAX octets
     * "syslog:tcp:HOST:PORT"  RFC 6587 3.4.1, octet counting. An IPv6 address stands in brackets
     * "journald[:PATH]"       the journal's own protocol
     * "unix:PATH"             a Unix socket, stream or datagram: a line, with its LF, is a datagram there
     */
    const char *spec;
    uint64_t rotate_octets; /* a file does not grow beyond it, but for a single longer line; 0: no rotation */
    unsigned rotate_count;  /* how many old ones are kept, PATH.1 the youngest; 0: none */
    size_t queue_octets;    /* 0: SINK_QUEUE_OCTETS */
};

/* Callers that can wait for a reader that has gone wait so long: a service that is started again is back by then. */
#define SINK_WAIT_MS 10000
/* RFC 5424 6.1 has receivers take 2048 octets; what is common takes 8 KiB, and more than that is cut there anyway. */
#define SINK_UDP_MAX 8192

struct sink_stats {
    uint64_t lines, octets; /* handed to the system */
    /*
     * Octets among these that a reader left unread when it went, at most: exact for pipes; TCP knows what was acknowledged, a
     * local stream when all was read. It is not known of datagrams.
     */
    uint64_t unread;
    uint64_t dropped; /* lines that are lost: the queue was full, or they could not be sent at all */
    uint64_t dropped_octets;
    uint64_t truncated;   /* lines of which the end is lost: longer than a datagram */
    uint64_t failures;    /* attempts to open, connect or write that failed */
    uint64_t disconnects; /* connections that were lost */
    uint64_t rotations, reopens;
    uint64_t queued_lines;                 /* waiting now; after sink_close() they are lost */
    size_t queued, queued_max, queue_size; /* octets, with the queue's own */
    bool connected;                        /* a file is open, a reader is there; over UDP nobody knows */
    bool broken;                           /* nothing will be written any more: the reader of standard output has gone */
    char error[SINK_ERROR_SIZE];           /* of the last failure, "" when there was none */
};

/*
 * Opens what can be opened now and starts the thread. A file that cannot be opened is an error; a reader that is not there is
 * none: it is tried again, ever less often. `config` is copied, its strings too. NULL, and a line in `error`, when it fails.
 */
struct sink *sink_open(const struct sink_config *config, char *error, size_t error_size);
/* The spec it was opened with; valid until sink_close(). */
const char *sink_name(const struct sink *sink);
/* Lines that were handed over may be lost without anyone knowing: nobody can tell that a reader is back. */
bool sink_loses(const struct sink *sink);
/*
 * Queues a copy of one line of `len` octets; an LF at its end is fine and not needed. Never waits for a reader. `kind` is one
 * word, the type of event or the rule: syslog's MSGID, the journal's SMTPSCOPE_EVENT. false: dropped, and counted. From any
 * thread.
 */
bool sink_put(struct sink *sink, enum smtpscope_severity severity, const char *kind, const char *line, size_t len);
/*
 * The same, but waits for room in the queue. false: dropped, and counted, because nothing will make room: it is closing, or the
 * last attempt to write failed: at once for what is no reader's fault (a full disk), else when no reader came back for
 * SINK_WAIT_MS.
 */
bool sink_put_wait(struct sink *sink, enum smtpscope_severity severity, const char *kind, const char *line, size_t len);
/* Waits until all that was put is handed to the system. false: some of it cannot be, as above, and is still queued. */
bool sink_drain(struct sink *sink);
/*
 * A file is closed and opened again behind what is queued now, or at once when it cannot be written to. For what is not
 * connected, connecting is tried at once. However often it is asked for, it costs nothing more. Not from a signal handler.
 */
void sink_reopen(struct sink *sink);
/* What is counted so far. From any thread. */
void sink_stats(struct sink *sink, struct sink_stats *stats);
/*
 * Writes what is queued, for `deadline_ms` at most, and frees the sink. `last`, unless NULL, gets the final counts, and
 * `last->queued_lines` is what was left. NULL is fine.
 */
void sink_close(struct sink *sink, unsigned deadline_ms, struct sink_stats *last);

#endif
