/* SPDX-License-Identifier: BSD-2-Clause */
/* What every file of a sink does to its state: counters, closing what is open, the end. Calls none of the others but the queue. */
#include "output/sink/sink_private.h"

#include <stdlib.h>
#include <unistd.h>

void sink_count(struct sink *sink, uint64_t *counter, uint64_t by)
{
    pthread_mutex_lock(&sink->lock);
    *counter += by;
    pthread_mutex_unlock(&sink->lock);
}

void sink_connected(struct sink *sink, bool is)
{
    pthread_mutex_lock(&sink->lock);
    sink->stats.connected = is;
    pthread_mutex_unlock(&sink->lock);
}

void sink_disconnect(struct sink *sink)
{
    if (sink->fd >= 0 && !sink->standard)
        close(sink->fd);
    sink->fd = -1;
    sink->connecting = false;
    sink->unconfirmed = 0;
}

void sink_free(struct sink *sink)
{
    sink_disconnect(sink);
    for (int i = 0; i < 2; i++)
        if (sink->wake[i] >= 0)
            close(sink->wake[i]);
    sink_queue_fini(&sink->queue);
    writer_fini(&sink->batch.octets);
    writer_fini(&sink->scratch);
    free(sink->address.path);
    free(sink->address.host);
    free(sink->address.port);
    free(sink->host_name);
    free(sink->spec);
    free(sink);
}
