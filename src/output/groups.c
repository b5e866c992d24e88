/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/groups.h"

#include "smtpscope/advice.h"

#include <stdlib.h>
#include <string.h>

/* Findings of one session whose ids are remembered to name a cause: more kinds in one session than this are not told apart. */
#define SESSION_FINDINGS_MAX 64
/* A detail is a template of one line around one word or number. */
#define DETAIL_TEXT_MAX 1024

struct groups {
    struct group *by_rule[SMTPSCOPE_RULES];
    size_t count;
    struct group **sorted;
    uint64_t session; /* the one whose findings come in now */
    struct {
        uint32_t id;
        enum smtpscope_rule rule;
    } seen[SESSION_FINDINGS_MAX];
    size_t seen_count;
};

struct groups *groups_new(void)
{
    return calloc(1, sizeof(struct groups));
}

static void example_fini(struct group_example *example)
{
    free(example->command);
    free(example->argument);
    free(example->text);
    free(example->detail);
}

static void group_free(struct group *group)
{
    for (size_t i = 0; i < group->example_count; i++)
        example_fini(&group->examples[i]);
    for (size_t i = 0; i < group->server_count; i++)
        free(group->servers[i]);
    free(group);
}

void groups_free(struct groups *groups)
{
    struct group *group, *next;

    if (!groups)
        return;
    for (size_t rule = 0; rule < SMTPSCOPE_RULES; rule++)
        for (group = groups->by_rule[rule]; group; group = next) {
            next = group->next;
            group_free(group);
        }
    free(groups->sorted);
    free(groups);
}

static struct group *groups_find(struct groups *groups, const struct smtpscope_finding *finding)
{
    struct group *group;

    for (group = groups->by_rule[finding->rule]; group; group = group->next)
        if (group->reason == finding->reason && group->fault == finding->fault && group->severity == finding->severity)
            return group;
    group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    group->rule = finding->rule;
    group->reason = finding->reason;
    group->fault = finding->fault;
    group->severity = finding->severity;
    group->of_program = !finding->flow;
    group->next = groups->by_rule[finding->rule];
    groups->by_rule[finding->rule] = group;
    groups->count++;
    return group;
}

static bool group_add_example(struct group *group, const struct smtpscope_finding *finding)
{
    struct group_example *example = &group->examples[group->example_count];
    char detail[DETAIL_TEXT_MAX] = "";

    if (finding->detail != SMTPSCOPE_DETAIL_NONE)
        smtpscope_advice_detail(finding, detail, sizeof detail);
    *example = (struct group_example){
        .time = finding->time,
        .packet = finding->packet,
        .command = strdup(finding->command),
        .argument = strdup(finding->argument),
        .text = strdup(finding->text),
        .detail = strdup(detail),
        .code = finding->code,
        .enhanced = finding->enhanced,
        .verdict = finding->verdict,
    };
    memcpy(example->reason_evidence, finding->reason_evidence, sizeof example->reason_evidence);
    if (finding->flow)
        memcpy(example->side, finding->flow->side, sizeof example->side);
    if (example->command && example->argument && example->text && example->detail) {
        group->example_count++;
        return true;
    }
    example_fini(example);
    return false;
}

static void group_add_server(struct group *group, const char *server)
{
    for (size_t i = 0; i < group->server_count; i++)
        if (!strcmp(group->servers[i], server))
            return;
    if (!*server || group->server_count == GROUP_SERVERS)
        return;
    group->servers[group->server_count] = strdup(server);
    group->server_count += group->servers[group->server_count] != NULL;
}

static void group_add_cause(struct group *group, enum smtpscope_rule cause)
{
    if (cause == group->rule)
        return;
    for (size_t i = 0; i < group->cause_count; i++)
        if (group->causes[i] == cause)
            return;
    if (group->cause_count < GROUP_CAUSES)
        group->causes[group->cause_count++] = cause;
}

/* Ids count within a session, and a cause may come before or behind its effect only within it. */
static void groups_remember(struct groups *groups, struct group *group, const struct smtpscope_finding *finding)
{
    if (groups->session != finding->flow->first_packet) {
        groups->session = finding->flow->first_packet;
        groups->seen_count = 0;
    }
    for (size_t i = 0; finding->cause && i < groups->seen_count; i++)
        if (groups->seen[i].id == finding->cause)
            group_add_cause(group, groups->seen[i].rule);
    if (groups->seen_count < SESSION_FINDINGS_MAX) {
        groups->seen[groups->seen_count].id = finding->id;
        groups->seen[groups->seen_count++].rule = finding->rule;
    }
}

const struct group *groups_add(struct groups *groups, const struct smtpscope_finding *finding)
{
    struct group *group = groups_find(groups, finding);

    if (!group)
        return NULL;
    if (finding->flow)
        groups_remember(groups, group, finding);
    group->count += finding->count;
    group->folded += finding->folded;
    group->likely += finding->confidence == SMTPSCOPE_LIKELY;
    if (finding->server)
        group_add_server(group, finding->server);
    if (finding->flow && group->sessions && group->last_session == finding->flow->first_packet)
        return group;
    group->last_session = finding->flow ? finding->flow->first_packet : 0;
    group->sessions++;
    return group->example_count == GROUP_EXAMPLES || group_add_example(group, finding) ? group : NULL;
}

static int group_compare(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

    if (x->severity != y->severity)
        return x->severity < y->severity ? -1 : 1;
    if (x->sessions != y->sessions)
        return x->sessions > y->sessions ? -1 : 1;
    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    if (x->reason != y->reason)
        return x->reason < y->reason ? -1 : 1;
    return x->fault < y->fault ? -1 : x->fault > y->fault;
}

struct group *const *groups_sorted(struct groups *groups, size_t *count)
{
    size_t at = 0;

    free(groups->sorted);
    groups->sorted = groups->count ? malloc(groups->count * sizeof(struct group *)) : NULL;
    *count = groups->sorted ? groups->count : 0;
    if (!groups->sorted)
        return NULL;
    for (size_t rule = 0; rule < SMTPSCOPE_RULES; rule++)
        for (struct group *group = groups->by_rule[rule]; group; group = group->next)
            groups->sorted[at++] = group;
    qsort(groups->sorted, groups->count, sizeof(struct group *), group_compare);
    return groups->sorted;
}
