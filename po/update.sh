#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# po/update.sh: collects the texts of the sources into po/smtpscope.pot and merges them into each catalogue.
set -eu
cd -- "$(dirname -- "$0")/.."
find src include -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort >po/POTFILES
xgettext --language=C --from-code=UTF-8 --keyword=_ --keyword=N_ --keyword=NN_:1,2 --keyword=ngettext:1,2 \
    --package-name=smtpscope --no-location --sort-output --files-from=po/POTFILES --output=po/smtpscope.pot
sed -i '/^"POT-Creation-Date:/d' po/smtpscope.pot
for catalogue in po/*.po; do
    [ -e "$catalogue" ] || continue
    msgmerge --quiet --no-fuzzy-matching --sort-output --no-location --output-file="$catalogue.new" "$catalogue" po/smtpscope.pot
    mv "$catalogue.new" "$catalogue"
done
rm -f po/POTFILES
