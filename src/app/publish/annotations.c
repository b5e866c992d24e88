/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/annotations.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"
#include "base/writer.h"
#include "capture/annotate.h"
#include "capture/savefile.h"
#include "output/text.h"
#include "smtpscope/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DETAIL_SIZE 1024
#define SUMMARY_COLUMNS 78
#define ERROR_SIZE 512
#define MODE 0640

struct annotation {
    uint64_t packet; /* of the whole run */
    uint64_t order;  /* as they came */
    size_t at;       /* of its text, terminated */
};

struct annotations {
    const char *path;
    FILE *out;
    struct writer texts;
    struct annotation *items;
    size_t count, room;
    uint64_t before; /* packets of the run before the capture that is being written */
    bool short_of_memory;
};

/* --- opening and closing */

static bool is_capture(int fd, const char *const *captures, size_t count)
{
    struct stat own, capture;

    for (size_t i = 0; i < count; i++)
        if (!fstat(fd, &own) && !savefile_stat(captures[i], &capture) && own.st_dev == capture.st_dev &&
            own.st_ino == capture.st_ino)
            return true;
    return false;
}

static bool annotations_create(struct annotations *annotations, const char *const *captures, size_t count)
{
    int fd = open(annotations->path, O_WRONLY | O_CREAT | O_CLOEXEC, MODE);

    if (fd < 0) {
        warn_user("--annotate %s: %s", annotations->path, strerror(errno));
        return false;
    }
    if (is_capture(fd, captures, count))
        warn_user("--annotate %s: %s", annotations->path, _("is one of the captures that are read"));
    else if (!ftruncate(fd, 0) || errno == EINVAL) /* a pipe has no length */
        annotations->out = fdopen(fd, "w");
    if (!annotations->out)
        close(fd);
    return annotations->out;
}

struct annotations *annotations_open(const char *path, const char *const *captures, size_t capture_count)
{
    struct annotations *annotations = calloc(1, sizeof *annotations);

    if (!annotations) {
        warn_user(_("out of memory"));
        return NULL;
    }
    annotations->path = path;
    for (size_t i = 0; i < capture_count; i++) {
        struct stat status;

        if (savefile_stat(captures[i], &status) || S_ISREG(status.st_mode))
            continue;
        warn_user(_("--annotate: %s cannot be read twice: save it to a file first"), captures[i]);
        annotations_free(annotations);
        return NULL;
    }
    if (annotations_create(annotations, captures, capture_count))
        return annotations;
    annotations_free(annotations);
    return NULL;
}

void annotations_free(struct annotations *annotations)
{
    if (!annotations)
        return;
    if (annotations->out)
        fclose(annotations->out);
    writer_fini(&annotations->texts);
    free(annotations->items);
    free(annotations);
}

/* --- a finding as a comment */

static void put_dialogue(struct writer *to, const struct smtpscope_finding *finding)
{
    if (*finding->command) {
        writer_string(to, "\nC: ");
        writer_escaped(to, finding->command, strlen(finding->command), ESCAPE_TERMINAL);
        writer_string(to, *finding->argument ? " " : "");
        writer_escaped(to, finding->argument, strlen(finding->argument), ESCAPE_TERMINAL);
    }
    for (const char *line = finding->text, *end; finding->code; line = end + 1) {
        end = line + strcspn(line, "\n");
        writer_string(to, "\nS: ");
        text_code(to, finding->code, *end ? '-' : ' ', &finding->enhanced);
        writer_escaped(to, line, (size_t)(end - line), ESCAPE_TERMINAL);
        if (!*end)
            break;
    }
}

static void put_remedy(struct writer *to, const struct smtpscope_finding *finding)
{
    struct smtpscope_advice advice;

    smtpscope_advice_rule(finding->rule, finding->reason, &advice);
    if (advice.sender_first) {
        writer_string(to, "\n");
        writer_string(to, _("Sender: "));
        writer_string(to, advice.sender_first);
    }
    if (advice.receiver_first) {
        writer_string(to, "\n");
        writer_string(to, _("Receiver: "));
        writer_string(to, advice.receiver_first);
    }
}

static void put_finding(struct writer *to, const struct smtpscope_finding *finding)
{
    char detail[DETAIL_SIZE];

    writer_string(to, "smtpscope: ");
    writer_string(to, smtpscope_severity_name(finding->severity));
    writer_string(to, " ");
    text_rule(to, finding->rule, finding->reason);
    writer_format(to, ", fault: %s, %s", smtpscope_fault_name(finding->fault), smtpscope_confidence_name(finding->confidence));
    if (smtpscope_verdict_name(finding->verdict))
        writer_format(to, ", %s", smtpscope_verdict_name(finding->verdict));
    writer_char(to, '\n');
    writer_string(to, smtpscope_advice_summary(finding->rule));
    if (finding->detail != SMTPSCOPE_DETAIL_NONE && smtpscope_advice_detail(finding, detail, sizeof detail)) {
        writer_string(to, "\n=> ");
        writer_escaped(to, detail, strlen(detail), ESCAPE_TERMINAL);
    }
    put_dialogue(to, finding);
    put_remedy(to, finding);
    writer_char(to, '\0');
}

void annotations_finding(struct annotations *annotations, const struct smtpscope_finding *finding)
{
    size_t room = annotations->room ? annotations->room * 2 : 64;

    if (!finding->flow || !finding->packet)
        return;
    if (annotations->count == annotations->room) {
        struct annotation *grown = realloc(annotations->items, room * sizeof *grown);

        annotations->short_of_memory |= !grown;
        if (!grown)
            return;
        annotations->items = grown;
        annotations->room = room;
    }
    annotations->items[annotations->count] =
        (struct annotation){.packet = finding->packet, .order = annotations->count, .at = annotations->texts.len};
    put_finding(&annotations->texts, finding);
    annotations->short_of_memory |= annotations->texts.failed;
    annotations->count += !annotations->texts.failed;
}

/* --- writing */

static int annotation_compare(const void *a, const void *b)
{
    const struct annotation *x = a, *y = b;

    if (x->packet != y->packet)
        return x->packet < y->packet ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Where the annotations of the packet begin, or would. */
static size_t annotations_at(const struct annotations *annotations, uint64_t packet)
{
    size_t low = 0, high = annotations->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (annotations->items[middle].packet < packet)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *annotations_packet(void *ctx, uint64_t packet, size_t index)
{
    const struct annotations *annotations = ctx;
    size_t at = annotations_at(annotations, annotations->before + packet) + index;

    if (at >= annotations->count || annotations->items[at].packet != annotations->before + packet)
        return NULL;
    return annotations->texts.at + annotations->items[at].at;
}

static bool annotations_write_file(struct annotations *annotations, const struct numbered_file *file, const char *comment)
{
    const struct annotate_source source = {.file = comment, .packet = annotations_packet, .ctx = annotations};
    char error[ERROR_SIZE];

    annotations->before = file->before;
    if (annotate_copy(file->name, annotations->out, &source, error, sizeof error))
        return true;
    warn_user("--annotate %s: %s: %s", annotations->path, file->name, error);
    return false;
}

bool annotations_write(struct annotations *annotations, const struct packet_numbering *numbering, const struct summary *summary)
{
    struct writer totals = {0};
    const struct layout layout = {.writer = &totals, .columns = SUMMARY_COLUMNS};
    bool right = !annotations->short_of_memory;

    if (!right)
        warn_user(_("--annotate %s: out of memory: comments are missing"), annotations->path);
    if (annotations->count)
        qsort(annotations->items, annotations->count, sizeof *annotations->items, annotation_compare);
    text_summary(&layout, numbering, summary);
    writer_char(&totals, '\0');
    for (size_t i = 0; i < numbering->count; i++)
        right &= annotations_write_file(annotations, &numbering->files[i], i || totals.failed ? NULL : totals.at);
    writer_fini(&totals);
    if (!fflush(annotations->out))
        return right;
    warn_user("--annotate %s: %s", annotations->path, strerror(errno));
    return false;
}
