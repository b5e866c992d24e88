/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/remedies.h"

#include "output/json_writer.h"
#include "smtpscope/advice.h"

#include <stdlib.h>
#include <string.h>

/* About a hundred rules with a few reasons, times the software of the servers in one capture; beyond it nothing is kept. */
#define REMEDIES_MAX 4096
/* What a reader can take in; the table of settings has fewer for most rules. */
#define SETTINGS_MAX 8

struct remedy {
    struct remedy *next;
    enum smtpscope_reason reason;
    char *server;
    struct writer json;
};

struct remedies {
    struct remedy *by_rule[SMTPSCOPE_RULES];
    size_t count;
};

struct remedies *remedies_new(void)
{
    return calloc(1, sizeof(struct remedies));
}

static void remedy_free(struct remedy *remedy)
{
    writer_fini(&remedy->json);
    free(remedy->server);
    free(remedy);
}

void remedies_free(struct remedies *remedies)
{
    struct remedy *remedy, *next;

    if (!remedies)
        return;
    for (size_t rule = 0; rule < SMTPSCOPE_RULES; rule++)
        for (remedy = remedies->by_rule[rule]; remedy; remedy = next) {
            next = remedy->next;
            remedy_free(remedy);
        }
    free(remedies);
}

const char *remedies_audience(enum smtpscope_fault fault)
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

static void put_remedy(struct writer *writer, const struct smtpscope_finding *finding)
{
    struct smtpscope_advice advice = {0};

    smtpscope_advice_rule(finding->rule, finding->reason, &advice);
    put_key(writer, "remediation");
    put_open(writer, '{');
    put_member_string(writer, "audience", remedies_audience(advice.audience));
    put_member_string(writer, "meaning", advice.meaning);
    put_steps(writer, "sender", advice.sender_first, advice.sender_then);
    put_steps(writer, "receiver", advice.receiver_first, advice.receiver_then);
    put_settings(writer, finding);
    put_close(writer, '}');
}

/* A remedy of this finding's kind that can be kept; NULL when none can. */
static struct remedy *remedy_new(struct remedies *remedies, const struct smtpscope_finding *finding)
{
    struct remedy *remedy = remedies->count < REMEDIES_MAX ? calloc(1, sizeof *remedy) : NULL;

    if (!remedy)
        return NULL;
    remedy->reason = finding->reason;
    remedy->server = strdup(finding->server ? finding->server : "");
    put_remedy(&remedy->json, finding);
    if (!remedy->server || remedy->json.failed) {
        remedy_free(remedy);
        return NULL;
    }
    remedy->next = remedies->by_rule[finding->rule];
    remedies->by_rule[finding->rule] = remedy;
    remedies->count++;
    return remedy;
}

static struct remedy *remedy_find(const struct remedies *remedies, const struct smtpscope_finding *finding)
{
    const char *server = finding->server ? finding->server : "";
    struct remedy *remedy = remedies->by_rule[finding->rule];

    while (remedy && (remedy->reason != finding->reason || strcmp(remedy->server, server)))
        remedy = remedy->next;
    return remedy;
}

void remedies_put(struct remedies *remedies, struct writer *writer, const struct smtpscope_finding *finding)
{
    struct remedy *remedy = remedy_find(remedies, finding);

    if (!remedy)
        remedy = remedy_new(remedies, finding);
    if (remedy)
        put_raw(writer, remedy->json.at, remedy->json.len);
    else
        put_remedy(writer, finding);
}
