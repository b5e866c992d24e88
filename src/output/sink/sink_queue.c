/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/sink/sink_queue.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT sizeof(struct queued_line)
/* An entry's size is 32 bits. */
#define SIZE_LARGEST ((size_t)1 << 30)

/* In front of each line. The size is a multiple of its own, so that at the ring's end there is room for one or for nothing. */
struct queued_line {
    int64_t time;
    uint32_t size; /* with this head */
    uint32_t len;  /* of the text with its LF; 0: nothing but the way to the ring's beginning */
    uint8_t severity, kind_len;
    bool reopen;
};

bool sink_queue_init(struct sink_queue *queue, size_t size)
{
    size = size < SIZE_LARGEST ? size : SIZE_LARGEST;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *queue = (struct sink_queue){.at = malloc(size), .size = size};
    if (queue->at)
        memset(queue->at, 0, size); /* so that what the program takes is known at the start, not when a reader is first slow */
    return queue->at != NULL;
}

void sink_queue_fini(struct sink_queue *queue)
{
    free(queue->at);
}

static size_t queue_left(const struct sink_queue *queue)
{
    return queue->size - (size_t)(queue->tail - queue->head);
}

static struct queued_line *queue_entry(const struct sink_queue *queue, uint64_t position)
{
    return (void *)(queue->at + position % queue->size);
}

/* Whether `size` octets in one piece fit; the way there, past the ring's end, is laid. */
static bool queue_reserve(struct sink_queue *queue, size_t size)
{
    size_t to_end = queue->size - (size_t)(queue->tail % queue->size);

    /* Nobody reads: it begins anew. A long line has all of it; short ones do not use it all up. */
    if (queue->head == queue->tail) {
        queue->head = queue->tail += to_end % queue->size;
        return size <= queue->size;
    }
    if (size <= to_end)
        return size <= queue_left(queue);
    if (queue_left(queue) < to_end || size > queue_left(queue) - to_end)
        return false;
    *queue_entry(queue, queue->tail) = (struct queued_line){.size = (uint32_t)to_end};
    queue->tail += to_end;
    return true;
}

bool sink_queue_put(struct sink_queue *queue, const struct sink_line *line)
{
    size_t kind_len = line->kind.len < SINK_KIND_MAX ? line->kind.len : SINK_KIND_MAX;
    struct queued_line *entry;
    char *at;
    size_t size;

    if (line->text.len >= queue->size || line->text.len >= UINT32_MAX / 2)
        return false;
    size = (sizeof *entry + kind_len + line->text.len + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!queue_reserve(queue, size))
        return false;
    entry = queue_entry(queue, queue->tail);
    *entry = (struct queued_line){.time = line->time,
                                  .size = (uint32_t)size,
                                  .len = (uint32_t)line->text.len + 1,
                                  .severity = (uint8_t)line->severity,
                                  .kind_len = (uint8_t)kind_len,
                                  .reopen = line->reopen};
    at = (char *)(entry + 1);
    if (kind_len)
        memcpy(at, line->kind.at, kind_len);
    if (line->text.len)
        memcpy(at + kind_len, line->text.at, line->text.len);
    at[kind_len + line->text.len] = '\n';
    queue->tail += size;
    queue->lines++;
    if (queue->tail - queue->head > queue->max)
        queue->max = (size_t)(queue->tail - queue->head);
    return true;
}

void sink_queue_read(const struct sink_queue *queue, uint64_t *position, struct sink_line *line)
{
    const struct queued_line *entry = queue_entry(queue, *position);
    const char *at;

    if (!entry->len) {
        *position += entry->size;
        entry = queue_entry(queue, *position);
    }
    at = (const char *)(entry + 1);
    *line = (struct sink_line){.severity = entry->severity,
                               .reopen = entry->reopen,
                               .time = entry->time,
                               .kind = {at, entry->kind_len},
                               .text = {at + entry->kind_len, entry->len}};
    *position += entry->size;
}

void sink_queue_take(struct sink_queue *queue, uint64_t position, uint64_t lines)
{
    queue->head = position;
    queue->lines -= lines;
}
