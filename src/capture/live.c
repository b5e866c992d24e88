/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE 1 /* pcap.h uses u_int */
#include "capture/live.h"

#include "base/gettext.h"
#include "capture/fanout.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * A ring of 32 MiB holds a quarter of a second of 1 Gbit/s, which is longer than a worker is ever away. 262144 is libpcap's
 * own maximum: segmentation offload makes frames of 64 KiB and more.
 */
enum { DEFAULT_BUFFER_KIB = 32 << 10, DEFAULT_SNAPSHOT_LENGTH = 262144 };

enum { WAIT_MS = 100 };

struct live {
    struct live_config config; /* its strings are ours */
    pcap_t *pcap;              /* NULL while the interface is gone */
    int break_fd;              /* an eventfd, readable when somebody wants live_dispatch() to return */
    atomic_bool broken;
    unsigned index; /* the interface's, which a re-created one does not have; 0 for "any" */
    int link_type;
    bool nano;
    uint64_t number;
    struct live_stats stats;
    struct pcap_stat seen; /* what libpcap said last, of which the totals are made */
    void (*take)(void *ctx, const struct frame *frame);
    void *ctx;
    char error[512];
};

static int live_fail(struct live *live, const char *text, const char *detail)
{
    snprintf(live->error, sizeof live->error, "%s%s", text, detail);
    return LIVE_FAILED;
}

static bool live_is_any(const struct live *live)
{
    return strcmp(live->config.interface, "any") == 0;
}

/* Why pcap_activate() failed, and what helps. LIVE_DOWN where waiting does. */
static int live_explain(struct live *live, int status)
{
    switch (status) {
    case PCAP_ERROR_NO_SUCH_DEVICE: live_fail(live, _("there is no such interface; -D lists them"), ""); return LIVE_DOWN;
    case PCAP_ERROR_IFACE_NOT_UP: live_fail(live, _("the interface is down"), ""); return LIVE_DOWN;
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        return live_fail(live, _("no permission to capture: it takes root or the capability CAP_NET_RAW"), "");
    default: break;
    }
    const char *reason = pcap_geterr(live->pcap);
    return live_fail(live, *reason ? reason : pcap_statustostr(status), "");
}

/* What libpcap refuses only of a handle that is active already. */
static bool live_prepare(pcap_t *pcap, const struct live_config *config)
{
    return pcap_set_snaplen(pcap, (int)config->snapshot_length) == 0 &&
           pcap_set_buffer_size(pcap, (int)config->buffer_kib * 1024) == 0 &&
           pcap_set_timeout(pcap, (int)config->delay_ms) == 0 &&
           pcap_set_promisc(pcap, config->promiscuous && strcmp(config->interface, "any")) == 0;
}

static int live_activate(struct live *live)
{
    const struct live_config *config = &live->config;
    char reason[PCAP_ERRBUF_SIZE] = "";
    live->pcap = pcap_create(config->interface, reason);
    if (live->pcap == NULL)
        return live_fail(live, reason, "");
    if (!live_prepare(live->pcap, config))
        return live_fail(live, pcap_geterr(live->pcap), "");
    live->nano = pcap_set_tstamp_precision(live->pcap, PCAP_TSTAMP_PRECISION_NANO) == 0;
    int status = pcap_activate(live->pcap);
    if (status < 0)
        return live_explain(live, status);
    if (pcap_setnonblock(live->pcap, 1, reason) != 0)
        return live_fail(live, reason, "");
    /* "any": the cooked header that names the interface; the older one where there is no such. */
    live->link_type =
        live_is_any(live) && pcap_set_datalink(live->pcap, DLT_LINUX_SLL2) == 0 ? DLT_LINUX_SLL2 : pcap_datalink(live->pcap);
    live->index = if_nametoindex(config->interface);
    return 0;
}

/* The user's expression is compiled alone first: so the error is its own, and brackets it does not close stay its own. */
static int live_check_expression(struct live *live)
{
    struct bpf_program program;
    const char *expression = live->config.expression;
    if (expression == NULL)
        return 0;
    if (pcap_compile(live->pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        snprintf(live->error, sizeof live->error, _("the filter \"%s\" is wrong: %s"), expression, pcap_geterr(live->pcap));
        return LIVE_FAILED;
    }
    pcap_freecode(&program);
    return 0;
}

/* The user's is behind ours: "vlan" and its like change what the rest of an expression means. NULL: out of memory. */
static char *live_whole_filter(const struct live_config *config)
{
    const char *ours = config->filter, *user = config->expression;
    size_t size = (ours ? strlen(ours) : 0) + (user ? strlen(user) : 0) + sizeof "() and ()";
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    if (ours && user)
        snprintf(text, size, "(%s) and (%s)", ours, user);
    else
        snprintf(text, size, "%s", ours ? ours : user ? user : "");
    return text;
}

static int live_set_filter(struct live *live)
{
    struct bpf_program program;
    int result = live_check_expression(live);
    if (result != 0)
        return result;
    char *text = live_whole_filter(&live->config);
    if (text == NULL)
        return live_fail(live, _("out of memory"), "");
    if (pcap_compile(live->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        result = live_fail(live, _("the filter cannot be compiled: "), pcap_geterr(live->pcap));
    } else {
        if (pcap_setfilter(live->pcap, &program) != 0)
            result = live_fail(live, _("the filter cannot be set: "), pcap_geterr(live->pcap));
        pcap_freecode(&program);
    }
    free(text);
    return result;
}

/* EINVAL: the group still has members on an interface that was removed; they leave within a call of theirs. */
static int live_join(struct live *live)
{
    if (!live->config.spread)
        return 0;
    int error = fanout_join(pcap_fileno(live->pcap), &live->config.fanout_group);
    if (error == 0)
        return 0;
    live_fail(live, _("cannot be shared between workers: "), strerror(error));
    return error == EINVAL ? LIVE_DOWN : LIVE_FAILED;
}

static void live_count(struct live *live)
{
    struct pcap_stat now;
    if (live->pcap == NULL || pcap_stats(live->pcap, &now) != 0)
        return;
    live->stats.received += (uint32_t)(now.ps_recv - live->seen.ps_recv);
    live->stats.dropped += (uint32_t)(now.ps_drop - live->seen.ps_drop);
    live->stats.interface_dropped += (uint32_t)(now.ps_ifdrop - live->seen.ps_ifdrop);
    live->seen = now;
}

static void live_leave(struct live *live)
{
    if (live->pcap != NULL)
        pcap_close(live->pcap);
    live->pcap = NULL;
    live->seen = (struct pcap_stat){0};
}

static int live_enter(struct live *live)
{
    int result = live_activate(live);
    if (result == 0)
        result = live_set_filter(live);
    if (result == 0)
        result = live_join(live);
    if (result != 0) {
        live_leave(live);
        return result;
    }
    live->error[0] = '\0';
    if (pcap_stats(live->pcap, &live->seen) != 0) /* what came before the filter was there is not ours */
        live->seen = (struct pcap_stat){0};
    return 0;
}

static bool copy_string(const char **string)
{
    if (*string == NULL)
        return true;
    *string = strdup(*string);
    return *string != NULL;
}

/* Each string is copied or made NULL, so that live_close() knows what is ours. */
static bool live_configure(struct live *live, const struct live_config *config)
{
    live->config = *config;
    bool copied = copy_string(&live->config.interface);
    copied &= copy_string(&live->config.filter);
    copied &= copy_string(&live->config.expression);
    if (live->config.buffer_kib == 0)
        live->config.buffer_kib = DEFAULT_BUFFER_KIB;
    if (live->config.buffer_kib > INT_MAX / 1024)
        live->config.buffer_kib = INT_MAX / 1024;
    if (live->config.snapshot_length == 0 || live->config.snapshot_length > DEFAULT_SNAPSHOT_LENGTH)
        live->config.snapshot_length = DEFAULT_SNAPSHOT_LENGTH;
    if (live->config.delay_ms == 0)
        live->config.delay_ms = LIVE_DELAY_MS;
    if (!live->config.spread)
        live->config.fanout_group = LIVE_NEW_GROUP;
    live->break_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return copied && live->break_fd >= 0;
}

int live_open(struct live **opened, const struct live_config *config, char *error, size_t error_size)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL || !live_configure(live, config)) {
        snprintf(error, error_size, "%s", live == NULL ? _("out of memory") : strerror(errno));
        live_close(live);
        return -1;
    }
    if (live_enter(live) != 0) {
        snprintf(error, error_size, "%s", live->error);
        live_close(live);
        return -1;
    }
    *opened = live;
    return 0;
}

void live_close(struct live *live)
{
    if (live == NULL)
        return;
    live_leave(live);
    if (live->break_fd >= 0)
        close(live->break_fd);
    free((char *)(uintptr_t)live->config.interface);
    free((char *)(uintptr_t)live->config.filter);
    free((char *)(uintptr_t)live->config.expression);
    free(live);
}

static struct frame live_frame(struct live *live, const struct pcap_pkthdr *header, const uint8_t *data)
{
    smtpscope_time fraction = (smtpscope_time)header->ts.tv_usec * (live->nano ? 1 : 1000);
    return (struct frame){
        .time = (smtpscope_time)header->ts.tv_sec * SMTPSCOPE_SECOND + fraction,
        .number = ++live->number,
        .link_type = live->link_type,
        .data = data,
        .caplen = header->caplen,
        .len = header->len,
    };
}

static void live_hand(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
    struct live *live = (struct live *)(void *)user;
    struct frame frame = live_frame(live, header, data);
    live->take(live->ctx, &frame);
    if (atomic_load_explicit(&live->broken, memory_order_relaxed))
        pcap_breakloop(live->pcap);
}

/* Whether the interface that was opened is there, as it was, and up. "any" always is. */
static bool live_is_up(const struct live *live)
{
    struct ifreq request = {0};
    if (live_is_any(live))
        return true;
    strncpy(request.ifr_name, live->config.interface, sizeof request.ifr_name - 1);
    return ioctl(pcap_fileno(live->pcap), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0 &&
           if_nametoindex(live->config.interface) == live->index;
}

/* After an error of libpcap's. */
static int live_lost(struct live *live)
{
    if (live_is_up(live))
        return live_fail(live, pcap_geterr(live->pcap), "");
    live_fail(live, _("the interface is gone"), "");
    live_count(live);
    live_leave(live);
    return LIVE_DOWN;
}

/* The frames that are there. Counted here: what libpcap returns when its loop is broken says nothing. */
static int live_take(struct live *live, int most)
{
    uint64_t before = live->number;
    int status = pcap_dispatch(live->pcap, most > 0 ? most : -1, live_hand, (u_char *)live);
    if (status != PCAP_ERROR || live->number != before)
        return (int)(live->number - before);
    return live_lost(live);
}

/*
 * Waits for frames, for live_break(), or in vain. libpcap's own waiting has no end on Linux while nothing comes: the kernel
 * hands over a block that is old, but not one that is empty.
 */
static void live_wait(struct live *live)
{
    uint64_t count;
    struct pollfd waiting[2] = {{.fd = live->break_fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (live->pcap != NULL)
        waiting[1].fd = pcap_get_selectable_fd(live->pcap);
    if (poll(waiting, 2, WAIT_MS) > 0 && waiting[0].revents != 0 && read(live->break_fd, &count, sizeof count) < 0)
        count = 0;
}

/*
 * Looks whether the interface is back. A process that has dropped its privileges meanwhile may not open it again; nor would trying
 * tell whether it is there.
 */
static int live_return(struct live *live)
{
    char reason[PCAP_ERRBUF_SIZE];
    if (if_nametoindex(live->config.interface) == 0)
        return LIVE_DOWN;
    int result = live_enter(live);
    if (result == LIVE_FAILED) {
        snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, live->error);
        live_fail(live, _("the interface is back, but a restart is needed: "), reason);
    }
    return result;
}

int live_check(struct live *live)
{
    if (live->pcap == NULL)
        return live_return(live);
    if (live_is_up(live))
        return 0;
    live_fail(live, _("the interface is down"), "");
    return LIVE_DOWN;
}

static int live_wait_and_return(struct live *live)
{
    live_wait(live);
    return live_return(live);
}

static int live_wait_and_take(struct live *live, int most)
{
    live_wait(live);
    int got = live_take(live, most);
    return got != 0 ? got : live_check(live);
}

int live_dispatch(struct live *live, int most, void (*take)(void *ctx, const struct frame *frame), void *ctx)
{
    live->take = take;
    live->ctx = ctx;
    int got = live->pcap == NULL ? live_wait_and_return(live) : live_take(live, most);
    if (got == 0)
        got = live_wait_and_take(live, most);
    atomic_store(&live->broken, false);
    return got;
}

int live_next(struct live *live, struct frame *frame)
{
    struct pcap_pkthdr *header;
    const u_char *data;
    int got = live->pcap == NULL ? 0 : pcap_next_ex(live->pcap, &header, &data);
    if (got == 1)
        *frame = live_frame(live, header, data);
    return got == PCAP_ERROR ? live_lost(live) : got == 1;
}

int live_fd(const struct live *live)
{
    return live->pcap == NULL ? -1 : pcap_get_selectable_fd(live->pcap);
}

/* Async-signal-safe: a store and a write(2). */
void live_break(struct live *live)
{
    static const uint64_t one = 1;
    int before = errno;
    atomic_store(&live->broken, true);
    ssize_t put = write(live->break_fd, &one, sizeof one);
    (void)put;
    errno = before;
}

void live_stats(struct live *live, struct live_stats *stats)
{
    live_count(live);
    *stats = live->stats;
}

int live_fanout_group(const struct live *live)
{
    return live->config.fanout_group;
}

const char *live_error(const struct live *live)
{
    return live->error;
}
