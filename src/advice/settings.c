/* SPDX-License-Identifier: BSD-2-Clause */
/* Rule, reason and software -> settings. */
#include "smtpscope/advice.h"

#include "advice/refine.h"
#include "advice/text.h"

#include <string.h>
#include <strings.h>

struct setting_row {
    int rule;   /* enum smtpscope_rule, or -1 */
    int reason; /* enum smtpscope_reason, or -1 */
    const char *software, *text;
};

static const struct setting_row rows[] = {
#define FOR_RULE(id, software, text) {SMTPSCOPE_RULE_##id, -1, software, text},
#define FOR_REASON(id, software, text) {-1, SMTPSCOPE_REASON_##id, software, text},
#include "settings.def"
};

/* The name of a finding's server may say more than ours ("Postfix postscreen"), never less. */
static bool is_of_server(const struct setting_row *row, const char *server)
{
    return strncasecmp(server, row->software, strlen(row->software)) == 0;
}

struct settings_choice {
    int rule, reason;
    const char *server; /* NULL: of any software */
    struct smtpscope_setting *settings;
    size_t max, count;
};

static void select_rows(struct settings_choice *selection)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && selection->count < selection->max; i++) {
        const struct setting_row *row = &rows[i];

        if (row->rule != selection->rule && row->reason != selection->reason)
            continue;
        if (selection->server != NULL && !is_of_server(row, selection->server))
            continue;
        selection->settings[selection->count].software = row->software;
        selection->settings[selection->count].text = text_translate(row->text);
        selection->count++;
    }
}

size_t smtpscope_advice_settings(enum smtpscope_rule rule, enum smtpscope_reason reason, const char *server,
                                 struct smtpscope_setting *settings, size_t max)
{
    enum smtpscope_reason speaking = smtpscope_advice_refine(rule, reason);
    struct settings_choice selection = {
        .rule = (int)rule,
        .reason = speaking == SMTPSCOPE_REASON_NONE ? -2 : (int)speaking,
        .server = server != NULL && *server != '\0' ? server : NULL,
        .settings = settings,
        .max = max,
    };

    select_rows(&selection);
    if (selection.count == 0 && selection.server != NULL) {
        selection.server = NULL;
        select_rows(&selection);
    }
    return selection.count;
}
