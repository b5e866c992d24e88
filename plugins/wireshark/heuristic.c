/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "heuristic.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-tcp.h>

/* RFC 5321 4.5.3.1.5: a reply line has at most so many octets. */
#define REPLY_LINE_MAX 512

static dissector_handle_t smtp_handle, wrapped_handle;

/*
 * Caution: Wireshark's SMTP dissector takes for a request what goes to pinfo->match_uint, which holds the port by which a
 * table found it; here none has.
 */
static int wrapped(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    conversation_t *conversation = find_conversation_pinfo(pinfo, 0);
    struct tcp_analysis *tcp = conversation ? get_tcp_conversation_data(conversation, pinfo) : NULL;
    guint32 before = pinfo->match_uint;
    int taken;

    if (tcp && tcp->server_port)
        pinfo->match_uint = tcp->server_port;
    taken = call_dissector_only(smtp_handle, tvb, pinfo, tree, data);
    pinfo->match_uint = before;
    return taken;
}

static bool is_greeting(tvbuff_t *tvb)
{
    gint len = MIN(tvb_captured_length_remaining(tvb, 0), REPLY_LINE_MAX);
    const gchar *text;
    gchar *line;
    bool found;

    if (len < 8)
        return false;
    text = (const gchar *)tvb_get_ptr(tvb, 0, len);
    if (strncmp(text, "220", 3) || (text[3] != ' ' && text[3] != '-'))
        return false;
    line = g_ascii_strup(text, len);
    line[strcspn(line, "\r\n")] = '\0';
    found = strstr(line, "SMTP") != NULL;
    g_free(line);
    return found;
}

static ws_bool greeting(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    if (!is_greeting(tvb))
        return FALSE;
    conversation_set_dissector(find_or_create_conversation(pinfo), wrapped_handle);
    return wrapped(tvb, pinfo, tree, data) > 0;
}

void heuristic_handoff(void)
{
    int proto_smtp = proto_get_id_by_filter_name("smtp");

    smtp_handle = find_dissector("smtp");
    if (!smtp_handle)
        return;
    wrapped_handle = create_dissector_handle(wrapped, proto_smtp);
    heur_dissector_add("tcp", greeting, "SMTP by its greeting", "smtpscope_tcp", proto_smtp, HEURISTIC_DISABLE);
}
