/* SPDX-License-Identifier: BSD-2-Clause */
#include "mkcapture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: mkcapture [OPTIONS] [FILE]     a pcap file of SMTP traffic; standard output without FILE, or with -\n"
    "  -n N   sessions (1000)\n"
    "  -s N   stop beginning sessions after N megabytes instead\n"
    "  -c N   sessions open at a time (100)\n"
    "  -m N   octets of a message (12000)\n"
    "  -f N   of 100 sessions, those with findings: 450, 503, 502 in turn (10)\n"
    "  -i N   of 100 sessions, those that fall silent behind EHLO and stay open (0)\n"
    "  -o N   of 100 packets, those that are no SMTP (0)\n"
    "  -r N   of 1000 segments of a message, those that come behind the next one (0)\n"
    "  -l N   of 1000 segments of a message, those that are lost on the way and sent again (0)\n"
    "  -d N   of 1000 segments of a message, those that the capture lacks (0)\n"
    "  -e N   seed (1)\n"
    "Its last line, on standard error, says what the capture holds and what there is to be found in it.\n";

static bool option_set(struct parameters *parameters, int option, uint64_t value)
{
    switch (option) {
    case 'n': parameters->sessions = value; break;
    case 's': parameters->octets = value << 20; break;
    case 'c': parameters->concurrency = (unsigned)value; break;
    case 'm': parameters->message = value > 0 ? (uint32_t)value : 1; break;
    case 'f': parameters->findings = (unsigned)value; break;
    case 'i': parameters->silent = (unsigned)value; break;
    case 'o': parameters->other = value < 100 ? (unsigned)value : 99; break;
    case 'r': parameters->reordered = (unsigned)value; break;
    case 'l': parameters->resent = (unsigned)value; break;
    case 'd': parameters->lacking = (unsigned)value; break;
    case 'e': parameters->seed = value; break;
    default: return false;
    }
    return true;
}

static bool options_read(struct parameters *parameters, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "n:s:c:m:f:i:o:r:l:d:e:")) != -1) {
        char *end = NULL;
        uint64_t value = option == '?' ? 0 : strtoull(optarg, &end, 10);

        if (end == NULL || *end != '\0' || !option_set(parameters, option, value))
            return false;
    }
    return parameters->concurrency > 0 && argc - optind <= 1;
}

static bool sessions_left(const struct wire *wire, const struct totals *totals)
{
    const struct parameters *parameters = wire->parameters;

    return parameters->octets > 0 ? wire->octets < parameters->octets : totals->sessions < parameters->sessions;
}

/* Steps through `concurrency` sessions in turn; an ended one makes room for the next. */
static void sessions_run(struct wire *wire, struct session *sessions, struct totals *totals)
{
    bool active = true;

    while (active && wire->error == 0) {
        active = false;
        for (unsigned i = 0; i < wire->parameters->concurrency; i++) {
            struct session *session = &sessions[i];

            if (session->template != NULL)
                session_step(session, wire, totals);
            else if (sessions_left(wire, totals))
                session_begin(session, wire, totals);
            else
                continue;
            active = true;
        }
    }
}

static int capture_write(int fd, const struct parameters *parameters)
{
    struct session *sessions = calloc(parameters->concurrency, sizeof *sessions);
    struct totals totals = {0};
    struct wire wire;
    int result;

    if (sessions == NULL || wire_begin(&wire, fd, parameters) != 0)
        return -1;
    sessions_run(&wire, sessions, &totals);
    free(sessions);
    result = wire_end(&wire);
    fprintf(stderr, "%llu sessions, %llu packets, %llu octets, %llu messages, %llu findings, %llu lacking\n",
            (unsigned long long)totals.sessions, (unsigned long long)wire.packets, (unsigned long long)wire.octets,
            (unsigned long long)totals.messages, (unsigned long long)totals.findings, (unsigned long long)totals.lacking);
    return result;
}

int main(int argc, char **argv)
{
    struct parameters parameters = {.sessions = 1000, .concurrency = 100, .message = 12000, .findings = 10, .seed = 1};
    const char *path;
    int fd = STDOUT_FILENO;

    if (!options_read(&parameters, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    path = optind < argc && strcmp(argv[optind], "-") != 0 ? argv[optind] : NULL;
    if (path != NULL)
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || capture_write(fd, &parameters) != 0 || close(fd) != 0) {
        perror(path != NULL ? path : "mkcapture");
        return 1;
    }
    return 0;
}
