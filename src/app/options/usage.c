/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options/usage.h"

#include "app/options/option_table.h"
#include "base/gettext.h"
#include "detect/community_id.h"
#include "smtpscope/version.h"

#include <pcap/pcap.h>
#include <string.h>

/* Behind most options, two blanks at least: programs that complete a command line read it, too. */
#define TEXT_COLUMN 30

/* The headings of --help, each in front of an option. */
static const struct {
    enum option_id before;
    const char *text;
} headings[] = {
    {OPTION_READ, N_("Input:")},
    {OPTION_RULE, N_("Findings:")},
    {OPTION_OUTPUT, N_("Output:")},
    {OPTION_CONFIG, N_("Running:")},
};

/* Its name, and its value unless that is the next row's as well. Returns the columns. */
static int print_name(FILE *out, const struct option_row *row)
{
    bool same = row->shares && row->argument && row[1].argument && !strcmp(row->argument, row[1].argument);
    int column = row->letter ? fprintf(out, "-%c, --%s", row->letter, row->name) : fprintf(out, "--%s", row->name);

    if (row->argument && !same)
        column += fprintf(out, " %s", row->argument);
    return column;
}

static void print_option(FILE *out, const struct option_row *row)
{
    int column = fprintf(out, "  ") + print_name(out, row);

    if (row->shares)
        column += fprintf(out, ", ") + print_name(out, row + 1);
    fprintf(out, "%*s%s\n", column + 2 < TEXT_COLUMN ? TEXT_COLUMN - column : 2, "", _(row->help));
}

void usage_help(FILE *out)
{
    fputs(_("smtpscope: what went wrong in SMTP sessions, whose fault it was, what to do\n"
            "  smtpscope -r FILE... [OPTIONS]               analyse captures\n"
            "  smtpscope -i IFACE [OPTIONS] [EXPRESSION]    watch an interface\n"
            "  smtpscope rules | explain CODE|RULE|REASON|REPLY | compare CODE CODE\n"
            "  smtpscope export STORE | mail STORE ADDRESS  what --store has kept\n"),
          out);
    for (size_t i = 0, heading = 0; i < OPTION_COUNT; i++) {
        if (!option_table[i].help)
            continue;
        if (heading < sizeof headings / sizeof headings[0] && headings[heading].before == (enum option_id)i)
            fprintf(out, "%s\n", _(headings[heading++].text));
        print_option(out, &option_table[i]);
    }
    fputs(_("Exit status: 0 done, 1 found (--fail-on), 2 wrong use or unreadable input,\n"
            "3 analysed, but the input was damaged. More in smtpscope(1).\n"),
          out);
}

void usage_version(FILE *out)
{
    fprintf(out, "smtpscope %s\n%s\nnDPI %s\n", SMTPSCOPE_VERSION, pcap_lib_version(), community_id_library());
}
