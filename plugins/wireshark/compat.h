/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place for what differs between the Wireshark series 4.0, 4.2, 4.4 and 4.6. Included first, by every file. */
#ifndef COMPAT_H
#define COMPAT_H

#define WS_BUILD_DLL
#include <wireshark.h>

#include <epan/packet.h>

/* Also of the version: field_info.value, stats_tree.h's return type (not used), EI_INIT, plugin_describe() (plugin.c). */
#define WIRESHARK_IS(major, minor)                                                                                             \
    (WIRESHARK_VERSION_MAJOR > (major) || (WIRESHARK_VERSION_MAJOR == (major) && WIRESHARK_VERSION_MINOR >= (minor)))

/* 4.2: a field's value is a pointer, and its conversation filters take user data. */
#if WIRESHARK_IS(4, 2)
#define FIELD_VALUE(finfo) ((finfo)->value)
#define CONVERSATION_FILTER_ARGUMENTS packet_info *pinfo, void *user_data G_GNUC_UNUSED
#define CONVERSATION_FILTER_USER_DATA , NULL
#else
#define FIELD_VALUE(finfo) (&(finfo)->value)
#define CONVERSATION_FILTER_ARGUMENTS packet_info *pinfo
#define CONVERSATION_FILTER_USER_DATA
#endif

/*
 * 4.4: preferences and filters speak bool, where they spoke gboolean (an int). Caution: a mix of the two compiles
 * with a warning only, and corrupts what stands behind the variable; the build makes that warning an error.
 */
#if WIRESHARK_IS(4, 4)
#include <epan/stats_tree.h>
#include <wsutil/plugins.h>
typedef bool ws_bool;
#define STATS_MENU_SEPARATOR STATS_TREE_MENU_SEPARATOR
#else
typedef gboolean ws_bool;
#define STATS_MENU_SEPARATOR "/"
#endif

/* 4.6: what begins a statistic says whether it could. */
#if WIRESHARK_IS(4, 6)
typedef bool stat_begun;
#define STAT_BEGUN(ok) return (ok)
#else
typedef void stat_begun;
#define STAT_BEGUN(ok) ((void)(ok))
#endif

#endif
