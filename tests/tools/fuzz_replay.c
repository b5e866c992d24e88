/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fuzz target's main() where there is no libFuzzer: runs it over the files of a folder, and over seeded mutations of them,
 * always the same. Finds less than libFuzzer does, but every build of the tests runs it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX 65536u  /* libFuzzer's habit is 4096; a message may be longer */
#define MUTANTS_EACH 400u /* keeps a target under a second or two with the sanitizers */
#define MUTANTS_OF_NOTHING 2000u

static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* xorshift64: any sequence will do, as long as it is the same each time. */
static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t end)
{
    return end == 0 ? 0 : (size_t)(random_next() % end);
}

/* A copy on the heap of exactly this size, so that the sanitizer sees one octet too far. */
static void input_run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    if (size > 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* One small change; returns the new size. `data` has room for INPUT_MAX. */
static size_t input_mutate(uint8_t *data, size_t size)
{
    static const uint8_t telling[] = {0, 1, '\n', '\r', '.', ' ', '-', '2', '3', '4', '5', 0x7f, 0x80, 0xff};
    size_t at = random_below(size), len = random_below(size - at) % 64;
    switch (random_next() % 6) {
    case 0: /* another octet */
        if (size > 0)
            data[at] = (uint8_t)random_next();
        return size;
    case 1: /* an octet that means something */
        if (size > 0)
            data[at] = telling[random_below(sizeof telling)];
        return size;
    case 2: /* fewer */ memmove(data + at, data + at + len, size - at - len); return size - len;
    case 3: /* a part twice */
        if (size + len > INPUT_MAX)
            return size;
        memmove(data + at + len, data + at, size - at);
        return size + len;
    case 4: /* cut off */ return at;
    default: /* one more */
        if (size == INPUT_MAX)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = telling[random_below(sizeof telling)];
        return size + 1;
    }
}

static void mutants_run(const uint8_t *seed, size_t size, unsigned count)
{
    static uint8_t mutant[INPUT_MAX];
    for (unsigned i = 0; i < count; i++) {
        size_t len = size;
        memcpy(mutant, seed, size);
        for (size_t changes = 1 + random_below(8); changes > 0; changes--)
            len = input_mutate(mutant, len);
        input_run(mutant, len);
    }
}

static void file_run(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    input_run(data, size);
    mutants_run(data, size, MUTANTS_EACH);
}

static unsigned folder_run(const char *folder)
{
    unsigned files = 0;
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (entries[i]->d_name[0] != '.' &&
            snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path) {
            file_run(path);
            files++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return files;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    input_run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        files += folder_run(argv[i]);
    mutants_run((const uint8_t *)"", 0, MUTANTS_OF_NOTHING);
    printf("%u files, %u mutants each\n", files, MUTANTS_EACH);
    return 0;
}
