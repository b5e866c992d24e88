/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats.h"

#include "analysis.h"
#include "settings.h"
#include "show.h"

#include <epan/stat_tap_ui.h>
#include <epan/stats_tree.h>
#include <epan/tap.h>
#include <epan/to_str.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TAP "smtpscope"
#define LIST_STAT "smtpscope,findings"

static const char node_findings[] = "Findings by family, rule and reason";
static const char node_servers[] = "Findings by server";
static const char node_deferred[] = "Recipients deferred, by reason";
static const char node_refused[] = "Recipients refused, by reason";
static const char node_times[] = "Reply times by command (ms)";

static int id_findings, id_servers, id_deferred, id_refused, id_times;

/* --- smtpscope,tree */

static void tree_init(stats_tree *st)
{
    id_findings = stats_tree_create_node(st, node_findings, 0, STAT_DT_INT, TRUE);
    id_servers = stats_tree_create_node(st, node_servers, 0, STAT_DT_INT, TRUE);
    id_deferred = stats_tree_create_node(st, node_deferred, 0, STAT_DT_INT, TRUE);
    id_refused = stats_tree_create_node(st, node_refused, 0, STAT_DT_INT, TRUE);
    id_times = stats_tree_create_node(st, node_times, 0, STAT_DT_FLOAT, TRUE);
}

/* RFC 5952 needs brackets before a port. */
static const char *endpoint_text(wmem_allocator_t *pool, const struct smtpscope_endpoint *endpoint)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    address from;

    if (!memcmp(endpoint->addr, mapped, sizeof mapped)) {
        set_address(&from, AT_IPv4, 4, endpoint->addr + sizeof mapped);
        return wmem_strdup_printf(pool, "%s:%u", address_to_str(pool, &from), endpoint->port);
    }
    set_address(&from, AT_IPv6, 16, endpoint->addr);
    return wmem_strdup_printf(pool, "[%s]:%u", address_to_str(pool, &from), endpoint->port);
}

static const char *reason_text(enum smtpscope_reason reason)
{
    const char *name = smtpscope_reason_name(reason);

    return name ? name : "no reason given";
}

static void count_finding(stats_tree *st, packet_info *pinfo, const struct finding_record *record)
{
    const struct smtpscope_finding *finding = &record->finding;
    const struct smtpscope_rule_info *info = smtpscope_rule_info(finding->rule);
    int at;

    tick_stat_node(st, node_findings, 0, TRUE);
    at = tick_stat_node(st, info->family, id_findings, TRUE);
    at = tick_stat_node(st, info->id, at, TRUE);
    if (finding->reason != SMTPSCOPE_REASON_NONE)
        tick_stat_node(st, reason_text(finding->reason), at, FALSE);
    tick_stat_node(st, node_servers, 0, TRUE);
    at = tick_stat_node(st, endpoint_text(pinfo->pool, &record->session->side[SMTPSCOPE_SERVER]), id_servers, TRUE);
    tick_stat_node(st, info->id, at, FALSE);
}

static void count_exchange(stats_tree *st, const struct exchange_record *exchange)
{
    float ms = (float)exchange->time / 1e6f;

    if (exchange->verb == SMTPSCOPE_VERB_RCPT && exchange->code >= 400) {
        bool deferred = exchange->code < 500;

        tick_stat_node(st, deferred ? node_deferred : node_refused, 0, TRUE);
        tick_stat_node(st, reason_text((enum smtpscope_reason)exchange->reason), deferred ? id_deferred : id_refused, FALSE);
    }
    if (exchange->time >= 0 && *exchange->command) {
        avg_stat_node_add_value_float(st, node_times, 0, TRUE, ms);
        avg_stat_node_add_value_float(st, exchange->command, id_times, FALSE, ms);
    }
}

static tap_packet_status tree_packet(stats_tree *st, packet_info *pinfo, epan_dissect_t *edt, const void *data,
                                     tap_flags_t flags)
{
    const struct record *record = data;

    (void)edt;
    (void)flags;
    if (record->kind == RECORD_FINDING)
        count_finding(st, pinfo, record->finding);
    else if (record->kind == RECORD_EXCHANGE)
        count_exchange(st, record->exchange);
    return TAP_PACKET_REDRAW;
}

/* --- smtpscope,findings */

static int by_home(const void *a, const void *b)
{
    const struct finding_record *const *left = a, *const *right = b;

    return ((*left)->home > (*right)->home) - ((*left)->home < (*right)->home);
}

/* Nothing that came from the network may act on a terminal, or end a column. */
static void column_text(const char *text)
{
    if (!text || !*text)
        putchar('-');
    for (; text && *text; text++)
        printf(g_ascii_isprint(*text) ? "%c" : "\\x%02x", (unsigned char)*text);
    putchar('\t');
}

static void column_number(uint64_t number)
{
    printf("%" PRIu64 "\t", number);
}

static const char list_head[] =
    "packet\tseverity\trule\treason\tverdict\tfault\tconfidence\tcount\tfolded\tlast_packet\tretry\t"
    "cause\tstate\tserver\tcommand\targument\tcode\tenhanced\ttext\tdetail\treason_evidence\ttold\n";

/* The columns of list_head. */
static void list_print(wmem_allocator_t *pool, const struct finding_record *record)
{
    const struct smtpscope_finding *finding = &record->finding;
    enum smtpscope_retry retry = smtpscope_finding_retry(finding->rule, finding->reason);

    column_number(finding->packet);
    column_text(smtpscope_severity_name(finding->severity));
    column_text(smtpscope_rule_info(finding->rule)->id);
    column_text(smtpscope_reason_name(finding->reason));
    column_text(smtpscope_verdict_name(finding->verdict));
    column_text(smtpscope_fault_name(finding->fault));
    column_text(smtpscope_confidence_name(finding->confidence));
    column_number(finding->count);
    column_number(finding->folded);
    column_number(finding->last_packet);
    column_text(finding->reason == SMTPSCOPE_REASON_NONE ? NULL : smtpscope_retry_name(retry));
    column_text(record->cause ? smtpscope_rule_info(record->cause->finding.rule)->id : NULL);
    column_text(finding->state);
    column_text(finding->server);
    column_text(finding->command);
    column_text(finding->argument);
    column_number(finding->code);
    column_text(show_enhanced(pool, &finding->enhanced));
    column_text(finding->text);
    column_text(show_detail(pool, finding));
    column_text(finding->reason_evidence);
    printf("%u\n", record->told);
}

/* All of the file, each as it stands in the end: unlike a tree or a column, this knows in one pass what two would show. */
static void list_draw(void *tapdata)
{
    struct finding_record *record;
    GPtrArray *found = g_ptr_array_new();
    wmem_allocator_t *pool = wmem_allocator_new(WMEM_ALLOCATOR_SIMPLE);
    unsigned at = 0;

    (void)tapdata;
    analysis_finish();
    while ((record = records_next_finding(&at)))
        if (settings_show(record))
            g_ptr_array_add(found, record);
    g_ptr_array_sort(found, by_home);
    printf("\n===================================================================\nSMTP findings\n%s", list_head);
    for (guint i = 0; i < found->len; i++)
        list_print(pool, g_ptr_array_index(found, i));
    printf("===================================================================\n");
    g_ptr_array_free(found, TRUE);
    wmem_destroy_allocator(pool);
}

static tap_packet_status list_packet(void *tapdata, packet_info *pinfo, epan_dissect_t *edt, const void *data,
                                     tap_flags_t flags)
{
    (void)tapdata;
    (void)pinfo;
    (void)edt;
    (void)data;
    (void)flags;
    return TAP_PACKET_DONT_REDRAW;
}

/* tshark draws once, behind the last packet. Wireshark draws again and again, and has a tree of its own. */
static bool list_start(void)
{
    static int instance;
    GString *error;

    if (strstr(program_invocation_short_name, "wireshark")) {
        fprintf(stderr, "-z " LIST_STAT " is tshark's.\n");
        return false;
    }
    error = register_tap_listener(TAP, &instance, NULL, TL_REQUIRES_NOTHING, NULL, list_packet, list_draw, NULL);
    if (!error)
        return true;
    fprintf(stderr, "-z " LIST_STAT ": %s\n", error->str);
    g_string_free(error, TRUE);
    return false;
}

static stat_begun list_init(const char *argument, void *userdata)
{
    (void)argument;
    (void)userdata;
    STAT_BEGUN(list_start());
}

static stat_tap_ui list_ui = {REGISTER_STAT_GROUP_GENERIC, "SMTP findings", LIST_STAT, list_init, 0, NULL};

int stats_register(void)
{
    int tap = register_tap(TAP);

    stats_tree_register_plugin(TAP, TAP, "SMTP" STATS_MENU_SEPARATOR "Findings and reply times", 0, tree_packet, tree_init,
                               NULL);
    register_stat_tap_ui(&list_ui, NULL);
    return tap;
}
