/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The judge's notes: one a rule, session and cause, counted; told as findings, at the latest when the session ends. The only
 * emitter.
 */
#include "note.h"

#include "certainty.h"
#include "memory.h"
#include "reply_meaning.h"
#include "told_state.h"

#include "base/memory.h"

#include <assert.h>

/* Kinds of trouble in one session; beyond it, more of a rule is counted under its first note. Each rule can have one. */
#define NOTES_MAX 256
static_assert(NOTES_MAX + SMTPSCOPE_RULES <= UINT16_MAX, "ids of notes fit where they are remembered");
/* Indexes that a note has room for in itself. */
#define INDEXES_FEW 4
/* Indexes kept per note. A session with more refusals of one kind than this has its tail counted, not listed. */
#define INDEXES_MAX 65536
#define TEXT_MAX 512

/* Indexes of exchanges, in place while they are few. */
struct indexes {
    uint32_t *more; /* NULL: `few` has them */
    uint32_t count, capacity;
    uint32_t few[INDEXES_FEW];
};

struct note {
    struct smtpscope_finding finding; /* its texts are the note's own */
    struct told_state told;           /* when it was told last */
    struct indexes evidence, symptoms;
    struct heard heard; /* by what was said of it last */
    char texts[];
};

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

static struct note *note_at(const struct smtpscope_judge *judge, uint32_t id)
{
    return id && id <= judge->note_count ? judge->memory->notes.slots[id - 1].note : NULL;
}

const struct smtpscope_finding *note_find(const struct smtpscope_judge *judge, uint32_t id)
{
    const struct note *note = note_at(judge, id);

    return note ? &note->finding : NULL;
}

void note_revise(struct smtpscope_judge *judge, uint32_t id, const struct revision *revision)
{
    struct note *note = note_at(judge, id);

    if (!note)
        return;
    if (revision->severity)
        note->finding.severity = (enum smtpscope_severity)(revision->severity - 1);
    if (revision->verdict)
        note->finding.verdict = revision->verdict;
    if (revision->reason)
        note->finding.reason = revision->reason;
    if (revision->detail)
        note->finding.detail = revision->detail;
    if (revision->fault)
        note->finding.fault = revision->fault;
    if (revision->cause)
        note->finding.cause = revision->cause;
    note->finding.detail_number += revision->detail_more;
}

bool note_covers(const struct smtpscope_judge *judge, uint32_t id, const struct smtpscope_exchange *exchange)
{
    const struct note *note = note_at(judge, id);

    return note && note->evidence.count && indexes_at(&note->evidence)[note->evidence.count - 1] == exchange->index;
}

bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange)
{
    struct note *note = note_at(judge, id);

    if (!note)
        return false;
    note->finding.folded++;
    if (exchange != NO_EXCHANGE)
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

/* Is the text of the detail part of what is claimed? A keyword, a verb, the phase of a gap is; a name or an address is not. */
static bool text_is_cause(enum smtpscope_detail detail)
{
    return detail == SMTPSCOPE_DETAIL_KEYWORD_MISSING || detail == SMTPSCOPE_DETAIL_STEP_MISSING ||
           detail == SMTPSCOPE_DETAIL_BARRIER || detail == SMTPSCOPE_DETAIL_ADVERTISED || detail == SMTPSCOPE_DETAIL_PROTOCOL ||
           detail == SMTPSCOPE_DETAIL_GAP;
}

/* In whose stream is the evidence? */
static enum smtpscope_side side_of(const struct claim *claim)
{
    if (claim->exchange)
        return claim->exchange->before->turned ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER;
    return claim->command ? SMTPSCOPE_CLIENT : claim->side;
}

/* Is it the same finding, of the same rule? */
static bool note_is(const struct note *note, const struct claim *claim)
{
    const struct smtpscope_finding *finding = &note->finding;

    return finding->reason == claim->reason && finding->cause == claim->cause && finding->verdict == claim->verdict &&
           finding->detail == claim->detail && finding->side == side_of(claim) &&
           (!text_is_cause(claim->detail) || text_equal(finding->detail_text, claim->detail_text));
}

static struct note *note_same(struct smtpscope_judge *judge, const struct claim *claim)
{
    struct note *same_rule = NULL;

    for (size_t i = 0; i < judge->note_count; i++) {
        const struct note_slot *slot = &judge->memory->notes.slots[i];

        if (slot->rule != claim->rule)
            continue;
        if (note_is(slot->note, claim))
            return slot->note;
        if (!same_rule)
            same_rule = slot->note;
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

static struct shown shown_of(const struct claim *claim)
{
    const struct smtpscope_command *command = claim->exchange ? claim->exchange->command : claim->command;
    struct shown shown = {.detail = claim->detail_text};

    if (claim->exchange)
        shown.text = claim->exchange->reply->first;
    if (command) {
        shown.command = smtpscope_command_name(command);
        shown.argument = command->argument;
    }
    return shown;
}

static void place_fill(struct smtpscope_finding *finding, const struct claim *claim)
{
    finding->side = side_of(claim);
    if (claim->exchange) {
        const struct smtpscope_exchange *exchange = claim->exchange;

        finding->time = exchange->reply->time;
        finding->packet = exchange->reply->packet;
        finding->offset = exchange->reply->offset;
        finding->code = exchange->reply->code;
        finding->enhanced = exchange->reply->enhanced;
        finding->state = smtpscope_state_name(exchange->before);
    } else if (claim->command) {
        finding->time = claim->command->time;
        finding->packet = claim->command->packet;
        finding->offset = claim->command->offset;
    } else if (claim->fact) {
        finding->time = claim->fact->time;
        finding->packet = claim->fact->packet;
        finding->offset = claim->offset;
    }
}

/* A place in the list of notes. NULL: out of memory. */
static struct note_slot *slot_new(struct smtpscope_judge *judge)
{
    struct session_memory *memory = memory_begin(judge);
    struct note_list *notes;

    if (!memory)
        return NULL;
    notes = &memory->notes;
    if (judge->note_count == notes->capacity) {
        struct note_slot *grown = room_grow(judge, notes->slots, notes->few, notes->capacity, sizeof *grown);

        if (!grown)
            return NULL;
        notes->slots = grown;
        notes->capacity *= 2;
    }
    return &notes->slots[judge->note_count];
}

static struct note *note_new(struct smtpscope_judge *judge, const struct claim *claim)
{
    struct shown shown = shown_of(claim);
    struct note_slot *slot = slot_new(judge);
    struct note *note = NULL;
    char *to;

    if (slot)
        note = memory_resize(judge->config->allocator, NULL,
                             sizeof *note + text_size(shown.command.len) + text_size(shown.argument.len) +
                                 text_size(shown.text.len) + text_size(shown.detail.len));
    if (!note)
        return NULL;
    *note = (struct note){
        .finding =
            {
                .rule = claim->rule,
                .verdict = claim->verdict,
                .reason = claim->reason,
                .confidence = confidence_of(judge, claim),
                .severity = claim->severity ? (enum smtpscope_severity)(claim->severity - 1)
                                            : smtpscope_rule_info(claim->rule)->severity,
                .fault = claim->fault,
                .detail = claim->detail,
                .detail_number = claim->detail_number,
                .id = ++judge->note_count,
                .cause = claim->cause,
                .flow = judge->flow,
                .tls = claim->exchange && claim->exchange->before->tls,
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
    place_fill(&note->finding, claim);
    if (claim->reading)
        reading_evidence(claim->reading, claim->exchange->reply, note->finding.reason_evidence);
    *slot = (struct note_slot){note, claim->rule};
    return note;
}

uint16_t note_add(struct smtpscope_judge *judge, const struct claim *claim)
{
    struct note *note = note_same(judge, claim);
    struct smtpscope_finding here = {.rule = claim->rule};

    if (!note && !(note = note_new(judge, claim)))
        return 0;
    place_fill(&here, claim);
    note->finding.count++;
    note->finding.last_time = here.time;
    note->finding.last_packet = here.packet;
    if (confidence_of(judge, claim) == SMTPSCOPE_LIKELY)
        note->finding.confidence = SMTPSCOPE_LIKELY;
    note->heard = heard_of(claim);
    if (claim->exchange)
        index_add(judge, &note->evidence, &note->evidence.count, claim->exchange->index);
    return (uint16_t)note->finding.id;
}

void notes_doubt(struct smtpscope_judge *judge, enum smtpscope_side side, uint64_t offset)
{
    for (uint32_t id = 1; id <= judge->note_count; id++) {
        struct note *note = note_at(judge, id);

        if (note->heard.octets[side] > offset)
            note->finding.confidence = SMTPSCOPE_LIKELY;
    }
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

    finding.server = server_name(judge->session.server);
    finding.severity = severity_shown(&note->finding);
    finding.is_proxied = memory_of(judge)->session.is_proxied;
    finding.proxied_for = memory_of(judge)->session.proxied_for;
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

static void note_emit(struct smtpscope_judge *judge, struct note *note)
{
    uint32_t count = symptoms_append(judge, note);
    struct smtpscope_finding finding = note_finding(judge, note);
    struct told_state now = told_state_of(&finding);

    finding.exchange_count = count;
    finding.told = finding.id <= judge->told;
    finding.told_severity = finding.told ? (enum smtpscope_severity)note->told.severity : finding.severity;
    finding.changed = finding.told && !told_state_equal(&now, &note->told);
    note->told = now;
    judge->config->finding(judge->config->ctx, &finding);
}

void notes_emit(struct smtpscope_judge *judge)
{
    for (uint32_t id = 1; id <= judge->note_count; id++)
        note_emit(judge, note_at(judge, id));
}

uint32_t smtpscope_judge_untold(const struct smtpscope_judge *judge)
{
    return (uint32_t)judge->note_count - judge->told;
}

void smtpscope_judge_tell(struct smtpscope_judge *judge)
{
    for (uint32_t id = judge->told + 1u; id <= judge->note_count; id++)
        note_emit(judge, note_at(judge, id));
    judge->told = judge->note_count;
}

enum smtpscope_reason notes_reason(const struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    for (uint32_t id = judge->note_count; id; id--)
        if (note_covers(judge, id, exchange) && note_find(judge, id)->reason != SMTPSCOPE_REASON_NONE)
            return note_find(judge, id)->reason;
    return SMTPSCOPE_REASON_NONE;
}

void notes_free(struct smtpscope_judge *judge)
{
    const struct smtpscope_allocator *allocator = judge->config->allocator;

    for (uint32_t id = 1; id <= judge->note_count; id++) {
        struct note *note = note_at(judge, id);

        memory_free(allocator, note->evidence.more);
        memory_free(allocator, note->symptoms.more);
        memory_free(allocator, note);
    }
    if (judge->memory && judge->memory->notes.slots != judge->memory->notes.few)
        memory_free(allocator, judge->memory->notes.slots);
    judge->note_count = 0;
}
