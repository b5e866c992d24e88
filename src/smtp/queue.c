/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that wait for their replies: one queue a session, in the order of the client's stream. A reply answers the
 * first entry, and that is all there is to it while the capture is whole. When octets are missing, a reply may belong to a
 * later command, or to one that was lost; then the reply itself (354, 2.1.0, 221 ...) and the server's acknowledgement
 * decide: what the server had not received it cannot have answered.
 */
#include "session_private.h"

#include "base/memory.h"

/* Copies the text to where it is kept; returns the end of the copy. */
static char *text_move(struct smtpscope_text *text, char *to)
{
    if (text->len)
        memcpy(to, text->at, text->len);
    text->at = to;
    return to + text->len;
}

/* Points `inner`, a part of `outer` as it was, into `outer` as it is now. */
static void text_rebase(struct smtpscope_text *inner, const char *old, const struct smtpscope_text *outer)
{
    if (inner->len && inner->at >= old && inner->at + inner->len <= old + outer->len)
        inner->at = outer->at + (inner->at - old);
    else
        *inner = (struct smtpscope_text){ "", 0 };
}

static void upper_case(char *at, size_t len)
{
    for (; len; at++, len--)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
}

static void queue_insert(struct smtpscope_session *session, struct pending *entry)
{
    struct pending *first = session->first, **at = &session->first;
    struct queue queue = first ? first->queue : (struct queue){ 0 };

    if (queue.last && queue.last->command.offset <= entry->command.offset)
        at = &queue.last->next;
    else
        while (*at && (*at)->command.offset <= entry->command.offset)
            at = &(*at)->next;
    entry->next = *at;
    *at = entry;
    if (!entry->next)
        queue.last = entry;
    queue.count++;
    queue.octets += entry->octets;
    session->first->queue = queue;
}

static bool is_lost(const struct pending *entry)
{
    return entry->command.circumstances & SMTPSCOPE_COMMAND_LOST;
}

static struct pending *entry_new(struct smtpscope_session *session, size_t text)
{
    return memory_resize(session->config->allocator, NULL, sizeof(struct pending) + text);
}

/* The command is not kept: a place that takes its reply stands for it, and for all that follow until there is room again. */
static struct pending *push_failed(struct smtpscope_session *session, const struct smtpscope_command *command)
{
    struct pending *entry = session->first && is_lost(session->first->queue.last) ? NULL : entry_new(session, 0);

    session->state.doubt |= SMTPSCOPE_DOUBT_ALL;
    fact_tell(session, &(struct smtpscope_fact){ .type = SMTPSCOPE_FACT_OVERFLOW, .time = command->time, .packet = command->packet });
    if (!entry)
        return NULL;
    *entry = (struct pending){ .command = { .verb = SMTPSCOPE_VERB_NONE, .circumstances = SMTPSCOPE_COMMAND_LOST,
                                            .offset = command->offset, .len = command->len, .acked = command->acked,
                                            .time = command->time, .packet = command->packet } };
    queue_insert(session, entry);
    return NULL;
}

/* The command's texts move into the entry. `argument`: as much of it as is kept. */
static void entry_fill(struct pending *entry, const struct smtpscope_command *command, size_t argument)
{
    struct smtpscope_command *copy = &entry->command;
    const char *old = command->argument.at;
    char *to = entry->text;

    *copy = *command;
    copy->argument.len = argument;
    if (copy->verb > SMTPSCOPE_VERB_ANSWER) {
        copy->name.at = smtpscope_verb_name(copy->verb); /* as sent, in upper case */
    } else {
        to = text_move(&copy->name, to);
        upper_case(entry->text, copy->name.len);
    }
    text_move(&copy->argument, to);
    text_rebase(&copy->path, old, &copy->argument);
    text_rebase(&copy->unknown_parameter, old, &copy->argument);
}

struct pending *queue_push(struct smtpscope_session *session, const struct smtpscope_command *command)
{
    size_t argument = command->argument.len < SMTPSCOPE_ARGUMENT_MAX ? command->argument.len : SMTPSCOPE_ARGUMENT_MAX;
    uint32_t size = (uint32_t)(command->name.len + argument);
    struct pending *entry, *first = session->first;

    if ((first && (first->queue.count >= PENDING_MAX || first->queue.octets + size > PENDING_OCTETS_MAX)) ||
        !(entry = entry_new(session, size)))
        return push_failed(session, command);
    entry_fill(entry, command, argument);
    entry->behind = first ? first->queue.count : 0;
    entry->previous = first ? first->queue.last->command.verb
                      : session->was_held ? (enum smtpscope_verb)rare_of(session)->held_behind : SMTPSCOPE_VERB_NONE;
    entry->octets = size;
    entry->absorbed = 0;
    entry->maybe_answered = false;
    queue_insert(session, entry);
    return entry;
}

void queue_pop(struct smtpscope_session *session)
{
    struct pending *entry = session->first, *next = entry->next;

    if (next) {
        next->queue = entry->queue;
        next->queue.count--;
        next->queue.octets -= entry->octets;
    }
    session->first = next;
    memory_free(session->config->allocator, entry);
}

void queue_free(struct smtpscope_session *session)
{
    while (session->first)
        queue_pop(session);
}

void queue_mark_maybe(struct smtpscope_session *session)
{
    for (struct pending *entry = session->first; entry; entry = entry->next)
        session->first->queue.maybe_answered = entry->maybe_answered = true;
}

/* Had the server received the command when it sent the reply? */
static bool was_received(const struct pending *entry, uint64_t acked)
{
    return entry->command.offset + entry->command.len <= acked;
}

/* Behind a lost command: does the reply answer the lost one, or the one after it? */
static struct pending *match_behind_lost(struct pending *lost, const struct smtpscope_reply *reply, uint64_t acked)
{
    struct pending *next = lost->next;

    if (!next || is_lost(next) || !was_received(next, acked))
        return lost;
    switch (reply_fits(next->command.verb, reply)) {
    case 2: return next;
    case 1: return lost->absorbed || reply_implies(reply) == SMTPSCOPE_VERB_NONE ? next : lost;
    }
    return lost;
}

/* Some of the first entries may have been answered by octets that were lost. */
static struct pending *match_behind_gap(struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked)
{
    struct pending *fallback = NULL;
    int head = reply_fits(session->first->command.verb, reply);

    /* At least one reply was lost, so the first entry is the last choice among equals. */
    for (struct pending *entry = session->first->next; entry && was_received(entry, acked); entry = entry->next) {
        int fits = reply_fits(entry->command.verb, reply);

        if (fits == 2)
            return entry;
        if (fits == 1 && !fallback)
            fallback = entry;
        if (!entry->maybe_answered)
            break;
    }
    if (head == 2 || !fallback)
        return session->first;
    return fallback;
}

struct pending *queue_match(struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked)
{
    struct pending *match = session->first;

    if (!match)
        return NULL;
    if (match->maybe_answered && match->next)
        match = match_behind_gap(session, reply, acked);
    /* Two losses in a row are one, once the server had received both. */
    while (is_lost(match) && match->next && is_lost(match->next) && was_received(match->next, acked))
        match = match->next;
    if (is_lost(match))
        match = match_behind_lost(match, reply, acked);
    while (session->first != match)
        queue_pop(session);
    if (!match->queue.maybe_answered)
        return match;
    for (struct pending *entry = match; entry; entry = entry->next)
        entry->maybe_answered = false;
    match->queue.maybe_answered = false;
    return match;
}
