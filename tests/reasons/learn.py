#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""learn.py [--write | --check] READING_FEATURES: the fallback for replies of which the ordered table of phrases says nothing.

Without an option: cross-validation by server over lines.tsv. In each of ten folds the weights come from the other servers, and for
each line those rows of the table do not count that bear its server's name, or that of all servers only this one bears out: so
what is printed is what can be expected of servers that nobody has seen. --write makes src/rules/reading/learned.def anew from all
lines, as is needed when lines.tsv or the lexicon has changed; --check fails when that was forgotten.

The features are those of src/rules/reading/learned.c, which is asked for them: words by their stems, pairs of them, classes of words,
codes, the step. The model is a softmax regression, and a reason is said when its probability is at least LIKELY."""
import collections
import math
import os
import random
import re
import subprocess
import sys
import textwrap
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
LINES = os.path.join(HERE, "lines.tsv")
TABLE = os.path.join(HERE, "..", "..", "src", "rules", "reading", "learned.def")
SCALE = 24  # steps of weight in a factor of e
LIKELY = 0.75  # the least probability that is said
ONE = 4096  # odds of 1
EPOCHS, RATE, DECAY = 15, 0.3, 0.001
RARE = 3  # features of fewer replies are left out
SMALL = 6  # and weights nearer to 0
FOLDS = 10
VAGUE = {"unspecified", "policy", "shutting-down"}
# A finer reason and coarser words that a label may have for it: all of one of these.
COARSER = {"message-form": ["syntax content-scan"], "loop": ["unspecified server-error"], "domain-unknown": ["mailbox-unknown", "relay-denied"],
           "sending-quota": ["rate-limited"], "blocked-by-recipient": ["policy"], "too-many-unknown-recipients": ["too-many-errors reputation"],
           "recipient-moved": ["mailbox-unknown"], "spam": ["content-scan"], "virus": ["content-scan"],
           "not-configured-here": ["relay-denied", "mailbox-unknown"], "null-sender-refused": ["policy", "sender-unverified"]}

Line = collections.namedtuple("Line", "server wanted read unseen features")


def lines_of(program):
    """Each labelled reply, with what the tables say of it, and what they would if its server had never been seen."""
    out = subprocess.run([program, LINES], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8", "surrogateescape")
    for line in out.split("\n")[:-1]:
        server, wanted, read, unseen, *features = line.split("\t")
        yield Line(server, set(wanted.split("|")), read, unseen, features)


def fits(reason, line):
    return reason in line.wanted or any(set(words.split()) <= line.wanted for words in COARSER.get(reason, ()))


def label_of(line):
    """The reason to learn: what the table says where that is right; else the only one wanted; None where nothing is clear."""
    if line.read not in VAGUE and fits(line.read, line):
        return line.read
    clear = line.wanted - VAGUE
    return clear.copy().pop() if len(clear) == 1 and not line.wanted & VAGUE and clear <= REASONS else \
        "unspecified" if line.wanted & VAGUE else None


def learn(lines):
    """{reason: {feature: weight}}, by stochastic gradient descent with a rate of its own for each weight."""
    rows = [(label_of(line), line.features) for line in lines]
    rows = [(label, features) for label, features in rows if label]
    seen = collections.Counter(feature for _, features in rows for feature in features)
    rows = [(label, [feature for feature in features if seen[feature] >= RARE]) for label, features in rows]
    reasons = sorted({label for label, _ in rows})
    weights = {reason: collections.defaultdict(float) for reason in reasons}
    squares = {reason: collections.defaultdict(lambda: 1e-3) for reason in reasons}
    shuffle = random.Random(1)
    for _ in range(EPOCHS):
        shuffle.shuffle(rows)
        for label, features in rows:
            for reason, probability in probabilities(weights, features).items():
                error = probability - (reason == label)
                if abs(error) < 0.003:
                    continue
                own, square = weights[reason], squares[reason]
                for feature in features:
                    slope = error + DECAY * own[feature]
                    square[feature] += slope * slope
                    own[feature] -= RATE * slope / math.sqrt(square[feature])
    return {reason: {feature: step for feature, step in ((feature, steps_of(weight)) for feature, weight in own.items()) if step}
            for reason, own in weights.items()}


def steps_of(weight):
    step = max(-127, min(127, round(SCALE * weight)))
    return step if abs(step) >= SMALL else 0


def probabilities(weights, features, scale=1):
    sums = {reason: sum(own.get(feature, 0) for feature in features) for reason, own in weights.items()}
    best = max(sums.values())
    odds = {reason: math.exp((total - best) / scale) for reason, total in sums.items()}
    total = sum(odds.values())
    return {reason: odd / total for reason, odd in odds.items()}


def say(model, features):
    found = probabilities(model, features, SCALE)
    best = max(sorted(found), key=found.get)
    return best if found[best] >= LIKELY else "unspecified"


def fold_of(line):
    return zlib.crc32(line.server.encode()) % FOLDS


def verdict(reason, line):
    return "right" if fits(reason, line) else "abstained" if reason in VAGUE else "wrong"


def cross_validate(lines):
    """The verdicts without the fallback and with it."""
    alone, together = collections.Counter(), collections.Counter()
    for fold in range(FOLDS):
        model = learn([line for line in lines if fold_of(line) != fold])
        for line in lines:
            if fold_of(line) != fold:
                continue
            alone[verdict(line.unseen, line)] += 1
            together[verdict(say(model, line.features) if line.unseen == "unspecified" else line.unseen, line)] += 1
    return alone, together


def report(name, counts):
    total = sum(counts.values())
    print("%-32s %5d  right %5.1f %%  abstained %5.1f %%  wrong %5.1f %%" % (
        (name, total) + tuple(100 * counts[word] / total for word in ("right", "abstained", "wrong"))))


def hash_of(text):
    number = 2166136261
    for octet in text.encode("utf-8", "surrogateescape"):
        number = (number ^ octet) * 16777619 % 2**32
    return number


def table_of(model):
    name = lambda word: word.upper().replace("-", "_")
    rows = sorted((hash_of(feature), feature, name(reason), weight) for reason, own in model.items() for feature, weight in own.items())
    odds, behind = [], 0
    while round(ONE * math.exp(-behind / SCALE)) > 0:
        odds.append("LEARNED_ODDS(%d)" % round(ONE * math.exp(-behind / SCALE)))
        behind += 1
    text = """/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Made by tests/reasons/learn.py from tests/reasons/lines.tsv; do not edit. LEARNED_REASON(reason): one that may be
 * said. LEARNED_WEIGHT(hash of the feature, reason, weight), by hash; a weight is in parts of %d of e. LEARNED_ODDS(odds): of a reason 0, 1, 2 ... such parts behind the best, in parts of %d.
 */
/* The best is said when its probability is at least %.1f: so high may the odds of all others be together. */
#define LEARNED_OTHERS_MAX %d
""" % (SCALE, ONE, LIKELY, int(ONE * (1 / LIKELY - 1)))
    text += "#ifdef LEARNED_REASON\n%s\n#endif\n" % lines_of_words("LEARNED_REASON(%s)" % name(reason) for reason in sorted(model))
    text += "#ifdef LEARNED_ODDS\n%s\n#endif\n" % lines_of_words(odds)
    text += "#ifdef LEARNED_WEIGHT\n%s\n#endif\n" % lines_of_words(
        "LEARNED_WEIGHT(0x%08xu, %s, %d)" % (number, reason, weight) for number, _, reason, weight in rows)
    return text + "#undef LEARNED_REASON\n#undef LEARNED_ODDS\n#undef LEARNED_WEIGHT\n"


def lines_of_words(words):
    """As many on a line as fit."""
    return "\n".join(textwrap.wrap(" ".join(word.replace(" ", "~") for word in words), 128, break_long_words=False,
                                   break_on_hyphens=False)).replace("~", " ")


def reasons_known():
    with open(os.path.join(HERE, "..", "..", "include", "smtpscope", "reasons.def"), encoding="utf-8") as file:
        return {part.split('"')[1] for part in file.read().split("REASON(")[1:] if part.count('"') >= 2 and part.split("(")[0].find('"') > 0}


REASONS = reasons_known()


def rows_of(text):
    return set(re.findall(r"LEARNED_WEIGHT\((0x\w+), (\w+), (-?\d+)\)", text))


def is_current(table):
    """Another machine's exp() may round otherwise, here and there."""
    with open(TABLE, encoding="utf-8") as file:
        kept, made = rows_of(file.read()), rows_of(table)
    return len(kept ^ made) < 0.02 * len(made)


def main():
    option = sys.argv[1] if len(sys.argv) == 3 else None
    lines = list(lines_of(sys.argv[-1]))
    if option == "--check":
        current = is_current(table_of(learn(lines)))
        if not current:
            print("learned.def is not what learn.py --write makes of lines.tsv and of the tables of phrases")
        return 0 if current else 1
    if option == "--write":
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(table_of(learn(lines)))
        return 0
    alone, together = cross_validate(lines)
    report("servers never seen, table alone", alone)
    report("... and what was learned", together)
    report("all servers known, table alone", collections.Counter(verdict(line.read, line) for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
