/* SPDX-License-Identifier: BSD-2-Clause */
/* haproxy's header, both versions: what is one, where it ends, whom it names; and how much must be there to know. */
#include "unit.h"

#include "smtp/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define MORE SIZE_MAX

static const struct header_row {
    const char *label, *octets;
    size_t len, want; /* want: its length, 0, or MORE */
    uint8_t version;
    bool malformed, has_client;
    uint8_t last;  /* octet of the client's address */
    uint16_t port; /* of the client */
} rows[] = {
#define ROW(label, octets, ...)                                                                                                \
    {                                                                                                                          \
        label, octets, sizeof(octets) - 1, __VA_ARGS__                                                                         \
    }
    ROW("version 1", "PROXY TCP4 198.51.100.7 192.0.2.25 51234 25\r\n", 45, 1, false, true, 7, 51234),
    ROW("version 1, EHLO behind it", "PROXY TCP4 198.51.100.7 192.0.2.25 5 25\r\nEHLO x\r\n", 41, 1, false, true, 7, 5),
    ROW("version 1, IPv6", "PROXY TCP6 2001:db8::9 2001:db8::25 65535 25\r\n", 46, 1, false, true, 9, 65535),
    ROW("version 1, unknown", "PROXY UNKNOWN\r\n", 15, 1, false, false, 0, 0),
    ROW("version 1, unknown, and more", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", 35, 1, false, false, 0, 0),
    ROW("version 1, no such family", "PROXY NONSENSE foo\r\n", 20, 1, true, false, 0, 0),
    ROW("version 1, no address", "PROXY TCP4 198.51.100.777 192.0.2.25 1 25\r\n", 43, 1, true, false, 0, 0),
    ROW("version 1, a port too large", "PROXY TCP4 198.51.100.7 192.0.2.25 65536 25\r\n", 45, 1, true, false, 0, 0),
    ROW("version 1, a port is missing", "PROXY TCP4 198.51.100.7 192.0.2.25 1\r\n", 38, 1, true, false, 0, 0),
    ROW("version 1, not complete", "PROXY TCP4 198.51.100.7", MORE, 0, false, false, 0, 0),
    ROW("its first octet", "P", MORE, 0, false, false, 0, 0),
    ROW("another word", "PROXYTCP4 \r\n", 0, 0, false, false, 0, 0),
    ROW("HTTP", "POST /", 0, 0, false, false, 0, 0),
    ROW("small letters", "proxy TCP4 ", 0, 0, false, false, 0, 0),
    ROW("EHLO", "EHLO x\r\n", 0, 0, false, false, 0, 0),
    ROW("an empty line", "\r\nEHLO x\r\n", 0, 0, false, false, 0, 0),
    ROW("two empty lines", "\r\n\r\nEHLO x\r\n", 0, 0, false, false, 0, 0),
    ROW("an empty line, so far", "\r\n", MORE, 0, false, false, 0, 0),
    ROW("version 2", V2 "\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x19\xc8\x22\0\x19", 28, 2, false, true, 7, 0xc822),
    ROW("version 2, more behind the addresses", V2 "\x21\x11\0\x0f\xc6\x33\x64\x07\xc0\0\x02\x19\xc8\x22\0\x19\x04\0\0", 31, 2,
        false, true, 7, 0xc822),
    ROW("version 2, IPv6",
        V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x25\0\x07\0\x19", 52,
        2, false, true, 9, 7),
    ROW("version 2, local", V2 "\x20\0\0\0", 16, 2, false, false, 0, 0),
    ROW("version 2, a socket of the machine",
        V2 "\x21\x31\0\x02"
           "ab",
        18, 2, false, false, 0, 0),
    ROW("version 2, addresses too short",
        V2 "\x21\x11\0\x04"
           "abcd",
        20, 2, false, false, 0, 0),
    ROW("version 3", V2 "\x31\x11\0\0", 16, 2, true, false, 0, 0),
    ROW("version 2, not complete", V2 "\x21\x11\0\x0c\xc6\x33", MORE, 0, false, false, 0, 0),
    ROW("version 2, its head is not complete", V2 "\x21\x11\0", MORE, 0, false, false, 0, 0),
#undef ROW
};

static void check(const struct header_row *row)
{
    struct unit_guarded guarded = unit_guarded_init(row->octets, row->len);
    struct smtpscope_proxy proxy;
    size_t used = proxy_header_read((const char *)guarded.data, row->len, &proxy);

    if (used != row->want ||
        (used && used != MORE &&
         (proxy.version != row->version || proxy.malformed != row->malformed || proxy.has_client != row->has_client)))
        fail_msg("%s: %zu octets, version %u, malformed %d, client %d", row->label, used, proxy.version, proxy.malformed,
                 proxy.has_client);
    if (row->has_client && (proxy.client.addr[15] != row->last || proxy.client.port != row->port))
        fail_msg("%s: client ...%u, port %u", row->label, proxy.client.addr[15], proxy.client.port);
    unit_guarded_fini(&guarded);
}

static void test_headers(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        check(&rows[i]);
}

/* Of each header, every beginning asks for more: never "none", never an end too early. */
static void test_beginnings(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        for (size_t len = 1; rows[i].want && rows[i].want != MORE && len < rows[i].want; len++) {
            struct unit_guarded guarded = unit_guarded_init(rows[i].octets, len);
            struct smtpscope_proxy proxy;

            if (proxy_header_read((const char *)guarded.data, len, &proxy) != MORE)
                fail_msg("%s: decided by %zu octets", rows[i].label, len);
            unit_guarded_fini(&guarded);
        }
}

/* A line that never ends is none: 107 octets are the longest. */
static void test_endless(void **unused)
{
    struct smtpscope_proxy proxy;
    char line[107] = "PROXY ";

    (void)unused;
    memset(line + 6, 'x', sizeof line - 6);
    assert_true(proxy_header_read(line, sizeof line - 1, &proxy) == MORE);
    assert_int_equal(proxy_header_read(line, sizeof line, &proxy), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_beginnings),
                                       cmocka_unit_test(test_endless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
