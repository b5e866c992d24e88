/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/keys/key_log.h"

#include "app/process/warn_user.h"
#include "base/entrusted.h"
#include "base/gettext.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- one file */

static bool file_open(struct key_file *file, int folder, const char *name, struct smtpscope_keys *keys)
{
    struct stat status;

    file->at = 0;
    file->fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0)
        return false;
    file->lines = smtpscope_keylog_new(keys);
    if (file->lines && entrusted_to_all(file->fd))
        errno = EPERM;
    else if (file->lines && !fstat(file->fd, &status)) {
        file->device = status.st_dev;
        file->inode = status.st_ino;
        return true;
    }
    errno = file->lines ? errno : ENOMEM;
    smtpscope_keylog_free(file->lines);
    close(file->fd);
    file->fd = -1;
    return false;
}

static void file_close(struct key_file *file)
{
    if (file->fd < 0)
        return;
    smtpscope_keylog_end(file->lines);
    smtpscope_keylog_free(file->lines);
    close(file->fd);
    file->fd = -1;
}

/* Up to its end of now. false: it cannot be read. */
static bool file_read(struct key_file *file)
{
    uint8_t octets[16384];
    ssize_t got;

    while ((got = read(file->fd, octets, sizeof octets)) > 0) {
        smtpscope_keylog_read(file->lines, octets, (size_t)got);
        file->at += got;
    }
    explicit_bzero(octets, sizeof octets);
    return got == 0;
}

/* It was cut off, as by logrotate's copytruncate: it begins anew. */
static void file_rewind_if_cut(struct key_file *file)
{
    struct stat status;

    if (fstat(file->fd, &status) || status.st_size >= file->at || lseek(file->fd, 0, SEEK_SET))
        return;
    smtpscope_keylog_end(file->lines);
    file->at = 0;
}

static void file_follow(struct key_file *file)
{
    if (file->fd < 0)
        return;
    file_rewind_if_cut(file);
    file_read(file);
}

/* --- what is said of it */

/* Whoever reads the log reads the mail. */
static void warn_of_readers(const char *path, int fd)
{
    struct stat status;

    if (!fstat(fd, &status) && status.st_mode & S_IROTH)
        warn_user(_("%s: everybody on this machine can read these keys; chmod o-r helps"), path);
}

static void warn_of_error(const char *path)
{
    if (errno == EPERM)
        warn_user(_("%s: anybody on this machine can write it, so it is not read; chmod o-w helps"), path);
    else
        warn_user("%s: %s", path, errno == ENOMEM ? _("out of memory") : strerror(errno));
}

/* --- read once */

bool key_log_read(const char *path, struct smtpscope_keys *keys)
{
    struct smtpscope_keys_stats before, after;
    struct key_file file;
    bool right;

    smtpscope_keys_stats(keys, &before);
    if (!file_open(&file, AT_FDCWD, path, keys)) {
        warn_of_error(path);
        return false;
    }
    right = file_read(&file);
    if (right)
        warn_of_readers(path, file.fd);
    else
        warn_of_error(path);
    file_close(&file);
    smtpscope_keys_stats(keys, &after);
    if (right && after.secrets == before.secrets)
        warn_user(_("%s: no secret that opens a session, in the format of SSLKEYLOGFILE"), path);
    return right;
}

/* --- followed */

static int folder_open(const char *path, const char *name)
{
    char folder[4096];
    size_t len = (size_t)(name - path);

    if (!len)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (len >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool key_log_open(struct key_log *log, const char *path, struct smtpscope_keys *keys)
{
    const char *slash = strrchr(path, '/');

    *log = (struct key_log){.path = path, .name = slash ? slash + 1 : path, .keys = keys, .file.fd = -1, .before.fd = -1};
    log->folder = folder_open(path, log->name);
    if (log->folder >= 0 && file_open(&log->file, log->folder, log->name, keys)) {
        warn_of_readers(path, log->file.fd);
        if (file_read(&log->file))
            return true;
    } else if (log->folder >= 0 && errno == ENOENT) {
        warn_user(_("%s: is not there yet, and is waited for"), path);
        return true;
    }
    warn_of_error(path);
    key_log_close(log);
    return false;
}

static bool is_another(const struct key_log *log, const struct stat *status)
{
    return log->file.fd < 0 || status->st_ino != log->file.inode || status->st_dev != log->file.device;
}

/* Another file has the name: what the one before still gets is read, too, until it is replaced in its turn. */
static void log_reopen(struct key_log *log)
{
    struct key_file file;

    if (!file_open(&file, log->folder, log->name, log->keys)) {
        if (!log->told && errno != ENOENT)
            warn_of_error(log->path);
        log->told |= errno != ENOENT;
        return;
    }
    log->told = false;
    file_close(&log->before);
    log->before = log->file;
    log->file = file;
    warn_of_readers(log->path, file.fd);
}

void key_log_follow(struct key_log *log)
{
    struct stat status;

    if (!fstatat(log->folder, log->name, &status, 0) && is_another(log, &status))
        log_reopen(log);
    file_follow(&log->before);
    file_follow(&log->file);
}

void key_log_close(struct key_log *log)
{
    file_close(&log->file);
    file_close(&log->before);
    if (log->folder >= 0)
        close(log->folder);
    log->folder = -1;
}
