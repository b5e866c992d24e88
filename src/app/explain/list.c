/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/explain/list.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"
#include "base/writer.h"
#include "capture/interfaces.h"
#include "output/json_writer.h"

#include <stdlib.h>
#include <string.h>

#define NAME_COLUMNS 16  /* of IFNAMSIZ */
#define STATE_COLUMNS 12 /* of the longest below, in every language */

struct interface_listing {
    FILE *out;
    struct writer line; /* names and descriptions may hold anything */
};

static size_t addresses_kept(const struct interface *interface)
{
    return interface->address_count < INTERFACE_ADDRESSES ? interface->address_count : INTERFACE_ADDRESSES;
}

static const char *state_of(const struct interface *interface)
{
    if (!interface->up)
        return _("down");
    return interface->running ? _("up") : _("no carrier");
}

static void put_padded(struct writer *line, const char *text, size_t columns)
{
    size_t len = strlen(text), used = utf8_columns(text, len);

    writer_escaped(line, text, len, ESCAPE_TERMINAL);
    for (writer_char(line, ' '); used < columns; used++)
        writer_char(line, ' ');
}

static void list_flush(struct interface_listing *list)
{
    writer_char(&list->line, '\n');
    if (!list->line.failed)
        fwrite(list->line.at, 1, list->line.len, list->out);
    writer_clear(&list->line);
}

static void list_text(void *ctx, const struct interface *interface)
{
    struct interface_listing *list = ctx;
    struct writer *line = &list->line;

    put_padded(line, interface->name, NAME_COLUMNS);
    put_padded(line, state_of(interface), STATE_COLUMNS);
    for (size_t i = 0; i < addresses_kept(interface); i++)
        writer_format(line, "%s%s", i ? " " : "", interface->addresses[i]);
    if (interface->address_count > INTERFACE_ADDRESSES)
        writer_format(line, " +%zu", interface->address_count - INTERFACE_ADDRESSES);
    if (interface->description) {
        writer_string(line, interface->address_count ? "  " : "");
        writer_escaped(line, interface->description, strlen(interface->description), ESCAPE_TERMINAL);
    }
    while (line->len && line->at[line->len - 1] == ' ')
        line->len--;
    list_flush(list);
}

static void list_json(void *ctx, const struct interface *interface)
{
    struct interface_listing *list = ctx;
    struct writer *line = &list->line;

    put_open(line, '{');
    put_member_string(line, "interface", interface->name);
    put_member_string(line, "description", interface->description);
    put_member_bool(line, "up", interface->up);
    put_member_bool(line, "running", interface->running);
    put_member_bool(line, "loopback", interface->loopback);
    put_key(line, "addresses");
    put_open(line, '[');
    for (size_t i = 0; i < addresses_kept(interface); i++)
        put_string(line, interface->addresses[i]);
    put_close(line, ']');
    put_close(line, '}');
    list_flush(list);
}

enum status list_interfaces(bool json, FILE *out)
{
    struct interface_listing list = {.out = out};
    char error[512];
    int count = interfaces_list(json ? list_json : list_text, &list, error, sizeof error);

    writer_fini(&list.line);
    if (count > 0)
        return STATUS_DONE;
    if (count < 0)
        warn_user("%s", error);
    else
        warn_user(_("there is no interface, or only root can see it"));
    return STATUS_FAILED;
}
