#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""exposition.py URL [DASHBOARD]: is what the URL serves Prometheus's text format 0.0.4, to the letter, with names as its conventions
have them; and does each expression of the Grafana dashboard ask for what is served?"""
import json
import math
import re
import sys
import urllib.request

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
VALUE = r'(?:[^"\\\n]|\\[\\"n])*'
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="%s"' % VALUE
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)" % (NAME, LABEL, LABEL))
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN")
NOT_BASE_UNITS = re.compile(r"_(ms|milliseconds|ns|minutes|hours|octets|kilobytes|kb|mb|percent)(_|$)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Wrong(Exception):
    pass


class Family:
    def __init__(self, name):
        self.name, self.help, self.type, self.samples = name, None, None, {}

    def member(self, name):
        if self.type == "histogram":
            return name in (self.name + "_bucket", self.name + "_sum", self.name + "_count")
        return name == self.name


def number_of(text):
    if not NUMBER.fullmatch(text):
        raise Wrong("not a number: %s" % text)
    return float(text.replace("Inf", "inf"))


def labels_of(text):
    labels = {}
    for name, value in re.findall(r'(\w+)="(%s)"' % VALUE, text or ""):
        if name in labels:
            raise Wrong("label %s twice" % name)
        labels[name] = re.sub(r"\\.", lambda found: ESCAPES[found.group()], value)
    return labels


def sample_of(line):
    found = SAMPLE.fullmatch(line)
    if not found:
        raise Wrong("no sample")
    return found.group(1), labels_of(found.group(2)), number_of(found.group(3))


def parse(text):
    """{name: Family} in the order of the text; raises Wrong with the line."""
    families, current = {}, None
    if not text.endswith("\n"):
        raise Wrong("the last line has no end")
    for number, line in enumerate(text[:-1].split("\n"), 1):
        try:
            current = parse_line(families, current, line)
        except Wrong as wrong:
            raise Wrong("line %d: %s: %s" % (number, wrong, line)) from None
    for family in families.values():
        check_family(family)
    return families


def parse_line(families, current, line):
    found = re.fullmatch(r"# (HELP|TYPE) (%s) (.+)" % NAME, line)
    if found:
        word, name, rest = found.groups()
        if word == "HELP":
            if name in families:
                raise Wrong("a family twice, or not in one piece")
            families[name] = current = Family(name)
            current.help = rest
        elif not current or current.name != name or current.type or current.samples:
            raise Wrong("TYPE is not right behind HELP")
        elif rest not in ("counter", "gauge", "histogram", "summary", "untyped"):
            raise Wrong("no type")
        else:
            current.type = rest
        return current
    name, labels, value = sample_of(line)
    if not current or not current.type or not current.member(name):
        raise Wrong("a sample of no family, or outside of it")
    key = (name, tuple(sorted(labels.items())))
    if key in current.samples:
        raise Wrong("a series twice")
    current.samples[key] = value
    return current


def check_family(family):
    name = family.name
    if not family.help or not family.type:
        raise Wrong("%s: no HELP or no TYPE" % name)
    if not name.startswith("smtpscope_"):
        raise Wrong("%s: not smtpscope_*" % name)
    if (family.type == "counter") != name.endswith("_total"):
        raise Wrong("%s: counters end in _total, and nothing else does" % name)
    if NOT_BASE_UNITS.search(name):
        raise Wrong("%s: base units are seconds and bytes" % name)
    if len({tuple(label for label, _ in labels if label != "le") for _, labels in family.samples}) > 1:
        raise Wrong("%s: series with different labels" % name)
    for (sample, labels), value in family.samples.items():
        if family.type != "gauge" and not 0 <= value < math.inf:
            raise Wrong("%s%s: %s" % (sample, dict(labels), value))
    if family.type == "histogram":
        check_histogram(family)


def check_histogram(family):
    groups = {}
    for (sample, labels), value in family.samples.items():
        labels = dict(labels)
        bound = labels.pop("le", None)
        group = groups.setdefault(tuple(sorted(labels.items())), {"buckets": []})
        if sample.endswith("_bucket"):
            group["buckets"].append((number_of(bound), value))
        else:
            group[sample[len(family.name):]] = value
    for labels, group in groups.items():
        buckets, where = group["buckets"], "%s%s" % (family.name, dict(labels))
        if "_sum" not in group or "_count" not in group:
            raise Wrong("%s: no sum or no count" % where)
        if not buckets or buckets[-1] != (math.inf, group["_count"]):
            raise Wrong("%s: the last bucket is not +Inf with the count" % where)
        for before, after in zip(buckets, buckets[1:]):
            if before[0] >= after[0] or before[1] > after[1]:
                raise Wrong("%s: buckets %s, %s" % (where, before, after))


def scrape(url):
    """The text; raises Wrong when it is not sent as the format wants."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        if answer.headers["Content-Type"] != CONTENT_TYPE:
            raise Wrong("Content-Type: got %s, wanted %s" % (answer.headers["Content-Type"], CONTENT_TYPE))
        return answer.read().decode("utf-8")


# --- the dashboard

SELECTOR = re.compile(r"\b(smtpscope_\w+)\b(?:\{([^}]*)\})?(\[[^]]*\])?")
SCRAPED = {"instance", "job"}  # labels that Prometheus adds


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield "$" + variable["name"], variable["query"]["query"]


def check_expression(expression, kinds, labels):
    """kinds: sample name -> type of its family; labels: sample name -> its labels."""
    wanted = set(SCRAPED)
    selectors = SELECTOR.findall(expression)
    if not selectors or expression.count("(") != expression.count(")"):
        raise Wrong("no metric, or brackets that do not match")
    for name, matchers, window in selectors:
        if name not in kinds:
            raise Wrong("%s is not served" % name)
        wanted |= labels[name]
        for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
            if label not in labels[name] | SCRAPED:
                raise Wrong("%s has no label %s" % (name, label))
        # A counter by itself only ever grows, and a gauge has no rate.
        if bool(window) != (kinds[name] in ("counter", "histogram")):
            raise Wrong("%s is a %s" % (name, kinds[name]))
    for names in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in re.split(r",\s*", names):
            if label not in wanted:
                raise Wrong("by (%s): no such label" % label)


def check_legend(legend, expression):
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    for label in re.findall(r"\{\{(\w+)\}\}", legend):
        if grouped and label not in re.split(r",\s*", ",".join(grouped)):
            raise Wrong("the legend names %s, which is summed up" % label)


def check_layout(dashboard):
    taken, ids = {}, set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        if panel["id"] in ids or at["x"] + at["w"] > 24:
            raise Wrong("%s: its id is another's, or it is too wide" % panel["title"])
        ids.add(panel["id"])
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if cell in taken:
                raise Wrong("%s lies over %s" % (panel["title"], taken[cell]))
            taken[cell] = panel["title"]


def check_dashboard(dashboard, families):
    kinds = {sample: family.type for family in families.values() for sample, _ in family.samples}
    labels = {}
    for family in families.values():
        for sample, pairs in family.samples:
            labels.setdefault(sample, set()).update(label for label, _ in pairs)
    if dashboard["schemaVersion"] < 36 or not dashboard["uid"]:
        raise Wrong("not a dashboard of Grafana 10")
    check_layout(dashboard)
    count = 0
    for title, expression in expressions(dashboard):
        try:
            check_expression(expression, kinds, labels) if title[0] != "$" else None
            if title[0] == "$" and not set(re.findall(r"smtpscope_\w+", expression)) <= set(kinds):
                raise Wrong("not served")
        except Wrong as wrong:
            raise Wrong("%s: %s: %s" % (title, wrong, expression)) from None
        count += 1
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            check_legend(target["legendFormat"], target["expr"])
    return count


def main():
    try:
        families = parse(scrape(sys.argv[1]))
        print("%d families, %d series" % (len(families), sum(len(family.samples) for family in families.values())))
        for path in sys.argv[2:]:
            with open(path, encoding="utf-8") as file:
                print("%s: %d expressions" % (path, check_dashboard(json.load(file), families)))
    except Wrong as wrong:
        print("got     %s" % wrong)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
