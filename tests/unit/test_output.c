/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaves the program: escaping, JSON lines, text, the record of a session, totals, community IDs. */
#include "unit.h"

#include "detect/community_id.h"
#include "output/eve.h"
#include "output/format.h"
#include "output/format_table.h"
#include "output/groups.h"
#include "output/json_writer.h"
#include "output/layout.h"
#include "output/output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <time.h>

/* --- helpers */

static char *written(struct writer *writer)
{
    writer_char(writer, '\0');
    assert_false(writer->failed);
    return writer->at;
}

static struct smtpscope_text text_of(const char *string)
{
    return (struct smtpscope_text){string, strlen(string)};
}

static struct smtpscope_endpoint endpoint_of(const char *address, uint16_t port)
{
    struct smtpscope_endpoint endpoint = {.port = port, .addr = {[10] = 0xff, [11] = 0xff}};

    if (inet_pton(AF_INET, address, endpoint.addr + 12) != 1)
        assert_int_equal(inet_pton(AF_INET6, address, endpoint.addr), 1);
    return endpoint;
}

static struct smtpscope_flow flow_of(uint64_t first_packet)
{
    return (struct smtpscope_flow){
        .side = {endpoint_of("192.0.2.200", 53732), endpoint_of("192.0.2.10", 25)},
        .first_packet = first_packet,
        .first_time = 1795297521 * SMTPSCOPE_SECOND + 976820001,
    };
}

static struct smtpscope_finding finding_of(const struct smtpscope_flow *flow)
{
    static const uint32_t exchanges[] = {4, 5};

    return (struct smtpscope_finding){
        .rule = SMTPSCOPE_RULE_SEQUENCE_DATA_BEFORE_RCPT,
        .severity = SMTPSCOPE_WARNING,
        .verdict = SMTPSCOPE_VERDICT_REFUSED_503,
        .fault = SMTPSCOPE_FAULT_CLIENT,
        .detail_text = "",
        .id = 1,
        .count = 2,
        .flow = flow,
        .time = flow->first_time,
        .last_time = flow->first_time,
        .packet = flow->first_packet + 3,
        .last_packet = flow->first_packet + 5,
        .side = SMTPSCOPE_SERVER,
        .offset = 77,
        .command = "DATA",
        .argument = "",
        .text = "Error: need RCPT command",
        .code = 503,
        .enhanced = {5, 5, 1},
        .state = "mail",
        .server = "",
        .exchanges = exchanges,
        .exchange_count = 2,
        .evidence_count = 1,
    };
}

static void no_community_id(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE])
{
    (void)flow;
    memcpy(id, "1:test", 7);
}

/* An output into memory. */
struct bench {
    struct packet_numbering numbering;
    struct output *output;
    FILE *stream;
    char *text;
    size_t len;
};

static void bench_init(struct bench *bench, const struct output_format *format)
{
    *bench = (struct bench){0};
    assert_true(packet_numbering_init(&bench->numbering, 1));
    assert_true(packet_numbering_add(&bench->numbering, "a.pcap", 0));
    bench->stream = open_memstream(&bench->text, &bench->len);
    bench->output = output_new(&(struct output_config){.format = format,
                                                       .write = output_to_stream,
                                                       .ctx = bench->stream,
                                                       .numbering = &bench->numbering,
                                                       .community_id = no_community_id,
                                                       .columns = 80,
                                                       .summary = true});
    assert_non_null(bench->output);
}

static void bench_fini(struct bench *bench)
{
    output_free(bench->output);
    fclose(bench->stream);
    free(bench->text);
    packet_numbering_fini(&bench->numbering);
}

static void assert_json_text(json_t *object, const char *key, const char *want)
{
    const char *got = json_string_value(json_object_get(object, key));

    assert_non_null(got);
    assert_string_equal(got, want);
}

/* --- tests */

static void escapes(void **state)
{
    static const struct {
        const char *label, *octets;
        size_t len;
        const char *want_terminal, *want_json;
    } rows[] = {
        {"plain", "Ok: queued", 10, "Ok: queued", "Ok: queued"},
        {"quotes", "a\"b\\c", 5, "a\"b\\c", "a\\\"b\\\\c"},
        {"UTF-8", "j\xc3\xb6rg", 5, "j\xc3\xb6rg", "j\xc3\xb6rg"},
        {"four octets", "\xf0\x9f\x93\xa7", 4, "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7"},
        {"Latin-1", "j\xf6rg", 4, "j\\xf6rg", "j\\\\xf6rg"},
        {"overlong", "\xc0\xaf", 2, "\\xc0\\xaf", "\\\\xc0\\\\xaf"},
        {"surrogate", "\xed\xa0\x80", 3, "\\xed\\xa0\\x80", "\\\\xed\\\\xa0\\\\x80"},
        {"beyond Unicode", "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80"},
        {"cut", "\xe2\x82", 2, "\\xe2\\x82", "\\\\xe2\\\\x82"},
        {"escape sequence", "\033[2J", 4, "\\x1b[2J", "\\u001b[2J"},
        {"NUL, tab, DEL", "\0\t\x7f", 3, "\\x00\\x09\\x7f", "\\u0000\\u0009\\u007f"},
        {"C1 control", "\xc2\x9b", 2, "\\xc2\\x9b", "\\u009b"},
        {"right-to-left override", "\xe2\x80\xae", 3, "\\xe2\\x80\\xae", "\\u202e"},
        {"tag beyond the BMP", "\xf3\xa0\x80\x81", 4, "\\xf3\\xa0\\x80\\x81", "\\udb40\\udc01"},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct unit_guarded octets = unit_guarded_init(rows[i].octets, rows[i].len);
        struct writer terminal = {0}, json = {0};

        writer_escaped(&terminal, (const char *)octets.data, rows[i].len, ESCAPE_TERMINAL);
        writer_escaped(&json, (const char *)octets.data, rows[i].len, ESCAPE_JSON);
        assert_string_equal(written(&terminal), rows[i].want_terminal);
        assert_string_equal(written(&json), rows[i].want_json);
        writer_fini(&terminal);
        writer_fini(&json);
        unit_guarded_fini(&octets);
    }
}

/* Whatever the octets, a JSON string of them is valid, and nothing of them reaches a terminal raw. */
/* Each octet, wherever it stands among plain ones, is what it is alone. */
static void escapes_anywhere(void **state)
{
    struct writer whole = {0}, pieces = {0};
    char octets[20];

    (void)state;
    for (unsigned octet = 0; octet < 256; octet++)
        for (size_t len = 1; len <= sizeof octets; len++)
            for (size_t at = 0; at < len; at++) {
                enum escape escape = at % 2 ? ESCAPE_JSON : ESCAPE_TERMINAL;

                memset(octets, '~', len);
                octets[at] = (char)octet;
                writer_clear(&whole);
                writer_clear(&pieces);
                writer_escaped(&whole, octets, len, escape);
                writer_octets(&pieces, "~~~~~~~~~~~~~~~~~~~~", at);
                writer_escaped(&pieces, octets + at, 1, escape);
                writer_octets(&pieces, "~~~~~~~~~~~~~~~~~~~~", len - 1 - at);
                assert_string_equal(written(&whole), written(&pieces));
            }
    writer_fini(&whole);
    writer_fini(&pieces);
}

static void escapes_anything(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct writer json = {0}, terminal = {0};
        char octets[24];
        size_t len = (size_t)round % sizeof octets;
        json_t *value;

        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            octets[i] = (char)(seed >> 24);
        }
        put_open(&json, '[');
        put_text(&json, octets, len);
        put_close(&json, ']');
        value = json_loadb(json.at, json.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        json_decref(value);
        writer_escaped(&terminal, octets, len, ESCAPE_TERMINAL);
        for (size_t i = 0; i < terminal.len; i++)
            assert_true((unsigned char)terminal.at[i] >= 0x20 && terminal.at[i] != 0x7f);
        writer_fini(&json);
        writer_fini(&terminal);
    }
}

static void commas(void **state)
{
    struct writer writer = {0};

    (void)state;
    put_open(&writer, '{');
    put_member_number(&writer, "a", 18446744073709551615u);
    put_key(&writer, "b");
    put_open(&writer, '[');
    put_string(&writer, "x{");
    put_null(&writer);
    put_open(&writer, '{');
    put_close(&writer, '}');
    put_bool(&writer, true);
    put_close(&writer, ']');
    put_member_nonzero(&writer, "c", 0);
    put_member_nonempty(&writer, "d", "");
    put_close(&writer, '}');
    assert_string_equal(written(&writer), "{\"a\":18446744073709551615,\"b\":[\"x{\",null,{},true],\"c\":null,\"d\":null}");
    writer_fini(&writer);
}

static void packets_in_files(void **state)
{
    static const struct {
        uint64_t ordinal, want_number;
        const char *want_name;
    } rows[] = {
        {0, 0, NULL}, {1, 1, "a"}, {10, 10, "a"}, {11, 1, "c"}, {15, 5, "c"},
    };
    struct packet_numbering numbering = {0};
    uint64_t number;

    (void)state;
    assert_true(packet_numbering_init(&numbering, 3));
    assert_true(packet_numbering_add(&numbering, "a", 0));
    assert_true(packet_numbering_add(&numbering, "b", 10)); /* a file without packets */
    assert_true(packet_numbering_add(&numbering, "c", 10));
    for (size_t i = 0; i < unit_count(rows); i++) {
        const char *name = packet_numbering_find(&numbering, rows[i].ordinal, &number);

        assert_int_equal(number, rows[i].want_number);
        if (rows[i].want_name)
            assert_string_equal(name, rows[i].want_name);
        else
            assert_null(name);
    }
    packet_numbering_fini(&numbering);
}

static void times(void **state)
{
    static const struct {
        smtpscope_time time;
        unsigned digits;
        const char *want;
    } rows[] = {
        {0, 9, "1970-01-01T00:00:00.000000000Z"},
        {1795297521976820001, 9, "2026-11-21T21:45:21.976820001Z"},
        {1795297521976820001, 3, "2026-11-21T21:45:21.976Z"},
        {1795297521976820001, 0, "2026-11-21T21:45:21Z"},
        {-1, 9, "1969-12-31T23:59:59.999999999Z"},
        {951782400000000000, 0, "2000-02-29T00:00:00Z"},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct writer writer = {0};

        format_time(&writer, rows[i].time, 'T', rows[i].digits);
        assert_string_equal(written(&writer), rows[i].want);
        writer_fini(&writer);
    }
}

/* As the library has it, over all years that 64 bits of nanoseconds, and the library's seconds, reach. */
static void times_of_all_years(void **state)
{
    const int64_t last = sizeof(time_t) < sizeof(int64_t) ? INT32_MAX : INT64_MAX / SMTPSCOPE_SECOND;
    struct writer writer = {0};
    char want[64];
    struct tm tm;

    (void)state;
    for (int64_t seconds = -last; seconds < last; seconds += 86400 * 5 + 3671) {
        time_t clock = (time_t)seconds;

        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&clock, &tm));
        writer_clear(&writer);
        format_time(&writer, seconds * SMTPSCOPE_SECOND, 'T', 0);
        assert_string_equal(written(&writer), want);
    }
    writer_fini(&writer);
}

static void endpoints(void **state)
{
    struct smtpscope_endpoint four = endpoint_of("192.0.2.10", 25), six = endpoint_of("2001:db8::1", 587);
    struct writer writer = {0};

    (void)state;
    format_endpoint(&writer, &four);
    writer_char(&writer, ' ');
    format_endpoint(&writer, &six);
    assert_string_equal(written(&writer), "192.0.2.10:25 [2001:db8::1]:587");
    writer_fini(&writer);
}

/* The vectors of the specification's baseline; the same for both directions. */
static void community_ids(void **state)
{
    static const struct {
        const char *client, *server;
        uint16_t client_port, server_port;
        const char *want;
    } rows[] = {
        {"128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {"66.35.250.204", "128.232.110.120", 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
        {"2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a", 63943, 25, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    };
    char id[COMMUNITY_ID_SIZE], small[8];

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct smtpscope_flow flow = {
            .side = {endpoint_of(rows[i].client, rows[i].client_port), endpoint_of(rows[i].server, rows[i].server_port)}};

        assert_true(community_id(&flow, id, sizeof id));
        assert_string_equal(id, rows[i].want);
        assert_false(community_id(&flow, small, sizeof small));
        assert_string_equal(small, "");
    }
}

static void wraps(void **state)
{
    struct writer writer = {0};
    struct layout layout = {&writer, 20, false};

    (void)state;
    layout_paragraph(&layout, "Sender",
                     "one two three f\xc3\xbc"
                     "nf six",
                     10);
    layout_paragraph(&layout, "A long label", "supercalifragilistic word", 10);
    layout_paragraph(&layout, "Nothing", NULL, 10);
    assert_string_equal(written(&writer), "  Sender  one two\n"
                                          "          three f\xc3\xbcnf\n"
                                          "          six\n"
                                          "  A long label supercalifragilistic\n"
                                          "          word\n");
    writer_fini(&writer);
}

static void json_finding(void **state)
{
    struct smtpscope_flow flow = flow_of(10);
    struct smtpscope_finding finding = finding_of(&flow);
    struct bench bench;
    json_t *line, *exchange;

    (void)state;
    bench_init(&bench, &output_json);
    finding.argument = "x\xff\033";
    output_finding(bench.output, &finding);
    output_finding(bench.output, &finding);
    fflush(bench.stream);
    assert_int_equal(output_error(bench.output), 0);
    line = json_loadb(bench.text, bench.len / 2, 0, NULL);
    assert_non_null(line);
    assert_memory_equal(bench.text, bench.text + bench.len / 2, bench.len / 2);
    assert_json_text(line, "timestamp", "2026-11-21T21:45:21.976820001Z");
    assert_json_text(line, "rule", "sequence.data-before-rcpt");
    assert_json_text(line, "src_ip", "192.0.2.200");
    assert_json_text(line, "verdict", "refused-503");
    assert_json_text(line, "community_id", "1:test");
    assert_json_text(line, "file", "a.pcap");
    assert_int_equal(json_integer_value(json_object_get(line, "packet")), 13);
    assert_int_equal(json_integer_value(json_object_get(line, "session")), 10);
    assert_int_equal(json_array_size(json_object_get(line, "exchanges")), 2);
    assert_true(json_is_null(json_object_get(line, "reason")));
    exchange = json_object_get(line, "exchange");
    assert_json_text(exchange, "argument", "x\\xff\033");
    assert_json_text(exchange, "enhanced", "5.5.1");
    json_decref(line);
    bench_fini(&bench);
}

/* The end of a session may tell a finding again. */
static void updates(void **state)
{
    struct smtpscope_flow flow = flow_of(10), other = flow_of(20);
    struct smtpscope_finding first = finding_of(&flow), again = first, second = finding_of(&other), unchanged = second;
    struct bench bench;
    char *line;

    (void)state;
    again.told = again.changed = unchanged.told = unchanged.changed = true;
    again.count = 7;
    unchanged.count = 1;
    bench_init(&bench, &output_json);
    output_finding(bench.output, &first);
    output_finding(bench.output, &again);
    fflush(bench.stream);
    assert_non_null(strstr(bench.text, "\"event_type\":\"finding\",\"session\":10,"));
    line = strchr(bench.text, '\n') + 1;
    assert_non_null(strstr(line, "\"event_type\":\"update\",\"session\":10,"));
    assert_non_null(strstr(line, "\"id\":1,"));
    assert_non_null(strstr(line, "\"count\":7,"));
    bench_fini(&bench);

    bench_init(&bench, &output_live);
    output_finding(bench.output, &again);
    output_finding(bench.output, &unchanged);
    fflush(bench.stream);
    assert_string_equal(bench.text,
                        "2026-11-21 21:45:21.976Z  WARNING  sequence.data-before-rcpt  192.0.2.200:53732 -> 192.0.2.10:25"
                        "  packet 13, 7 times\n");
    output_finding(bench.output, &second); /* the first of its kind all the same */
    fflush(bench.stream);
    assert_non_null(strstr(bench.text, "1 session, 2 times"));
    bench_fini(&bench);
}

/* After the first of its kind they stand on a line or two; a blank line sets apart what is longer. */
static void live_lines(void **state)
{
    struct smtpscope_flow flow = flow_of(10), other = flow_of(11), third = flow_of(12);
    struct smtpscope_finding first = finding_of(&flow), silent = finding_of(&other), detailed = finding_of(&third);
    struct summary summary = {.watched = "eth0, eth1", .packets = 1};
    struct bench bench;
    const char *lines;

    (void)state;
    silent.command = silent.argument = silent.text = "";
    silent.code = 0;
    silent.detail = SMTPSCOPE_DETAIL_NONE;
    detailed.argument = "";
    detailed.detail = SMTPSCOPE_DETAIL_STEP_MISSING;
    detailed.detail_text = "RCPT";
    bench_init(&bench, &output_live);
    output_finding(bench.output, &first);
    output_finding(bench.output, &silent);
    output_finding(bench.output, &detailed);
    output_finish(bench.output, &summary);
    output_finding(bench.output, &silent);
    fflush(bench.stream);
    lines = strstr(bench.text, "\n\n2026-");
    assert_non_null(lines);
    assert_string_equal(
        lines, "\n\n"
               "2026-11-21 21:45:21.976Z  WARNING  sequence.data-before-rcpt  192.0.2.200:53732 -> 192.0.2.10:25  packet 14\n"
               "2026-11-21 21:45:21.976Z  WARNING  sequence.data-before-rcpt  192.0.2.200:53732 -> 192.0.2.10:25  packet 15\n"
               "      C: DATA  S: 503 5.5.1 Error: need RCPT command  => missing step: RCPT\n\n"
               "Summary\n"
               "  Input      eth0, eth1, 1 packet, 1970-01-01 00:00:00Z - 1970-01-01 00:00:00Z\n"
               "  Sessions   0: nothing on the watched ports; try --ports or --detect\n"
               "  Messages   0\n"
               "  Recipients 0\n"
               "  Findings   0\n"
               "  Certainty  nothing in the capture limits it\n\n"
               "2026-11-21 21:45:21.976Z  WARNING  sequence.data-before-rcpt  192.0.2.200:53732 -> 192.0.2.10:25  packet 14\n");
    bench_fini(&bench);
}

/* A reason that the rule's name does not say stands behind it; a reply without a text leaves no blank. */
static void live_reason(void **state)
{
    struct smtpscope_flow flow = flow_of(10), other = flow_of(11);
    struct smtpscope_finding first = finding_of(&flow), second = finding_of(&other);
    struct bench bench;

    (void)state;
    first.reason = second.reason = SMTPSCOPE_REASON_CLIENT_IGNORED_REPLY;
    second.text = "";
    bench_init(&bench, &output_live);
    output_finding(bench.output, &first);
    output_finding(bench.output, &second);
    fflush(bench.stream);
    assert_string_equal(strstr(bench.text, "\n\n2026-"),
                        "\n\n"
                        "2026-11-21 21:45:21.976Z  WARNING  sequence.data-before-rcpt (client-ignored-reply)  "
                        "192.0.2.200:53732 -> 192.0.2.10:25  packet 14\n"
                        "      C: DATA  S: 503 5.5.1\n");
    bench_fini(&bench);
}

/* One in the place of several. */
static void repeats(void **state)
{
    const struct smtpscope_endpoint sample[] = {endpoint_of("192.0.2.200", 1), endpoint_of("2001:db8::1", 2)};
    const struct output_clients two = {.sample = sample, .sample_count = 2, .count = 2},
                                many = {.sample = sample, .sample_count = 2, .count = 256, .more = true};
    struct smtpscope_flow flow = flow_of(10);
    struct smtpscope_finding finding = finding_of(&flow);
    struct bench bench;
    json_t *line, *clients;

    (void)state;
    bench_init(&bench, &output_json);
    output_repeat(bench.output, &finding, &many);
    fflush(bench.stream);
    line = json_loads(bench.text, 0, NULL);
    assert_non_null(line);
    assert_int_equal(json_integer_value(json_object_get(line, "client_count")), 256);
    clients = json_object_get(line, "clients");
    assert_int_equal(json_array_size(clients), 2);
    assert_string_equal(json_string_value(json_array_get(clients, 0)), "192.0.2.200");
    assert_string_equal(json_string_value(json_array_get(clients, 1)), "2001:db8::1");
    json_decref(line);
    bench_fini(&bench);

    bench_init(&bench, &output_live);
    output_repeat(bench.output, &finding, &two);
    output_repeat(bench.output, &finding, &many);
    fflush(bench.stream);
    assert_non_null(strstr(bench.text, " 2 times\n         DATA or BDAT in a transaction"));
    assert_null(strstr(bench.text, "session"));
    assert_non_null(strstr(bench.text, "      2 times, 2 clients: 192.0.2.200, 2001:db8::1\n\n"));
    assert_non_null(strstr(bench.text, "      2 times, 256 clients or more: 192.0.2.200, 2001:db8::1, ...\n"));
    bench_fini(&bench);
}

static void text_groups(void **state)
{
    struct bench bench;

    (void)state;
    bench_init(&bench, &output_text);
    for (uint64_t session = 1; session <= 5; session++) {
        struct smtpscope_flow flow = flow_of(session * 10);
        struct smtpscope_finding finding = finding_of(&flow);

        finding.text = "no \033[31m such \x9b thing";
        output_finding(bench.output, &finding);
    }
    output_finish(bench.output, &(struct summary){.files = 1, .packets = 99, .sessions = 5});
    fflush(bench.stream);
    for (size_t i = 0; i < bench.len; i++)
        assert_true((unsigned char)bench.text[i] >= 0x20 || bench.text[i] == '\n');
    assert_non_null(strstr(bench.text, "sequence.data-before-rcpt"));
    assert_non_null(strstr(bench.text, "5 sessions, 10 times"));
    assert_non_null(strstr(bench.text, "S: 503 5.5.1 no \\x1b[31m such \\x9b thing"));
    assert_non_null(strstr(bench.text, "... and 2 more sessions"));
    assert_non_null(strstr(bench.text, "Summary"));
    bench_fini(&bench);
}

/* Whether a retry helps is a matter of the rule, too: what is deferred may heal, what is refused for the same reason hardly. */
static void text_of_a_retry(void **state)
{
    static const struct {
        enum smtpscope_rule rule;
        const char *want;
    } rows[] = {
        {SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, "  A retry    helps: the client should try again later\n"},
        {SMTPSCOPE_RULE_REFUSAL_POLICY, "  A retry    rarely helps\n"},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct smtpscope_flow flow = flow_of(10);
        struct smtpscope_finding finding = finding_of(&flow);
        struct bench bench;

        bench_init(&bench, &output_text);
        finding.rule = rows[i].rule;
        finding.reason = SMTPSCOPE_REASON_GREYLISTED;
        output_finding(bench.output, &finding);
        output_finish(bench.output, &(struct summary){.files = 1, .packets = 99, .sessions = 1});
        fflush(bench.stream);
        if (!strstr(bench.text, rows[i].want))
            fail_msg("%s is not in %s", rows[i].want, bench.text);
        bench_fini(&bench);
    }
}

static void groups_count(void **state)
{
    struct groups *groups = groups_new();
    struct smtpscope_flow flow = flow_of(1), other = flow_of(2);
    struct smtpscope_finding finding = finding_of(&flow), worse = finding_of(&other);
    struct group *const *sorted;
    size_t count;

    (void)state;
    assert_non_null(groups);
    worse.rule = SMTPSCOPE_RULE_REFUSAL_POLICY;
    worse.severity = SMTPSCOPE_ERROR;
    assert_non_null(groups_add(groups, &finding));
    finding.id = 2; /* the same kind, the same session, another cause */
    assert_non_null(groups_add(groups, &finding));
    assert_non_null(groups_add(groups, &worse));
    finding.flow = &other;
    finding.cause = 1;
    finding.id = 2;
    assert_non_null(groups_add(groups, &finding));
    sorted = groups_sorted(groups, &count);
    assert_int_equal(count, 2);
    assert_int_equal(sorted[0]->rule, SMTPSCOPE_RULE_REFUSAL_POLICY);
    assert_int_equal(sorted[1]->sessions, 2);
    assert_int_equal(sorted[1]->count, 6);
    assert_int_equal(sorted[1]->example_count, 2);
    assert_int_equal(sorted[1]->cause_count, 1);
    assert_int_equal(sorted[1]->causes[0], SMTPSCOPE_RULE_REFUSAL_POLICY);
    groups_free(groups);
}

static void tell_exchange(struct transcript *transcript, const struct smtpscope_command *command, unsigned code,
                          const char *text, bool greeting)
{
    struct smtpscope_reply reply = {.code = (uint16_t)code, .text = text_of(text), .packet = 7};
    struct smtpscope_exchange exchange = {.command = command, .reply = &reply, .greeting = greeting};

    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_EXCHANGE, .exchange = &exchange});
}

static void json_session(void **state)
{
    struct smtpscope_command none = {0}, ehlo = {.verb = SMTPSCOPE_VERB_EHLO,
                                                 .argument = text_of("me.example x"),
                                                 .path = text_of("me.example")};
    struct smtpscope_command raw = {.verb = SMTPSCOPE_VERB_RAW, .argument = text_of("GET /"), .packet = 9};
    struct smtpscope_gap gap = {.side = SMTPSCOPE_SERVER, .offset = 100, .len = 20};
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_END};
    struct smtpscope_end end = {.ending = &ending, .octets = {11, 22}};
    struct smtpscope_flow flow = flow_of(1);
    struct transcript *transcript = transcript_new();
    struct bench bench;
    json_t *line, *exchanges;

    (void)state;
    bench_init(&bench, &output_json);
    tell_exchange(transcript, &none, 220, "mx.example ESMTP\nsecond line", true);
    tell_exchange(transcript, &ehlo, 250, "mx.example\nPIPELINING\nSIZE 10", false);
    tell_exchange(transcript, &ehlo, 501, "no", false);
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_GAP, .gap = &gap});
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_UNANSWERED, .command = &raw});
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_END, .end = &end});
    output_session(bench.output, &flow, transcript);
    fflush(bench.stream);
    line = json_loadb(bench.text, bench.len, 0, NULL);
    assert_non_null(line);
    assert_json_text(line, "greeting", "mx.example ESMTP");
    assert_json_text(line, "helo", "me.example");
    assert_json_text(line, "closed", "end");
    assert_true(json_is_null(json_object_get(line, "closed_by")));
    assert_true(json_is_null(json_object_get(line, "tls")));
    assert_int_equal(json_array_size(json_object_get(line, "extensions")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(line, "extensions"), 1)), "SIZE 10");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(line, "octets"), "server")), 22);
    exchanges = json_object_get(line, "exchanges");
    assert_int_equal(json_array_size(exchanges), 3);
    assert_true(json_is_null(json_object_get(json_array_get(exchanges, 0), "command")));
    assert_json_text(json_array_get(exchanges, 1), "command", "EHLO");
    assert_json_text(json_array_get(exchanges, 1), "text", "mx.example");
    assert_json_text(json_array_get(json_object_get(line, "unanswered"), 0), "command", "(raw)");
    assert_json_text(json_array_get(json_object_get(line, "unanswered"), 0), "argument", "GET /");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(line, "gaps"), 0), "length")), 20);
    json_decref(line);
    transcript_free(transcript);
    bench_fini(&bench);
}

/* A flood of commands fills neither the memory nor the line without end, and what is left out is told. */
static void record_is_bounded(void **state)
{
    struct smtpscope_command noop = {.verb = SMTPSCOPE_VERB_NOOP};
    struct transcript *transcript = transcript_new();
    char long_text[SMTPSCOPE_REPLY_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < TRANSCRIPT_EXCHANGES_MAX + 10; i++)
        tell_exchange(transcript, &noop, 250, "ok", false);
    assert_int_equal(transcript->exchange_count, TRANSCRIPT_EXCHANGES_MAX);
    assert_int_equal(transcript->omitted, 10);
    transcript_free(transcript);

    transcript = transcript_new();
    memset(long_text, 'x', SMTPSCOPE_REPLY_TEXT_MAX);
    long_text[SMTPSCOPE_REPLY_TEXT_MAX] = '\0';
    for (size_t i = 0; i < TRANSCRIPT_EXCHANGES_MAX; i++)
        tell_exchange(transcript, &noop, 250, long_text, false);
    assert_true(transcript->octets.len <= TRANSCRIPT_OCTETS_MAX);
    assert_true(transcript->omitted > 0);
    transcript_free(transcript);
}

static void summary_counts(void **state)
{
    struct smtpscope_message sent = {.sent = true,
                                     .outcome = SMTPSCOPE_OUTCOME_DEFERRED,
                                     .recipients_accepted = 2,
                                     .recipients_refused = 1,
                                     .recipient_total = 4};
    struct smtpscope_message unsent = {.outcome = SMTPSCOPE_OUTCOME_DEFERRED, .recipients_deferred = 1, .recipient_total = 1};
    struct summary summary = {0};

    (void)state;
    summary_fact(&summary, NULL, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_MESSAGE, .message = &sent});
    summary_fact(&summary, NULL, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_MESSAGE, .message = &unsent});
    assert_int_equal(summary.messages[SMTPSCOPE_OUTCOME_DEFERRED], 2);
    assert_int_equal(summary.messages[SMTPSCOPE_OUTCOME_ACCEPTED], 0);
    assert_int_equal(summary.recipients[SMTPSCOPE_OUTCOME_ACCEPTED], 2);
    assert_int_equal(summary.recipients[SMTPSCOPE_OUTCOME_DEFERRED], 1);
    assert_int_equal(summary.recipients[SMTPSCOPE_OUTCOME_REFUSED], 1);
    assert_int_equal(summary.recipients[SMTPSCOPE_OUTCOME_UNKNOWN], 1);
}

static void write_errors_are_kept(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    struct packet_numbering numbering = {0};
    struct smtpscope_flow flow = flow_of(1);
    struct smtpscope_finding finding = finding_of(&flow);
    struct output *output;

    (void)state;
    if (!full)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    output = output_new(&(struct output_config){.format = &output_json,
                                                .write = output_to_stream,
                                                .ctx = full,
                                                .numbering = &numbering,
                                                .community_id = no_community_id});
    output_finding(output, &finding);
    output_finish(output, &(struct summary){0});
    assert_int_equal(output_error(output), ENOSPC);
    output_free(output);
    fclose(full);
}

/* By which an alert of Suricata's is known: each rule has its own. */
static void signature_ids(void **state)
{
    (void)state;
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        for (int other = 0; other < rule; other++)
            if (eve_signature_id(smtpscope_rule_info((enum smtpscope_rule)rule)->id) ==
                eve_signature_id(smtpscope_rule_info((enum smtpscope_rule)other)->id))
                fail_msg("%s, %s", smtpscope_rule_info((enum smtpscope_rule)rule)->id,
                         smtpscope_rule_info((enum smtpscope_rule)other)->id);
    assert_int_equal(eve_signature_id("deferral.mailbox-busy"), 1904356); /* it stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_anything),
        cmocka_unit_test(escapes_anywhere),
        cmocka_unit_test(commas),
        cmocka_unit_test(packets_in_files),
        cmocka_unit_test(times),
        cmocka_unit_test(times_of_all_years),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(community_ids),
        cmocka_unit_test(wraps),
        cmocka_unit_test(json_finding),
        cmocka_unit_test(live_lines),
        cmocka_unit_test(live_reason),
        cmocka_unit_test(repeats),
        cmocka_unit_test(updates),
        cmocka_unit_test(text_groups),
        cmocka_unit_test(text_of_a_retry),
        cmocka_unit_test(groups_count),
        cmocka_unit_test(json_session),
        cmocka_unit_test(record_is_bounded),
        cmocka_unit_test(summary_counts),
        cmocka_unit_test(write_errors_are_kept),
        cmocka_unit_test(signature_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
