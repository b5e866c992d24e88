/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options/options.h"

#include "app/options/config.h"
#include "app/options/option_set.h"
#include "app/options/option_store.h"
#include "app/options/option_table.h"
#include "app/options/values.h"
#include "app/process/processors.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"
#include "base/unlike.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* getopt's value of a long option is its row's place behind this, clear of all letters. */
#define LONG_BASE 256
/* A path with a line's number and a name. */
#define WHERE_SIZE 4352
#define ROTATE_COUNT_DEFAULT 5
#define PORTS_DEFAULT "25,465,587"

enum origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_COMMAND_LINE };

/* getopt(3)'s view of the table. */
struct getopt_words {
    char letters[2 * OPTION_COUNT + 3];
    struct option longs[OPTION_COUNT + 1];
};

struct parse {
    struct options *options;
    struct getopt_words words;
    enum origin origin[OPTION_COUNT];
    unsigned line[OPTION_COUNT]; /* of the file */
    char *expression;            /* of words behind -i or the files; owned */
};

/* The subcommands and how many words they take. */
static const struct {
    const char *name;
    enum task task;
    size_t topics;
    const char *usage;
} subcommands[] = {
    {"rules", TASK_RULES, 0, "smtpscope rules [--format text|json] [--lang en|fr|de]"},
    {"explain", TASK_EXPLAIN, 1,
     "smtpscope explain 450 | \"450 4.7.1\" | sequence.nested-mail | [--stage rcpt] \"550 User unknown\" | -"},
    {"compare", TASK_COMPARE, 2, "smtpscope compare 450 503"},
    {"export", TASK_EXPORT, 1, "smtpscope export STORE [--format text|json]"},
    {"mail", TASK_MAIL, 2, "smtpscope mail STORE user@example.org [--format text|json]"},
};
#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

/* `order` is what getopt(3) wants in front of the letters. */
static void words_of_table(struct getopt_words *words, const char *order)
{
    size_t len = (size_t)snprintf(words->letters, sizeof words->letters, "%s", order);

    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];

        words->longs[i] = (struct option){row->name, row->argument ? required_argument : no_argument, NULL, LONG_BASE + i};
        if (row->letter)
            words->letters[len++] = row->letter;
        if (row->letter && row->argument)
            words->letters[len++] = ':';
    }
    words->letters[len] = '\0';
    words->longs[OPTION_COUNT] = (struct option){0};
}

static const struct option_row *row_of(int id)
{
    if (id >= LONG_BASE)
        return &option_table[id - LONG_BASE];
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (option_table[i].letter == id)
            return &option_table[i];
    return NULL;
}

/* What getopt(3) could not take: ':' wants a value, '?' is unknown, ambiguous, or a flag with a value. */
static void warn_option(int problem, const char *word)
{
    char name[64];
    const char *near;

    if (problem == ':') {
        warn_user(_("%s: its value is missing; 'smtpscope --help' shows all options"), word);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    near = !strncmp(name, "--", 2) ? option_near(name + 2) : NULL;
    if (near && !strcmp(near, name + 2))
        warn_user(_("%s: takes no value"), word);
    else if (near)
        warn_user(_("%s: no such option; is it --%s? 'smtpscope --help' shows all options"), word, near);
    else
        warn_user(_("%s: no such option; 'smtpscope --help' shows all options"), word);
}

/*
 * The next option of the command line: its row, with `*value`; NULL at the end, with `*wrong` set when what is there has been
 * told to be no option. A word that is no option comes as `*word` when getopt returns those in their place.
 */
static const struct option_row *next_option(const struct getopt_words *words, int argc, char **argv, const char **value,
                                            bool *wrong, const char **word)
{
    int at = optind ? optind : 1, id = getopt_long(argc, argv, words->letters, words->longs, NULL);

    *word = id == 1 ? optarg : NULL;
    *value = optarg ? optarg : "yes";
    *wrong = id == '?' || id == ':';
    if (*wrong)
        warn_option(id, argv[at < argc ? at : argc - 1]);
    return id == -1 || id == 1 || *wrong ? NULL : row_of(id);
}

static bool set(struct parse *parse, const struct option_row *row, const char *where, const char *value, enum origin origin)
{
    enum origin *before = &parse->origin[row - option_table];

    /* What is given on the command line replaces a list of the file rather than adding to it. */
    if (*before == ORIGIN_FILE && origin == ORIGIN_COMMAND_LINE)
        option_clear(row, parse->options);
    *before = origin;
    return row->set(&(struct setting){.options = parse->options, .row = row, .where = where}, value);
}

static bool set_option(struct parse *parse, const struct option_row *row, const char *value)
{
    char where[64];

    snprintf(where, sizeof where, "--%s", row->name);
    return set(parse, row, where, value, ORIGIN_COMMAND_LINE);
}

static bool is_given(const struct parse *parse, enum option_id id)
{
    return parse->origin[id] == ORIGIN_COMMAND_LINE;
}

/* One word more of the expression. */
static bool add_expression(struct parse *parse, const char *word)
{
    size_t len = parse->expression ? strlen(parse->expression) : 0;
    char *grown = realloc(parse->expression, len + strlen(word) + 2);

    if (!grown) {
        warn_user(_("out of memory"));
        return false;
    }
    if (len)
        grown[len++] = ' ';
    memcpy(grown + len, word, strlen(word) + 1);
    parse->expression = grown;
    return true;
}

/* The subcommand that was meant, or what does what a word asks for that other programs know; NULL: none. */
static const char *subcommand_near(const char *word)
{
    static const struct {
        const char *word, *meant;
    } others[] = {{"list", "rules"}, {"help", "--help"}, {"version", "--version"}, {"diff", "compare"}};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (!strcmp(word, others[i].word))
            return others[i].meant;
    return likest(word, subcommands, SUBCOMMANDS, sizeof subcommands[0]);
}

static bool is_file(const char *word)
{
    return !strcmp(word, "-") || !access(word, F_OK);
}

/*
 * A word that is no option. Behind -i it is part of a filter's expression. Else it is a capture, as long as there are such files; the
 * first that is none begins the expression.
 */
static bool add_word(struct parse *parse, const char *word)
{
    const char *near;

    if (parse->expression || (parse->options->interface_count && !is_given(parse, OPTION_READ)))
        return add_expression(parse, word);
    if (is_file(word))
        return set_option(parse, &option_table[OPTION_READ], word);
    if (is_given(parse, OPTION_READ))
        return add_expression(parse, word);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (!strcmp(word, subcommands[i].name)) {
            warn_user(_("%s: that comes first: %s"), word, subcommands[i].usage);
            return false;
        }
    }
    near = subcommand_near(word);
    if (near)
        warn_user(_("%s: neither a file nor a command; is it %s?"), word, near);
    else
        warn_user(_("%s: neither a file nor a command; 'smtpscope --help' shows all commands"), word);
    return false;
}

static bool is_final(const struct options *options)
{
    return options->task == TASK_HELP || options->task == TASK_VERSION;
}

static bool parse_words(struct parse *parse, int argc, char **argv)
{
    const struct option_row *row;
    const char *value, *word;
    bool wrong;

    optind = 0;
    while ((row = next_option(&parse->words, argc, argv, &value, &wrong, &word)) || word) {
        if (row ? !set_option(parse, row, value) : !add_word(parse, word))
            return false;
        if (is_final(parse->options))
            return true;
    }
    for (; !wrong && optind < argc; optind++)
        if (!add_word(parse, argv[optind]))
            return false;
    return !wrong;
}

/* --config, ahead of the others: what they say is stronger than the file. Nothing is said of what is wrong with the others. */
static const char *find_config(const struct getopt_words *words, int argc, char **argv)
{
    const char *config = NULL;

    optind = 0;
    for (int id; (id = getopt_long(argc, argv, words->letters, words->longs, NULL)) != -1;)
        if (id != '?' && id != ':' && id != 1 && row_of(id) == &option_table[OPTION_CONFIG])
            config = optarg;
    return config;
}

static void warn_name(const char *path, unsigned line, const char *name, const struct option_row *row)
{
    const char *near = row ? NULL : option_near(name);

    if (row)
        warn_user(_("%s:%u: %s: only on the command line"), path, line, name);
    else if (near && option_find(near)->in_file)
        warn_user(_("%s:%u: %s: no such name; is it %s?"), path, line, name, near);
    else
        warn_user(_("%s:%u: %s: no such name; smtpscope.conf(5) lists them all"), path, line, name);
}

/* One line of the file. */
static bool set_entry(void *ctx, unsigned line, const char *name, const char *value)
{
    struct parse *parse = ctx;
    const char *path = parse->options->config;
    const struct option_row *row = option_find(name);
    char where[WHERE_SIZE];
    unsigned *before;

    if (!row || !row->in_file) {
        warn_name(path, line, name, row);
        return false;
    }
    snprintf(where, sizeof where, "%s:%u: %s", path, line, name);
    before = &parse->line[row - option_table];
    if (!*value)
        warn_user(_("%s: its value is missing"), where);
    else if (*before && row->storage != OPTION_LIST)
        warn_user(_("%s %s: it was given in line %u already"), where, value, *before);
    else
        return set(parse, row, where, value, ORIGIN_FILE) && (*before = line);
    return false;
}

static bool read_config(struct parse *parse, const char *path)
{
    return set_option(parse, &option_table[OPTION_CONFIG], path) &&
           config_read(path, &(struct config_reader){.entry = set_entry, .ctx = parse});
}

/* The expression of the words, stronger than the file's; both --filter and words: which of them? */
static bool take_expression(struct parse *parse)
{
    if (!parse->expression)
        return true;
    if (!is_given(parse, OPTION_FILTER)) {
        char where[WHERE_SIZE] = "--filter";

        if (is_given(parse, OPTION_READ))
            snprintf(where, sizeof where, _("%.*s: no such file; as a filter"), (int)strcspn(parse->expression, " "),
                     parse->expression);
        return set(parse, &option_table[OPTION_FILTER], where, parse->expression, ORIGIN_COMMAND_LINE);
    }
    warn_user(_("%s: there is a --filter already; write the whole expression there or here"), parse->expression);
    return false;
}

/* What follows from the options: the command line's word before the file's. */
static bool choose_task(struct parse *parse)
{
    struct options *options = parse->options;

    if (is_given(parse, OPTION_READ) && is_given(parse, OPTION_INTERFACE)) {
        warn_user(_("--read and --interface: either captures or interfaces, not both"));
        return false;
    }
    if (options->task != TASK_ANALYSE)
        return true;
    if (!options->file_count && !options->interface_count) {
        if (options->config)
            warn_user(_("%s: names no interface: write interface = NAME there, or -i NAME"), options->config);
        else
            warn_user(_("nothing to read: write -r FILE or -i INTERFACE; 'smtpscope --help' shows all commands"));
        return false;
    }
    options->task = options->file_count ? TASK_ANALYSE : TASK_WATCH;
    return true;
}

/* What the command line asks for has to mean something to the task; a file may be written for another. */
static bool check_task(const struct parse *parse)
{
    enum task task = parse->options->task;

    for (size_t i = 0; task != TASK_CHECK_CONFIG && i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];

        if (!is_given(parse, (enum option_id)i) || row->tasks & 1U << task)
            continue;
        if (task == TASK_ANALYSE)
            warn_user(_("--%s: only with --interface"), row->name);
        else if (task == TASK_INTERFACES)
            warn_user(_("--%s: not with --list-interfaces"), row->name);
        else
            warn_user(_("--%s: only with --read"), row->name);
        return false;
    }
    return true;
}

/* Options that mean nothing without another: all of them are told. */
static bool check_needs(const struct parse *parse)
{
    bool met = true;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i], *needed = &option_table[row->needs];

        if (!row->needs || !parse->origin[i] || parse->origin[row->needs])
            continue;
        if (parse->origin[i] == ORIGIN_FILE)
            warn_user(_("%s:%u: %s: nothing without %s; write that, too"), parse->options->config, parse->line[i], row->name,
                      needed->name);
        else
            warn_user(_("--%s: nothing without --%s; write that, too"), row->name, needed->name);
        met = false;
    }
    return met;
}

static bool parse_all(struct parse *parse, int argc, char **argv)
{
    const char *config;

    /* "-": words that are no options come in their place, as files of the -r before them. */
    words_of_table(&parse->words, "-:");
    config = find_config(&parse->words, argc, argv);
    return (!config || read_config(parse, config)) && parse_words(parse, argc, argv) &&
           (is_final(parse->options) ||
            (take_expression(parse) && choose_task(parse) && check_task(parse) && check_needs(parse)));
}

static bool is_code(const char *word)
{
    return strspn(word, "0123456789") == 3 && !word[3];
}

/* "450 4.7.1" may come as one word or as two; and, where one topic is wanted, a reply line as many. */
static bool is_more(const char *topic, const char *word, size_t wanted)
{
    bool enhanced = strspn(word, "0123456789.") == strlen(word) && strchr(word, '.') && !strchr(topic, ' ');

    return enhanced || (wanted == 1 && strspn(topic, "0123456789") == 3);
}

/* Takes the words that are no options out of argv, which getopt has moved to the end. */
static bool take_topics(struct options *options, char **words, size_t count, size_t wanted, const char *usage)
{
    size_t topic = 0, len;

    if (options->task == TASK_EXPLAIN && count == 2 && is_code(words[0]) && is_code(words[1])) {
        warn_user(_("two codes: smtpscope compare %s %s"), words[0], words[1]);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (topic && is_more(options->topic[topic - 1], words[i], wanted)) {
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
    warn_user(_("write: %s"), usage);
    return false;
}

static bool parse_subcommand(struct parse *parse, int argc, char **argv, size_t which)
{
    struct options *options = parse->options;
    const struct option_row *row;
    const char *value, *word;
    bool wrong;

    options->task = subcommands[which].task;
    words_of_table(&parse->words, ":");
    optind = 0;
    while ((row = next_option(&parse->words, argc, argv, &value, &wrong, &word))) {
        if (!(row->tasks & 1U << subcommands[which].task)) {
            warn_user(_("write: %s"), subcommands[which].usage);
            return false;
        }
        if (!set_option(parse, row, value))
            return false;
        if (is_final(options))
            return true;
    }
    if (wrong)
        return false;
    if (!options->format->for_people && !options->format->json) {
        warn_user(_("write: %s"), subcommands[which].usage);
        return false;
    }
    return take_topics(options, argv + optind, (size_t)(argc - optind), subcommands[which].topics, subcommands[which].usage);
}

bool options_parse(struct options *options, int argc, char **argv)
{
    struct parse parse = {.options = options};
    bool done;

    opterr = 0;
    options->format = &format_table[0];
    options->min_severity = SMTPSCOPE_INFO;
    options->fail_on = -1;
    options->promiscuous = options->sandbox = options->inference = true;
    options->rotate_count = ROTATE_COUNT_DEFAULT;
    options->workers = WORKERS_UNSAID;
    options->remediation = REMEDIATION_UNSAID;
    value_ports(PORTS_DEFAULT, options->ports);
    for (size_t i = 0; argc > 1 && i < SUBCOMMANDS; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return parse_subcommand(&parse, argc - 1, argv + 1, i);
    done = parse_all(&parse, argc, argv);
    free(parse.expression);
    return done;
}

bool options_reload(const struct options *now, struct options *fresh, int argc, char **argv)
{
    bool done;

    memset(fresh, 0, sizeof *fresh);
    done = options_parse(fresh, argc, argv);
    for (size_t i = 0; done && i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];

        if (row->live || row->set == set_task || option_equal(row, now, fresh))
            continue;
        warn_user(_("%s: %s has changed: that needs a restart"), now->config ? now->config : "smtpscope", row->name);
        done = option_copy(row, fresh, now);
    }
    if (!done)
        options_fini(fresh);
    return done;
}

bool options_copy(struct options *to, const struct options *from)
{
    to->task = from->task;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!option_copy(&option_table[i], to, from)) {
            options_fini(to);
            return false;
        }
    }
    return true;
}

/*
 * Files are read as fast as there are processors. An interface's gigabit a second takes a fraction of one (see
 * tests/bench/rates.py), and each worker has a ring of its own: more help where packets are dropped.
 */
unsigned options_workers(const struct options *options)
{
    unsigned workers = options->workers;

    if (workers == WORKERS_UNSAID)
        workers = options->interface_count ? 1 : 0;
    if (!workers)
        workers = processors();
    return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

/* Over files people ask once and want to know what to do; a pipeline that watches can look it up by rule and reason. */
enum output_remediation options_remediation(const struct options *options)
{
    if (options->remediation != REMEDIATION_UNSAID)
        return (enum output_remediation)options->remediation;
    return options->task == TASK_WATCH ? OUTPUT_REMEDIATION_NONE : OUTPUT_REMEDIATION_FULL;
}

bool options_same_outputs(const struct options *a, const struct options *b)
{
    static const int rows[] = {OPTION_OUTPUT, OPTION_ROTATE_SIZE, OPTION_ROTATE_COUNT, OPTION_FORMAT, OPTION_REMEDIATION};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!option_equal(&option_table[rows[i]], a, b))
            return false;
    return true;
}

const char *options_language(int argc, char **argv)
{
    static const char option[] = "--lang";
    const char *found = NULL;

    for (int i = 1; i < argc; i++) {
        const char *value = NULL, *known;

        if (!strncmp(argv[i], option, sizeof option - 1) && argv[i][sizeof option - 1] == '=')
            value = argv[i] + sizeof option;
        else if (!strcmp(argv[i], option))
            value = argv[i + 1]; /* argv ends with NULL */
        known = value ? option_language(value) : NULL;
        found = known ? known : found;
    }
    return found;
}

void options_fini(struct options *options)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        option_clear(&option_table[i], options);
    free(options->topic[0]);
    free(options->topic[1]);
}
