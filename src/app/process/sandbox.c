/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is not named here ends the program, in one line that says which call it was: a new C library shows itself, and an
 * attacker who has come so far does not get to try again, since the handler that says it can be neither replaced nor blocked. Three calls that glibc makes on its
 * own and can do without fail instead: clone3, whose flags no filter can read; mapping code, as when a module of the name
 * service is loaded; sockets to ask the kernel for addresses, as getaddrinfo(3) does. So does a packet socket, which the
 * capability that is gone would refuse anyway: an interface that was removed and is there again cannot be opened again, and
 * that is to be told rather than to die of.
 */
#include "app/process/sandbox.h"

#include "app/process/refused_call.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <asm/termbits.h>
#include <errno.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

/* clang-format off */
/* In groups by what needs them. Names that a processor does not have are left out by libseccomp. */
static const int allowed[] = {
    /* files: outputs are reopened and rotated, the configuration is read again, libpcap reads counters in /sys */
    CALL(read), CALL(readv), CALL(pread64), CALL(preadv), CALL(write), CALL(writev), CALL(pwrite64), CALL(pwritev),
    CALL(lseek), CALL(_llseek), CALL(open), CALL(openat), CALL(close), CALL(close_range), CALL(dup), CALL(fcntl),
    CALL(fcntl64), CALL(fstat), CALL(fstat64), CALL(stat), CALL(stat64), CALL(lstat), CALL(newfstatat), CALL(fstatat64),
    CALL(statx), CALL(statfs), CALL(fstatfs), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink),
    CALL(readlinkat), CALL(getcwd), CALL(getdents64), CALL(rename), CALL(renameat), CALL(renameat2), CALL(unlink),
    CALL(unlinkat), CALL(ftruncate), CALL(ftruncate64), CALL(fallocate), CALL(fsync), CALL(fdatasync), CALL(fadvise64),
    CALL(flock), CALL(umask),
    CALL(memfd_create), /* what is too long for a datagram to the journal */
    /* waiting */
    CALL(poll), CALL(ppoll), CALL(select), CALL(_newselect), CALL(pselect6), CALL(epoll_create1), CALL(epoll_ctl),
    CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2), CALL(eventfd2), CALL(pipe), CALL(pipe2), CALL(timerfd_create),
    CALL(timerfd_settime), CALL(signalfd4),
    /* sockets that are there, metrics' clients, syslog and the journal connected to again */
    CALL(connect), CALL(accept), CALL(accept4), CALL(send), CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(recv),
    CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg), CALL(shutdown), CALL(getsockopt), CALL(setsockopt), CALL(getsockname),
    CALL(getpeername), CALL(sendfile),
    /* memory */
    CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise),
    /* threads and signals */
    CALL(futex), CALL(futex_time64), CALL(set_robust_list), CALL(rseq), CALL(set_tid_address), CALL(sched_yield),
    CALL(sched_getaffinity), CALL(membarrier), CALL(rt_sigreturn),
    CALL(rt_sigprocmask), CALL(rt_sigtimedwait), CALL(rt_sigpending), CALL(sigaltstack), CALL(restart_syscall), CALL(exit),
    CALL(exit_group), CALL(arch_prctl),
    /* clocks, who and where we are */
    CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
    CALL(gettimeofday), CALL(time), CALL(getpid), CALL(getppid), CALL(gettid), CALL(getuid), CALL(geteuid), CALL(getgid),
    CALL(getegid), CALL(getrusage), CALL(getrandom), CALL(uname), CALL(sysinfo), CALL(getcpu),
#ifdef SANITIZED
    /* the leak checker stops the process from a process of its own */
    CALL(clone), CALL(ptrace), CALL(wait4), CALL(prctl), CALL(mmap), CALL(mprotect), CALL(kill), CALL(tgkill),
    CALL(prlimit64), CALL(getdents), CALL(process_vm_readv),
#endif
};
/* clang-format on */

/* One value of one argument, as masked. */
struct exception {
    int call;
    uint32_t action;
    unsigned argument;
    uint64_t mask, value;
};

#define WHOLE UINT64_C(0xffffffff)
#define FAILS(error) SCMP_ACT_ERRNO(error)

static const struct exception exceptions[] = {
    {CALL(socket), SCMP_ACT_ALLOW, 0, WHOLE, AF_UNIX},
    {CALL(socket), SCMP_ACT_ALLOW, 0, WHOLE, AF_INET},
    {CALL(socket), SCMP_ACT_ALLOW, 0, WHOLE, AF_INET6},
    {CALL(socket), FAILS(EAFNOSUPPORT), 0, WHOLE, AF_NETLINK},
    {CALL(socket), FAILS(EPERM), 0, WHOLE, AF_PACKET},
    /* what stdio and libpcap ask of descriptors that are open */
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, TCGETS},
#ifdef TCGETS2
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, TCGETS2}, /* isatty(3) since glibc 2.43 */
#endif
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, TIOCGWINSZ},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, FIONREAD},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, TIOCOUTQ},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, FIONBIO},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, SIOCGIFINDEX},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, SIOCGIFNAME},
    {CALL(ioctl), SCMP_ACT_ALLOW, 1, WHOLE, SIOCGIFFLAGS},
    {CALL(ioctl), FAILS(EOPNOTSUPP), 1, WHOLE, SIOCETHTOOL}, /* libpcap asks how frames are stamped before it opens */
#ifndef SANITIZED
    {CALL(clone), SCMP_ACT_ALLOW, 0, CLONE_THREAD, CLONE_THREAD},
    {CALL(prctl), SCMP_ACT_ALLOW, 0, WHOLE, PR_SET_NAME},
    {CALL(mmap), SCMP_ACT_ALLOW, 2, PROT_EXEC, 0},
    {CALL(mmap), FAILS(EACCES), 2, PROT_EXEC, PROT_EXEC},
    {CALL(mmap2), SCMP_ACT_ALLOW, 2, PROT_EXEC, 0},
    {CALL(mmap2), FAILS(EACCES), 2, PROT_EXEC, PROT_EXEC},
    {CALL(mprotect), SCMP_ACT_ALLOW, 2, PROT_EXEC, 0},
    {CALL(mprotect), FAILS(EACCES), 2, PROT_EXEC, PROT_EXEC},
    {CALL(prlimit64), SCMP_ACT_ALLOW, 2, UINT64_MAX, 0}, /* reading a limit, not setting one */
#endif
};

static int add_exceptions(scmp_filter_ctx filter)
{
    int error = 0;

    for (size_t i = 0; !error && i < sizeof exceptions / sizeof exceptions[0]; i++) {
        const struct exception *e = &exceptions[i];

        error = seccomp_rule_add(filter, e->action, e->call, 1, SCMP_CMP(e->argument, SCMP_CMP_MASKED_EQ, e->mask, e->value));
        /* On i386 socket(2) is also a part of socketcall(2), whose arguments a filter cannot see: there its first row counts. */
        if (error == -EEXIST)
            error = 0;
    }
    return error;
}

/* abort(3) and a thread's own signals, to nobody else. */
static int add_own_signals(scmp_filter_ctx filter)
{
#ifdef SANITIZED
    (void)filter;
    return 0;
#else
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
#endif
}

/* What says which call was refused stays in place. The numbers are of 32 bits; what is above them is anything. */
static int add_signal_actions(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(rt_sigaction), 1, SCMP_A0(SCMP_CMP_NE, SIGSYS));
}

static int add_rules(scmp_filter_ctx filter)
{
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: some calls are made for each packet */
    for (size_t i = 0; !error && i < sizeof allowed / sizeof allowed[0]; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (!error)
        error = add_exceptions(filter);
    if (!error)
        error = add_own_signals(filter);
    if (!error)
        error = add_signal_actions(filter);
    if (!error)
        error = seccomp_rule_add(filter, FAILS(ENOSYS), CALL(clone3), 0);
#ifdef __i386__
    if (!error) /* the resolver's netlink socket, which other processors refuse when it is made */
        error = seccomp_rule_add(filter, FAILS(EACCES), CALL(bind), 0);
#endif
    return error;
}

bool sandbox_enter(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    int error = filter ? add_rules(filter) : -ENOMEM;

    refused_call_prepare();
    if (!error)
        error = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (error)
        warn_user(_("system calls cannot be filtered: %s; --no-sandbox does without"), strerror(-error));
    return !error;
}
