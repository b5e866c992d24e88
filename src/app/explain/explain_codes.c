/* SPDX-License-Identifier: BSD-2-Clause */
/* Reply codes: explained one by one, and compared. */
#include "app/explain/explain_codes.h"

#include "app/explain/explain.h"

#include "smtpscope/advice.h"

#include "advice/code_use.h"
#include "app/explain/explain_page.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CODES_MAX 100u /* of one class: all there can be */

static const char *const fault_texts[] = {
    [SMTPSCOPE_FAULT_UNDETERMINED] = N_("whoever the capture shows to be at fault"),
    [SMTPSCOPE_FAULT_CLIENT] = N_("the sender's side"),
    [SMTPSCOPE_FAULT_SERVER] = N_("the receiver's side"),
    [SMTPSCOPE_FAULT_NETWORK] = N_("whoever runs the network or the capture"),
    [SMTPSCOPE_FAULT_NOBODY] = N_("nobody: it passes by itself, or needs no action"),
};
_Static_assert(COUNT(fault_texts) == SMTPSCOPE_FAULTS, "a fault without a text");

static const char *const retry_texts[] = {
    [SMTPSCOPE_RETRY_UNKNOWN] = N_("that cannot be known"),
    [SMTPSCOPE_RETRY_YES] = N_("yes, the same message may be accepted later"),
    [SMTPSCOPE_RETRY_SLOWER] = N_("yes, but slower"),
    [SMTPSCOPE_RETRY_SPLIT] = N_("yes, the rest in a transaction of its own"),
    [SMTPSCOPE_RETRY_OWNER] = N_("only when the mailbox's owner has made room"),
    [SMTPSCOPE_RETRY_RARELY] = N_("rarely helps"),
    [SMTPSCOPE_RETRY_SENDER] = N_("only after the sender has changed something"),
    [SMTPSCOPE_RETRY_DNS] = N_("only after DNS has been fixed"),
    [SMTPSCOPE_RETRY_NEVER] = N_("no, it fails each time unless something is changed"),
};
_Static_assert(COUNT(retry_texts) == SMTPSCOPE_RETRIES, "a retry without a text");

/* By the first digit of a reply code. */
static const char *const class_texts[10] = {
    [2] = N_("success (2yz): the command was carried out"),
    [3] = N_("intermediate (3yz): the server waits for more from the client"),
    [4] = N_("transient (4yz): nothing is decided, and the same command may succeed later"),
    [5] = N_("permanent (5yz): the same command will be refused again, and what depends on it fails"),
};
static const char *const client_texts[10] = {
    [2] = N_("the client goes on with the next step"),
    [3] = N_("the client sends what the server waits for"),
    [4] = N_("the client keeps the message in its queue and tries again later, with growing intervals"),
    [5] = N_("the client does not repeat the command unchanged: it corrects the cause or gives the message back"),
};
static const char *const enhanced_classes[6] = {
    [2] = N_("success"),
    [4] = N_("persistent transient failure"),
    [5] = N_("permanent failure"),
};

/* The family whose rules a code leads to; the first row that fits counts. */
static const struct {
    uint16_t from, to;
    const char *family;
} families_of_codes[] = {
    {400, 499, "deferral"},  {500, 500, "rejection"}, {502, 502, "rejection"}, {503, 503, "sequence"},
    {504, 504, "rejection"}, {555, 555, "rejection"}, {500, 599, "refusal"},
};

/* Opens an object, which the caller closes. */
static void put_json_code(struct writer *json, const struct smtpscope_code_advice *code)
{
    put_open(json, '{');
    put_member_string(json, "type", "code");
    put_member_number(json, "code", code->code);
    put_member_string(json, "name", code->name);
    put_member_string(json, "reference", code->reference);
    put_member_string(json, "class", code->klass);
    put_member_bool(json, "transient", code->transient);
    put_member_bool(json, "permanent", code->permanent);
    put_member_string(json, "acts", smtpscope_fault_name(code->acts));
    put_member_string(json, "retry", code->code < 400 ? NULL : smtpscope_retry_name(code->retry));
    put_member_string(json, "meaning", code->meaning);
    put_member_string(json, "seen", code->seen);
    put_member_string(json, "resolve", code->resolve);
    put_member_string(json, "use", smtpscope_advice_code_use(code->code));
    put_key(json, "related");
    put_open(json, '[');
    for (const uint16_t *at = code->related; *at != 0; at++)
        put_number(json, *at);
    put_close(json, ']');
}

const char *explain_fault(enum smtpscope_fault fault)
{
    return _(fault_texts[fault]);
}

const char *explain_retry(enum smtpscope_retry retry)
{
    return _(retry_texts[retry]);
}

struct enhanced {
    unsigned klass, subject, detail; /* klass 0: "X.7.1" */
    const char *meaning;             /* NULL: the detail is not registered */
    const char *about;               /* the meaning of its subject alone */
};

static void enhanced_look_up(struct enhanced *enhanced)
{
    unsigned klass = enhanced->klass == 0 ? 5 : enhanced->klass; /* the words are the same for each */

    enhanced->meaning = smtpscope_advice_enhanced(klass, enhanced->subject, enhanced->detail);
    enhanced->about = smtpscope_advice_enhanced(klass, enhanced->subject, 0);
}

static const char *enhanced_class(const struct enhanced *enhanced)
{
    return enhanced->klass == 0 ? NULL : _(enhanced_classes[enhanced->klass]);
}

static void put_enhanced(const struct page *page, const struct enhanced *enhanced, unsigned code)
{
    if (enhanced->klass == 0)
        fprintf(page->out, "X.%u.%u", enhanced->subject, enhanced->detail);
    else
        fprintf(page->out, "%u.%u.%u  %s", enhanced->klass, enhanced->subject, enhanced->detail, enhanced_class(enhanced));
    fputs(enhanced->klass == 0 ? "  RFC 3463, RFC 5248\n" : " (RFC 3463, RFC 5248)\n", page->out);
    page_filled(page, 2, enhanced->meaning != NULL ? enhanced->meaning : enhanced->about);
    if (enhanced->meaning == NULL)
        page_filled(page, 2, _("The last number is not registered; receivers choose such numbers themselves."));
    if (code != 0 && enhanced->klass != 0 && code / 100 != enhanced->klass)
        page_filled(page, 2, _("The two codes contradict each other; the three digits count. See reply.enhanced-mismatch."));
}

static void put_json_enhanced(struct writer *json, const struct enhanced *enhanced)
{
    put_open(json, '{');
    put_member_string(json, "type", "enhanced-code");
    put_member_nonzero(json, "class", enhanced->klass);
    put_member_number(json, "subject", enhanced->subject);
    put_member_number(json, "detail", enhanced->detail);
    put_member_string(json, "class_name", enhanced_class(enhanced));
    put_member_string(json, "meaning", enhanced->meaning);
    put_member_string(json, "about", enhanced->about);
    put_close(json, '}');
}

static const char *family_of_code(unsigned code)
{
    for (size_t i = 0; i < COUNT(families_of_codes); i++)
        if (code >= families_of_codes[i].from && code <= families_of_codes[i].to)
            return families_of_codes[i].family;
    return NULL;
}

static void put_related(const struct page *page, const struct smtpscope_code_advice *code)
{
    fprintf(page->out, "\n%s\n", _("Related codes"));
    for (const uint16_t *at = code->related; *at != 0; at++) {
        struct smtpscope_code_advice other;

        if (smtpscope_advice_code(*at, &other))
            fprintf(page->out, "  %u  %s\n", (unsigned)*at, other.name);
    }
}

static void put_code(const struct page *page, const struct smtpscope_code_advice *code)
{
    const char *family = family_of_code(code->code);

    fprintf(page->out, "%u  %s\n", (unsigned)code->code, code->name);
    fprintf(page->out, "     %s (%s)\n", code->klass, code->reference);
    page_section(page, _("What it means"), code->meaning);
    page_section(page, _("When it is seen"), code->seen);
    page_section(page, _("How to resolve it"), code->resolve);
    if (family == NULL)
        return;
    page_section(page, _("Who must act"), explain_fault(code->acts));
    page_section(page, _("Does it help to send again?"), explain_retry(code->retry));
    put_related(page, code);
    fprintf(page->out, "\n%s\n  smtpscope explain %s\n", _("The findings it leads to"), family);
}

static int explain_code(const struct smtpscope_code_advice *code, const struct enhanced *enhanced, bool json, FILE *out)
{
    struct page page = page_of(out);

    if (json) {
        struct writer object = {0};

        put_json_code(&object, code);
        if (enhanced != NULL) {
            put_key(&object, "enhanced");
            put_json_enhanced(&object, enhanced);
        }
        put_close(&object, '}');
        return page_json(&object, out);
    }
    put_code(&page, code);
    if (enhanced != NULL) {
        putc('\n', out);
        put_enhanced(&page, enhanced, code->code);
    }
    return 0;
}

/* Reads "4.7.1" or "X.7.1" at the end of a topic. */
static bool enhanced_parse(const char *text, struct enhanced *enhanced)
{
    char klass;
    int used = 0;

    *enhanced = (struct enhanced){0};
    if (sscanf(text, " %c.%3u.%3u %n", &klass, &enhanced->subject, &enhanced->detail, &used) != 3 || text[used] != '\0')
        return false;
    if (klass != 'X' && klass != 'x' && klass != '2' && klass != '4' && klass != '5')
        return false;
    enhanced->klass = isdigit((unsigned char)klass) ? (unsigned)(klass - '0') : 0;
    enhanced_look_up(enhanced);
    return enhanced->about != NULL;
}

/* Reads three digits; `rest` is what stands behind them and their separator. */
static bool code_parse(const char *text, unsigned *code, const char **rest)
{
    size_t digits = strspn(text, "0123456789");

    if (digits != 3 || (text[3] != '\0' && text[3] != ' ' && text[3] != '-'))
        return false;
    *code = (unsigned)(text[0] - '0') * 100 + (unsigned)(text[1] - '0') * 10 + (unsigned)(text[2] - '0');
    *rest = text + 3 + strspn(text + 3, " -");
    return true;
}

/* The codes of the same hundred that are nearest in number. */
static int warn_unknown_code(const char *topic)
{
    uint16_t codes[CODES_MAX];
    size_t count = smtpscope_advice_codes(codes, COUNT(codes)), len = 0;
    char list[CODES_MAX * 5] = "";

    for (size_t i = 0; i < count && i < COUNT(codes); i++)
        if (codes[i] / 100 == topic[0] - '0')
            len += (size_t)snprintf(list + len, sizeof list - len, " %u", (unsigned)codes[i]);
    if (len == 0)
        warn_user(_("%s is no reply code: they begin with 2, 3, 4 or 5"), topic);
    else
        warn_user(_("%s is in no list of reply codes; those of its class:%s"), topic, list);
    return 2;
}

bool explain_is_number(const char *topic)
{
    return isdigit((unsigned char)topic[0]) || ((topic[0] == 'X' || topic[0] == 'x') && topic[1] == '.');
}

static int warn_number(const char *topic)
{
    warn_user(_("'%s' is neither a reply code such as 450 nor an enhanced code such as 4.7.1 (2, 4 or 5, then 0 to 7)"), topic);
    return 2;
}

int explain_number(const char *topic, bool json, FILE *out)
{
    struct smtpscope_code_advice code;
    struct enhanced enhanced;
    struct page page = page_of(out);
    const char *rest;
    unsigned number;

    if (code_parse(topic, &number, &rest)) {
        if (*rest != '\0' && !enhanced_parse(rest, &enhanced))
            return warn_number(rest);
        if (!smtpscope_advice_code(number, &code))
            return warn_unknown_code(topic);
        return explain_code(&code, *rest == '\0' ? NULL : &enhanced, json, out);
    }
    if (!enhanced_parse(topic, &enhanced))
        return warn_number(topic);
    if (json) {
        struct writer object = {0};

        put_json_enhanced(&object, &enhanced);
        return page_json(&object, out);
    }
    put_enhanced(&page, &enhanced, 0);
    return 0;
}

/* --- compare --- */

static bool compare_parse(const char *text, struct smtpscope_code_advice *code)
{
    const char *rest;
    unsigned number;

    if (!code_parse(text, &number, &rest) || *rest != '\0') {
        warn_user(_("compare takes two reply codes such as 450 and 503, not '%s'"), text);
        return false;
    }
    if (!smtpscope_advice_code(number, code)) {
        warn_unknown_code(text);
        return false;
    }
    return true;
}

static const char *class_text(const struct smtpscope_code_advice *code)
{
    return _(class_texts[code->code / 100]);
}

/* The text behind a label such as "450: ", its later lines hanging behind that. */
static void put_of_code(const struct page *page, unsigned code, const char *text)
{
    char label[16];

    snprintf(label, sizeof label, "%u: ", code);
    page_labelled(page, 4, 4 + strlen(label), label, text);
}

/* A difference, or that there is none: then it is said once. */
static void put_difference(const struct page *page, const char *heading, const struct smtpscope_code_advice code[2],
                           const char *left, const char *right)
{
    page_filled(page, 2, heading);
    if (strcmp(left, right) == 0) {
        page_labelled(page, 4, 4 + page_columns(_("both: "), strlen(_("both: "))), _("both: "), left);
        return;
    }
    put_of_code(page, code[0].code, left);
    put_of_code(page, code[1].code, right);
}

static const char *retry_of(const struct smtpscope_code_advice *code)
{
    return code->code < 400 ? _("nothing to retry") : explain_retry(code->retry);
}

static void put_when(const struct page *page, const struct smtpscope_code_advice code[2])
{
    fprintf(page->out, "\n%s\n", _("When which"));
    page_filled(page, 2, _("A server answers with it when ..."));
    for (int i = 0; i < 2; i++)
        put_of_code(page, code[i].code, smtpscope_advice_code_use(code[i].code));
    put_difference(page, _("What the client does with it"), code, _(client_texts[code[0].code / 100]),
                   _(client_texts[code[1].code / 100]));
}

static void put_comparison(const struct page *page, const struct smtpscope_code_advice code[2])
{
    char title[2][128];

    for (int i = 0; i < 2; i++)
        snprintf(title[i], sizeof title[i], "%u %s", (unsigned)code[i].code, code[i].name);
    page_columns_of_two(page, NULL, title[0], title[1]);
    page_columns_of_two(page, NULL, code[0].klass, code[1].klass);
    page_columns_of_two(page, NULL, code[0].reference, code[1].reference);
    page_columns_of_two(page, _("What it means"), code[0].meaning, code[1].meaning);
    page_columns_of_two(page, _("When it is seen"), code[0].seen, code[1].seen);
    page_columns_of_two(page, _("How to resolve it"), code[0].resolve, code[1].resolve);
    fprintf(page->out, "\n%s\n", _("The differences"));
    put_difference(page, _("Is it final?"), code, class_text(&code[0]), class_text(&code[1]));
    put_difference(page, _("Who must act?"), code, explain_fault(code[0].acts), explain_fault(code[1].acts));
    put_difference(page, _("Does it help to send again?"), code, retry_of(&code[0]), retry_of(&code[1]));
    put_when(page, code);
}

static void put_json_differences(struct writer *json, const struct smtpscope_code_advice code[2])
{
    const struct {
        const char *what, *left, *right;
    } rows[] = {
        {"class", class_text(&code[0]), class_text(&code[1])},
        {"acts", explain_fault(code[0].acts), explain_fault(code[1].acts)},
        {"retry", retry_of(&code[0]), retry_of(&code[1])},
        {"client", _(client_texts[code[0].code / 100]), _(client_texts[code[1].code / 100])},
    };

    put_key(json, "differences");
    put_open(json, '[');
    for (size_t i = 0; i < COUNT(rows); i++) {
        put_open(json, '{');
        put_member_string(json, "what", rows[i].what);
        put_key(json, "texts");
        put_open(json, '[');
        put_string(json, rows[i].left);
        put_string(json, rows[i].right);
        put_close(json, ']');
        put_member_bool(json, "same", strcmp(rows[i].left, rows[i].right) == 0);
        put_close(json, '}');
    }
    put_close(json, ']');
}

static int put_json_comparison(const struct smtpscope_code_advice code[2], FILE *out)
{
    struct writer json = {0};

    put_open(&json, '{');
    put_member_string(&json, "type", "comparison");
    put_key(&json, "codes");
    put_open(&json, '[');
    for (size_t i = 0; i < 2; i++) {
        put_json_code(&json, &code[i]);
        put_close(&json, '}');
    }
    put_close(&json, ']');
    put_json_differences(&json, code);
    put_close(&json, '}');
    return page_json(&json, out);
}

int explain_compare(const char *a, const char *b, bool json, FILE *out)
{
    struct smtpscope_code_advice code[2];
    struct page page = page_of(out);

    if (!compare_parse(a, &code[0]) || !compare_parse(b, &code[1]))
        return 2;
    if (json)
        return put_json_comparison(code, out);
    put_comparison(&page, code);
    return 0;
}
