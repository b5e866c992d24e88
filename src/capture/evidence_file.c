/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/evidence_file.h"

#include "base/entrusted.h"
#include "base/gettext.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Taps of one machine have few; what comes beyond is lost, and counted. */
#define LINK_TYPES_MAX 4
#define SNAPSHOT_MAX 262144
/* pcap(5): the file's header, and that of each record. */
#define FILE_HEADER 24
#define RECORD_HEADER 16
/* Of a number that fits in 32 bits. */
#define INDEX_DIGITS 9
/*
 * Each link type numbers its frames by itself: in what is left of a number, two billion frames a second find room for a year.
 */
#define RING_SHIFT 56
#define NANOSECONDS 1000000000

/* The files of one link type. */
struct ring {
    int link_type;
    char *path; /* without the number */
    char *name; /* of the current file */
    pcap_t *handle;
    pcap_dumper_t *dumper; /* NULL: not open */
    uint64_t last;         /* number given */
    uint64_t octets;       /* of the current file, as far as it is whole */
    unsigned index;        /* of the current file */
};

struct evidence_file {
    struct evidence_file_config config;
    char *path;
    struct ring rings[LINK_TYPES_MAX];
    size_t ring_count;
    FILE *first; /* created and still empty: of the first ring, whose link type is not known yet */
    unsigned first_index;
    bool failing;
    struct evidence_stats stats;
};

static void file_failed(struct evidence_file *file, const char *name, const char *why)
{
    if (!file->failing)
        file->config.failed(file->config.ctx, name, why);
    file->failing = true;
}

static void file_works(struct evidence_file *file, const char *name)
{
    if (file->failing)
        file->config.failed(file->config.ctx, name, NULL);
    file->failing = false;
}

/* --- names: FILE, FILE1, FILE2; or FILE00, FILE01 up to the count */

static int digits_of(unsigned count)
{
    int digits = 0;

    for (unsigned last = count ? count - 1 : 0; last; last /= 10)
        digits++;
    return digits;
}

static char *ring_name(const struct evidence_file *file, const char *path, unsigned index)
{
    int digits = digits_of(file->config.count);
    size_t size = strlen(path) + 16;
    char *name = malloc(size);

    if (name && (index || digits))
        snprintf(name, size, "%s%0*u", path, digits, index);
    else if (name)
        snprintf(name, size, "%s", path);
    return name;
}

/* The number of a file of the ring, by its name in its folder; false: it is none. */
static bool ring_index(const struct evidence_file *file, const char *base, const char *name, unsigned *index)
{
    size_t len = strlen(base), digits = strlen(name) - len;
    unsigned long number;

    if (strncmp(name, base, len) != 0 || strspn(name + len, "0123456789") != digits || digits > INDEX_DIGITS)
        return false;
    number = digits ? strtoul(name + len, NULL, 10) : 0;
    *index = (unsigned)number;
    return !file->config.count || (number < file->config.count && digits == (size_t)digits_of(file->config.count));
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/*
 * The place behind the newest file of an earlier run: it has the greatest number, or, where numbers come again, was written last.
 * Files without a packet are written over.
 */
static unsigned ring_begin(const struct evidence_file *file, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    DIR *entries = folder && file->config.continues ? opendir(folder) : NULL;
    struct timespec newest = {0};
    unsigned begin = 0, index;
    struct stat status;

    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (!ring_index(file, base, entry->d_name, &index) || fstatat(dirfd(entries), entry->d_name, &status, 0) ||
            !S_ISREG(status.st_mode) || status.st_size <= FILE_HEADER)
            continue;
        if (file->config.count ? !is_newer(&status.st_mtim, &newest) : index < begin)
            continue;
        newest = status.st_mtim;
        begin = file->config.count ? (index + 1) % file->config.count : index + 1;
    }
    if (entries)
        closedir(entries);
    free(folder);
    return begin;
}

/* --- one file */

/* EEXIST is create()'s: it is asked for no new file. */
static const char *why_not(int error)
{
    if (error == ELOOP)
        return _("is a link in a folder where anybody can make one");
    return error == EEXIST ? _("is one of the captures that are read") : strerror(error);
}

static FILE *create(const struct evidence_file *file, const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | entrusted_link_flag(name), S_IRUSR | S_IWUSR);
    struct stat status;
    FILE *stream = NULL;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &status))
        status = (struct stat){0};
    if (!S_ISREG(status.st_mode))
        stream = fdopen(fd, "w");
    else if (file->config.spare && file->config.spare(file->config.ctx, &status))
        errno = EEXIST;
    else if (!ftruncate(fd, 0))
        stream = fdopen(fd, "w");
    if (!stream)
        close(fd);
    return stream;
}

/* Closes the file, and takes off what did not get there as a whole. */
static void ring_shut(struct ring *ring)
{
    int fd;

    if (!ring->dumper)
        return;
    fd = dup(fileno(pcap_dump_file(ring->dumper)));
    pcap_dump_close(ring->dumper);
    ring->dumper = NULL;
    if (fd < 0)
        return;
    /* A pipe cannot be cut, and need not be. */
    if (ftruncate(fd, (off_t)ring->octets))
        errno = 0;
    close(fd);
}

static bool ring_create(struct evidence_file *file, struct ring *ring, FILE *stream)
{
    ring->dumper = stream ? pcap_dump_fopen(ring->handle, stream) : NULL;
    if (!ring->dumper) {
        /* Caution: libpcap has closed the stream where the header could not be written. */
        file_failed(file, ring->name, stream ? pcap_geterr(ring->handle) : why_not(errno));
        return false;
    }
    ring->octets = 0;
    file->config.gone(file->config.ctx, ring->name);
    file->config.begun(file->config.ctx, ring->name, ring->last);
    return true;
}

/* Opens the current file again after a failure, where it is as we left it; else it is begun anew. */
static bool ring_reopen(struct evidence_file *file, struct ring *ring)
{
    struct stat status;

    if (ring->octets >= FILE_HEADER && !stat(ring->name, &status) && (uint64_t)status.st_size == ring->octets)
        ring->dumper = pcap_dump_open_append(ring->handle, ring->name);
    return ring->dumper || ring_create(file, ring, create(file, ring->name));
}

static bool ring_next(struct evidence_file *file, struct ring *ring)
{
    unsigned index = ring->index + 1;
    char *name;

    if (file->config.count && index >= file->config.count)
        index = 0;
    name = ring_name(file, ring->path, index);
    if (!name)
        return false;
    ring_shut(ring);
    free(ring->name);
    ring->name = name;
    ring->index = index;
    ring->octets = 0;
    return ring_create(file, ring, create(file, name));
}

/* --- the rings */

static bool ring_init(struct evidence_file *file, struct ring *ring, int link_type)
{
    const char *kind = pcap_datalink_val_to_name(link_type);
    size_t size = strlen(file->path) + 64;

    *ring = (struct ring){.link_type = link_type, .last = (uint64_t)file->ring_count << RING_SHIFT};
    ring->path = malloc(size);
    ring->handle = pcap_open_dead_with_tstamp_precision(link_type, SNAPSHOT_MAX, PCAP_TSTAMP_PRECISION_NANO);
    if (ring->path && !file->ring_count)
        snprintf(ring->path, size, "%s", file->path);
    else if (ring->path && kind)
        snprintf(ring->path, size, "%s.%s", file->path, kind);
    else if (ring->path)
        snprintf(ring->path, size, "%s.%d", file->path, link_type);
    if (ring->path) {
        ring->index = file->first ? file->first_index : ring_begin(file, ring->path);
        ring->name = ring_name(file, ring->path, ring->index);
    }
    if (ring->name && ring->handle)
        return true;
    free(ring->path);
    free(ring->name);
    if (ring->handle)
        pcap_close(ring->handle);
    return false;
}

/* NULL: there are too many, or no memory. */
static struct ring *ring_of(struct evidence_file *file, int link_type)
{
    struct ring *ring;

    for (size_t i = 0; i < file->ring_count; i++)
        if (file->rings[i].link_type == link_type)
            return &file->rings[i];
    if (file->ring_count == LINK_TYPES_MAX)
        return NULL;
    ring = &file->rings[file->ring_count];
    if (!ring_init(file, ring, link_type))
        return NULL;
    if (!file->ring_count++ && file->first) {
        ring_create(file, ring, file->first);
        file->first = NULL;
    }
    return ring;
}

/* What is to be written together of one link type. */
struct frames_of_link {
    const struct frame *const *frames;
    uint64_t *numbers;
    size_t count;
    int link_type;
    uint64_t octets, frames_of_type;
};

static void share_measure(struct frames_of_link *share)
{
    for (size_t i = 0; i < share->count; i++)
        if (share->frames[i]->link_type == share->link_type) {
            share->octets += RECORD_HEADER + share->frames[i]->caplen;
            share->frames_of_type++;
        }
}

/* The current file, open, with room for the share. */
static bool ring_ready(struct evidence_file *file, struct ring *ring, const struct frames_of_link *share)
{
    uint64_t limit = file->config.octets;

    if (limit && ring->octets > FILE_HEADER && ring->octets + share->octets > limit)
        return ring_next(file, ring);
    return ring->dumper || ring_reopen(file, ring);
}

static bool ring_write(struct ring *ring, const struct frames_of_link *share)
{
    uint8_t *dumper = (uint8_t *)ring->dumper; /* as pcap_dump(3PCAP) wants it */

    errno = 0;
    for (size_t i = 0; i < share->count; i++) {
        const struct frame *frame = share->frames[i];
        /* With nanosecond precision, tv_usec has nanoseconds. */
        struct pcap_pkthdr header = {
            .ts = {.tv_sec = (time_t)(frame->time / NANOSECONDS), .tv_usec = (suseconds_t)(frame->time % NANOSECONDS)},
            .caplen = frame->caplen,
            .len = frame->len};

        if (frame->link_type == share->link_type)
            pcap_dump(dumper, &header, frame->data);
    }
    return !pcap_dump_flush(ring->dumper) && !ferror(pcap_dump_file(ring->dumper));
}

static bool share_write(struct evidence_file *file, struct frames_of_link *share)
{
    struct ring *ring = ring_of(file, share->link_type);

    share_measure(share);
    if (!ring) {
        file_failed(file, file->path, _("too many link types"));
        return false;
    }
    if (!ring_ready(file, ring, share))
        return false;
    if (!ring_write(ring, share)) {
        file_failed(file, ring->name, strerror(errno ? errno : EIO));
        ring_shut(ring);
        return false;
    }
    file_works(file, ring->name);
    file->stats.files += !ring->octets;
    ring->octets += share->octets + (ring->octets ? 0 : FILE_HEADER);
    file->stats.written_octets += share->octets;
    for (size_t i = 0; i < share->count; i++)
        if (share->frames[i]->link_type == share->link_type)
            share->numbers[i] = ++ring->last;
    return true;
}

static bool seen_before(const struct frame *const *frames, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (frames[i]->link_type == frames[at]->link_type)
            return true;
    return false;
}

void evidence_file_write(struct evidence_file *file, const struct frame *const *frames, size_t count, uint64_t *numbers)
{
    memset(numbers, 0, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        struct frames_of_link share = {.frames = frames, .numbers = numbers, .count = count, .link_type = frames[i]->link_type};

        if (seen_before(frames, i))
            continue;
        if (share_write(file, &share))
            file->stats.written += share.frames_of_type;
        else
            file->stats.lost += share.frames_of_type;
    }
}

/* --- opening and closing */

struct evidence_file *evidence_file_open(const struct evidence_file_config *config, char error[EVIDENCE_ERROR_SIZE])
{
    struct evidence_file *file = calloc(1, sizeof *file);
    char *name = NULL;

    if (file) {
        file->config = *config;
        file->path = strdup(config->path);
        file->first_index = ring_begin(file, config->path);
        name = ring_name(file, config->path, file->first_index);
    }
    if (name && file->path)
        file->first = create(file, name);
    if (name && file->path && file->first) {
        free(name);
        return file;
    }
    snprintf(error, EVIDENCE_ERROR_SIZE, "%s", why_not(name ? errno : ENOMEM));
    free(name);
    if (file)
        free(file->path);
    free(file);
    return NULL;
}

void evidence_file_close(struct evidence_file *file)
{
    if (!file)
        return;
    /* Nothing was found: still a capture that can be opened. */
    if (file->first)
        ring_of(file, DLT_EN10MB);
    for (size_t i = 0; i < file->ring_count; i++) {
        struct ring *ring = &file->rings[i];

        if (ring->dumper)
            pcap_dump_close(ring->dumper);
        pcap_close(ring->handle);
        free(ring->path);
        free(ring->name);
    }
    if (file->first)
        fclose(file->first);
    free(file->path);
    free(file);
}

static bool is_moved(FILE *stream, const char *name)
{
    struct stat ours, there;

    if (fstat(fileno(stream), &ours))
        return false;
    return stat(name, &there) || there.st_dev != ours.st_dev || there.st_ino != ours.st_ino;
}

/* As is_moved(), of the file that has no link type yet. */
static void first_reopen(struct evidence_file *file)
{
    char *name = ring_name(file, file->path, file->first_index);

    if (name && is_moved(file->first, name)) {
        fclose(file->first);
        file->first = create(file, name);
        if (!file->first)
            file_failed(file, name, why_not(errno));
    }
    free(name);
}

void evidence_file_reopen(struct evidence_file *file)
{
    if (file->first)
        first_reopen(file);
    for (struct ring *ring = file->rings; ring < file->rings + file->ring_count; ring++) {
        if (!ring->dumper || !is_moved(pcap_dump_file(ring->dumper), ring->name))
            continue;
        ring_shut(ring);
        ring_create(file, ring, create(file, ring->name));
    }
}

void evidence_file_stats(const struct evidence_file *file, struct evidence_stats *stats)
{
    *stats = file->stats;
}
