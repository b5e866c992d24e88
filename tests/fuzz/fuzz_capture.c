/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture file of any content, as a user would open it: whatever it says of itself, frames are what they promise. */
#define _GNU_SOURCE /* memfd_create */
#include "capture/savefile.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Decompressed, a small file may be very long: so many frames are enough. */
#define FRAMES_MAX 20000u

static unsigned long touched;

static void frames_touch(const struct batch *batch, uint64_t *number)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct frame *frame = &batch->frames[i];
        assert(frame->number == ++*number && (frame->caplen == 0 || frame->data != NULL));
        for (uint32_t at = 0; at < frame->caplen; at++)
            touched += frame->data[at];
    }
}

/* Two batches in turn: the one stays whole while the other is filled. */
static void frames_read(struct savefile *file)
{
    struct batch *batches[2] = {batch_new(), batch_new()};
    uint64_t number = 0;
    int more = 1;

    for (unsigned turn = 0; number < FRAMES_MAX && more > 0; turn ^= 1) {
        more = savefile_batch(file, batches[turn]);
        assert((more > 0) == (batches[turn]->count > 0));
        frames_touch(batches[turn ^ 1], &number);
    }
    if (more <= 0) {
        assert((more < 0) == (savefile_error(file)[0] != '\0'));
        assert(savefile_batch(file, batches[0]) == more); /* and it stays so */
    }
    batch_free(batches[0]);
    batch_free(batches[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("capture", 0);
    char path[64], error[256] = "";
    struct savefile *file;
    smtpscope_time first;

    assert(fd >= 0);
    assert(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (savefile_open(&file, path, error, sizeof error) == 0) {
        if (size && data[size - 1] & 1)
            savefile_first_time(file, &first);
        frames_read(file);
        assert(savefile_octets(file) == size);
        savefile_close(file);
    } else {
        assert(error[0] != '\0' && strchr(error, '\n') == NULL);
    }
    close(fd);
    return 0;
}
