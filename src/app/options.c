/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options.h"

#include "app/complain.h"
#include "app/words.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

/* Options without a letter of their own. */
enum option_id {
    OPTION_FORMAT = 256,
    OPTION_PORTS,
    OPTION_RULE,
    OPTION_MIN_SEVERITY,
    OPTION_SESSIONS,
    OPTION_MESSAGES,
    OPTION_SUMMARY,
    OPTION_LANG,
    OPTION_COLOR,
    OPTION_FAIL_ON,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"read", required_argument, NULL, 'r'},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"ports", required_argument, NULL, OPTION_PORTS},
    {"rule", required_argument, NULL, OPTION_RULE},
    {"min-severity", required_argument, NULL, OPTION_MIN_SEVERITY},
    {"sessions", no_argument, NULL, OPTION_SESSIONS},
    {"messages", no_argument, NULL, OPTION_MESSAGES},
    {"summary", no_argument, NULL, OPTION_SUMMARY},
    {"lang", required_argument, NULL, OPTION_LANG},
    {"color", required_argument, NULL, OPTION_COLOR},
    {"fail-on", required_argument, NULL, OPTION_FAIL_ON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

static const char *const formats[] = {"text", "json", NULL};
static const char *const languages[] = {"en", "fr", "de", NULL};
static const char *const colours[] = {[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never", NULL};

/* The subcommands and how many words they take. */
static const struct {
    const char *name;
    enum task task;
    size_t topics;
    const char *usage;
} subcommands[] = {
    {"rules", TASK_RULES, 0, "smtpscope rules [--format text|json]"},
    {"explain", TASK_EXPLAIN, 1, "smtpscope explain 450 | \"450 4.7.1\" | sequence.nested-mail"},
    {"compare", TASK_COMPARE, 2, "smtpscope compare 450 503"},
};

/* The position of `word` in `words`; -1 after saying what is allowed. */
static int choose(const char *option, const char *word, const char *const *words)
{
    char allowed[128];
    size_t len = 0;

    for (int i = 0; words[i]; i++)
        if (!strcmp(word, words[i]))
            return i;
    for (int i = 0; words[i] && len < sizeof allowed; i++)
        len += (size_t)snprintf(allowed + len, sizeof allowed - len, "%s%s", i ? ", " : "", words[i]);
    complain(_("%s %s: write one of %s"), option, word, allowed);
    return -1;
}

static int choose_severity(const char *option, const char *word)
{
    const char *names[SMTPSCOPE_SEVERITIES + 1] = {0};

    for (int i = 0; i < SMTPSCOPE_SEVERITIES; i++)
        names[i] = smtpscope_severity_name((enum smtpscope_severity)i);
    return choose(option, word, names);
}

/* A port number at `*at`, which moves behind it; -1 when there is none. */
static long parse_port(const char **at)
{
    char *end;
    long port = **at >= '0' && **at <= '9' ? strtol(*at, &end, 10) : -1;

    if (port < 1 || port > PORT_MAX)
        return -1;
    *at = end;
    return port;
}

/* "25,587,2500-2599" */
static bool parse_ports(uint8_t ports[PORTS_OCTETS], const char *list)
{
    const char *at = list;
    long first, last;

    memset(ports, 0, PORTS_OCTETS);
    do {
        at += *at == ',';
        first = last = parse_port(&at);
        if (*at == '-') {
            at++;
            last = parse_port(&at);
        }
        if (first < 0 || last < first || (*at && *at != ',')) {
            complain(_("--ports %s: write port numbers and ranges, as in 25,587,2500-2599"), list);
            return false;
        }
        for (long port = first; port <= last; port++)
            ports[port / 8] |= (uint8_t)(1U << port % 8);
    } while (*at);
    return true;
}

static bool append(const char ***list, size_t *count, const char *word)
{
    const char **grown = realloc(*list, (*count + 1) * sizeof *grown);

    if (!grown) {
        complain(_("out of memory"));
        return false;
    }
    *list = grown;
    grown[(*count)++] = word;
    return true;
}

static bool add_rule(struct options *options, const char *glob)
{
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        if (smtpscope_rule_matches((enum smtpscope_rule)rule, glob))
            return append(&options->globs, &options->glob_count, glob);
    complain(_("--rule %s: no rule has such a name; 'smtpscope rules' lists them all"), glob);
    return false;
}

/* A word that is no option: a file behind -r, a topic of a subcommand. */
static bool add_word(struct options *options, const char *word)
{
    if (options->task == TASK_ANALYSE && options->file_count)
        return append(&options->files, &options->file_count, word);
    if (options->task == TASK_ANALYSE)
        complain(_("%s: to read a capture write -r %s; 'smtpscope --help' shows all commands"), word, word);
    else
        complain(_("%s: one word too many"), word);
    return false;
}

static bool set_choice(struct options *options, int id, const char *word)
{
    int chosen;

    switch (id) {
    case OPTION_FORMAT:
        chosen = choose("--format", word, formats);
        options->json = chosen == 1;
        return chosen >= 0;
    case OPTION_LANG:
        return choose("--lang", word, languages) >= 0; /* taken by options_language() */
    case OPTION_COLOR:
        chosen = choose("--color", word, colours);
        options->colour = chosen == COLOUR_ALWAYS ? COLOUR_ALWAYS : chosen == COLOUR_NEVER ? COLOUR_NEVER : COLOUR_AUTO;
        return chosen >= 0;
    case OPTION_MIN_SEVERITY:
        chosen = choose_severity("--min-severity", word);
        options->min_severity = chosen < 0 ? SMTPSCOPE_INFO : (enum smtpscope_severity)chosen;
        return chosen >= 0;
    default:
        options->fail_on = choose_severity("--fail-on", word);
        return options->fail_on >= 0;
    }
}

/* One option, as getopt_long(3) gives it. '?' and ':' have been told already. */
static bool set_option(struct options *options, int id, char *argument)
{
    switch (id) {
    case 1:
        return add_word(options, argument);
    case 'r':
        return append(&options->files, &options->file_count, argument);
    case 'h':
        options->task = TASK_HELP;
        return true;
    case OPTION_VERSION:
        options->task = TASK_VERSION;
        return true;
    case OPTION_PORTS:
        return parse_ports(options->ports, argument);
    case OPTION_RULE:
        return add_rule(options, argument);
    case OPTION_SESSIONS:
        options->sessions = true;
        return true;
    case OPTION_MESSAGES:
        options->messages = true;
        return true;
    case OPTION_SUMMARY:
        options->summary = true;
        return true;
    case OPTION_FORMAT:
    case OPTION_LANG:
    case OPTION_COLOR:
    case OPTION_MIN_SEVERITY:
    case OPTION_FAIL_ON:
        return set_choice(options, id, argument);
    default:
        return false;
    }
}

/* The long option that `word` ("--x", "--x=1") is or begins; its name, for a message about it. */
static void complain_option(int problem, const char *word)
{
    if (problem == ':')
        complain(_("%s: its value is missing; 'smtpscope --help' shows all options"), word);
    else
        complain(_("%s: no such option, or not for this; 'smtpscope --help' shows all options"), word);
}

static bool parse_words(struct options *options, int argc, char **argv, const char *letters)
{
    int id, word;

    opterr = 0;
    optind = 1;
    for (;;) {
        word = optind;
        id = getopt_long(argc, argv, letters, long_options, NULL);
        if (id == -1)
            break;
        if (id == '?' || id == ':') {
            complain_option(id, argv[word < argc ? word : argc - 1]);
            return false;
        }
        if (!set_option(options, id, optarg))
            return false;
        if (options->task == TASK_HELP || options->task == TASK_VERSION)
            return true;
    }
    for (; optind < argc; optind++)
        if (!add_word(options, argv[optind]))
            return false;
    return true;
}

/* "450 4.7.1" may come as one word or as two. */
static bool is_enhanced(const char *word)
{
    return strspn(word, "0123456789.") == strlen(word) && strchr(word, '.');
}

/* Takes the words that are no options out of argv, which getopt has moved to the end. */
static bool take_topics(struct options *options, char **words, size_t count, size_t wanted, const char *usage)
{
    size_t topic = 0, len;

    for (size_t i = 0; i < count; i++) {
        if (topic && is_enhanced(words[i]) && !strchr(options->topic[topic - 1], ' ')) {
            char *joined = realloc(options->topic[topic - 1], strlen(options->topic[topic - 1]) + strlen(words[i]) + 2);

            if (!joined)
                break;
            options->topic[topic - 1] = joined;
            len = strlen(joined);
            joined[len] = ' ';
            memcpy(joined + len + 1, words[i], strlen(words[i]) + 1);
        } else if (topic < wanted) {
            options->topic[topic] = strdup(words[i]);
            if (!options->topic[topic])
                break;
            topic++;
        } else {
            topic = wanted + 1;
            break;
        }
    }
    if (topic == wanted)
        return true;
    complain(_("write: %s"), usage);
    return false;
}

static bool parse_subcommand(struct options *options, int argc, char **argv, size_t which)
{
    options->task = subcommands[which].task;
    opterr = 0;
    optind = 1;
    for (int id, word = 1; (id = getopt_long(argc, argv, ":h", long_options, NULL)) != -1; word = optind) {
        if (id == '?' || id == ':') {
            complain_option(id, argv[word < argc ? word : argc - 1]);
            return false;
        }
        if (id != 'h' && id != OPTION_FORMAT && id != OPTION_LANG && id != OPTION_COLOR && id != OPTION_VERSION) {
            complain(_("write: %s"), subcommands[which].usage);
            return false;
        }
        if (!set_option(options, id, optarg))
            return false;
        if (options->task == TASK_HELP || options->task == TASK_VERSION)
            return true;
    }
    return take_topics(options, argv + optind, (size_t)(argc - optind), subcommands[which].topics, subcommands[which].usage);
}

bool options_parse(struct options *options, int argc, char **argv)
{
    options->min_severity = SMTPSCOPE_INFO;
    options->fail_on = -1;
    parse_ports(options->ports, "25,587");
    for (size_t i = 0; argc > 1 && i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return parse_subcommand(options, argc - 1, argv + 1, i);
    /* "-": words that are no options come in their place, as files of the -r before them. */
    if (!parse_words(options, argc, argv, "-:r:h"))
        return false;
    if (options->task == TASK_ANALYSE && !options->file_count) {
        complain(_("nothing to read: write -r FILE; 'smtpscope --help' shows all commands"));
        return false;
    }
    return true;
}

const char *options_language(int argc, char **argv)
{
    static const char option[] = "--lang";
    const char *found = NULL;

    for (int i = 1; i < argc; i++) {
        const char *value = NULL;

        if (!strncmp(argv[i], option, sizeof option - 1) && argv[i][sizeof option - 1] == '=')
            value = argv[i] + sizeof option;
        else if (!strcmp(argv[i], option))
            value = argv[i + 1]; /* argv ends with NULL */
        for (size_t known = 0; value && languages[known]; known++)
            if (!strcmp(value, languages[known]))
                found = languages[known];
    }
    return found;
}

void options_fini(struct options *options)
{
    free(options->files);
    free(options->globs);
    free(options->topic[0]);
    free(options->topic[1]);
}

bool options_select(const struct options *options, enum smtpscope_rule rule)
{
    for (size_t i = 0; i < options->glob_count; i++)
        if (smtpscope_rule_matches(rule, options->globs[i]))
            return true;
    return !options->glob_count;
}
