/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/finding_cache.h"

#include "output/json_writer.h"
#include "smtpscope/advice.h"

#include <stdlib.h>
#include <string.h>

/* About a hundred rules with a few reasons, times the software of the servers in one capture; beyond it nothing is kept. */
#define CACHED_KINDS_MAX 4096
/* What a reader can take in; the table of settings has fewer for most rules. */
#define SETTINGS_MAX 8

struct cached_kind {
    struct cached_kind *next;
    enum smtpscope_severity severity;
    enum smtpscope_verdict verdict;
    enum smtpscope_fault fault;
    enum smtpscope_reason reason;
    enum smtpscope_confidence confidence;
    char *server;
    struct writer judgement, remediation;
};

/* The template that the last finding with this detail got, and the number it was for. */
struct cached_detail {
    const char *template;
    uint64_t number;
};

struct finding_cache {
    struct cached_kind *by_rule[SMTPSCOPE_RULES];
    size_t count;
    enum output_remediation remediation;
    struct cached_detail details[SMTPSCOPE_DETAILS];
};

struct finding_cache *finding_cache_new(enum output_remediation remediation)
{
    struct finding_cache *cache = calloc(1, sizeof *cache);

    if (cache)
        cache->remediation = remediation;
    return cache;
}

static void kind_free(struct cached_kind *kind)
{
    writer_fini(&kind->judgement);
    writer_fini(&kind->remediation);
    free(kind->server);
    free(kind);
}

void finding_cache_free(struct finding_cache *cache)
{
    struct cached_kind *kind, *next;

    if (!cache)
        return;
    for (size_t rule = 0; rule < SMTPSCOPE_RULES; rule++)
        for (kind = cache->by_rule[rule]; kind; kind = next) {
            next = kind->next;
            kind_free(kind);
        }
    free(cache);
}

const char *finding_cache_detail(struct finding_cache *cache, const struct smtpscope_finding *finding)
{
    struct cached_detail *kept = &cache->details[finding->detail];

    if (!kept->template || kept->number != finding->detail_number) {
        kept->template = smtpscope_advice_detail_template(finding->detail, finding->detail_number);
        kept->number = finding->detail_number;
    }
    return kept->template;
}

static void put_judgement(struct writer *writer, const struct smtpscope_finding *finding)
{
    enum smtpscope_retry retry = smtpscope_finding_retry(finding->rule, finding->reason);

    put_member_name(writer, "rule", smtpscope_rule_info(finding->rule)->id);
    put_member_name(writer, "severity", smtpscope_severity_name(finding->severity));
    put_member_string(writer, "summary", smtpscope_advice_summary(finding->rule));
    put_member_name(writer, "verdict", smtpscope_verdict_name(finding->verdict));
    put_member_name(writer, "fault", smtpscope_fault_name(finding->fault));
    put_member_name(writer, "reason", smtpscope_reason_name(finding->reason));
    put_member_name(writer, "retry", finding->reason == SMTPSCOPE_REASON_NONE ? NULL : smtpscope_retry_name(retry));
    put_member_name(writer, "confidence", smtpscope_confidence_name(finding->confidence));
}

/* The side that has to act, in the words of mail. */
static const char *audience_name(enum smtpscope_fault fault)
{
    static const char *const names[SMTPSCOPE_FAULTS] = {
        [SMTPSCOPE_FAULT_UNDETERMINED] = "undetermined",
        [SMTPSCOPE_FAULT_CLIENT] = "sender",
        [SMTPSCOPE_FAULT_SERVER] = "receiver",
        [SMTPSCOPE_FAULT_NETWORK] = "network",
        [SMTPSCOPE_FAULT_NOBODY] = "nobody",
    };

    return names[fault];
}

static void put_steps(struct writer *writer, const char *key, const char *first, const char *then)
{
    put_key(writer, key);
    if (!first && !then) {
        put_null(writer);
        return;
    }
    put_open(writer, '{');
    put_member_string(writer, "first", first);
    put_member_string(writer, "then", then);
    put_close(writer, '}');
}

static void put_settings(struct writer *writer, const struct smtpscope_finding *finding)
{
    struct smtpscope_setting settings[SETTINGS_MAX];
    size_t count = smtpscope_advice_settings(finding->rule, finding->reason, finding->server, settings, SETTINGS_MAX);

    put_key(writer, "settings");
    put_open(writer, '[');
    for (size_t i = 0; i < count; i++) {
        put_open(writer, '{');
        put_member_string(writer, "software", settings[i].software);
        put_member_string(writer, "text", settings[i].text);
        put_close(writer, '}');
    }
    put_close(writer, ']');
}

/* The first thing to do, of the side that has to act. */
static const char *first_step(const struct smtpscope_advice *advice)
{
    const char *first = advice->audience == SMTPSCOPE_FAULT_CLIENT ? advice->sender_first : advice->receiver_first;

    if (first)
        return first;
    return advice->sender_first ? advice->sender_first : advice->receiver_first;
}

static void put_remediation(struct writer *writer, const struct smtpscope_finding *finding, enum output_remediation how)
{
    struct smtpscope_advice advice = {0};

    if (how == OUTPUT_REMEDIATION_NONE)
        return;
    smtpscope_advice_rule(finding->rule, finding->reason, &advice);
    put_key(writer, "remediation");
    put_open(writer, '{');
    put_member_string(writer, "audience", audience_name(advice.audience));
    if (how == OUTPUT_REMEDIATION_BRIEF) {
        put_member_string(writer, "first", first_step(&advice));
        put_close(writer, '}');
        return;
    }
    put_member_string(writer, "meaning", advice.meaning);
    put_steps(writer, "sender", advice.sender_first, advice.sender_then);
    put_steps(writer, "receiver", advice.receiver_first, advice.receiver_then);
    put_settings(writer, finding);
    put_close(writer, '}');
}

/* The finding's kind, when it can be kept; NULL when it cannot. */
static struct cached_kind *kind_new(struct finding_cache *cache, const struct smtpscope_finding *finding)
{
    struct cached_kind *kind = cache->count < CACHED_KINDS_MAX ? calloc(1, sizeof *kind) : NULL;

    if (!kind)
        return NULL;
    kind->severity = finding->severity;
    kind->verdict = finding->verdict;
    kind->fault = finding->fault;
    kind->reason = finding->reason;
    kind->confidence = finding->confidence;
    kind->server = strdup(finding->server ? finding->server : "");
    put_judgement(&kind->judgement, finding);
    put_remediation(&kind->remediation, finding, cache->remediation);
    if (!kind->server || kind->judgement.failed || kind->remediation.failed) {
        kind_free(kind);
        return NULL;
    }
    kind->next = cache->by_rule[finding->rule];
    cache->by_rule[finding->rule] = kind;
    cache->count++;
    return kind;
}

static bool kind_is_of(const struct cached_kind *kind, const struct smtpscope_finding *finding)
{
    return kind->severity == finding->severity && kind->verdict == finding->verdict && kind->fault == finding->fault &&
           kind->reason == finding->reason && kind->confidence == finding->confidence &&
           !strcmp(kind->server, finding->server ? finding->server : "");
}

static struct cached_kind *kind_find(struct finding_cache *cache, const struct smtpscope_finding *finding)
{
    struct cached_kind *kind = cache->by_rule[finding->rule];

    while (kind && !kind_is_of(kind, finding))
        kind = kind->next;
    return kind ? kind : kind_new(cache, finding);
}

void finding_cache_put_judgement(struct finding_cache *cache, struct writer *writer, const struct smtpscope_finding *finding)
{
    const struct cached_kind *kind = kind_find(cache, finding);

    if (kind)
        put_raw(writer, kind->judgement.at, kind->judgement.len);
    else
        put_judgement(writer, finding);
}

void finding_cache_put_remediation(struct finding_cache *cache, struct writer *writer, const struct smtpscope_finding *finding)
{
    const struct cached_kind *kind = kind_find(cache, finding);

    if (kind && kind->remediation.len)
        put_raw(writer, kind->remediation.at, kind->remediation.len);
    else
        put_remediation(writer, finding, cache->remediation);
}
