/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/format_table.h"

const struct format_row format_table[FORMATS] = {
    {.name = "text", .whole = &output_text, .live = &output_live, .for_people = true},
    {.name = "json", .whole = &output_json, .live = &output_json, .json = true},
    {.name = "eve", .whole = &output_eve, .live = &output_eve},
    {.name = "csv", .whole = &output_csv, .live = &output_csv},
};

const struct format_row *format_for_programs(const struct format_row *wanted)
{
    for (const struct format_row *row = format_table; wanted->for_people; row++)
        if (!row->for_people)
            return row;
    return wanted;
}
