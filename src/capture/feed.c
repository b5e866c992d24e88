/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/feed.h"

#include "base/gettext.h"

#include <assert.h>
#include <string.h>

void feed_init(struct feed *feed, struct input *input, const char *cut)
{
    feed->input = input;
    feed->batch = NULL;
    feed->cut = cut;
    feed->error = "";
    feed->at = feed->len = feed->kept_len = 0;
}

void feed_start(struct feed *feed, struct batch *batch)
{
    batch->count = 0;
    memcpy(batch->block, feed->kept, feed->kept_len);
    feed->batch = batch;
    feed->at = 0;
    feed->len = feed->kept_len;
}

/* More than a block is read only for one record that is larger, and then no more than it. */
void feed_stop(struct feed *feed)
{
    feed->kept_len = feed->len - feed->at;
    assert(feed->kept_len <= sizeof feed->kept);
    memcpy(feed->kept, feed_at(feed), feed->kept_len);
    feed->batch = NULL;
}

static enum feed_state feed_fail(struct feed *feed, const char *error)
{
    feed->error = error;
    feed->at = feed->len;
    return FEED_FAILED;
}

enum feed_state feed_read(struct feed *feed, size_t want)
{
    struct batch *batch = feed->batch;
    size_t limit = want > BATCH_BLOCK ? want : BATCH_BLOCK;
    if (batch->count > 0)
        return FEED_FULL;
    if (!batch_reserve(batch, limit))
        return feed_fail(feed, _("out of memory"));
    memmove(batch->block, feed_at(feed), feed->len - feed->at);
    feed->len -= feed->at;
    feed->at = 0;
    while (feed->len < want) {
        ssize_t got = input_read(feed->input, batch->block + feed->len, limit - feed->len);
        if (got < 0)
            return feed_fail(feed, input_error(feed->input));
        if (got == 0)
            return feed->len == 0 ? FEED_END : feed_fail(feed, feed->cut);
        feed->len += (size_t)got;
    }
    return FEED_READY;
}
