/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

/* Recipients of one message that are listed; the reply to each RCPT has an exchange of its own all the same. */
#define RECIPIENTS_MAX 100

struct record_list {
    struct record *first, *last;
};

static wmem_map_t *frames; /* frame number -> struct record_list */
static struct record_list fresh;
static uint32_t current, last;           /* the frame under analysis, 0 at the end; the last one there was */
static struct finding_record **findings; /* of the file, in the order told */
static unsigned finding_count, finding_capacity;

/* The file scope frees what it has; only the pointers into it are left. */
static void records_forget(void)
{
    fresh = (struct record_list){NULL, NULL};
    findings = NULL;
    finding_count = finding_capacity = 0;
    current = last = 0;
}

void records_register(void)
{
    frames = wmem_map_new_autoreset(wmem_epan_scope(), wmem_file_scope(), g_direct_hash, g_direct_equal);
    register_cleanup_routine(records_forget);
}

void records_begin(uint32_t frame)
{
    fresh = (struct record_list){NULL, NULL};
    current = frame;
    if (frame)
        last = frame;
}

static void list_add(struct record_list *list, const struct record *what)
{
    struct record *record = wmem_memdup(wmem_file_scope(), what, sizeof *what);

    if (list->last)
        list->last->next = record;
    else
        list->first = record;
    list->last = record;
}

static void frame_add(uint32_t frame, const struct record *what)
{
    struct record_list *list;

    if (!frame)
        return;
    list = wmem_map_lookup(frames, GUINT_TO_POINTER(frame));
    if (!list) {
        list = wmem_new0(wmem_file_scope(), struct record_list);
        wmem_map_insert(frames, GUINT_TO_POINTER(frame), list);
    }
    list_add(list, what);
}

static const char *text_keep(struct smtpscope_text text)
{
    return text.len ? wmem_strndup(wmem_file_scope(), text.at, text.len) : "";
}

static const char *string_keep(const char *text)
{
    return *text ? wmem_strdup(wmem_file_scope(), text) : "";
}

const struct session_record *records_session(const struct smtpscope_flow *flow)
{
    struct session_record *session = wmem_new0(wmem_file_scope(), struct session_record);

    session->first_packet = (uint32_t)flow->first_packet;
    memcpy(session->side, flow->side, sizeof session->side);
    return session;
}

struct finding_record *records_finding(const struct session_record *session, const struct smtpscope_finding *finding)
{
    struct finding_record *record = wmem_new0(wmem_file_scope(), struct finding_record);
    struct smtpscope_finding *kept = &record->finding;

    *kept = *finding;
    kept->flow = NULL;
    kept->exchanges = NULL;
    kept->exchange_count = kept->evidence_count = 0;
    kept->detail_text = string_keep(finding->detail_text);
    kept->command = string_keep(finding->command);
    kept->argument = string_keep(finding->argument);
    kept->text = string_keep(finding->text);
    record->session = session;
    record->told = current;
    record->home = finding->packet ? (uint32_t)finding->packet : last;
    if (finding_count == finding_capacity) {
        finding_capacity = finding_capacity ? finding_capacity * 2 : 64;
        findings = wmem_realloc(wmem_file_scope(), findings, finding_capacity * sizeof(struct finding_record *));
    }
    findings[finding_count++] = record;
    frame_add(record->home, &(struct record){.kind = RECORD_FINDING, .finding = record});
    list_add(&fresh, &(struct record){.kind = RECORD_FINDING, .finding = record});
    return record;
}

static void exchange_add(const struct exchange_record *exchange)
{
    struct record record = {.kind = RECORD_EXCHANGE, .exchange = exchange};

    frame_add(exchange->request, &record);
    if (exchange->response != exchange->request)
        frame_add(exchange->response, &record);
    list_add(&fresh, &record);
}

void records_exchange(const struct session_record *session, const struct smtpscope_exchange *exchange,
                      enum smtpscope_reason reason)
{
    struct exchange_record *record = wmem_new0(wmem_file_scope(), struct exchange_record);
    const struct smtpscope_command *command = exchange->command;
    const struct smtpscope_reply *reply = exchange->reply;
    bool known = command->verb != SMTPSCOPE_VERB_NONE && !(command->circumstances & SMTPSCOPE_COMMAND_LOST);

    record->session = session;
    record->command = text_keep(smtpscope_command_name(command));
    record->verb = (uint8_t)command->verb;
    record->state = smtpscope_state_name(exchange->before);
    record->tls = exchange->before->tls;
    record->request = known ? (uint32_t)command->packet : 0;
    record->response = (uint32_t)reply->packet;
    record->time = known ? reply->time - command->time : -1;
    record->code = reply->code;
    record->enhanced = reply->enhanced;
    record->reason = (uint8_t)reason;
    exchange_add(record);
}

void records_unanswered(const struct session_record *session, const struct smtpscope_command *command, bool tls)
{
    struct exchange_record *record = wmem_new0(wmem_file_scope(), struct exchange_record);

    record->session = session;
    record->command = text_keep(smtpscope_command_name(command));
    record->verb = (uint8_t)command->verb;
    record->state = "";
    record->tls = tls;
    record->request = (uint32_t)command->packet;
    record->time = -1;
    exchange_add(record);
}

void records_message(const struct session_record *session, const struct smtpscope_message *message, uint64_t packet)
{
    struct message_record *record = wmem_new0(wmem_file_scope(), struct message_record);
    uint32_t count = message->recipient_count < RECIPIENTS_MAX ? (uint32_t)message->recipient_count : RECIPIENTS_MAX;
    struct recipient_record *recipients = count ? wmem_alloc0_array(wmem_file_scope(), struct recipient_record, count) : NULL;

    for (uint32_t i = 0; i < count; i++) {
        recipients[i].path = text_keep(message->recipients[i].path);
        recipients[i].code = message->recipients[i].code;
        recipients[i].outcome = (uint8_t)message->recipients[i].outcome;
    }
    record->session = session;
    record->from = text_keep(message->mail_from);
    record->recipients = recipients;
    record->recipient_count = count;
    record->packet = (uint32_t)packet;
    record->size = message->size;
    record->code = message->code;
    record->outcome = (uint8_t)message->outcome;
    record->sent = message->sent;
    frame_add(record->packet, &(struct record){.kind = RECORD_MESSAGE, .message = record});
    list_add(&fresh, &(struct record){.kind = RECORD_MESSAGE, .message = record});
}

const struct record *records_fresh(void)
{
    return fresh.first;
}

const struct record *records_of(uint32_t frame)
{
    const struct record_list *list = wmem_map_lookup(frames, GUINT_TO_POINTER(frame));

    return list ? list->first : NULL;
}

struct finding_record *records_next_finding(unsigned *at)
{
    return *at < finding_count ? findings[(*at)++] : NULL;
}
