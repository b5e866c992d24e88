/* SPDX-License-Identifier: BSD-2-Clause */
/* The judge's notes: one a rule, session and cause, counted; told as findings, at the latest when the session ends. The only emitter. */
#include "judge_private.h"

#include "base/memory.h"

/* Kinds of trouble in one session; beyond it, more of a rule is counted under its first note. Each rule can have one. */
#define NOTES_MAX 256
/* Indexes kept per note. A session with more refusals of one kind than this has its tail counted, not listed. */
#define INDEXES_MAX 65536
#define TEXT_MAX 512

static bool index_add(struct smtpscope_judge *judge, uint32_t **list, uint32_t *count, uint32_t *capacity, uint32_t index)
{
    if (*count && (*list)[*count - 1] == index)
        return true;
    if (*count == *capacity) {
        uint32_t more = *capacity ? *capacity * 2 : 2;
        uint32_t *grown = more > INDEXES_MAX ? NULL : memory_resize(judge->config->allocator, *list, more * sizeof **list);

        if (!grown)
            return false;
        *list = grown;
        *capacity = more;
    }
    (*list)[(*count)++] = index;
    return true;
}

struct note *note_find(struct smtpscope_judge *judge, uint32_t id)
{
    for (struct note *note = judge->notes; id && note; note = note->next)
        if (note->finding.id == id)
            return note;
    return NULL;
}

bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange)
{
    struct note *note = note_find(judge, id);

    if (!note)
        return false;
    note->finding.folded++;
    index_add(judge, &note->symptoms, &note->symptom_count, &note->symptom_capacity, exchange);
    return true;
}

/* What a note keeps of an octet: a NUL would end the text early for whoever reads it. */
static char text_octet(char octet)
{
    return octet ? octet : ' ';
}

static bool text_equal(const char *text, struct smtpscope_text other)
{
    size_t len = other.len < TEXT_MAX ? other.len : TEXT_MAX;

    for (size_t i = 0; i < len; i++)
        if (text[i] != text_octet(other.at[i]))
            return false;
    return text[len] == '\0';
}

/* Is the text of the detail part of the cause? A keyword or a verb is; a name, an address or a number of the client's is not. */
static bool text_is_cause(enum smtpscope_detail detail)
{
    return detail == SMTPSCOPE_DETAIL_KEYWORD_MISSING || detail == SMTPSCOPE_DETAIL_STEP_MISSING ||
           detail == SMTPSCOPE_DETAIL_BARRIER || detail == SMTPSCOPE_DETAIL_ADVERTISED || detail == SMTPSCOPE_DETAIL_PROTOCOL;
}

static bool note_is(const struct note *note, const struct ground *ground)
{
    const struct smtpscope_finding *finding = &note->finding;

    return finding->rule == ground->rule && finding->reason == ground->reason && finding->cause == ground->cause &&
           finding->verdict == ground->verdict && finding->detail == ground->detail &&
           (!text_is_cause(ground->detail) || text_equal(finding->detail_text, ground->detail_text));
}

static struct note *note_same(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct note *same_rule = NULL;

    for (struct note *note = judge->notes; note; note = note->next) {
        if (note_is(note, ground))
            return note;
        if (note->finding.rule == ground->rule && !same_rule)
            same_rule = note;
    }
    return judge->note_count >= NOTES_MAX ? same_rule : NULL;
}

static const char *text_put(char **to, const char *at, size_t len)
{
    char *begin = *to;

    if (len > TEXT_MAX)
        len = TEXT_MAX;
    for (size_t i = 0; i < len; i++)
        begin[i] = text_octet(at[i]);
    begin[len] = '\0';
    *to = begin + len + 1;
    return begin;
}

static size_t text_size(size_t len)
{
    return (len < TEXT_MAX ? len : TEXT_MAX) + 1;
}

/* Copies what the finding shows: command, argument, reply, detail. False when out of memory. */
static bool texts_copy(struct smtpscope_judge *judge, struct note *note, const struct ground *ground)
{
    const struct smtpscope_command *command = ground->exchange ? ground->exchange->command : ground->command;
    const struct smtpscope_reply *reply = ground->exchange ? ground->exchange->reply : NULL;
    const char *name = command ? smtpscope_verb_name(command->verb) : "";
    struct smtpscope_text verb = { name, name ? strlen(name) : 0 };
    struct smtpscope_text argument = command ? command->argument : (struct smtpscope_text){ "", 0 };
    struct smtpscope_text text = reply ? reply->first : (struct smtpscope_text){ "", 0 };
    char *to;

    if (command && command->verb == SMTPSCOPE_VERB_UNKNOWN)
        verb = command->name;
    to = note->texts = memory_resize(judge->config->allocator, NULL, text_size(verb.len) + text_size(argument.len) +
                                     text_size(text.len) + text_size(ground->detail_text.len));
    if (!to)
        return false;
    note->finding.command = text_put(&to, verb.at ? verb.at : "", verb.len);
    note->finding.argument = text_put(&to, argument.at, argument.len);
    note->finding.text = text_put(&to, text.at, text.len);
    note->finding.detail_text = text_put(&to, ground->detail_text.at ? ground->detail_text.at : "", ground->detail_text.len);
    return true;
}

static void place_fill(struct smtpscope_finding *finding, const struct ground *ground)
{
    if (ground->exchange) {
        const struct smtpscope_exchange *exchange = ground->exchange;

        finding->time = exchange->reply->time;
        finding->packet = exchange->reply->packet;
        finding->offset = exchange->reply->offset;
        finding->side = SMTPSCOPE_SERVER;
        finding->code = exchange->reply->code;
        finding->enhanced_class = exchange->reply->enhanced_class;
        finding->enhanced_subject = exchange->reply->enhanced_subject;
        finding->enhanced_detail = exchange->reply->enhanced_detail;
        finding->state = smtpscope_state_name(exchange->before);
    } else if (ground->command) {
        finding->time = ground->command->time;
        finding->packet = ground->command->packet;
        finding->offset = ground->command->offset;
        finding->side = SMTPSCOPE_CLIENT;
    } else if (ground->fact) {
        finding->time = ground->fact->time;
        finding->packet = ground->fact->packet;
        finding->offset = ground->offset;
        finding->side = ground->side;
    }
}

static struct note *note_new(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct note *note = memory_new(judge->config->allocator, sizeof *note);
    enum smtpscope_severity severity = ground->severity ? (enum smtpscope_severity)(ground->severity - 1)
                                                        : smtpscope_rule_info(ground->rule)->severity;

    if (!note)
        return NULL;
    note->finding = (struct smtpscope_finding){
        .rule = ground->rule, .severity = severity, .verdict = ground->verdict, .reason = ground->reason,
        .confidence = ground->confidence, .fault = ground->fault, .detail = ground->detail, .detail_number = ground->detail_number,
        .id = ++judge->note_count, .cause = ground->cause, .flow = judge->flow, .state = "", .server = judge->server,
    };
    if (!texts_copy(judge, note, ground)) {
        memory_free(judge->config->allocator, note);
        judge->note_count--;
        return NULL;
    }
    place_fill(&note->finding, ground);
    *(judge->last ? &judge->last->next : &judge->notes) = note;
    judge->last = note;
    return note;
}

struct note *note_add(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct note *note = note_same(judge, ground);
    struct smtpscope_finding here = { .rule = ground->rule };

    if (!note && !(note = note_new(judge, ground)))
        return NULL;
    place_fill(&here, ground);
    note->finding.count++;
    note->finding.last_time = here.time;
    note->finding.last_packet = here.packet;
    if (ground->confidence == SMTPSCOPE_LIKELY)
        note->finding.confidence = SMTPSCOPE_LIKELY;
    if (ground->exchange)
        index_add(judge, &note->evidence, &note->evidence_count, &note->evidence_capacity, ground->exchange->index);
    return note;
}

/* A guess is never an error. */
static enum smtpscope_severity severity_shown(const struct smtpscope_finding *finding)
{
    bool guess = finding->confidence != SMTPSCOPE_CERTAIN && finding->severity == SMTPSCOPE_ERROR;

    return guess ? SMTPSCOPE_WARNING : finding->severity;
}

/* The finding as it stands, with the indexes of its evidence. */
static struct smtpscope_finding note_finding(const struct smtpscope_judge *judge, const struct note *note)
{
    struct smtpscope_finding finding = note->finding;

    finding.server = judge->server;
    finding.severity = severity_shown(&note->finding);
    finding.exchanges = note->evidence;
    finding.exchange_count = finding.evidence_count = note->evidence_count;
    return finding;
}

/* The indexes of the symptoms behind those of the evidence, whose count stays as it is. Returns how many there are together. */
static uint32_t symptoms_append(struct smtpscope_judge *judge, struct note *note)
{
    uint32_t count = note->evidence_count;

    for (uint32_t i = 0; i < note->symptom_count; i++)
        if (!index_add(judge, &note->evidence, &count, &note->evidence_capacity, note->symptoms[i]))
            break;
    return count;
}

static struct telling telling_of(const struct smtpscope_finding *finding)
{
    return (struct telling){
        .server = finding->server, .detail_number = finding->detail_number, .cause = finding->cause, .count = finding->count,
        .folded = finding->folded, .severity = (uint8_t)finding->severity, .verdict = (uint8_t)finding->verdict,
        .reason = (uint8_t)finding->reason, .confidence = (uint8_t)finding->confidence, .fault = (uint8_t)finding->fault,
        .detail = (uint8_t)finding->detail,
    };
}

static bool telling_equal(const struct telling *a, const struct telling *b)
{
    return a->server == b->server && a->detail_number == b->detail_number && a->cause == b->cause && a->count == b->count &&
           a->folded == b->folded && a->severity == b->severity && a->verdict == b->verdict && a->reason == b->reason &&
           a->confidence == b->confidence && a->fault == b->fault && a->detail == b->detail;
}

static void note_emit(struct smtpscope_judge *judge, struct note *note)
{
    uint32_t count = symptoms_append(judge, note);
    struct smtpscope_finding finding = note_finding(judge, note);
    struct telling now = telling_of(&finding);

    finding.exchange_count = count;
    finding.told = finding.id <= judge->told;
    finding.changed = finding.told && !telling_equal(&now, &note->telling);
    note->telling = now;
    judge->config->finding(judge->config->ctx, &finding);
}

void notes_emit(struct smtpscope_judge *judge)
{
    for (struct note *note = judge->notes; note; note = note->next)
        note_emit(judge, note);
}

uint32_t smtpscope_judge_untold(const struct smtpscope_judge *judge)
{
    return judge->note_count - judge->told;
}

void smtpscope_judge_tell(struct smtpscope_judge *judge)
{
    if (!smtpscope_judge_untold(judge))
        return;
    for (struct note *note = judge->notes; note; note = note->next)
        if (note->finding.id > judge->told)
            note_emit(judge, note);
    judge->told = judge->note_count;
}

uint32_t smtpscope_judge_peek(const struct smtpscope_judge *judge, uint32_t after)
{
    if (judge->note_count <= after)
        return judge->note_count;
    for (const struct note *note = judge->notes; note; note = note->next)
        if (note->finding.id > after) {
            struct smtpscope_finding finding = note_finding(judge, note);

            judge->config->finding(judge->config->ctx, &finding);
        }
    return judge->note_count;
}

void notes_free(struct smtpscope_judge *judge)
{
    const struct smtpscope_allocator *allocator = judge->config->allocator;

    for (struct note *note = judge->notes, *next; note; note = next) {
        next = note->next;
        memory_free(allocator, note->evidence);
        memory_free(allocator, note->symptoms);
        memory_free(allocator, note->texts);
        memory_free(allocator, note);
    }
    judge->notes = judge->last = NULL;
}
