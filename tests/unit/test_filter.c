/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's filter: what it must let through and what it must not, by running libpcap's program for it over frames. */
#include "live_frames.h"

#include "capture/filter.h"
#include "decode/decode.h"

#include <pcap/pcap.h>

enum { PORTS_OCTETS = 8192, DLT_ETHERNET = 1, DLT_SLL2 = 276, KERNEL_MAXIMUM = 4096, OPTMEM_MAXIMUM = 20480 };

static uint8_t ports[PORTS_OCTETS];
static uint16_t tunnels[64];
static size_t tunnel_count;

static void watch(unsigned first, unsigned last)
{
    for (unsigned port = first; port <= last; port++)
        ports[port / 8] |= (uint8_t)(1u << port % 8);
}

static int setup(void **state)
{
    (void)state;
    memset(ports, 0, sizeof ports);
    watch(25, 25);
    watch(587, 587);
    tunnel_count = decoder_tunnel_ports(tunnels, unit_count(tunnels));
    return tunnel_count > 0 && tunnel_count <= unit_count(tunnels) ? 0 : -1;
}

static char *text_of(bool encapsulated)
{
    struct filter_config config = {
        .ports = ports, .encapsulated = encapsulated, .tunnels = tunnels, .tunnel_count = tunnel_count};
    char *text = filter_text(&config);
    assert_non_null(text);
    return text;
}

/* The program, of which the kernel takes so many instructions only. */
static struct bpf_program compile(const char *text, int link_type)
{
    struct bpf_program program;
    pcap_t *dead = pcap_open_dead(link_type, 65535);
    if (pcap_compile(dead, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0)
        fail_msg("%s: %s", text, pcap_geterr(dead));
    pcap_close(dead);
    assert_between(program.bf_len, 1, KERNEL_MAXIMUM);
    assert_between(program.bf_len * sizeof(struct bpf_insn), 1, OPTMEM_MAXIMUM);
    return program;
}

static bool passes(const struct bpf_program *program, const struct made *made)
{
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32)made->len, .len = (bpf_u_int32)made->len};
    return pcap_offline_filter(program, &header, made->octets) != 0;
}

static struct made frame_of(uint16_t type, uint64_t tags, size_t tag_octets, uint8_t protocol, uint16_t place, uint16_t port)
{
    struct made made = {.len = 0};
    struct ends ends = {1, 2, 40000, port};
    put_ethernet(&made, type);
    put(&made, tags, tag_octets);
    put_ipv4(&made, ends, protocol, place, TCP_LEN);
    put_tcp(&made, ends, 0); /* the ports of UDP are in the same place */
    return made;
}

static struct made icmp_of(uint8_t type)
{
    struct made made = frame_of(0x0800, 0, 0, ICMP, 0, 25);
    made.octets[made.len - TCP_LEN] = type;
    return made;
}

static struct made frame6_of(uint8_t next, uint16_t port)
{
    struct made made = {.len = 0};
    struct ends ends = {1, 2, port, 40000};
    put_ethernet(&made, 0x86dd);
    put_ipv6(&made, ends, next, TCP_LEN);
    put_tcp(&made, ends, 0);
    return made;
}

static struct made other_frame(uint16_t type)
{
    struct made made = {.len = 0};
    put_ethernet(&made, type);
    put(&made, 0x0001080006040001, 8);
    return made;
}

static void test_passes(void **state)
{
    (void)state;
    const struct {
        const char *label;
        struct made made;
        bool want_plain, want_encapsulated;
    } rows[] = {
        {"SMTP", frame_of(0x0800, 0, 0, TCP, 0, 25), true, true},
        {"submission", frame_of(0x0800, 0, 0, TCP, 0, 587), true, true},
        {"another port", frame_of(0x0800, 0, 0, TCP, 0, 26), false, false},
        {"UDP on port 25", frame_of(0x0800, 0, 0, UDP, 0, 25), false, false},
        {"a first fragment", frame_of(0x0800, 0, 0, TCP, 0x2000, 25), true, true},
        {"a first fragment of another port", frame_of(0x0800, 0, 0, TCP, 0x2000, 80), false, false},
        {"a further fragment", frame_of(0x0800, 0, 0, TCP, 0x2010, 80), true, true},
        {"the last fragment", frame_of(0x0800, 0, 0, TCP, 0x0010, 80), true, true},
        {"a further fragment of UDP", frame_of(0x0800, 0, 0, UDP, 0x0010, 80), false, true},
        {"a first fragment of UDP", frame_of(0x0800, 0, 0, UDP, 0x2000, 80), false, false},
        {"IPv6", frame6_of(TCP, 25), true, true},
        {"IPv6, another port", frame6_of(TCP, 80), false, false},
        {"IPv6, UDP", frame6_of(UDP, 25), false, false},
        {"IPv6, a fragment", frame6_of(44, 80), true, true},
        {"IPv6, destination options", frame6_of(60, 80), true, true},
        {"IPv6, hop by hop", frame6_of(0, 80), true, true},
        {"IPv6, ICMP", frame6_of(58, 80), false, false},
        {"IPv6, IPv4 in it", frame6_of(4, 80), false, true},
        {"ICMP, destination unreachable", icmp_of(3), true, true},
        {"ICMP, time exceeded", icmp_of(11), true, true},
        {"ICMP, echo", icmp_of(8), false, false},
        {"IPv6, ICMP, packet too big", frame6_of(58, 0x0200), true, true},
        {"ICMP", frame_of(0x0800, 0, 0, ICMP, 0, 25), false, false},
        {"ESP", frame_of(0x0800, 0, 0, ESP, 0, 25), false, false},
        {"GRE", frame_of(0x0800, 0, 0, GRE, 0, 25), false, true},
        {"IPv4 in IPv4", frame_of(0x0800, 0, 0, 4, 0, 25), false, true},
        {"IPv6 in IPv4", frame_of(0x0800, 0, 0, 41, 0, 25), false, true},
        {"VXLAN", made_vxlan((struct ends){1, 2, 40000, 25}, 0, false), false, true},
        {"GENEVE", frame_of(0x0800, 0, 0, UDP, 0, 6081), false, true},
        {"GTP", frame_of(0x0800, 0, 0, UDP, 0, 2152), false, true},
        {"L2TP", frame_of(0x0800, 0, 0, UDP, 0, 1701), false, true},
        {"DNS", frame_of(0x0800, 0, 0, UDP, 0, 53), false, false},
        {"a tag", frame_of(0x8100, 0x00050800, 4, TCP, 0, 25), false, true},
        {"two tags", frame_of(0x88a8, 0x0005810000060800, 8, TCP, 0, 25), false, true},
        {"MPLS", frame_of(0x8847, 0x00010140, 4, TCP, 0, 25), false, true},
        {"PPPoE", frame_of(0x8864, 0x11000001003e0021, 8, TCP, 0, 25), false, true},
        {"ARP", other_frame(0x0806), false, false},
    };
    for (int encapsulated = 0; encapsulated < 2; encapsulated++) {
        char *text = text_of(encapsulated != 0);
        struct bpf_program program = compile(text, DLT_ETHERNET);
        for (size_t i = 0; i < unit_count(rows); i++) {
            bool want = encapsulated ? rows[i].want_encapsulated : rows[i].want_plain;
            if (passes(&program, &rows[i].made) != want)
                fail_msg("%s, %s: want %s\n%s", rows[i].label, encapsulated ? "encapsulated" : "plain",
                         want ? "let through" : "held back", text);
        }
        pcap_freecode(&program);
        free(text);
    }
}

static void test_any(void **state)
{
    (void)state;
    for (int encapsulated = 0; encapsulated < 2; encapsulated++) {
        char *text = text_of(encapsulated != 0);
        struct bpf_program program = compile(text, DLT_SLL2);
        pcap_freecode(&program);
        free(text);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    watch(0, 2);
    watch(465, 465);
    watch(2525, 2530);
    watch(65530, 65535);
    char *text = text_of(false);
    const char *want =
        "(tcp and (portrange 0-2 or port 25 or port 465 or port 587 or portrange 2525-2530 or portrange 65530-65535))";
    if (strncmp(text, want, strlen(want)) != 0)
        fail_msg("got  %s\nwant %s", text, want);
    free(text);
}

static bool passes_port(bool encapsulated, uint16_t port)
{
    char *text = text_of(encapsulated);
    struct bpf_program program = compile(text, DLT_ETHERNET);
    struct made made = frame_of(0x0800, 0, 0, TCP, 0, port);
    bool result = passes(&program, &made);
    pcap_freecode(&program);
    free(text);
    return result;
}

/* As many ranges as are spelled out, then one more: all of TCP. */
static void test_many_ranges(void **state)
{
    (void)state;
    for (unsigned port = 1000; port < 1000 + 2 * 62; port += 2)
        watch(port, port);
    assert_true(passes_port(true, 1122));
    assert_false(passes_port(true, 1123));
    watch(5000, 5000);
    assert_true(passes_port(true, 1123));
}

static void test_all_ports(void **state)
{
    (void)state;
    memset(ports, 0xff, sizeof ports);
    assert_true(passes_port(false, 1));
    char *text = filter_text(&(struct filter_config){.ports = NULL});
    assert_int_equal(strncmp(text, "tcp or ", 7), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_passes, setup),    cmocka_unit_test_setup(test_any, setup),
        cmocka_unit_test_setup(test_ranges, setup),    cmocka_unit_test_setup(test_many_ranges, setup),
        cmocka_unit_test_setup(test_all_ports, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
