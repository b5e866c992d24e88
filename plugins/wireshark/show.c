/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "show.h"

#include "settings.h"

#include <epan/expert.h>
#include <smtpscope/advice.h>

enum shown_field {
#define FIELD(id, abbreviation, name, type, display, strings, description) FIELD_##id,
#include "fields.def"
    FIELDS
};

static int fields[FIELDS];
static int proto_smtpscope;
static int ett_smtpscope, ett_exchange, ett_message, ett_recipient, ett_finding, ett_text;
static expert_field experts[FAMILIES_MAX][SMTPSCOPE_SEVERITIES];

/* Wireshark cuts a label at ITEM_LABEL_LENGTH; the value stays whole. Longer texts get lines below them, to be read. */
#define LABEL_OCTETS 160
#define LINE_OCTETS 100
#define DETAIL_MAX 700
#define SETTINGS_MAX 8

/* --- registration */

static void fields_register(void)
{
    static hf_register_info rows[] = {
#define FIELD(id, abbreviation, name, type, display, strings, description)                                                     \
    {&fields[FIELD_##id], {name, "smtpscope." abbreviation, type, display, strings, 0, description, HFILL}},
#include "fields.def"
    };
    static int *ett[] = {&ett_smtpscope, &ett_exchange, &ett_message, &ett_recipient, &ett_finding, &ett_text};

    for (int i = 0; i < FIELDS; i++)
        fields[i] = -1;
    for (size_t i = 0; i < array_length(ett); i++)
        *ett[i] = -1;
    proto_register_field_array(proto_smtpscope, rows, array_length(rows));
    proto_register_subtree_array(ett, array_length(ett));
}

static int expert_group(const char *family)
{
    static const struct {
        const char *family;
        int group;
    } groups[] = {
        {"sequence", PI_SEQUENCE},     {"rejection", PI_RESPONSE_CODE}, {"deferral", PI_RESPONSE_CODE},
        {"refusal", PI_RESPONSE_CODE}, {"security", PI_SECURITY},       {"transport", PI_REASSEMBLE},
        {"command", PI_REQUEST_CODE},
    };

    for (size_t i = 0; i < array_length(groups); i++)
        if (!strcmp(groups[i].family, family))
            return groups[i].group;
    return PI_PROTOCOL;
}

/* One a family and severity: a finding may be graver or lighter than its rule, and users can grade each anew. */
static void experts_register(void)
{
    static const int severities[] = {PI_ERROR, PI_WARN, PI_NOTE, PI_CHAT};
    static ei_register_info rows[FAMILIES_MAX * SMTPSCOPE_SEVERITIES];
    unsigned count, row = 0;
    const char *const *families = settings_families(&count);

    for (unsigned family = 0; family < count; family++)
        for (int severity = 0; severity < SMTPSCOPE_SEVERITIES; severity++) {
            const char *word = smtpscope_severity_name((enum smtpscope_severity)severity);
            expert_field *field = &experts[family][severity];

            *field = (expert_field)EI_INIT;
            rows[row++] = (ei_register_info){field,
                                             {g_strdup_printf("smtpscope.expert.%s.%s", families[family], word),
                                              expert_group(families[family]), severities[severity],
                                              g_strdup_printf("SMTP: %s (%s)", families[family], word), EXPFILL}};
        }
    expert_register_field_array(expert_register_protocol(proto_smtpscope), rows, (int)row);
}

void show_register(int proto)
{
    proto_smtpscope = proto;
    fields_register();
    experts_register();
}

/* --- items */

static proto_item *put_item(proto_item *item)
{
    proto_item_set_generated(item);
    return item;
}

static proto_item *put_string(proto_tree *tree, tvbuff_t *tvb, enum shown_field field, const char *text)
{
    return text && *text ? put_item(proto_tree_add_string(tree, fields[field], tvb, 0, 0, text)) : NULL;
}

static proto_item *put_number(proto_tree *tree, tvbuff_t *tvb, enum shown_field field, uint32_t number)
{
    return number ? put_item(proto_tree_add_uint(tree, fields[field], tvb, 0, 0, number)) : NULL;
}

static void put_flag(proto_tree *tree, tvbuff_t *tvb, enum shown_field field, bool flag)
{
    put_item(proto_tree_add_boolean(tree, fields[field], tvb, 0, 0, flag));
}

/* Where a line of at most LINE_OCTETS ends; never inside a word that fits, nor inside a UTF-8 character. */
static size_t line_end(const char *text, size_t len)
{
    size_t end = LINE_OCTETS;

    if (len <= LINE_OCTETS)
        return len;
    while (end && text[end] != ' ')
        end--;
    if (end)
        return end;
    for (end = LINE_OCTETS; end > 1 && ((unsigned char)text[end] & 0xc0) == 0x80;)
        end--;
    return end;
}

static void put_text(proto_tree *tree, tvbuff_t *tvb, enum shown_field field, const char *text)
{
    proto_item *item = put_string(tree, tvb, field, text);
    size_t len = item ? strlen(text) : 0, end;
    char line[LINE_OCTETS + 1];
    proto_tree *lines;

    if (len <= LABEL_OCTETS)
        return;
    for (lines = proto_item_add_subtree(item, ett_text); len; text += end, len -= end) {
        end = line_end(text, len);
        memcpy(line, text, end);
        line[end] = '\0';
        put_item(proto_tree_add_string_format(lines, fields[FIELD_LINE], tvb, 0, 0, line, "%s", line));
        while (end < len && text[end] == ' ')
            end++;
    }
}

const char *show_enhanced(wmem_allocator_t *pool, const struct smtpscope_enhanced *enhanced)
{
    if (!enhanced->klass)
        return "";
    return wmem_strdup_printf(pool, "%u.%u.%u", enhanced->klass, enhanced->subject, enhanced->detail);
}

/* --- exchanges */

static const char *exchange_label(packet_info *pinfo, const struct exchange_record *exchange)
{
    const char *command = *exchange->command ? exchange->command : exchange->verb == SMTPSCOPE_VERB_NONE ? "(no command)" : "?";

    return exchange->response ? wmem_strdup_printf(pinfo->pool, "%s, %u", command, exchange->code)
                              : wmem_strdup_printf(pinfo->pool, "%s, never answered", command);
}

static void put_exchange(proto_tree *parent, tvbuff_t *tvb, packet_info *pinfo, const struct exchange_record *exchange)
{
    proto_tree *tree;
    nstime_t time;

    tree =
        proto_tree_add_subtree_format(parent, tvb, 0, 0, ett_exchange, NULL, "Exchange: %s", exchange_label(pinfo, exchange));
    put_string(tree, tvb, FIELD_COMMAND, exchange->command);
    put_number(tree, tvb, FIELD_CODE, exchange->code);
    put_string(tree, tvb, FIELD_ENHANCED, show_enhanced(pinfo->pool, &exchange->enhanced));
    put_string(tree, tvb, FIELD_STATE, exchange->state);
    if (exchange->request != pinfo->num)
        put_number(tree, tvb, FIELD_REQUEST_IN, exchange->request);
    if (exchange->response != pinfo->num)
        put_number(tree, tvb, FIELD_RESPONSE_IN, exchange->response);
    if (!exchange->response)
        put_flag(tree, tvb, FIELD_UNANSWERED, true);
    if (exchange->time >= 0) {
        time.secs = (time_t)(exchange->time / SMTPSCOPE_SECOND);
        time.nsecs = (int)(exchange->time % SMTPSCOPE_SECOND);
        put_item(proto_tree_add_time(tree, fields[FIELD_TIME], tvb, 0, 0, &time));
    }
    if (exchange->tls)
        put_flag(tree, tvb, FIELD_TLS, true);
}

/* --- messages */

static void put_message(proto_tree *parent, tvbuff_t *tvb, const struct message_record *message)
{
    const char *outcome = smtpscope_outcome_name((enum smtpscope_outcome)message->outcome);
    proto_item *item = put_item(proto_tree_add_item(parent, fields[FIELD_MESSAGE], tvb, 0, 0, ENC_NA));
    proto_tree *tree = proto_item_add_subtree(item, ett_message), *recipient;

    proto_item_append_text(item, message->sent ? ": %s" : ": not sent, %s", outcome);
    put_string(tree, tvb, FIELD_MESSAGE_FROM, message->from);
    put_flag(tree, tvb, FIELD_MESSAGE_SENT, message->sent);
    if (message->sent)
        put_item(proto_tree_add_uint64(tree, fields[FIELD_MESSAGE_SIZE], tvb, 0, 0, message->size));
    put_number(tree, tvb, FIELD_MESSAGE_CODE, message->code);
    put_string(tree, tvb, FIELD_MESSAGE_OUTCOME, outcome);
    for (uint32_t i = 0; i < message->recipient_count; i++) {
        item = put_item(proto_tree_add_string(tree, fields[FIELD_RCPT], tvb, 0, 0, message->recipients[i].path));
        outcome = smtpscope_outcome_name((enum smtpscope_outcome)message->recipients[i].outcome);
        proto_item_append_text(item, ", %s", outcome);
        recipient = proto_item_add_subtree(item, ett_recipient);
        put_number(recipient, tvb, FIELD_RCPT_CODE, message->recipients[i].code);
        put_string(recipient, tvb, FIELD_RCPT_OUTCOME, outcome);
    }
}

/* --- findings */

const char *show_detail(wmem_allocator_t *pool, const struct smtpscope_finding *finding)
{
    char text[DETAIL_MAX] = "";

    if (finding->detail != SMTPSCOPE_DETAIL_NONE)
        smtpscope_advice_detail(finding, text, sizeof text);
    return wmem_strdup(pool, text);
}

/* "RCPT TO:<a@example.org> -> 450 4.2.0 try again" */
static const char *finding_exchange(wmem_allocator_t *pool, const struct smtpscope_finding *finding)
{
    const char *enhanced = show_enhanced(pool, &finding->enhanced);
    wmem_strbuf_t *line = wmem_strbuf_new(pool, finding->command);

    if (*finding->command && *finding->argument)
        wmem_strbuf_append_printf(line, " %s", finding->argument);
    if (!finding->code)
        return wmem_strbuf_get_str(line);
    wmem_strbuf_append_printf(line, "%s%u", *finding->command ? " -> " : "", finding->code);
    if (*enhanced)
        wmem_strbuf_append_printf(line, " %s", enhanced);
    if (*finding->text)
        wmem_strbuf_append_printf(line, " %s", finding->text);
    return wmem_strbuf_get_str(line);
}

static void put_remedy(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo, const struct smtpscope_finding *finding)
{
    struct smtpscope_setting settings[SETTINGS_MAX];
    struct smtpscope_advice advice;
    size_t count;

    smtpscope_advice_rule(finding->rule, finding->reason, &advice);
    put_text(tree, tvb, FIELD_MEANING, advice.meaning);
    put_text(tree, tvb, FIELD_REMEDY_SENDER, advice.sender_first);
    put_text(tree, tvb, FIELD_REMEDY_SENDER, advice.sender_then);
    put_text(tree, tvb, FIELD_REMEDY_RECEIVER, advice.receiver_first);
    put_text(tree, tvb, FIELD_REMEDY_RECEIVER, advice.receiver_then);
    count = smtpscope_advice_settings(finding->rule, finding->reason, finding->server, settings, SETTINGS_MAX);
    for (size_t i = 0; i < count && i < SETTINGS_MAX; i++)
        put_text(tree, tvb, FIELD_SETTING, wmem_strdup_printf(pinfo->pool, "%s: %s", settings[i].software, settings[i].text));
}

static void put_judgement(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo, const struct smtpscope_finding *finding)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(finding->rule);

    put_string(tree, tvb, FIELD_RULE, info->id);
    put_string(tree, tvb, FIELD_FAMILY, info->family);
    put_string(tree, tvb, FIELD_SEVERITY, smtpscope_severity_name(finding->severity));
    put_string(tree, tvb, FIELD_SUMMARY, smtpscope_advice_summary(finding->rule));
    put_string(tree, tvb, FIELD_DETAIL, show_detail(pinfo->pool, finding));
    put_text(tree, tvb, FIELD_EXCHANGE, finding_exchange(pinfo->pool, finding));
    put_string(tree, tvb, FIELD_FAULT, smtpscope_fault_name(finding->fault));
    put_string(tree, tvb, FIELD_VERDICT, smtpscope_verdict_name(finding->verdict));
    put_string(tree, tvb, FIELD_REASON, smtpscope_reason_name(finding->reason));
    put_text(tree, tvb, FIELD_REASON_EVIDENCE, finding->reason_evidence);
    if (finding->reason != SMTPSCOPE_REASON_NONE)
        put_string(tree, tvb, FIELD_RETRY, smtpscope_retry_name(smtpscope_finding_retry(finding->rule, finding->reason)));
    put_string(tree, tvb, FIELD_STATE, finding->state);
    put_string(tree, tvb, FIELD_CONFIDENCE, smtpscope_confidence_name(finding->confidence));
    put_string(tree, tvb, FIELD_REFERENCE, info->reference);
}

static void put_places(proto_tree *tree, tvbuff_t *tvb, const struct finding_record *record)
{
    const struct smtpscope_finding *finding = &record->finding;

    if (record->cause) {
        put_number(tree, tvb, FIELD_CAUSE, record->cause->home);
        put_string(tree, tvb, FIELD_CAUSE_RULE, smtpscope_rule_info(record->cause->finding.rule)->id);
    }
    put_number(tree, tvb, FIELD_PACKET, (uint32_t)finding->packet);
    if (finding->last_packet != finding->packet)
        put_number(tree, tvb, FIELD_LAST_PACKET, (uint32_t)finding->last_packet);
    put_number(tree, tvb, FIELD_COUNT, finding->count);
    put_number(tree, tvb, FIELD_FOLDED, finding->folded);
    put_string(tree, tvb, FIELD_SERVER, finding->server);
}

/* The expert info is added whether or not there is a tree: Wireshark counts them without one. */
static void put_finding(proto_tree *parent, tvbuff_t *tvb, packet_info *pinfo, const struct finding_record *record)
{
    const struct smtpscope_finding *finding = &record->finding;
    const char *id = smtpscope_rule_info(finding->rule)->id, *summary = smtpscope_advice_summary(finding->rule);
    expert_field *expert = &experts[settings_family_of(finding->rule)][finding->severity];
    const char *detail = show_detail(pinfo->pool, finding);
    proto_item *item;
    proto_tree *tree = proto_tree_add_subtree_format(parent, tvb, 0, 0, ett_finding, &item, "Finding: %s", id);

    expert_add_info_format(pinfo, item, expert, "%s: %s%s%s", id, summary, *detail ? ": " : "", detail);
    put_judgement(tree, tvb, pinfo, finding);
    put_places(tree, tvb, record);
    put_remedy(tree, tvb, pinfo, finding);
}

/* --- the frame */

/* The gravest finding that the preferences show, and how many there are. */
static const struct finding_record *gravest(const struct record *records, unsigned *count)
{
    const struct finding_record *found = NULL;

    *count = 0;
    for (; records; records = records->next) {
        if (records->kind != RECORD_FINDING || !settings_show(records->finding))
            continue;
        ++*count;
        if (!found || records->finding->finding.severity < found->finding.severity)
            found = records->finding;
    }
    return found;
}

static void put_records(proto_tree *tree, tvbuff_t *tvb, packet_info *pinfo, const struct record *records)
{
    for (; records; records = records->next)
        switch (records->kind) {
        case RECORD_FINDING:
            if (settings_show(records->finding))
                put_finding(tree, tvb, pinfo, records->finding);
            break;
        case RECORD_EXCHANGE: put_exchange(tree, tvb, pinfo, records->exchange); break;
        case RECORD_MESSAGE: put_message(tree, tvb, records->message); break;
        }
}

void show_packet(tvbuff_t *tvb, packet_info *pinfo, proto_tree *parent, const struct session_record *session,
                 const struct record *records)
{
    unsigned count;
    const struct finding_record *finding = gravest(records, &count);
    const char *id = finding ? smtpscope_rule_info(finding->finding.rule)->id : "";
    proto_item *item;
    proto_tree *tree;

    if (!session && !records)
        return;
    if (finding && settings_info_column()) {
        if (count > 1)
            col_append_fstr(pinfo->cinfo, COL_INFO, " [%s +%u]", id, count - 1);
        else
            col_append_fstr(pinfo->cinfo, COL_INFO, " [%s]", id);
    }
    item = put_item(proto_tree_add_item(parent, proto_smtpscope, tvb, 0, 0, ENC_NA));
    if (finding)
        proto_item_append_text(item, ": %s%s", id, count > 1 ? " and more" : "");
    tree = proto_item_add_subtree(item, ett_smtpscope);
    if (session)
        put_number(tree, tvb, FIELD_SESSION, session->first_packet);
    put_records(tree, tvb, pinfo, records);
}
