#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""recode.py --write | --check: the words and phrases of other letters than ours, in the encodings in which servers still send them.

From lexicon.def and phrases*.def, which are UTF-8, to lexicon_recoded.def and phrases_recoded.def; --check fails when those are not
what --write would make. A word is written as words.c reads text that is no UTF-8: octets as they are, but ASCII letters small."""
import glob
import os
import re
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "rules", "reading")
HEAD = """/* SPDX-License-Identifier: BSD-2-Clause */
/* Made by tests/reasons/recode.py from %s; do not edit. %s */
"""


def encodings_of(text):
    """Where the letters are those of one script: the encodings that had it before UTF-8."""
    if re.search("[\u3040-\u30ff]", text):
        return ("shift_jis", "euc_jp")
    if re.search("[\uac00-\ud7a3]", text):
        return ("euc_kr",)
    if re.search("[\u0400-\u04ff]", text):
        return ("koi8_r", "cp1251")
    return ("gbk", "big5", "shift_jis", "euc_jp") if re.search("[\u4e00-\u9fff]", text) else ()


def forms_of(text):
    """As it stands in a sentence, and at the beginning of one."""
    yield text
    if text[0] != text[0].upper():
        yield text[0].upper() + text[1:]


def recoded(text, special):
    """The text's forms in each of its encodings that have all its letters, as the inside of a C string; none with an octet of `special`."""
    for encoding in encodings_of(text):
        for form in forms_of(text):
            try:
                octets = form.encode(encoding)
            except UnicodeEncodeError:
                continue
            octets = re.sub(rb"(?s)([\x80-\xff])([A-Z])", lambda found: found.group(1) + found.group(2).lower(), octets)
            trails = re.findall(rb"[\x80-\xff]([ -~])", octets)
            if len(octets) >= 3 and not any(trail in special for trail in trails):
                yield "".join(chr(octet) if 32 <= octet < 127 and octet not in b'\\"?' else "\\%03o" % octet for octet in octets)


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def lexicon():
    seen = {}
    for klass, language, words in re.findall(r'^WORDS\((\w+), "(\w+)", "([^"]*)"\)', read("lexicon.def"), re.M):
        for word in words.split("|"):
            for octets in recoded(word, (b"|",)):
                seen.setdefault((klass, language), {})[octets] = None
    rows = "".join('WORDS(%s, "%s recoded", "%s")\n' % (klass, language, "|".join(words)) for (klass, language), words in seen.items())
    return HEAD % ("lexicon.def", "Of one word the octets of another encoding may be those of another word: that is rare.") + rows


def phrases():
    rows = {}
    for path in sorted(glob.glob(os.path.join(HERE, "phrases*.def"))):
        if path.endswith("_recoded.def"):
            continue
        for macro, meaning, when, server, pattern in re.findall(
                r'^(\w+)\((\w+), ([^,]+), "([^"]*)", "([^"]*)"\)', read(os.path.basename(path)), re.M):
            if encodings_of(pattern) and meaning != "BECAUSE":  # those have to stand before all others
                for octets in recoded(pattern, (b"~", b"*", b"&", b"<")):
                    rows['%s(%s, %s, "%s", "%s")\n' % (macro, meaning, when, server, octets)] = None
    return HEAD % ("phrases*.def", "They stand behind those.") + '#ifndef PHRASE\n#error "included by phrases.def only"\n#endif\n' + "".join(rows)


def main():
    status = 0
    for name, text in (("lexicon_recoded.def", lexicon()), ("phrases_recoded.def", phrases())):
        if sys.argv[1:] == ["--write"]:
            with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
                file.write(text)
        elif read(name) != text:
            print("%s is not what recode.py --write makes" % name)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
