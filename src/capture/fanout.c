/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which worker gets a frame. The kernel's own PACKET_FANOUT_HASH is symmetric for what it can look into, but not for tunnels
 * over UDP: their outer source port is a hash of the inner flow, another one for each direction, so that the two halves of a
 * connection would reach different workers. Hence a program of ours: TCP right behind IP goes by addresses and ports, all
 * else by the addresses, and what is not IP to the first worker. All of a tunnel is then one worker's.
 *
 * Fragments have no ports. Those of IPv4 the kernel puts together before it asks (PACKET_FANOUT_FLAG_DEFRAG). It does not for
 * IPv6, where TCP is fragmented by nobody but in tests: such a segment may be missing to its connection's worker.
 */
#define _DEFAULT_SOURCE 1
#include "capture/fanout.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_SERVICE_VLAN = 0x88a8, PROTOCOL_TCP = 6 };

/* The program's memory cells: octets in front of the IP header; the hash of the addresses; a value at hand. */
enum { CELL_SKIP, CELL_HASH, CELL_VALUE };

/* Twice what the program has. */
enum { MAX_PROGRAM = 128 };

struct program {
    struct sock_filter code[MAX_PROGRAM];
    uint16_t len;
};

static uint16_t emit(struct program *program, uint16_t code, uint32_t k)
{
    assert(program->len < MAX_PROGRAM);
    program->code[program->len] = (struct sock_filter){.code = code, .k = k};
    return program->len++;
}

/* A = what is `off` octets behind X octets into the network header. A load behind the frame's end ends the program with 0. */
static void emit_load(struct program *program, uint16_t size, unsigned off)
{
    emit(program, BPF_LD | BPF_IND | size, (uint32_t)SKF_NET_OFF + off);
}

/* Goes on if A is `value`, else jumps to where emit_land() is called with what this returns. */
static uint16_t emit_unless(struct program *program, uint32_t value)
{
    return emit(program, BPF_JMP | BPF_JEQ | BPF_K, value);
}

static void emit_land(struct program *program, uint16_t jump)
{
    program->code[jump].jf = (uint8_t)(program->len - jump - 1);
}

/* Octets of tag go to X and the EtherType to A. The kernel has taken the outermost tag off already, one more is seen to. */
static void emit_tags(struct program *program)
{
    emit(program, BPF_LDX | BPF_IMM, 0);
    emit(program, BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
    uint16_t tagged = emit_unless(program, TYPE_VLAN);
    program->code[tagged].jt = 1; /* over the next question */
    uint16_t untagged = emit_unless(program, TYPE_SERVICE_VLAN);
    emit(program, BPF_LDX | BPF_IMM, 4);
    emit(program, BPF_LD | BPF_H | BPF_ABS, (uint32_t)SKF_NET_OFF + 2);
    emit_land(program, untagged);
    emit(program, BPF_STX, CELL_SKIP);
}

/* The exclusive or of both addresses, `words` of 4 octets from `off` on: the same for both directions. Leaves X as found. */
static void emit_addresses(struct program *program, unsigned off, unsigned words)
{
    emit(program, BPF_LD | BPF_IMM, 0);
    emit(program, BPF_ST, CELL_HASH);
    for (unsigned word = 0; word < words; word++) {
        emit_load(program, BPF_W, off + 4 * word);
        emit(program, BPF_LDX | BPF_MEM, CELL_HASH);
        emit(program, BPF_ALU | BPF_XOR | BPF_X, 0);
        emit(program, BPF_ST, CELL_HASH);
        emit(program, BPF_LDX | BPF_MEM, CELL_SKIP);
    }
}

/* The ports, of which X is in front, to the hash. */
static void emit_ports(struct program *program)
{
    emit_load(program, BPF_H, 0);
    emit(program, BPF_ST, CELL_VALUE);
    emit_load(program, BPF_H, 2);
    emit(program, BPF_LDX | BPF_MEM, CELL_VALUE);
    emit(program, BPF_ALU | BPF_XOR | BPF_X, 0);
    emit(program, BPF_LDX | BPF_MEM, CELL_HASH);
    emit(program, BPF_ALU | BPF_XOR | BPF_X, 0);
    emit(program, BPF_ST, CELL_HASH);
}

/* Clients choose ports that differ in few bits: all bits of the product's upper half depend on them (Knuth 6.4). */
static void emit_return(struct program *program)
{
    enum { UPPER_HALF = 16 };
    emit(program, BPF_LD | BPF_MEM, CELL_HASH);
    emit(program, BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
    emit(program, BPF_ALU | BPF_RSH | BPF_K, UPPER_HALF);
    emit(program, BPF_RET | BPF_A, 0);
}

/* With the IPv4 header in front of X. */
static void emit_ipv4(struct program *program)
{
    emit_addresses(program, 12, 2);
    emit_load(program, BPF_B, 9);
    uint16_t other = emit_unless(program, PROTOCOL_TCP);
    emit_load(program, BPF_H, 6);
    emit(program, BPF_ALU | BPF_AND | BPF_K, 0x3fff);
    uint16_t fragment = emit_unless(program, 0);
    emit_load(program, BPF_B, 0);
    emit(program, BPF_ALU | BPF_AND | BPF_K, 15);
    emit(program, BPF_ALU | BPF_LSH | BPF_K, 2);
    emit(program, BPF_ALU | BPF_ADD | BPF_X, 0);
    emit(program, BPF_MISC | BPF_TAX, 0);
    emit_ports(program);
    emit_land(program, other);
    emit_land(program, fragment);
    emit_return(program);
}

/* With the IPv6 header in front of X. */
static void emit_ipv6(struct program *program)
{
    enum { IPV6_HEADER = 40 };
    emit_addresses(program, 8, 8);
    emit_load(program, BPF_B, 6);
    uint16_t other = emit_unless(program, PROTOCOL_TCP);
    emit(program, BPF_MISC | BPF_TXA, 0);
    emit(program, BPF_ALU | BPF_ADD | BPF_K, IPV6_HEADER);
    emit(program, BPF_MISC | BPF_TAX, 0);
    emit_ports(program);
    emit_land(program, other);
    emit_return(program);
}

static void program_write(struct program *program)
{
    emit_tags(program);
    uint16_t other = emit_unless(program, TYPE_IPV4);
    emit_ipv4(program);
    emit_land(program, other);
    other = emit_unless(program, TYPE_IPV6);
    emit_ipv6(program);
    emit_land(program, other);
    emit(program, BPF_RET | BPF_K, 0);
}

static int fanout_ask(int fd, unsigned group, unsigned flags)
{
    unsigned mode = PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_DEFRAG | flags;
    uint32_t value = group | mode << 16;
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof value) == 0 ? 0 : errno;
}

static int fanout_new(int fd, int *group)
{
    uint32_t value = 0;
    socklen_t len = sizeof value;
    int error = fanout_ask(fd, 0, PACKET_FANOUT_FLAG_UNIQUEID);
    if (error != 0)
        return error;
    if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &len) != 0)
        return errno;
    *group = (int)(value & 0xffff);
    return 0;
}

int fanout_join(int fd, int *group)
{
    struct program program = {.len = 0};
    int error = *group < 0 ? fanout_new(fd, group) : fanout_ask(fd, (unsigned)*group, 0);
    if (error != 0)
        return error;
    program_write(&program);
    struct sock_fprog data = {.len = program.len, .filter = program.code};
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &data, sizeof data) == 0 ? 0 : errno;
}
