/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sources, chosen per session. SMTP directly on TCP comes from tcp.payload and the sequence numbers: Wireshark does not
 * hand segments that are out of order, or sent again with more, to its SMTP dissector. SMTP inside another layer (TLS with its
 * keys, a proxy's tunnel) comes from the smtp items of the tree, as only Wireshark knows its octets; there it depends on
 * Wireshark's own order, see tcp.reassemble_out_of_order.
 */
#include "feed.h"

#include "analysis.h"

#include <epan/dissectors/packet-tcp.h>

static const char *const field_names[] = {"tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.window_size_value",
                                          "tcp.len",     "tcp.payload", "smtp"};
enum field { FIELD_SEQ, FIELD_ACK, FIELD_FLAGS, FIELD_WINDOW, FIELD_LEN, FIELD_PAYLOAD, FIELD_SMTP, FIELDS };

static int fields[FIELDS];
static int proto_tcp, proto_tls, proto_smtp, proto_icmp, proto_icmpv6;
static dissector_table_t tcp_ports;
static dissector_handle_t smtp_handle;

void feed_handoff(void)
{
    for (int i = 0; i < FIELDS; i++)
        fields[i] = proto_registrar_get_id_byname(field_names[i]);
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_tls = proto_get_id_by_filter_name("tls");
    proto_smtp = proto_get_id_by_filter_name("smtp");
    proto_icmp = proto_get_id_by_filter_name("icmp");
    proto_icmpv6 = proto_get_id_by_filter_name("icmpv6");
    tcp_ports = find_dissector_table("tcp.port");
    smtp_handle = find_dissector("smtp");
}

GArray *feed_wanted(void)
{
    GArray *wanted = g_array_sized_new(FALSE, FALSE, sizeof(int), FIELDS);

    g_array_append_vals(wanted, fields, FIELDS);
    return wanted;
}

/* The innermost one of the frame, or NULL. */
static field_info *field_last(proto_tree *tree, enum field field)
{
    GPtrArray *found = proto_get_finfo_ptr_array(tree, fields[field]);

    return found && found->len ? g_ptr_array_index(found, found->len - 1) : NULL;
}

static uint32_t field_number(proto_tree *tree, enum field field)
{
    field_info *found = field_last(tree, field);

    return found ? fvalue_get_uinteger(FIELD_VALUE(found)) : 0;
}

static bool endpoint_read(const address *from, uint32_t port, struct smtpscope_endpoint *to)
{
    memset(to, 0, sizeof *to);
    to->port = (uint16_t)port;
    if (from->type == AT_IPv4) {
        to->addr[10] = to->addr[11] = 0xff;
        memcpy(to->addr + 12, from->data, 4);
        return true;
    }
    if (from->type == AT_IPv6)
        memcpy(to->addr, from->data, 16);
    return from->type == AT_IPv6;
}

static smtpscope_time time_of(const packet_info *pinfo)
{
    return (smtpscope_time)pinfo->abs_ts.secs * SMTPSCOPE_SECOND + pinfo->abs_ts.nsecs;
}

/* Private to packet-tcp.c: in static_flags, base_seq is the SYN's. */
#define TCP_BASE_SEQ_SET 0x01

/* What the layers of a frame say of the SMTP in it. */
struct layers {
    bool tcp;
    bool quoted; /* an ICMP error quotes the segment: it was not sent here */
    bool tls;
    bool smtp;
    bool smtp_on_tcp;
};

static struct layers layers_read(const packet_info *pinfo)
{
    struct layers layers = {.tcp = false};
    int before = 0;

    for (wmem_list_frame_t *at = wmem_list_head(pinfo->layers); at; at = wmem_list_frame_next(at)) {
        int proto = GPOINTER_TO_INT(wmem_list_frame_data(at));

        if (proto == proto_tcp) {
            layers.tcp = true;
        } else if (proto == proto_tls) {
            layers.tls = true;
        } else if (proto == proto_icmp || proto == proto_icmpv6) {
            layers.quoted = true;
        } else if (proto == proto_smtp && before != proto_smtp) {
            layers.smtp = true;
            layers.smtp_on_tcp = before == proto_tcp;
        }
        before = proto;
    }
    return layers;
}

/* Cut off by the snapshot length: what tcp.len has more than tcp.payload. */
static void payload_read(proto_tree *tree, struct smtpscope_segment *segment)
{
    field_info *payload = field_last(tree, FIELD_PAYLOAD);
    uint32_t len = field_number(tree, FIELD_LEN);
    gint captured = 0;

    if (payload && payload->ds_tvb)
        captured = tvb_captured_length_remaining(payload->ds_tvb, payload->start);
    if (captured > 0 && len) {
        segment->len = len < (uint32_t)captured ? len : (uint32_t)captured;
        segment->data = tvb_get_ptr(payload->ds_tvb, payload->start, (gint)segment->len);
    }
    segment->missing = len - segment->len;
}

static bool segment_read(const packet_info *pinfo, proto_tree *tree, struct smtpscope_segment *segment)
{
    *segment = (struct smtpscope_segment){.time = time_of(pinfo), .packet = pinfo->num};
    if (!endpoint_read(&pinfo->src, pinfo->srcport, &segment->src) ||
        !endpoint_read(&pinfo->dst, pinfo->destport, &segment->dst))
        return false;
    segment->seq = field_number(tree, FIELD_SEQ);
    segment->ack = field_number(tree, FIELD_ACK);
    segment->flags = (uint8_t)field_number(tree, FIELD_FLAGS);
    segment->window = (uint16_t)field_number(tree, FIELD_WINDOW);
    return true;
}

/* Does Wireshark take the port for SMTP? Asked each time, as Decode As may change it. */
static bool port_is_smtp(uint16_t port)
{
    if (analysis_watches(port))
        return true;
    if (!smtp_handle || dissector_get_uint_handle(tcp_ports, port) != smtp_handle)
        return false;
    analysis_watch(port);
    return true;
}

static bool looks_like_reply(const uint8_t *at, uint32_t len)
{
    return len >= 4 && at[0] >= '2' && at[0] <= '5' && g_ascii_isdigit(at[1]) && g_ascii_isdigit(at[2]) &&
           (at[3] == ' ' || at[3] == '-');
}

/* Who sends, in a session of which nothing was seen before: the handshake says it, else the octets do. */
static enum smtpscope_side sender(packet_info *pinfo, conversation_t *conversation, const struct smtpscope_segment *segment)
{
    struct tcp_analysis *tcp = conversation ? get_tcp_conversation_data(conversation, pinfo) : NULL;
    bool server;

    if (tcp && tcp->server_port && segment->src.port != segment->dst.port)
        server = tcp->server_port == segment->src.port;
    else
        server = looks_like_reply(segment->data, segment->len);
    return server ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
}

/* The handshake that was not fed, as its port was not known then. */
static void handshake_feed(const struct smtpscope_segment *segment, conversation_t *conversation,
                           const struct tcp_analysis *tcp)
{
    struct smtpscope_segment syn = {.src = segment->src, .dst = segment->dst, .packet = conversation->setup_frame};
    uint32_t isn[2] = {tcp->fwd->base_seq, tcp->rev->base_seq};
    bool server = segment->src.port == tcp->server_port;

    if (!(tcp->fwd->static_flags & tcp->rev->static_flags & TCP_BASE_SEQ_SET))
        return;
    if (server) {
        syn.src = segment->dst;
        syn.dst = segment->src;
    }
    syn.time = (smtpscope_time)tcp->ts_first.secs * SMTPSCOPE_SECOND + tcp->ts_first.nsecs;
    syn.flags = SMTPSCOPE_TCP_SYN;
    syn.seq = isn[server];
    analysis_segment(&syn, conversation);
    syn = (struct smtpscope_segment){.src = syn.dst,
                                     .dst = syn.src,
                                     .seq = isn[!server],
                                     .ack = syn.seq + 1,
                                     .time = syn.time,
                                     .flags = SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK,
                                     .packet = syn.packet};
    analysis_segment(&syn, conversation);
}

/* SMTP on a port that nothing told of: a heuristic of Wireshark's found it in this conversation. */
static bool found_by_heuristic(packet_info *pinfo, proto_tree *tree, struct smtpscope_segment *segment,
                               conversation_t *conversation)
{
    struct tcp_analysis *tcp = conversation ? get_tcp_conversation_data(conversation, pinfo) : NULL;

    payload_read(tree, segment);
    analysis_watch(sender(pinfo, conversation, segment) == SMTPSCOPE_SERVER ? segment->src.port : segment->dst.port);
    if (tcp && tcp->fwd && tcp->rev && tcp->server_port)
        handshake_feed(segment, conversation, tcp);
    return true;
}

static void items_feed(packet_info *pinfo, proto_tree *tree, struct smtpscope_segment segment, conversation_t *conversation,
                       bool tls)
{
    GPtrArray *items = proto_get_finfo_ptr_array(tree, fields[FIELD_SMTP]);

    for (guint i = 0; items && i < items->len; i++) {
        const field_info *item = g_ptr_array_index(items, i);
        gint captured = item->ds_tvb ? tvb_captured_length_remaining(item->ds_tvb, item->start) : 0;

        if (captured <= 0 || item->length <= 0)
            continue;
        segment.len = (uint32_t)(item->length < captured ? item->length : captured);
        segment.data = tvb_get_ptr(item->ds_tvb, item->start, (gint)segment.len);
        analysis_clear(&segment, sender(pinfo, conversation, &segment), conversation, tls);
    }
}

void feed_packet(packet_info *pinfo, proto_tree *tree)
{
    struct layers layers = layers_read(pinfo);
    struct smtpscope_segment segment;
    conversation_t *conversation;
    bool watched;

    analysis_expire(time_of(pinfo));
    if (layers.quoted || (!layers.tcp && !layers.smtp) || !segment_read(pinfo, tree, &segment))
        return;
    watched = layers.tcp && field_last(tree, FIELD_SEQ) && (port_is_smtp(segment.src.port) || port_is_smtp(segment.dst.port));
    if (!watched && !layers.smtp && !(segment.flags & (SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST)))
        return;
    conversation = find_conversation_pinfo(pinfo, 0);
    if (layers.smtp && layers.smtp_on_tcp && !watched)
        watched = found_by_heuristic(pinfo, tree, &segment, conversation);
    else if (layers.smtp && !layers.smtp_on_tcp)
        items_feed(pinfo, tree, segment, conversation, layers.tls);
    if (watched) {
        payload_read(tree, &segment);
        analysis_segment(&segment, conversation);
    } else if (layers.tcp && conversation) {
        analysis_ended(&segment, conversation);
    }
}
