/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of a sink share. All but `queue`, `stats` and the requests belongs to the sink's thread. Nothing here waits
 * but sink.c's poll(2): descriptors of sockets and pipes do not block.
 */
#ifndef OUTPUT_SINK_SINK_PRIVATE_H
#define OUTPUT_SINK_SINK_PRIVATE_H

#include "base/writer.h"
#include "output/sink/sink.h"
#include "output/sink/sink_queue.h"

#include <pthread.h>
#include <sys/types.h>

/* Lines written by one call: more save nothing that could be measured. */
#define SINK_BATCH_LINES 64
#define SINK_BATCH_OCTETS ((size_t)64 << 10)

/* Lines as they go out, one behind the other; for datagrams a single one. */
struct sink_batch {
    struct writer octets;
    size_t sent;
    unsigned count, whole; /* lines; `whole` of them are out */
    bool truncated;        /* the only line lacks its end */
    struct {
        size_t end;        /* in octets */
        uint64_t position; /* in the queue, behind it */
    } lines[SINK_BATCH_LINES];
};

struct sink_address {
    char *path;        /* of a file or a local socket */
    char *host, *port; /* of a receiver in the network */
};

struct sink_transport {
    const char *prefix;       /* of the spec */
    const char *default_path; /* NULL: one must be given */
    bool bare;                /* the prefix is all of the spec */
    bool by_host;             /* HOST:PORT, no path */
    bool must_open;           /* failing to open at start is an error */
    bool socket;              /* a socket, behind which a reader may come back; else a descriptor that is written to */
    bool renewed;             /* a reopen closes it first: another file may stand in its place */
    bool acknowledges;        /* the system knows to the octet what the reader has taken */
    bool loses;               /* what is handed over may be refused afterwards, and is lost then */
    /* Opens sink->fd and sets what goes with it. 0 or an errno. */
    int (*open)(struct sink *sink);
    /* Puts a line into the batch as it is sent. */
    void (*frame)(struct sink *sink, const struct sink_line *line, struct writer *writer);
    /* As write(2). */
    ssize_t (*send)(struct sink *sink, const char *at, size_t len);
};

extern const struct sink_transport sink_standard_output, sink_file;
extern const struct sink_transport sink_unix, sink_syslog_local, sink_syslog_udp, sink_syslog_tcp, sink_journald;

struct sink {
    struct sink_config config;
    const struct sink_transport *transport;
    struct sink_address address;
    char *spec;
    char *host_name;        /* of this machine, for RFC 5424 */
    int fd;                 /* -1: closed */
    bool regular, standard; /* a regular file; standard output, which is not ours to close */
    bool pipe, datagram, connecting;
    bool journal;         /* the local syslog is journald */
    uint64_t unconfirmed; /* octets sent to a socket of which the system does not say yet that they were read */
    uint64_t file_octets; /* whole lines in the file */
    uint64_t rotate_at;   /* the size to be kept to; grows when renaming fails */
    struct sink_batch batch;
    struct writer scratch; /* of a framing that needs the length first */
    unsigned attempt;      /* which of a host's addresses is next */
    const char *why;       /* of a failure that no errno names; static, or NULL */
    uint64_t reopened;     /* the queue's position behind the line before which the file was opened last */
    int64_t retry_at;      /* monotonic ms: nothing is tried before; while connecting, until when */
    unsigned retry_ms;     /* the wait after the next failure; 0: the first */
    int wake[2];           /* a pipe */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t finished, room; /* room: lines have left the queue, or cannot */
    struct sink_queue queue;
    struct sink_stats stats;
    bool asleep, poked;       /* the thread waits, or is about to; there is something to look at */
    bool reopen, reopen_line; /* asked for; the line that is put next is the first behind it */
    bool stopping, done, orphaned;
    int64_t deadline;   /* monotonic ms */
    int64_t give_up_at; /* monotonic ms: from then on it is no use to wait for room; 0: what was tried last went well */
};

/* --- sink_state.c */

/* Adds to a counter of the stats. */
void sink_count(struct sink *sink, uint64_t *counter, uint64_t by);
/* What the stats say of the reader: it is there, or it is not. */
void sink_connected(struct sink *sink, bool is);
/* Closes what is open. */
void sink_disconnect(struct sink *sink);
void sink_free(struct sink *sink);

/* --- sink_thread.c */

/* The sink's thread. */
void *sink_run(void *sink);

/* --- sink_file.c, sink_socket.c */

/* The old files move on by one, and a new one is opened. 0 or an errno; without a file open it is the opening that failed. */
int sink_file_rotate(struct sink *sink);
/* Whether `len` octets behind `before` more go beyond what a file may have. */
bool sink_file_full(const struct sink *sink, size_t before, size_t len);
/* Takes a half-written line back out of the file. false: it cannot be, and has to be finished. */
bool sink_file_cut(struct sink *sink);
/* Octets in a pipe that nobody has read. */
uint64_t sink_pipe_unread(const struct sink *sink);
/* Brings `unconfirmed` up to date. */
void sink_confirm(struct sink *sink);
/* The most octets that a socket can hold. */
uint64_t sink_socket_room(const struct sink *sink);
/* Whether the other end of a stream socket has gone; reads and forgets what it said. */
bool sink_peer_gone(struct sink *sink);
/* How an attempt to connect came out: 0 or an errno. */
int sink_connect_result(struct sink *sink);

/* --- sink_frame.c */

/* RFC 5424; `max` octets at most, 0: no limit. Says whether the end of the text is left out. */
bool sink_frame_syslog(const struct sink *sink, const struct sink_line *line, struct writer *writer, size_t max);
void sink_frame_journal(struct sink *sink, const struct sink_line *line, struct writer *writer);
void sink_frame_line(struct sink *sink, const struct sink_line *line, struct writer *writer);
/* As syslog(3) has it: for journald. */
void sink_frame_syslog_journal(const struct sink_line *line, struct writer *writer);
/* As much of `len` octets as fits into `room`, no character cut in two (RFC 5424 6.1). */
size_t sink_fitting(const char *at, size_t len, size_t room);
ssize_t sink_send_journal(struct sink *sink, const char *at, size_t len);

#endif
