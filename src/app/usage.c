/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/usage.h"

#include "app/words.h"
#include "detect/community_id.h"

#include <jansson.h>
#include <pcap/pcap.h>

void usage_help(FILE *out)
{
    fputs(_("smtpscope: what went wrong in SMTP sessions, whose fault it was, what to do\n"
            "\n"
            "  smtpscope -r FILE... [OPTIONS]   analyse captures\n"
            "  smtpscope rules                  list all that can be found\n"
            "  smtpscope explain TOPIC          a code (450, \"450 4.7.1\"), a rule, a reason\n"
            "  smtpscope compare 450 503        two codes side by side\n"
            "\n"
            "  -r, --read FILE...    pcap or pcapng, plain, .gz or .zst; - is standard input\n"
            "  --ports LIST          ports of servers, such as 25,587,2500-2599 (25,587)\n"
            "  --rule GLOB           only such rules: deferral, 'sequence.*'; may be repeated\n"
            "  --min-severity LEVEL  show error, warning, notice, info and above (info)\n"
            "  --sessions            show each session: its commands and replies\n"
            "  --messages            show each message: the outcome of each recipient\n"
            "  --summary             totals, also with --format json; text always has them\n"
            "  --format text|json    for people, or one JSON object a line (text)\n"
            "  --lang en|fr|de       the language (that of the environment)\n"
            "  --color WHEN          auto (on a terminal), always, never\n"
            "  --fail-on LEVEL       exit status 1 when something so severe is found\n"
            "  --help, --version\n"
            "\n"
            "Exit status: 0 done, 1 found (--fail-on), 2 wrong use or unreadable input,\n"
            "3 analysed, but the input was damaged. More in smtpscope(1).\n"),
          out);
}

void usage_version(FILE *out)
{
    fprintf(out, "smtpscope %s\n%s\nnDPI %s\njansson %s\n", SMTPSCOPE_VERSION, pcap_lib_version(), community_id_library(),
            jansson_version_str());
}
