/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that wait for their replies: one queue a session, in the order of the client's stream. Which of them a reply
 * answers is match.c's.
 *
 * A million sessions may each have a few commands in flight, so all of a session's are packed in one block: what most of them
 * lack takes no room, and what they have in common with the first (they were sent in one segment) is there once.
 *
 *      entry   struct pending | origin | parameters | declared size | path | unknown parameter | name | argument
 *              the middle ones as entry->parts says, the name where it is no verb of the table
 */
#include "queue.h"

#include "held_octets.h"
#include "smtp/syntax/offer.h"

#include "base/memory.h"

/* What an entry has of what is not in each. */
enum part {
    PART_ORIGIN = 1 << 0, /* struct octet_origin; else the queue's, but for the offset */
    PART_PARAMETERS = 1 << 1,
    PART_SIZE = 1 << 2,
    PART_PATH = 1 << 3, /* struct span */
    PART_UNKNOWN = 1 << 4,
};

/* Entries stand at multiples of it. */
#define STEP _Alignof(struct pending)

static char *part_write(char *to, const void *part, size_t len)
{
    memcpy(to, part, len);
    return to + len;
}

static const char *part_read(const char *from, void *part, size_t len)
{
    memcpy(part, from, len);
    return from + len;
}

/* A part of a text. */
struct span {
    uint16_t at, len;
};

static const struct smtpscope_text text_none = {"", 0};

/* Where `inner` stands in `outer`; of what is not in it, nothing. */
static struct span span_of(const struct smtpscope_text *inner, const char *outer, size_t len)
{
    if (inner->at < outer || inner->at + inner->len > outer + len)
        return (struct span){0, 0};
    return (struct span){(uint16_t)(inner->at - outer), (uint16_t)inner->len};
}

static struct smtpscope_text text_of(struct span span, const char *outer)
{
    return (struct smtpscope_text){outer + span.at, span.len};
}

static void upper_case(char *at, size_t len)
{
    for (; len; at++, len--)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
}

static bool verb_has_name(unsigned verb)
{
    return verb > SMTPSCOPE_VERB_ANSWER;
}

static bool is_lost(const struct pending *entry)
{
    return entry->circumstances & SMTPSCOPE_COMMAND_LOST;
}

static struct pending *entry_at(struct queue *queue, uint32_t at)
{
    return (struct pending *)(void *)(queue->entries + at);
}

static struct pending *entry_last(const struct smtpscope_session *session)
{
    return session->queue ? entry_at(session->queue, session->queue->last) : NULL;
}

uint64_t pending_offset(const struct queue *queue, const struct pending *entry)
{
    struct octet_origin origin;

    if (!(entry->parts & PART_ORIGIN))
        return queue->origin.offset + entry->offset;
    part_read((const char *)(entry + 1), &origin, sizeof origin);
    return origin.offset;
}

void pending_read(const struct queue *queue, const struct pending *entry, struct smtpscope_command *command)
{
    const char *at = (const char *)(entry + 1);
    struct octet_origin origin = queue->origin;
    struct span path = {0, 0}, unknown = {0, 0};

    *command = (struct smtpscope_command){
        .verb = (enum smtpscope_verb)entry->verb,
        .has_size = entry->has_size,
        .last = entry->is_last,
        .eight_bit = entry->eight_bit,
        .len = entry->len,
        .oddities = entry->oddities,
        .circumstances = entry->circumstances,
    };
    origin.offset += entry->offset;
    if (entry->parts & PART_ORIGIN)
        at = part_read(at, &origin, sizeof origin);
    if (entry->parts & PART_PARAMETERS)
        at = part_read(at, &command->parameters, sizeof command->parameters);
    if (entry->parts & PART_SIZE)
        at = part_read(at, &command->declared_size, sizeof command->declared_size);
    if (entry->parts & PART_PATH)
        at = part_read(at, &path, sizeof path);
    if (entry->parts & PART_UNKNOWN)
        at = part_read(at, &unknown, sizeof unknown);
    command->offset = origin.offset;
    command->acked = origin.acked;
    command->time = origin.time;
    command->packet = origin.packet;
    command->name = (struct smtpscope_text){verb_has_name(entry->verb) ? smtpscope_verb_name(command->verb) : at, entry->name};
    if (!verb_has_name(entry->verb))
        at += entry->name;
    command->argument = (struct smtpscope_text){at, entry->argument};
    if (smtpscope_verb_is_login((enum smtpscope_verb)entry->verb))
        command->mechanism = mechanism_find(at, entry->argument);
    command->path = path.len ? text_of(path, at) : text_none;
    command->unknown_parameter = unknown.len ? text_of(unknown, at) : text_none;
}

struct pending *pending_next(struct queue *queue, struct pending *entry)
{
    uint32_t next = (uint32_t)((char *)entry - queue->entries) + entry->size;

    return next < queue->end ? entry_at(queue, next) : NULL;
}

static size_t queue_room(uint32_t end)
{
    return block_room(offsetof(struct queue, entries) + end);
}

/* Room for `size` octets behind the last entry. */
static bool queue_reserve(struct smtpscope_session *session, uint32_t size)
{
    struct queue *queue = session->queue;
    bool begins = !queue;

    if (queue && queue->begin > queue->end - queue->begin) { /* most were answered */
        memmove(queue->entries, queue->entries + queue->begin, queue->end - queue->begin);
        queue->last -= queue->begin;
        queue->end -= queue->begin;
        queue->begin = 0;
    }
    if (begins || queue_room(queue->end + size) > queue_room(queue->end))
        queue = memory_resize(session->config->allocator, queue, queue_room((begins ? 0 : queue->end) + size));
    if (!queue)
        return false;
    if (begins)
        memset(queue, 0, offsetof(struct queue, entries));
    session->queue = queue;
    return true;
}

/* Opens room for an entry before the first one that was sent later. There is enough, see queue_reserve(). */
static struct pending *queue_insert(struct queue *queue, uint64_t offset, uint32_t size)
{
    uint32_t at = queue->end;

    if (queue->count && pending_offset(queue, entry_at(queue, queue->last)) > offset) {
        for (at = queue->begin; pending_offset(queue, entry_at(queue, at)) <= offset;)
            at += entry_at(queue, at)->size;
        memmove(queue->entries + at + size, queue->entries + at, queue->end - at);
        queue->last += size;
    } else {
        queue->last = at;
    }
    queue->end += size;
    queue->count++;
    return entry_at(queue, at);
}

/* Was it sent with what has the queue's origin? */
static bool origin_is_shared(const struct queue *queue, const struct octet_origin *origin)
{
    return !queue || (origin->acked == queue->origin.acked && origin->packet == queue->origin.packet &&
                      origin->time == queue->origin.time && origin->offset - queue->origin.offset <= UINT32_MAX);
}

/* Which parts the command has besides an origin; adds their octets to `size`. */
static unsigned parts_of(const struct smtpscope_command *command, size_t *size)
{
    unsigned parts = 0;

    if (command->parameters) {
        parts |= PART_PARAMETERS;
        *size += sizeof command->parameters;
    }
    if (command->declared_size) {
        parts |= PART_SIZE;
        *size += sizeof command->declared_size;
    }
    if (command->path.len) {
        parts |= PART_PATH;
        *size += sizeof(struct span);
    }
    if (command->unknown_parameter.len) {
        parts |= PART_UNKNOWN;
        *size += sizeof(struct span);
    }
    return parts;
}

static void entry_write_parts(struct pending *entry, const struct smtpscope_command *command, const struct octet_origin *origin)
{
    char *to = (char *)(entry + 1);
    struct span span;

    if (entry->parts & PART_ORIGIN)
        to = part_write(to, origin, sizeof *origin);
    if (entry->parts & PART_PARAMETERS)
        to = part_write(to, &command->parameters, sizeof command->parameters);
    if (entry->parts & PART_SIZE)
        to = part_write(to, &command->declared_size, sizeof command->declared_size);
    if (entry->parts & PART_PATH) {
        span = span_of(&command->path, command->argument.at, entry->argument);
        to = part_write(to, &span, sizeof span);
    }
    if (entry->parts & PART_UNKNOWN) {
        span = span_of(&command->unknown_parameter, command->argument.at, entry->argument);
        to = part_write(to, &span, sizeof span);
    }
    if (!verb_has_name(entry->verb) && entry->name) {
        upper_case(memcpy(to, command->name.at, entry->name), entry->name);
        to += entry->name;
    }
    if (entry->argument)
        memcpy(to, command->argument.at, entry->argument);
}

/* A new entry, in its place; `argument`: as much of the command's as is kept. NULL: out of memory. */
static struct pending *entry_add(struct smtpscope_session *session, const struct smtpscope_command *command, size_t argument)
{
    struct octet_origin origin = {
        .offset = command->offset, .acked = command->acked, .packet = command->packet, .time = command->time};
    size_t size = sizeof(struct pending) + (verb_has_name(command->verb) ? 0 : command->name.len) + argument;
    unsigned parts = parts_of(command, &size);
    struct pending *entry;

    if (!origin_is_shared(session->queue, &origin)) {
        parts |= PART_ORIGIN;
        size += sizeof origin;
    }
    size = (size + STEP - 1) / STEP * STEP;
    if (!queue_reserve(session, (uint32_t)size))
        return NULL;
    if (!session->queue->count)
        session->queue->origin = origin;
    entry = queue_insert(session->queue, command->offset, (uint32_t)size);
    *entry = (struct pending){
        .offset = parts & PART_ORIGIN ? 0 : (uint32_t)(origin.offset - session->queue->origin.offset),
        .len = command->len,
        .oddities = command->oddities,
        .argument = (uint16_t)argument,
        .size = (uint16_t)size,
        .name = (uint8_t)command->name.len,
        .verb = (uint8_t)command->verb,
        .circumstances = command->circumstances,
        .parts = (uint8_t)parts,
        .has_size = command->has_size,
        .is_last = command->last,
        .eight_bit = command->eight_bit,
    };
    entry_write_parts(entry, command, &origin);
    return entry;
}

/* The command is not kept: a place that takes its reply stands for it, and for all that follow until there is room again. */
static struct pending *push_failed(struct smtpscope_session *session, const struct smtpscope_command *command)
{
    struct smtpscope_command lost = {.verb = SMTPSCOPE_VERB_NONE,
                                     .circumstances = SMTPSCOPE_COMMAND_LOST,
                                     .offset = command->offset,
                                     .len = command->len,
                                     .acked = command->acked,
                                     .time = command->time,
                                     .packet = command->packet};

    session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
    if (!session->queue || !is_lost(entry_last(session)))
        entry_add(session, &lost, 0);
    fact_tell(session,
              &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_OVERFLOW, .time = command->time, .packet = command->packet});
    return NULL;
}

struct pending *queue_push(struct smtpscope_session *session, const struct smtpscope_command *command)
{
    size_t argument = command->argument.len < SMTPSCOPE_ARGUMENT_MAX ? command->argument.len : SMTPSCOPE_ARGUMENT_MAX;
    uint32_t octets = (uint32_t)(command->name.len + argument);
    const struct queue *queue = session->queue;
    uint8_t previous = queue               ? entry_last(session)->verb
                       : session->was_held ? extra_of(session)->held_behind
                                           : SMTPSCOPE_VERB_NONE;
    struct pending *entry;

    if ((queue && (queue->count >= PENDING_MAX || queue->octets + octets > PENDING_OCTETS_MAX)) ||
        !(entry = entry_add(session, command, argument)))
        return push_failed(session, command);
    entry->behind = (uint16_t)(session->queue->count - 1);
    entry->previous = previous;
    session->queue->octets = (session->queue->octets + octets) & PENDING_OCTETS_MAX;
    return entry;
}

void queue_pop(struct smtpscope_session *session)
{
    struct queue *queue = session->queue;
    const struct pending *entry = entry_at(queue, queue->begin);

    if (!--queue->count) {
        queue_free(session);
        return;
    }
    queue->octets = (queue->octets - (uint32_t)entry->name - entry->argument) & PENDING_OCTETS_MAX;
    queue->begin += entry->size;
}

void queue_pass(struct smtpscope_session *session)
{
    queue_pop(session);
    for (struct pending *entry = queue_first(session); entry; entry = pending_next(session->queue, entry)) {
        if (entry->behind)
            entry->behind--;
        if (!entry->behind)
            entry->previous = SMTPSCOPE_VERB_NONE;
    }
}

void queue_free(struct smtpscope_session *session)
{
    memory_free(session->config->allocator, session->queue);
    session->queue = NULL;
}

void queue_mark_maybe(struct smtpscope_session *session)
{
    for (struct pending *entry = queue_first(session); entry; entry = pending_next(session->queue, entry))
        session->queue->maybe_answered = entry->maybe_answered = true;
}

static void origin_clock_stepped(struct octet_origin *origin, smtpscope_time delta)
{
    if (origin->time) /* else it is not known */
        origin->time += delta;
}

void queue_clock_stepped(struct queue *queue, smtpscope_time delta)
{
    struct octet_origin origin;

    origin_clock_stepped(&queue->origin, delta);
    for (struct pending *entry = entry_at(queue, queue->begin); entry; entry = pending_next(queue, entry)) {
        if (!(entry->parts & PART_ORIGIN))
            continue;
        part_read((const char *)(entry + 1), &origin, sizeof origin);
        origin_clock_stepped(&origin, delta);
        part_write((char *)(entry + 1), &origin, sizeof origin);
    }
}

void queue_answered(struct smtpscope_session *session)
{
    struct queue *queue = session->queue;

    if (!queue || !queue->maybe_answered)
        return;
    for (struct pending *entry = entry_at(queue, queue->begin); entry; entry = pending_next(queue, entry))
        entry->maybe_answered = false;
    queue->maybe_answered = false;
}
