/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The judge's notes: one a rule, session and cause, counted; told as findings, at the latest when the session ends. The only
 * emitter.
 */
#include "judge_private.h"

#include "base/memory.h"

#include <assert.h>

/* Kinds of trouble in one session; beyond it, more of a rule is counted under its first note. Each rule can have one. */
#define NOTES_MAX 256
static_assert(NOTES_MAX + SMTPSCOPE_RULES <= UINT16_MAX, "ids of notes fit where they are remembered");
/* Indexes kept per note. A session with more refusals of one kind than this has its tail counted, not listed. */
#define INDEXES_MAX 65536
#define TEXT_MAX 512

const struct trouble no_trouble;

struct trouble *trouble_begin(struct smtpscope_judge *judge)
{
    struct trouble *trouble = judge->trouble;

    if (trouble)
        return trouble;
    trouble = judge->trouble = memory_new(judge->config->allocator, sizeof *trouble);
    if (trouble) {
        trouble->notes = trouble->few;
        trouble->note_capacity = NOTED_FEW;
    }
    return trouble;
}

/*
 * Room for one more of what stands at `at`, `count` of it: moves what is in place (`few`) to memory of its own. NULL: there
 * is none.
 */
static void *room_grow(struct smtpscope_judge *judge, void *at, const void *few, uint32_t count, size_t size)
{
    void *grown = memory_resize(judge->config->allocator, at == few ? NULL : at, 2 * count * size);

    if (grown && at == few)
        memcpy(grown, few, count * size);
    return grown;
}

static const uint32_t *indexes_at(const struct indexes *indexes)
{
    return indexes->more ? indexes->more : indexes->few;
}

static bool index_add(struct smtpscope_judge *judge, struct indexes *indexes, uint32_t *count, uint32_t index)
{
    uint32_t *at = indexes->more ? indexes->more : indexes->few;

    if (*count && at[*count - 1] == index)
        return true;
    if (*count == indexes->capacity) {
        at = *count > INDEXES_MAX / 2 ? NULL : room_grow(judge, at, indexes->few, *count, sizeof *at);
        if (!at)
            return false;
        indexes->more = at;
        indexes->capacity = 2 * *count;
    }
    at[(*count)++] = index;
    return true;
}

struct note *note_find(const struct smtpscope_judge *judge, uint32_t id)
{
    return id && id <= judge->note_count ? judge->trouble->notes[id - 1].note : NULL;
}

bool note_covers(const struct note *note, const struct smtpscope_exchange *exchange)
{
    const struct indexes *evidence = &note->evidence;

    return evidence->count && indexes_at(evidence)[evidence->count - 1] == exchange->index;
}

bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange)
{
    struct note *note = note_find(judge, id);

    if (!note)
        return false;
    note->finding.folded++;
    index_add(judge, &note->symptoms, &note->symptoms.count, exchange);
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

/* Of the same rule: is it the same finding? */
static bool note_is(const struct note *note, const struct ground *ground)
{
    const struct smtpscope_finding *finding = &note->finding;

    return finding->reason == ground->reason && finding->cause == ground->cause && finding->verdict == ground->verdict &&
           finding->detail == ground->detail &&
           (!text_is_cause(ground->detail) || text_equal(finding->detail_text, ground->detail_text));
}

static struct note *note_same(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct note *same_rule = NULL;

    for (size_t i = 0; i < judge->note_count; i++) {
        const struct noted *noted = &judge->trouble->notes[i];

        if (noted->rule != ground->rule)
            continue;
        if (note_is(noted->note, ground))
            return noted->note;
        if (!same_rule)
            same_rule = noted->note;
    }
    return judge->note_count >= NOTES_MAX ? same_rule : NULL;
}

static const char *text_put(char **to, struct smtpscope_text text)
{
    char *begin = *to;
    size_t len = text.len < TEXT_MAX ? text.len : TEXT_MAX;

    if (len)
        memcpy(begin, text.at, len);
    begin[len] = '\0';
    for (char *nul = begin; (nul = memchr(nul, '\0', (size_t)(begin + len - nul)));)
        *nul = text_octet('\0');
    *to = begin + len + 1;
    return begin;
}

static size_t text_size(size_t len)
{
    return (len < TEXT_MAX ? len : TEXT_MAX) + 1;
}

/* What the finding shows. */
struct shown {
    struct smtpscope_text command, argument, text, detail;
};

static struct shown shown_of(const struct ground *ground)
{
    const struct smtpscope_command *command = ground->exchange ? ground->exchange->command : ground->command;
    struct shown shown = {.detail = ground->detail_text};
    const char *name;

    if (ground->exchange)
        shown.text = ground->exchange->reply->first;
    if (command) {
        name = smtpscope_verb_name(command->verb);
        shown.command =
            command->verb == SMTPSCOPE_VERB_UNKNOWN ? command->name : (struct smtpscope_text){name, name ? strlen(name) : 0};
        shown.argument = command->argument;
    }
    return shown;
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

/* A place in the list of notes. NULL: out of memory. */
static struct noted *noted_new(struct smtpscope_judge *judge)
{
    struct trouble *trouble = trouble_begin(judge);

    if (!trouble)
        return NULL;
    if (judge->note_count == trouble->note_capacity) {
        struct noted *grown = room_grow(judge, trouble->notes, trouble->few, trouble->note_capacity, sizeof *grown);

        if (!grown)
            return NULL;
        trouble->notes = grown;
        trouble->note_capacity *= 2;
    }
    return &trouble->notes[judge->note_count];
}

static struct note *note_new(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct shown shown = shown_of(ground);
    struct noted *noted = noted_new(judge);
    struct note *note = NULL;
    char *to;

    if (noted)
        note = memory_resize(judge->config->allocator, NULL,
                             sizeof *note + text_size(shown.command.len) + text_size(shown.argument.len) +
                                 text_size(shown.text.len) + text_size(shown.detail.len));
    if (!note)
        return NULL;
    *note = (struct note){
        .finding =
            {
                .rule = ground->rule,
                .verdict = ground->verdict,
                .reason = ground->reason,
                .confidence = ground->confidence,
                .severity = ground->severity ? (enum smtpscope_severity)(ground->severity - 1)
                                             : smtpscope_rule_info(ground->rule)->severity,
                .fault = ground->fault,
                .detail = ground->detail,
                .detail_number = ground->detail_number,
                .id = ++judge->note_count,
                .cause = ground->cause,
                .flow = judge->flow,
                .state = "",
            },
        .evidence = {.capacity = INDEXES_FEW},
        .symptoms = {.capacity = INDEXES_FEW},
    };
    to = note->texts;
    note->finding.command = text_put(&to, shown.command);
    note->finding.argument = text_put(&to, shown.argument);
    note->finding.text = text_put(&to, shown.text);
    note->finding.detail_text = text_put(&to, shown.detail);
    place_fill(&note->finding, ground);
    *noted = (struct noted){note, ground->rule};
    return note;
}

struct note *note_add(struct smtpscope_judge *judge, const struct ground *ground)
{
    struct note *note = note_same(judge, ground);
    struct smtpscope_finding here = {.rule = ground->rule};

    if (!note && !(note = note_new(judge, ground)))
        return NULL;
    place_fill(&here, ground);
    note->finding.count++;
    note->finding.last_time = here.time;
    note->finding.last_packet = here.packet;
    if (ground->confidence == SMTPSCOPE_LIKELY)
        note->finding.confidence = SMTPSCOPE_LIKELY;
    if (ground->exchange)
        index_add(judge, &note->evidence, &note->evidence.count, ground->exchange->index);
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

    finding.server = server_name(judge->server);
    finding.severity = severity_shown(&note->finding);
    finding.exchanges = indexes_at(&note->evidence);
    finding.exchange_count = finding.evidence_count = note->evidence.count;
    return finding;
}

/* The indexes of the symptoms behind those of the evidence, whose count stays as it is. Returns how many there are together. */
static uint32_t symptoms_append(struct smtpscope_judge *judge, struct note *note)
{
    uint32_t count = note->evidence.count;

    for (uint32_t i = 0; i < note->symptoms.count; i++)
        if (!index_add(judge, &note->evidence, &count, indexes_at(&note->symptoms)[i]))
            break;
    return count;
}

static struct telling telling_of(const struct smtpscope_finding *finding)
{
    return (struct telling){
        .server = finding->server,
        .detail_number = finding->detail_number,
        .cause = finding->cause,
        .count = finding->count,
        .folded = finding->folded,
        .severity = (uint8_t)finding->severity,
        .verdict = (uint8_t)finding->verdict,
        .reason = (uint8_t)finding->reason,
        .confidence = (uint8_t)finding->confidence,
        .fault = (uint8_t)finding->fault,
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
    for (uint32_t id = 1; id <= judge->note_count; id++)
        note_emit(judge, note_find(judge, id));
}

uint32_t smtpscope_judge_untold(const struct smtpscope_judge *judge)
{
    return (uint32_t)judge->note_count - judge->told;
}

void smtpscope_judge_tell(struct smtpscope_judge *judge)
{
    for (uint32_t id = judge->told + 1u; id <= judge->note_count; id++)
        note_emit(judge, note_find(judge, id));
    judge->told = judge->note_count;
}

uint32_t smtpscope_judge_peek(const struct smtpscope_judge *judge, uint32_t after)
{
    for (uint32_t id = after; id < judge->note_count; id++) {
        struct smtpscope_finding finding = note_finding(judge, note_find(judge, id + 1));

        judge->config->finding(judge->config->ctx, &finding);
    }
    return judge->note_count;
}

void notes_free(struct smtpscope_judge *judge)
{
    const struct smtpscope_allocator *allocator = judge->config->allocator;
    struct trouble *trouble = judge->trouble;

    for (uint32_t id = 1; id <= judge->note_count; id++) {
        struct note *note = note_find(judge, id);

        memory_free(allocator, note->evidence.more);
        memory_free(allocator, note->symptoms.more);
        memory_free(allocator, note);
    }
    if (trouble && trouble->notes != trouble->few)
        memory_free(allocator, trouble->notes);
    memory_free(allocator, trouble);
    judge->trouble = NULL;
    judge->note_count = 0;
}
