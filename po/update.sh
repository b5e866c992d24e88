#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# po/update.sh [--check]: collects the texts of the sources and merges them into each catalogue. With --check it changes
# nothing, and fails when a catalogue lacks a text, has a fuzzy one, or one that the program no longer uses.
set -eu
cd -- "$(dirname -- "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
template=$folder/smtpscope.pot

find src include -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort >"$folder/files"
xgettext --language=C --from-code=UTF-8 --keyword=_ --keyword=N_ --keyword=NN_:1,2 --keyword=ngettext:1,2 \
    --package-name=smtpscope --no-location --sort-output --files-from="$folder/files" --output="$template"
sed -i -e '/^"POT-Creation-Date:/d' -e 's/charset=CHARSET/charset=UTF-8/' "$template"

status=0
for catalogue in po/*.po; do
    if [ "${1-}" != --check ]; then
        msgmerge --quiet --no-fuzzy-matching --sort-output --no-location --output-file="$folder/merged" "$catalogue" "$template"
        msgattrib --no-obsolete --sort-output --output-file="$catalogue" "$folder/merged"
        continue
    fi
    # msgcmp fails on what is missing, untranslated or fuzzy, and only names what nothing uses.
    msgcmp "$catalogue" "$template" >"$folder/log" 2>&1 || status=1
    ! grep -q 'this message is not used' "$folder/log" || status=1
    cat "$folder/log"
    printf '%s: %s\n' "$catalogue" "$(msgfmt --check --statistics -o /dev/null "$catalogue" 2>&1)"
done
exit $status
