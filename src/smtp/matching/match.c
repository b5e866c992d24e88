/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which waiting command a reply answers. While each line gets one reply it is the first that waits, and counting would do. But
 * a line may get no reply (a PROXY header, an empty line, what a server swallows), a reply may come unasked, and the capture may
 * lack octets of either side: then counting is a step off to the end of the session. So a reply is read in every way there is
 * (it answers the first command, or a later one and those before get no reply, or none at all), and each reading has a score:
 *
 *      how well the reply fits the command: an anchor (anchor.c) speaks for one command and against all others
 *      what the reading asks to be believed besides: a line without a reply, a reply without a line
 *      what followed: a server that answered the next command had answered this one; a client that went on had its answer
 *
 * What the server had not acknowledged it cannot have answered. Octets that the capture lacks cost nothing: the same mechanism
 * reads what comes behind a gap. Where two readings are near each other the reply is held until something follows
 * (undecided.c); where they still are, the better one is told as likely.
 *
 * The road not taken: delaying every pair until an anchor confirms it. Most replies of a healthy session are no anchors.
 */
#include "match.h"

enum score {
    /* How the reply fits, see enum fit. */
    SCORE_NO = -8,
    SCORE_ODD = -3,
    SCORE_MAY = 0,
    SCORE_NAMES = 3,
    /* A command that the capture lacks: before one that fits by its code alone, if the reply names another; else behind it. */
    SCORE_LOST_NAMED = 1,
    SCORE_LOST = -1,
    /* Where octets of replies are missing, at least one reply is: the first command is the last choice among equals. */
    SCORE_BEHIND_GAP = -1,
    /* What a reading asks to be believed. */
    SCORE_UNASKED = -5,     /* a reply without a command */
    SCORE_SECOND = 3,       /* it says that it answers what was answered last, by a reply that did not say so */
    SCORE_SILENCE = -4,     /* a command without a reply */
    SCORE_UNHEARD = -1,     /* a line that is no command without a reply: some servers pass over those */
    SCORE_LOCK_STEP = 6,    /* the client went on, which asks for an answer to all it had sent */
    SCORE_END_UNASKED = -9, /* nothing came behind a reply that would have been unasked, and a command waits */
};
/* A reading that is so much better than the next needs no further proof. */
#define CLEAR 3
/* So much silence is no explanation. */
#define SILENCE_MAX 12
/* In so many commands the reply's text is looked for. */
#define REPEATS_MAX 16

static bool is_lost(const struct pending *entry)
{
    return entry->circumstances & SMTPSCOPE_COMMAND_LOST;
}

static bool is_no_command(const struct pending *entry)
{
    return entry->verb == SMTPSCOPE_VERB_RAW || entry->verb == SMTPSCOPE_VERB_UNKNOWN;
}

/* Had the server received the command when it sent the reply? */
static bool was_received(const struct queue *queue, const struct pending *entry, uint64_t acked)
{
    return pending_offset(queue, entry) + entry->len <= acked;
}

/* The next entry that the server had received; of lost commands in a row the last, for they are one loss. NULL: none. */
static struct pending *next_received(struct queue *queue, struct pending *entry, uint64_t acked)
{
    struct pending *next = pending_next(queue, entry);

    return next && was_received(queue, next, acked) ? next : NULL;
}

/* A reply, and what it says by itself. */
struct pair_reading {
    struct queue *queue;
    const struct smtpscope_reply *reply;
    struct anchor anchor;
    uint64_t acked;
};

static enum fit fit_of(const struct pair_reading *reading, const struct pending *entry, size_t index)
{
    enum fit fit = fit_of_verb((enum smtpscope_verb)entry->verb, reading->reply, &reading->anchor);
    struct smtpscope_command command;

    if (fit != FIT_MAY || index >= REPEATS_MAX)
        return fit;
    pending_read(reading->queue, entry, &command);
    return reply_repeats(reading->reply, &command) ? FIT_NAMES : fit;
}

static int score_of(const struct pair_reading *reading, const struct pending *entry, size_t index)
{
    static const int scores[] = {[FIT_NO] = SCORE_NO, [FIT_ODD] = SCORE_ODD, [FIT_MAY] = SCORE_MAY, [FIT_NAMES] = SCORE_NAMES};

    if (is_lost(entry))
        return reading->anchor.verbs && !entry->answered_as_lost ? SCORE_LOST_NAMED : SCORE_LOST;
    return scores[fit_of(reading, entry, index)] + (!index && entry->maybe_answered ? SCORE_BEHIND_GAP : 0);
}

/* What it takes to believe that the entry gets no reply. */
static int score_of_silence(const struct pending *entry)
{
    if (is_lost(entry) || entry->maybe_answered || entry->silent)
        return 0;
    return is_no_command(entry) ? SCORE_UNHEARD : SCORE_SILENCE;
}

/* The best score that a later reply can have when it may answer `entry` or what is behind it. */
static int score_of_next(const struct pair_reading *next, struct pending *entry)
{
    int best = SCORE_UNASKED, silence = 0;
    size_t index = 1;

    if (entry && !was_received(next->queue, entry, next->acked))
        return best;
    for (; entry && silence > -SILENCE_MAX; entry = next_received(next->queue, entry, next->acked)) {
        int score = score_of(next, entry, index++) + silence;

        best = score > best ? score : best;
        silence += score_of_silence(entry);
    }
    return best;
}

static bool offers_pipelining(const struct smtpscope_session *session)
{
    return session->state.extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPELINING);
}

/* May the client send this before what it sent last is answered (RFC 2920 3.1)? */
static bool may_be_sent_behind(const struct smtpscope_session *session, const struct pending *entry)
{
    return offers_pipelining(session) && !smtpscope_verb_ends_group((enum smtpscope_verb)entry->previous);
}

/* May it go on while this, and what is behind it, is not answered? */
static bool may_go_on(const struct smtpscope_session *session, struct pending *entry)
{
    for (; entry; entry = pending_next(session->queue, entry))
        if (!offers_pipelining(session) || smtpscope_verb_ends_group((enum smtpscope_verb)entry->verb))
            return false;
    return true;
}

/* What followed, when the reply answered the entry before `behind`; `behind` NULL: the last one. */
static int score_of_aftermath(const struct smtpscope_session *session, const struct reply_evidence *evidence,
                              const struct pair_reading *next, struct pending *behind)
{
    switch (evidence->aftermath) {
    case AFTERMATH_REPLY: return score_of_next(next, behind);
    case AFTERMATH_CLIENT: return may_go_on(session, behind) ? SCORE_LOCK_STEP : 0;
    case AFTERMATH_UNKNOWN:
    case AFTERMATH_END: break;
    }
    return 0;
}

/* The readings so far: the best, and how near the next one is. */
struct choice {
    struct pending *entry;
    int score, next_score;
};

static void choice_offer(struct choice *choice, struct pending *entry, int score)
{
    if (score > choice->score) {
        choice->next_score = choice->score;
        choice->score = score;
        choice->entry = entry;
    } else if (score > choice->next_score) {
        choice->next_score = score;
    }
}

/* Offers each waiting command that the reply may answer. */
static void choose(struct choice *choice, const struct smtpscope_session *session, const struct reply_evidence *evidence,
                   const struct pair_reading *reading, const struct pair_reading *next, struct pending *first)
{
    int silence = 0;
    size_t index = 0;
    struct pending *behind;

    for (struct pending *entry = first; entry && silence > -SILENCE_MAX; entry = behind) {
        behind = next_received(reading->queue, entry, reading->acked);
        if (!(is_lost(entry) && behind && is_lost(behind))) /* two losses in a row are one */
            choice_offer(choice, entry,
                         score_of(reading, entry, index) + silence + score_of_aftermath(session, evidence, next, behind));
        silence += score_of_silence(entry);
        if (reading->queue->maybe_answered && !entry->maybe_answered && index)
            break; /* sent behind the gap: its reply is not lost */
        index++;
    }
}

/* Is it open what the reply answers, until something follows? */
static bool is_open(const struct smtpscope_session *session, const struct pair_reading *reading, const struct choice *choice,
                    struct pending *first)
{
    struct pending *behind = next_received(reading->queue, first, reading->acked);

    if (session->state.doubt || session->closing || reading->queue->maybe_answered || is_lost(first))
        return false;
    if (choice->score <= SCORE_UNASKED || choice->score - choice->next_score < CLEAR)
        return true;
    return choice->entry == first && choice->score < SCORE_NAMES && behind && !may_be_sent_behind(session, behind);
}

/* What it takes to believe that the reply answers nothing that waits. */
static int score_of_unasked(const struct smtpscope_session *session, const struct reply_evidence *evidence,
                            const struct pair_reading *reading)
{
    if (evidence->aftermath == AFTERMATH_END)
        return SCORE_END_UNASKED;
    return SCORE_UNASKED + (!session->last_named && reading->anchor.verbs >> session->last_verb & 1 ? SCORE_SECOND : 0);
}

/* Most replies: the first command waits for such a one, and nothing speaks for another. */
static enum fit fit_plainly(const struct smtpscope_session *session, const struct reply_evidence *evidence)
{
    struct pending *first = queue_first(session);
    enum fit fit;

    if (session->queue->maybe_answered || is_lost(first) || session->unsure || evidence->aftermath != AFTERMATH_UNKNOWN)
        return FIT_NO;
    fit = fit_at_once((enum smtpscope_verb)first->verb, evidence->reply);
    return fit == FIT_MAY && session->queue->count > 1 ? FIT_NO : fit;
}

/* Weighs all that waits. */
static struct reply_match match_by_score(const struct smtpscope_session *session, const struct reply_evidence *evidence,
                                         struct pending *first)
{
    struct pair_reading reading = {session->queue, evidence->reply, {0, SMTPSCOPE_VERB_NONE}, evidence->acked};
    struct pair_reading next = {session->queue, evidence->next, {0, SMTPSCOPE_VERB_NONE}, evidence->next_acked};
    struct choice choice = {NULL, SCORE_NO * 4, SCORE_NO * 4};
    struct reply_match match = {0};

    reading.anchor = anchor_of(evidence->reply);
    if (evidence->aftermath == AFTERMATH_REPLY)
        next.anchor = anchor_of(evidence->next);
    choose(&choice, session, evidence, &reading, &next, first);
    choice_offer(&choice, NULL,
                 score_of_unasked(session, evidence, &reading) + score_of_aftermath(session, evidence, &next, first));
    match.entry = choice.entry;
    match.fit = !choice.entry || is_lost(choice.entry) ? FIT_NO : fit_of(&reading, choice.entry, 0);
    match.open = evidence->aftermath == AFTERMATH_UNKNOWN && is_open(session, &reading, &choice, first);
    match.likely = (choice.entry != first && choice.score - choice.next_score < CLEAR) ||
                   (evidence->aftermath == AFTERMATH_END && next_received(session->queue, first, evidence->acked) &&
                    is_open(session, &reading, &choice, first));
    return match;
}

struct reply_match match_reply(const struct smtpscope_session *session, const struct reply_evidence *evidence)
{
    struct pending *first = queue_first(session);
    enum fit fit;

    if (!was_received(session->queue, first, evidence->acked) && !first->maybe_answered && !is_lost(first))
        return (struct reply_match){0};
    fit = fit_plainly(session, evidence);
    return fit != FIT_NO ? (struct reply_match){.entry = first, .fit = fit} : match_by_score(session, evidence, first);
}
