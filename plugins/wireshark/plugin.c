/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtpscope in Wireshark: a post-dissector that has the library judge the SMTP of a capture, and shows on each frame what is
 * known of it. The roads not taken: a dissector in the place of Wireshark's own, which Decode As and STARTTLS pass by; taps,
 * which come too late for the tree; smtp.* fields, which lack the messages and follow a state of their own.
 *
 * A frame is fed at its first visit and shown at every visit. In one pass a frame can show only what is known when it is
 * read; what later frames teach of it is shown on the frame that teaches it. At any later visit each finding stands on the
 * frame of its evidence.
 */
#include "compat.h"

#include "analysis.h"
#include "feed.h"
#include "heuristic.h"
#include "settings.h"
#include "show.h"
#include "stats.h"

#include <epan/conversation_filter.h>
#include <epan/proto.h>
#include <epan/tap.h>
#include <smtpscope/version.h>

WS_DLL_PUBLIC_DEF const gchar plugin_version[] = SMTPSCOPE_VERSION;
WS_DLL_PUBLIC_DEF const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
WS_DLL_PUBLIC_DEF const int plugin_want_minor = WIRESHARK_VERSION_MINOR;
WS_DLL_PUBLIC void plugin_register(void);
WS_DLL_PUBLIC guint32 plugin_describe(void);

static int proto_smtpscope = -1;
static int tap_smtpscope;
static dissector_handle_t handle;

/* Each record once a pass: as it becomes known in the first one, at its own frame in later ones. */
static void tap_records(packet_info *pinfo, const struct record *records)
{
    for (; records && have_tap_listener(tap_smtpscope); records = records->next) {
        bool here = records->kind != RECORD_EXCHANGE || !records->exchange->response ||
                    records->exchange->response == pinfo->num || !PINFO_FD_VISITED(pinfo);

        if (here && (records->kind != RECORD_FINDING || settings_show(records->finding)))
            tap_queue_packet(tap_smtpscope, pinfo, records);
    }
}

static int dissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    const struct record *records;
    const conversation_t *conversation;

    if (!PINFO_FD_VISITED(pinfo)) {
        records_begin(pinfo->num);
        if (tree)
            feed_packet(pinfo, tree);
        records = records_fresh();
    } else {
        records = records_of(pinfo->num);
    }
    conversation = pinfo->ptype == PT_TCP ? find_conversation_pinfo(pinfo, 0) : NULL;
    show_packet(tvb, pinfo, tree, conversation ? analysis_session(conversation) : NULL, records);
    tap_records(pinfo, records);
    return (int)tvb_captured_length(tvb);
}

/* For each file: a protocol that is switched off must not cost the tree it would need. */
static void file_begin(void)
{
    bool enabled = proto_is_protocol_enabled(find_protocol_by_id(proto_smtpscope));

    set_postdissector_wanted_hfids(handle, enabled ? feed_wanted() : NULL);
    analysis_begin();
    settings_watch_ports();
}

static ws_bool filter_is_valid(CONVERSATION_FILTER_ARGUMENTS)
{
    const conversation_t *conversation = pinfo->ptype == PT_TCP ? find_conversation_pinfo(pinfo, 0) : NULL;

    return conversation && analysis_session(conversation);
}

static gchar *filter_build(CONVERSATION_FILTER_ARGUMENTS)
{
    const conversation_t *conversation = find_conversation_pinfo(pinfo, 0);
    const struct session_record *session = conversation ? analysis_session(conversation) : NULL;

    return session ? g_strdup_printf("smtpscope.session == %u", session->first_packet) : NULL;
}

static void register_protocol(void)
{
    proto_smtpscope = proto_register_protocol("SMTP analysis (smtpscope)", "smtpscope", "smtpscope");
    handle = create_dissector_handle(dissect, proto_smtpscope);
    register_postdissector(handle);
    settings_register(proto_smtpscope);
    records_register();
    analysis_register(proto_smtpscope);
    register_init_routine(file_begin);
    show_register(proto_smtpscope);
    tap_smtpscope = stats_register();
    register_conversation_filter("smtpscope", "SMTP session", filter_is_valid, filter_build CONVERSATION_FILTER_USER_DATA);
}

static void register_handoff(void)
{
    feed_handoff();
    heuristic_handoff();
}

void plugin_register(void)
{
    static proto_plugin plugin = {.register_protoinfo = register_protocol, .register_handoff = register_handoff};

    proto_register_plugin(&plugin);
}

/* 4.4 asks what kind of plugin it is; older ones do not. */
guint32 plugin_describe(void)
{
#if WIRESHARK_IS(4, 4)
    return WS_PLUGIN_DESC_DISSECTOR;
#else
    return 0;
#endif
}
