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

static void frames_read(struct savefile *file)
{
    struct frame frame;
    uint64_t number = 0;
    int more = 1;

    while (number < FRAMES_MAX && (more = savefile_next(file, &frame)) > 0) {
        assert(frame.number == ++number && (frame.caplen == 0 || frame.data != NULL));
        for (uint32_t i = 0; i < frame.caplen; i++)
            touched += frame.data[i];
    }
    if (more > 0)
        return;
    assert((more < 0) == (savefile_error(file)[0] != '\0'));
    assert(savefile_next(file, &frame) == more); /* and it stays so */
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
