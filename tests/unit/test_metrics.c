/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics: each number where it belongs, the text format to the letter, and clients that mean no good. */
#include "unit.h"

#include "app/handoff/totals.h"
#include "output/metrics/metrics.h"
#include "smtpscope/version.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define PATIENCE_MS 20000
#define ANSWER_SIZE ((size_t)1 << 20)

/* --- helpers */

static struct metrics *started(const char *address)
{
    char error[256] = "";
    struct metrics *metrics = metrics_open(address, error, sizeof error);

    if (!metrics || !metrics_serve(metrics))
        fail_msg("%s: %s", address, error);
    assert_int_not_equal(metrics_port(metrics), 0);
    return metrics;
}

static int connected(int family, uint16_t port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(family == AF_INET6 ? connect(fd, (struct sockaddr *)&six, sizeof six)
                                        : connect(fd, (struct sockaddr *)&four, sizeof four),
                     0);
    return fd;
}

/* Sends `request` and returns all that comes, to be freed. */
static char *asked(int family, uint16_t port, const char *request)
{
    int fd = connected(family, port);
    char *answer = calloc(1, ANSWER_SIZE);
    size_t len = 0;

    assert_non_null(answer);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&ready, 1, PATIENCE_MS) != 1)
            fail_msg("no end of the answer to %.40s: %zu octets came", request, len);
        got = recv(fd, answer + len, ANSWER_SIZE - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    return answer;
}

static char *got(uint16_t port, const char *path)
{
    char request[128];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return asked(AF_INET, port, request);
}

static unsigned status_of(const char *answer)
{
    unsigned status = 0;

    sscanf(answer, "HTTP/1.1 %3u", &status);
    return status;
}

static void assert_status(uint16_t port, const char *path, unsigned want, const char *want_body)
{
    char *answer = got(port, path), *body = strstr(answer, "\r\n\r\n");

    if (status_of(answer) != want || !body || strcmp(body + 4, want_body))
        fail_msg("%s: wanted %u and %s, got %s", path, want, want_body, answer);
    free(answer);
}

/* The whole line must be there, once. */
static void assert_line(const char *text, const char *line)
{
    size_t series = strcspn(line, " ") + 1;
    char wanted[512];
    const char *found;

    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    found = strstr(text, wanted);
    if (found && !strstr(found + 1, wanted))
        return;
    wanted[series + 1] = '\0'; /* what its series has instead */
    found = strstr(text, wanted);
    fail_msg("wanted %s once, got %.*s", line, found ? (int)strcspn(found + 1, "\n") : 7, found ? found + 1 : "nothing");
}

/* --- numbers */

static void snapshot_fill(struct metrics_snapshot *snapshot)
{
    static struct totals totals;
    struct summary summary = {.packets = 1001,
                              .octets = UINT64_MAX,
                              .last_time = 1795297521 * SMTPSCOPE_SECOND + 30000001,
                              .sessions = 17,
                              .exchanges = 170,
                              .findings_hidden = 4,
                              .midstream = 8};

    summary.messages[SMTPSCOPE_OUTCOME_ACCEPTED] = 11;
    summary.messages[SMTPSCOPE_OUTCOME_LOST] = 1;
    summary.recipients[SMTPSCOPE_OUTCOME_DEFERRED] = 9;
    summary.findings[SMTPSCOPE_RULE_DEFERRAL_GREYLISTED] = 5;
    summary.by_severity[SMTPSCOPE_NOTICE] = 6;
    totals.capture = (struct live_stats){.dropped = 2, .interface_dropped = 3};
    totals.streams = (struct smtpscope_stream_stats){.flows = 20, .flows_now = 10, .evicted = 7, .held_now = 4096};
    totals.evidence = (struct evidence_stats){.kept = 69,
                                              .written = 61,
                                              .written_octets = 6200,
                                              .files = 63,
                                              .lost = 64,
                                              .cut = 65,
                                              .left_out = 66,
                                              .evicted = 67,
                                              .octets_now = 68};
    for (int stage = 0; stage < STAGES; stage++)
        totals_show(&totals, (enum totals_stage)stage, &summary);
    metrics_summary(snapshot, &summary);
    snapshot->deferrals[SMTPSCOPE_REASON_MAILBOX_BUSY] = 12;
    snapshot->reply_times.verbs[SMTPSCOPE_VERB_EOD] =
        (struct reply_time){.buckets = {[0] = 1, [3] = 2, [REPLY_TIMES_BUCKETS] = 1},
                            .count = 4,
                            .sum = 3600020500000,
                            .classes = {[1] = 3, [3] = 1}};
    snapshot->output_count = 2;
    strcpy(snapshot->outputs[0].name, "file:/var/log/a \"b\"\\\n\xff");
    snapshot->outputs[0].stats =
        (struct sink_stats){.lines = 31, .octets = 3100, .dropped = 1, .connected = true, .queued = 24};
    strcpy(snapshot->outputs[1].name, "syslog:udp:[::1]:514");
    snapshot->outputs[1].stats = (struct sink_stats){.truncated = 2, .queue_size = 4194304};
}

static const char *const wanted_lines[] = {
    "smtpscope_build_info{version=\"" SMTPSCOPE_VERSION "\"} 1",
    "smtpscope_captured_packets_total 1001",
    "smtpscope_captured_bytes_total 18446744073709551615",
    "smtpscope_dropped_packets_total{where=\"kernel\"} 2",
    "smtpscope_dropped_packets_total{where=\"interface\"} 3",
    "smtpscope_last_packet_time_seconds 1795297521.030000001",
    "smtpscope_sessions_total 17",
    "smtpscope_exchanges_total 170",
    "smtpscope_messages_total{outcome=\"accepted\"} 11",
    "smtpscope_messages_total{outcome=\"deferred\"} 0",
    "smtpscope_messages_total{outcome=\"lost\"} 1",
    "smtpscope_recipients_total{outcome=\"deferred\"} 9",
    "smtpscope_findings_total{family=\"deferral\",rule=\"deferral.greylisted\"} 5",
    "smtpscope_findings_total{family=\"sequence\",rule=\"sequence.nested-mail\"} 0",
    "smtpscope_findings_by_severity_total{severity=\"notice\"} 6",
    "smtpscope_findings_hidden_total 4",
    "smtpscope_limited_total{cause=\"midstream\"} 8",
    "smtpscope_flows_total 20",
    "smtpscope_flows_active 10",
    "smtpscope_flows_evicted_total 7",
    "smtpscope_stream_held_bytes 4096",
    "smtpscope_evidence_kept_packets_total 69",
    "smtpscope_evidence_packets_total 61",
    "smtpscope_evidence_bytes_total 6200",
    "smtpscope_evidence_files_total 63",
    "smtpscope_evidence_lost_packets_total 64",
    "smtpscope_evidence_cut_packets_total 65",
    "smtpscope_evidence_left_out_packets_total 66",
    "smtpscope_evidence_evicted_connections_total 67",
    "smtpscope_evidence_held_bytes 68",
    "smtpscope_deferrals_total{reason=\"mailbox-busy\"} 12",
    "smtpscope_deferrals_total{reason=\"greylisted\"} 0",
    "smtpscope_replies_total{command=\".\",class=\"2\"} 3",
    "smtpscope_replies_total{command=\".\",class=\"4\"} 1",
    "smtpscope_reply_time_seconds_bucket{command=\".\",le=\"0.001\"} 1",
    "smtpscope_reply_time_seconds_bucket{command=\".\",le=\"0.0025\"} 1",
    "smtpscope_reply_time_seconds_bucket{command=\".\",le=\"0.01\"} 3",
    "smtpscope_reply_time_seconds_bucket{command=\".\",le=\"600\"} 3",
    "smtpscope_reply_time_seconds_bucket{command=\".\",le=\"+Inf\"} 4",
    "smtpscope_reply_time_seconds_sum{command=\".\"} 3600.020500000",
    "smtpscope_reply_time_seconds_count{command=\".\"} 4",
    "smtpscope_output_lines_total{output=\"file:/var/log/a \\\"b\\\"\\\\??\"} 31",
    "smtpscope_output_dropped_lines_total{output=\"file:/var/log/a \\\"b\\\"\\\\??\"} 1",
    "smtpscope_output_connected{output=\"file:/var/log/a \\\"b\\\"\\\\??\"} 1",
    "smtpscope_output_queue_bytes{output=\"file:/var/log/a \\\"b\\\"\\\\??\"} 24",
    "smtpscope_output_connected{output=\"syslog:udp:[::1]:514\"} 0",
    "smtpscope_output_truncated_lines_total{output=\"syslog:udp:[::1]:514\"} 2",
    "smtpscope_output_queue_size_bytes{output=\"syslog:udp:[::1]:514\"} 4194304",
};

static void test_numbers(void **state)
{
    struct metrics *metrics = started("127.0.0.1:0");
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    double memory = 0, published = 0;
    char *answer;

    (void)state;
    snapshot_fill(snapshot);
    metrics_publish(metrics, snapshot);
    answer = got(metrics_port(metrics), "/metrics");
    assert_int_equal(status_of(answer), 200);
    for (size_t i = 0; i < unit_count(wanted_lines); i++)
        assert_line(answer, wanted_lines[i]);
    assert_non_null(strstr(answer, "\nsmtpscope_resident_memory_bytes "));
    sscanf(strstr(answer, "\nsmtpscope_resident_memory_bytes "), " %*s %lf", &memory);
    assert_true(memory > 100e3 && memory < 4e9);
    sscanf(strstr(answer, "\nsmtpscope_snapshot_time_seconds "), " %*s %lf", &published);
    assert_true(published <= (double)time(NULL) + 1 && published > (double)time(NULL) - 60);
    free(answer);

    /* The next snapshot takes the place of the one before. */
    snapshot->summary.packets = 1002;
    metrics_publish(metrics, snapshot);
    answer = got(metrics_port(metrics), "/metrics");
    assert_line(answer, "smtpscope_captured_packets_total 1002");
    free(answer);
    free(snapshot);
    metrics_stop(metrics);
}

/* The strict reader of tests/tools/exposition.py; it also looks at what the dashboard asks for. */
static void test_format_and_dashboard(void **state)
{
    struct metrics *metrics = started("[::1]:0");
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    char url[64];
    int status = 0;
    pid_t child;

    (void)state;
    snapshot_fill(snapshot);
    metrics_publish(metrics, snapshot);
    snprintf(url, sizeof url, "http://[::1]:%u/metrics", metrics_port(metrics));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        execlp("python3", "python3", SMTPSCOPE_SOURCE_DIR "/tests/tools/exposition.py", url,
               SMTPSCOPE_SOURCE_DIR "/share/grafana/smtpscope.json", (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(snapshot);
    metrics_stop(metrics);
}

static void test_health(void **state)
{
    struct metrics *metrics = started("127.0.0.1:0");
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    uint16_t port = metrics_port(metrics);

    (void)state;
    assert_status(port, "/healthz", 503, "starting\n");
    metrics_publish(metrics, snapshot);
    assert_status(port, "/healthz", 200, "ok\n");
    assert_status(port, "/", 404, "/metrics or /healthz\n");
    assert_status(port, "/metrics/../etc/passwd", 404, "/metrics or /healthz\n");
    free(snapshot);
    metrics_stop(metrics);
}

/* --- clients that mean no good */

static void test_bad_clients(void **state)
{
    static const struct {
        const char *request;
        unsigned want; /* 0: closed without a word is fine as well */
    } rows[] = {
        {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", 405},
        {"DELETE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405},
        {"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200},
        {"\r\n\x01\x02\x03\r\n\r\n", 0},
        {"GET /metrics HTTP/9.9\r\n\r\n", 0},
    };
    struct metrics *metrics = started("127.0.0.1:0");
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    uint16_t port = metrics_port(metrics);
    int silent[8], half = connected(AF_INET, port);
    char *answer;

    (void)state;
    metrics_publish(metrics, snapshot);
    for (size_t i = 0; i < unit_count(silent); i++)
        silent[i] = connected(AF_INET, port);
    assert_int_equal(send(half, "GET /metr", 9, MSG_NOSIGNAL), 9);
    for (size_t i = 0; i < unit_count(rows); i++) {
        answer = asked(AF_INET, port, rows[i].request);
        if (rows[i].want ? status_of(answer) != rows[i].want : status_of(answer) == 200)
            fail_msg("%s: wanted %u, got %.40s", rows[i].request, rows[i].want, answer);
        free(answer);
    }
    /* Those that say nothing are still there, and nobody waits for them. */
    snapshot->summary.packets = 5;
    metrics_publish(metrics, snapshot);
    answer = got(port, "/metrics");
    assert_line(answer, "smtpscope_captured_packets_total 5");
    free(answer);
    metrics_stop(metrics);
    for (size_t i = 0; i < unit_count(silent); i++)
        close(silent[i]);
    close(half);
    free(snapshot);
}

static void *publish_often(void *arg)
{
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);

    for (unsigned i = 1; i <= 20000; i++) {
        snapshot->summary.packets = snapshot->summary.octets = i;
        metrics_publish(arg, snapshot);
    }
    free(snapshot);
    return NULL;
}

/* What is read is one moment, however often it changes. */
static void test_one_moment(void **state)
{
    struct metrics *metrics = started("127.0.0.1:0");
    pthread_t thread;
    char *answer;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, publish_often, metrics), 0);
    for (unsigned i = 0; i < 20; i++) {
        unsigned long packets = 1, octets = 2;

        answer = got(metrics_port(metrics), "/metrics");
        sscanf(strstr(answer, "\nsmtpscope_captured_packets_total "), " %*s %lu", &packets);
        sscanf(strstr(answer, "\nsmtpscope_captured_bytes_total "), " %*s %lu", &octets);
        assert_int_equal(packets, octets);
        free(answer);
    }
    pthread_join(thread, NULL);
    answer = got(metrics_port(metrics), "/metrics");
    assert_line(answer, "smtpscope_captured_packets_total 20000");
    free(answer);
    metrics_stop(metrics);
}

static void test_refused(void **state)
{
    struct metrics *first = started("127.0.0.1:0");
    char taken[32], error[256];
    const struct {
        const char *address, *want;
    } rows[] = {
        {"", "not an address"},
        {"127.0.0.1", "not an address"},
        {":9425", "not an address"},
        {"127.0.0.1:", "not an address"},
        {"127.0.0.1:port", "not an address"},
        {"localhost:9425", "not an address"},
        {"[::1:9425", "not an address"},
        {"192.0.2.1:9425", strerror(EADDRNOTAVAIL)},
        {taken, strerror(EADDRINUSE)},
    };

    (void)state;
    snprintf(taken, sizeof taken, "127.0.0.1:%u", metrics_port(first));
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct metrics *metrics = metrics_open(rows[i].address, error, sizeof error);

        if (metrics || !strstr(error, rows[i].want))
            fail_msg("'%s': wanted '%s', got '%s'", rows[i].address, rows[i].want, metrics ? "metrics" : error);
    }
    metrics_stop(first);
    metrics_stop(NULL);
}

/* --- what is collected */

static void collect(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    reply_times_fact(ctx, session, fact);
}

struct said {
    enum smtpscope_side side;
    smtpscope_time ms; /* since the connection's first packet */
    const char *text;
};

static void hold_session(struct reply_times *times, const struct said *said, size_t count, bool midstream)
{
    const struct smtpscope_session_config config = {.fact = collect, .ctx = times};
    const struct smtpscope_flow flow = {.first_time = 1000 * SMTPSCOPE_SECOND, .first_packet = 1, .midstream = midstream};
    struct smtpscope_session *session = smtpscope_session_new(&config, &flow, NULL);
    const struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}, .fin = {true, true}};
    uint64_t sent[2] = {0, 0};

    assert_non_null(session);
    for (size_t i = 0; i < count; i++) {
        enum smtpscope_side side = said[i].side;

        smtpscope_session_feed(session,
                               &(struct smtpscope_octets){.side = side,
                                                          .data = (const uint8_t *)said[i].text,
                                                          .len = strlen(said[i].text),
                                                          .offset = sent[side],
                                                          .acked = sent[1 - side],
                                                          .time = flow.first_time + said[i].ms * (SMTPSCOPE_SECOND / 1000),
                                                          .packet = i + 2});
        sent[side] += strlen(said[i].text);
    }
    smtpscope_session_close(session, &ending);
    smtpscope_session_free(session);
}

static unsigned bucket_of(const struct reply_time *time)
{
    unsigned found = UINT32_MAX;

    for (unsigned i = 0; i <= REPLY_TIMES_BUCKETS; i++)
        if (time->buckets[i])
            found = found == UINT32_MAX ? i : UINT32_MAX - 1;
    return found;
}

static void test_reply_times(void **state)
{
    static const struct said said[] = {
        {SMTPSCOPE_SERVER, 1, "220 mx.example ESMTP\r\n"},
        {SMTPSCOPE_CLIENT, 10, "EHLO client.example\r\n"},
        {SMTPSCOPE_SERVER, 12, "250 mx.example\r\n"},
        {SMTPSCOPE_CLIENT, 20, "MAIL FROM:<a@client.example>\r\n"},
        {SMTPSCOPE_SERVER, 25, "250 2.1.0 Ok\r\n"},
        {SMTPSCOPE_CLIENT, 30, "RCPT TO:<b@mx.example>\r\n"},
        {SMTPSCOPE_SERVER, 30 + 120001, "450 4.2.1 busy\r\n"},
        {SMTPSCOPE_CLIENT, 200000, "FROBNICATE\r\n"},
        {SMTPSCOPE_SERVER, 1200000, "500 5.5.2 what\r\n"},
        {SMTPSCOPE_CLIENT, 1200001, "QUIT\r\n"},
        {SMTPSCOPE_SERVER, 1200000, "221 2.0.0 Bye\r\n"}, /* before the question */
    };
    static const struct {
        enum smtpscope_verb verb;
        smtpscope_time want_ms;
        unsigned want_bucket, want_class;
    } rows[] = {
        {SMTPSCOPE_VERB_NONE, 1, 0, 2},       {SMTPSCOPE_VERB_EHLO, 2, 1, 2},           {SMTPSCOPE_VERB_MAIL, 5, 2, 2},
        {SMTPSCOPE_VERB_RCPT, 120001, 16, 4}, {SMTPSCOPE_VERB_UNKNOWN, 1000000, 19, 5}, {SMTPSCOPE_VERB_QUIT, 0, 0, 2},
    };
    struct reply_times *times = calloc(1, sizeof *times);
    uint64_t total = 0;

    (void)state;
    hold_session(times, said, unit_count(said), false);
    for (size_t i = 0; i < unit_count(rows); i++) {
        const struct reply_time *time = &times->verbs[rows[i].verb];

        if (time->count != 1 || bucket_of(time) != rows[i].want_bucket || time->sum != (uint64_t)rows[i].want_ms * 1000000 ||
            time->classes[rows[i].want_class - 1] != 1)
            fail_msg("%s: count %u, bucket %u, %.9f s", reply_times_name(rows[i].verb), (unsigned)time->count, bucket_of(time),
                     (double)time->sum / 1e9);
    }
    for (int verb = 0; verb < SMTPSCOPE_VERBS; verb++)
        total += times->verbs[verb].count;
    assert_int_equal(total, unit_count(rows));

    /* Whoever did not see the connection begin does not know how long its greeting took. */
    memset(times, 0, sizeof *times);
    hold_session(times, said, 1, true);
    assert_int_equal(times->verbs[SMTPSCOPE_VERB_NONE].count, 0);
    free(times);
}

/* Each verb has a word, and no two the same: they are a label's values. */
static void test_names(void **state)
{
    (void)state;
    for (int verb = 0; verb < SMTPSCOPE_VERBS; verb++) {
        assert_non_null(reply_times_name(verb));
        assert_true(*reply_times_name(verb) != '\0');
        for (int other = 0; other < verb; other++)
            assert_string_not_equal(reply_times_name(verb), reply_times_name(other));
    }
    for (unsigned i = 1; i < REPLY_TIMES_BUCKETS; i++)
        assert_true(reply_times_bound(i - 1) < reply_times_bound(i));
}

static void test_findings_and_outputs(void **state)
{
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    struct smtpscope_finding finding = {.rule = SMTPSCOPE_RULE_DEFERRAL_POLICY, .reason = SMTPSCOPE_REASON_POLICY};
    char error[SINK_ERROR_SIZE];
    struct sink *sink;

    (void)state;
    metrics_finding(snapshot, &finding);
    finding.told = true; /* the same one again, when its session ends */
    metrics_finding(snapshot, &finding);
    finding = (struct smtpscope_finding){.rule = SMTPSCOPE_RULE_REFUSAL_POLICY, .reason = SMTPSCOPE_REASON_POLICY};
    metrics_finding(snapshot, &finding);
    assert_int_equal(snapshot->deferrals[SMTPSCOPE_REASON_POLICY], 1);

    sink = sink_open(&(struct sink_config){.spec = "file:/dev/null"}, error, sizeof error);
    assert_non_null(sink);
    for (unsigned i = 0; i <= METRICS_OUTPUTS_MAX; i++)
        metrics_output(snapshot, sink);
    assert_int_equal(snapshot->output_count, METRICS_OUTPUTS_MAX);
    assert_string_equal(snapshot->outputs[METRICS_OUTPUTS_MAX - 1].name, "file:/dev/null");
    assert_true(snapshot->outputs[0].stats.connected);
    sink_close(sink, PATIENCE_MS, NULL);
    free(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_format_and_dashboard),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_bad_clients),
        cmocka_unit_test(test_one_moment),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reply_times),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_findings_and_outputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
