/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of a line that all of the text format's files put: packets and codes. */
#include "base/gettext.h"
#include "output/format.h"
#include "output/output_format.h"
#include "output/text.h"

struct layout text_layout(struct output *output)
{
    return (struct layout){&output->line, output->config.columns, output->config.colour};
}

void text_packet(const struct layout *layout, const char *before, const struct packet_numbering *numbering, uint64_t ordinal)
{
    uint64_t number;
    const char *file = packet_numbering_find(numbering, ordinal, &number);

    if (!file)
        return;
    writer_string(layout->writer, before);
    writer_format(layout->writer, _("packet %llu"), (unsigned long long)number);
    if (numbering->room > 1) {
        writer_string(layout->writer, " (");
        writer_escaped(layout->writer, file, smtpscope_text_of(file).len, ESCAPE_TERMINAL);
        writer_char(layout->writer, ')');
    }
}

void text_code(struct writer *writer, unsigned code, char separator, const struct smtpscope_enhanced *enhanced)
{
    if (code) {
        writer_digits(writer, code, 3);
        writer_char(writer, separator);
    }
    if (enhanced->klass) {
        format_enhanced(writer, enhanced);
        writer_char(writer, ' ');
    }
}
