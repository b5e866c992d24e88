/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/refused_call.h"

#include "base/gettext.h"

#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* No processor's table of calls is longer today; what is beyond has a number only. */
#define CALLS_MAX 512
#define LINE_MAX_OCTETS 512

static char *names[CALLS_MAX]; /* kept until the process ends */
static char before[LINE_MAX_OCTETS], behind[LINE_MAX_OCTETS];

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));

    (void)written; /* there is nobody else to tell */
}

/* snprintf(3) may not be called in a handler. */
static void say_number(unsigned number)
{
    char digits[12], *at = digits + sizeof digits - 1;

    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    say(at);
}

/* SA_RESETHAND has given the signal its own meaning back: it ends the process when it is raised again. */
static void refused(int number, siginfo_t *info, void *context)
{
    bool known = info->si_syscall >= 0 && info->si_syscall < CALLS_MAX && names[info->si_syscall];

    (void)context;
    say(before);
    if (known)
        say(names[info->si_syscall]);
    else
        say_number((unsigned)info->si_syscall);
    say(behind);
    raise(number);
}

void refused_call_prepare(void)
{
    struct sigaction action = {.sa_sigaction = refused, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER)};

    for (int call = 0; call < CALLS_MAX; call++)
        names[call] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
    snprintf(before, sizeof before, "smtpscope: %s", _("its own filter refused the system call "));
    snprintf(behind, sizeof behind, "%s\n",
             _(", and this ends it; please report that; --no-sandbox goes on without the filter"));
    sigemptyset(&action.sa_mask);
    sigaction(SIGSYS, &action, NULL);
}
