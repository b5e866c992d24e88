/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file is read at once into bounded memory and judged as text before any line of it is looked at: a capture or a program
 * given by mistake is one line of complaint rather than thousands.
 */
#include "app/options/config.h"

#include "app/process/warn_user.h"
#include "base/entrusted.h"
#include "base/gettext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A thousand times the example that is installed. */
#define FILE_SIZE_MAX (1u << 20)
/* A path has at most 4096 octets. */
#define LINE_MAX_LEN 8192u
/* After so many errors the kind of mistake is clear. */
#define ERRORS_MAX 20u

#define BLANKS " \t\r"

struct config_text {
    char *at; /* terminated */
    size_t len;
};

static bool read_octets(int fd, struct config_text *text)
{
    ssize_t got = 1;

    while (got && text->len <= FILE_SIZE_MAX) {
        got = read(fd, text->at + text->len, FILE_SIZE_MAX + 1 - text->len);
        if (got < 0 && errno != EINTR)
            return false;
        text->len += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool read_file(const char *path, struct config_text *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool done = false;

    text->at = malloc(FILE_SIZE_MAX + 2);
    if (!text->at)
        warn_user(_("out of memory"));
    else if (fd >= 0 && entrusted_to_all(fd))
        warn_user(_("%s: anybody on this machine can write it, so it is not read; chmod o-w helps"), path);
    else if (fd < 0 || !read_octets(fd, text))
        warn_user("%s: %s", path, strerror(errno));
    else if (text->len > FILE_SIZE_MAX)
        warn_user(_("%s: larger than a configuration can be (1 MiB)"), path);
    else
        done = true;
    if (fd >= 0)
        close(fd);
    if (done)
        text->at[text->len] = '\0';
    return done;
}

/* Neither control characters nor lines without an end. */
static bool is_text(const char *path, const struct config_text *text)
{
    unsigned line = 1;
    size_t begin = 0;

    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->at[i];

        if (c == '\n') {
            line++;
            begin = i + 1;
        } else if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f) {
            warn_user(_("%s:%u: this is no text: an octet 0x%02x; is it the right file?"), path, line, c);
            return false;
        } else if (i - begin >= LINE_MAX_LEN) {
            warn_user(_("%s:%u: a line of more than %u octets; is it the right file?"), path, line, LINE_MAX_LEN);
            return false;
        }
    }
    return true;
}

/* Cuts the blanks off both ends. */
static char *trim(char *text)
{
    char *end;

    text += strspn(text, BLANKS);
    end = text + strlen(text);
    while (end > text && strchr(BLANKS, end[-1]))
        end--;
    *end = '\0';
    return text;
}

/* A comment begins with a # at the beginning or behind a blank: others belong to the value. */
static void cut_comment(char *line)
{
    for (char *at = strchr(line, '#'); at; at = strchr(at + 1, '#')) {
        if (at == line || strchr(BLANKS, at[-1])) {
            *at = '\0';
            return;
        }
    }
}

static bool take_line(const char *path, unsigned number, char *line, const struct config_reader *reader)
{
    char *value, *name;

    cut_comment(line);
    name = trim(line);
    if (!*name)
        return true;
    value = strchr(name, '=');
    if (!value) {
        warn_user(_("%s:%u: %s: no value; write name = value"), path, number, name);
        return false;
    }
    if (value == name) {
        warn_user(_("%s:%u: no name before the =; write name = value"), path, number);
        return false;
    }
    *value = '\0';
    return reader->entry(reader->ctx, number, trim(name), trim(value + 1));
}

static bool take_lines(const char *path, char *at, const struct config_reader *reader)
{
    unsigned errors = 0;
    char *end;

    if (!strncmp(at, "\xef\xbb\xbf", 3)) /* a byte order mark */
        at += 3;
    for (unsigned number = 1; at; number++) {
        end = strchr(at, '\n');
        if (end)
            *end = '\0';
        errors += !take_line(path, number, at, reader);
        if (errors >= ERRORS_MAX && end && end[1]) {
            warn_user(_("%s: the rest is not looked at after %u errors"), path, errors);
            break;
        }
        at = end ? end + 1 : NULL;
    }
    return !errors;
}

bool config_read(const char *path, const struct config_reader *reader)
{
    struct config_text text = {0};
    bool right = read_file(path, &text) && is_text(path, &text) && take_lines(path, text.at, reader);

    free(text.at);
    return right;
}
