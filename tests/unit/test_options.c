/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line beyond what the program shows of it: fields, who is stronger, what a reload takes. */
#include "unit.h"

#include "app/options/option_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 48
#define SOURCE_SIZE (1 << 17)

/* A configuration file of the test's own. */
static char config_path[] = "/tmp/smtpscope-options-XXXXXX";

static void config_write(const char *text)
{
    FILE *file = fopen(config_path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int config_create(void **state)
{
    int fd = mkstemp(config_path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int config_remove(void **state)
{
    (void)state;
    return unlink(config_path);
}

/* The blank-separated words of `line`, "CONFIG" being the file's path, as argc and argv. */
static int split(char *line, char *argv[WORDS_MAX + 1])
{
    int argc = 1;

    argv[0] = line;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = strcmp(word, "CONFIG") ? word : config_path;
    }
    argv[argc] = NULL;
    return argc;
}

static bool parse(struct options *options, const char *line)
{
    char copy[512], *argv[WORDS_MAX + 1];

    memset(options, 0, sizeof *options);
    snprintf(copy, sizeof copy, "%s", line);
    return options_parse(options, split(copy, argv), argv);
}

static void assert_text(const char *got, const char *want)
{
    if (!want) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_string_equal(got, want);
}

static void test_defaults(void **state)
{
    struct options options;

    (void)state;
    assert_true(parse(&options, "-r x"));
    assert_int_equal(options.task, TASK_ANALYSE);
    assert_true(options.promiscuous && options.sandbox && !options.encapsulated && !options.detect);
    assert_int_equal(options.workers, WORKERS_UNSAID);
    assert_int_equal(options.aggregate, 0);
    assert_int_equal(options.stats_interval, 0);
    assert_int_equal(options.output_count, 0);
    assert_int_equal(options.fail_on, -1);
    assert_null(options.user);
    options_fini(&options);
}

static void test_tasks(void **state)
{
    static const struct {
        const char *line;
        enum task want_task;
        size_t want_files, want_interfaces;
        const char *want_expression;
    } cases[] = {
        {"-r a /dev/null /dev/zero", TASK_ANALYSE, 3, 0, NULL},
        {"/dev/null /dev/zero", TASK_ANALYSE, 2, 0, NULL},
        {"/dev/null host 192.0.2.1 or port 25", TASK_ANALYSE, 1, 0, "host 192.0.2.1 or port 25"},
        {"-r a --filter tcp", TASK_ANALYSE, 1, 0, "tcp"},
        {"-r a --summary /dev/null", TASK_ANALYSE, 2, 0, NULL},
        {"-i eth0 -i eth1", TASK_WATCH, 0, 2, NULL},
        {"-i eth0 host 192.0.2.1 and port 25", TASK_WATCH, 0, 1, "host 192.0.2.1 and port 25"},
        {"-i eth0 not --summary port 26 -- or port 27", TASK_WATCH, 0, 1, "not port 26 or port 27"},
        {"-i any --filter tcp", TASK_WATCH, 0, 1, "tcp"},
        {"-c CONFIG", TASK_WATCH, 0, 2, "port 25"},
        {"-c CONFIG port 26", TASK_WATCH, 0, 2, "port 26"},
        {"-c CONFIG -i eth5", TASK_WATCH, 0, 1, "port 25"},
        {"-r a -c CONFIG /dev/null", TASK_ANALYSE, 2, 2, "port 25"},
        {"-D", TASK_INTERFACES, 0, 0, NULL},
        {"-h", TASK_HELP, 0, 0, NULL},
        {"--version --nonsense", TASK_VERSION, 0, 0, NULL},
    };
    struct options options;

    (void)state;
    config_write("interface = eth8\ninterface = eth9\nfilter = port 25\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("%s\n", cases[i].line);
        assert_true(parse(&options, cases[i].line));
        assert_int_equal(options.task, cases[i].want_task);
        assert_int_equal(options.file_count, cases[i].want_files);
        assert_int_equal(options.interface_count, cases[i].want_interfaces);
        assert_text(options.expression, cases[i].want_expression);
        options_fini(&options);
    }
}

static void test_values(void **state)
{
    struct options options;

    (void)state;
    assert_true(parse(&options, "-i eth0 -p -s 2000 -B 4096 --encapsulated --workers 3 --detect --max-sessions 77 --no-sandbox "
                                "--aggregate 5m --stats 90"));
    assert_true(!options.promiscuous && options.encapsulated && options.detect && !options.sandbox);
    assert_int_equal(options.snapshot_length, 2000);
    assert_int_equal(options.buffer_kib, 4096);
    assert_int_equal(options.workers, 3);
    assert_int_equal(options.max_sessions, 77);
    assert_int_equal(options.aggregate, 300 * SMTPSCOPE_SECOND);
    assert_int_equal(options.stats_interval, 90 * SMTPSCOPE_SECOND);
    options_fini(&options);
    assert_true(parse(&options, "-i eth0 --output - --output file:/x --rotate-size 10M --rotate-count 3 -w e.pcap -C 7 -W 9 "
                                "--metrics 127.0.0.1:80 --format json --color never --min-severity error"));
    assert_int_equal(options.output_count, 2);
    assert_text(options.outputs[1], "file:/x");
    assert_int_equal(options.rotate_octets, 10 << 20);
    assert_int_equal(options.rotate_count, 3);
    assert_text(options.evidence, "e.pcap");
    assert_int_equal(options.evidence_octets, 7000000);
    assert_int_equal(options.evidence_count, 9);
    assert_text(options.metrics, "127.0.0.1:80");
    assert_text(options.format->name, "json");
    assert_int_equal(options.colour, COLOUR_NEVER);
    assert_int_equal(options.min_severity, SMTPSCOPE_ERROR);
    options_fini(&options);
}

/* As people write them. */
static void test_lenient_values(void **state)
{
    struct options options;

    (void)state;
    config_write(
        "interface = eth0\nports = 25, 587 ,2525\ndetect = true\nno-sandbox = off\noutput = -\nrotate-size = 100 MB\n");
    assert_true(parse(&options, "-c CONFIG"));
    assert_true(options.detect && options.sandbox);
    assert_int_equal(options.rotate_octets, 100 << 20);
    for (unsigned port = 1; port < 65536; port++)
        assert_int_equal(options.ports[port / 8] >> port % 8 & 1, port == 25 || port == 587 || port == 2525);
    options_fini(&options);
}

static void test_wrong(void **state)
{
    static const char *const lines[] = {
        "-r x -i eth0",
        "-i eth0 -r x",
        "-r x --metrics 127.0.0.1:80",
        "-r x nosuchfile",
        "--check-config -c /dev/null --user",
        "-i eth0 --filter tcp port 25",
        "-i eth0 port port",
        "port 25",
        "",
        "-i",
        "--interfase eth0",
        "--summary=1",
        "-i any -i eth0",
        "-W 3 -r x",
        "-w x -W 3 -r x",
        "-D --summary",
        "--check-config",
        "-i eth0 --workers 0",
        "rules --summary",
        "--output",
        "-c /nonexistent -i eth0",
        "-z",
        "-i eth0 --read",
        "--file 3",
    };
    struct options options;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        print_message("%s\n", lines[i]);
        assert_false(parse(&options, lines[i]));
        options_fini(&options);
    }
}

static bool reload(const struct options *now, struct options *fresh, const char *text)
{
    char line[] = "-c CONFIG --min-severity notice", *argv[WORDS_MAX + 1];

    config_write(text);
    return options_reload(now, fresh, split(line, argv), argv);
}

static void test_reload(void **state)
{
    struct options now, fresh;

    (void)state;
    config_write(
        "interface = eth0\nports = 25\nrule = deferral\noutput = -\nworkers = 2\nuser = nobody\nmin-severity = error\n");
    assert_true(parse(&now, "-c CONFIG --min-severity notice"));
    /* What may change does; what may not keeps its value; the command line stays the stronger one. */
    assert_true(
        reload(&now, &fresh,
               "interface = eth1\ninterface = eth2\nports = 26\nrule = sequence\nrule = data\noutput = journald\nworkers = 4\n"
               "rotate-size = 1K\naggregate = 1m\nstats = 2m\nformat = json\nmin-severity = info\nfilter = tcp\n"));
    assert_int_equal(fresh.task, TASK_WATCH);
    assert_int_equal(fresh.interface_count, 1);
    assert_text(fresh.interfaces[0], "eth0");
    assert_memory_equal(fresh.ports, now.ports, PORTS_OCTETS);
    assert_int_equal(fresh.workers, 2);
    assert_text(fresh.user, "nobody");
    assert_null(fresh.expression);
    assert_int_equal(fresh.glob_count, 2);
    assert_text(fresh.globs[1], "data");
    assert_int_equal(fresh.output_count, 1);
    assert_text(fresh.outputs[0], "journald");
    assert_int_equal(fresh.rotate_octets, 1024);
    assert_int_equal(fresh.aggregate, 60 * SMTPSCOPE_SECOND);
    assert_int_equal(fresh.stats_interval, 120 * SMTPSCOPE_SECOND);
    assert_text(fresh.format->name, "json");
    assert_int_equal(fresh.min_severity, SMTPSCOPE_NOTICE);
    options_fini(&now);
    now = fresh;
    /* What is wrong changes nothing. */
    assert_false(reload(&now, &fresh, "interface = eth0\nrule = nonsense\n"));
    assert_text(now.globs[1], "data");
    assert_false(reload(&now, &fresh, ""));
    options_fini(&now);
}

/* What --help shows are the formats there are. */
static void test_formats(void **state)
{
    char names[64] = "";

    (void)state;
    for (size_t i = 0; i < FORMATS; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? "|" : "", format_table[i].name);
    assert_text(option_table[OPTION_FORMAT].argument, names);
    assert_true(format_table[0].for_people);
    assert_ptr_equal(format_for_programs(&format_table[1]), &format_table[1]);
    assert_false(format_for_programs(&format_table[0])->for_people);
}

/* A copy has every field, and nothing in common. */
static void test_copy(void **state)
{
    struct options from, to = {0};

    (void)state;
    config_write("user = nobody\nrule = data\nrule = reply\n");
    assert_true(
        parse(&from, "-c CONFIG -i eth0 -i eth1 port 26 -p -s 99 --output - -w x -C 3 --stats 5 --fail-on error --lang de"));
    assert_true(options_copy(&to, &from));
    assert_int_equal(to.task, TASK_WATCH);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        assert_true(option_equal(&option_table[i], &to, &from));
    assert_ptr_not_equal(to.interfaces, from.interfaces);
    assert_ptr_not_equal(to.interfaces[1], from.interfaces[1]);
    options_fini(&from);
    assert_text(to.interfaces[1], "eth1");
    assert_text(to.expression, "port 26");
    assert_int_equal(to.fail_on, SMTPSCOPE_ERROR);
    options_fini(&to);
}

/* No two names or letters; what belongs together is there. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];

        print_message("%s\n", row->name ? row->name : "(no name)");
        assert_non_null(row->name);
        assert_non_null(row->set);
        assert_ptr_equal(option_find(row->name), row);
        assert_true(row->tasks != 0);
        assert_true(!row->live || row->in_file);
        for (size_t j = 0; row->letter && j < i; j++)
            assert_int_not_equal(row->letter, option_table[j].letter);
    }
    assert_string_equal(option_near("interfase"), "interface");
    assert_string_equal(option_near("min-severty"), "min-severity");
    assert_null(option_near("xyzzy"));
}

/* The text of a file of the source tree. */
static char *source_text(const char *name)
{
    char *text = calloc(1, SOURCE_SIZE), path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", SMTPSCOPE_SOURCE_DIR, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, SOURCE_SIZE, file) < SOURCE_SIZE);
    fclose(file);
    return text;
}

/* The line that begins with `prefix` and goes on with a blank or ends; NULL: none. */
static const char *find_line(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    for (const char *at = strstr(text, prefix); at; at = strstr(at + 1, prefix))
        if ((at == text || at[-1] == '\n') && strchr(" \n", at[len]))
            return at;
    return NULL;
}

static size_t count_lines(const char *text, const char *prefix)
{
    size_t count = 0;

    for (const char *at = strstr(text, prefix); at; at = strstr(at + 1, prefix))
        count += at == text || at[-1] == '\n';
    return count;
}

/* smtpscope(1) has every option under its letter and name, with a value where it takes one, and no other. */
static void test_manual_of_options(void **state)
{
    char *page = source_text("man/smtpscope.1");

    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];
        const char *line;
        char item[128];

        if (row->letter)
            snprintf(item, sizeof item, ".It Fl %c , Fl -%s", row->letter, row->name);
        else
            snprintf(item, sizeof item, ".It Fl -%s", row->name);
        print_message("%s\n", item);
        line = find_line(page, item);
        assert_non_null(line);
        assert_int_equal(line[strlen(item)], row->argument ? ' ' : '\n');
    }
    assert_int_equal(count_lines(page, ".It Fl "), OPTION_COUNT);
    free(page);
}

/* smtpscope.conf(5) has every name that the file may have, says which are live, and has no other. So has the example. */
static void test_manual_of_the_file(void **state)
{
    char *page = source_text("man/smtpscope.conf.5"), *example = source_text("share/smtpscope.conf.example");
    size_t names = 0;

    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_table[i];
        const char *line;
        char item[128];

        snprintf(item, sizeof item, ".It Cm %s No =", row->name);
        print_message("%s\n", item);
        line = find_line(page, item);
        assert_int_equal(line != NULL, row->in_file);
        if (!row->in_file)
            continue;
        names++;
        assert_int_equal(!strncmp(strchr(line, '\n') + 1, "Live.\n", 6), row->live);
        snprintf(item, sizeof item, "%s =", row->name);
        if (!find_line(example, item)) {
            snprintf(item, sizeof item, "#%s =", row->name);
            assert_non_null(find_line(example, item));
        }
    }
    assert_int_equal(count_lines(page, ".It Cm "), names);
    free(page);
    free(example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_lenient_values),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_manual_of_options),
        cmocka_unit_test(test_manual_of_the_file),
    };

    return cmocka_run_group_tests(tests, config_create, config_remove);
}
