/* SPDX-License-Identifier: BSD-2-Clause */
#include "mkcapture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BUFFER (1 << 20)

static const char usage[] =
    "usage: mkcapture [OPTIONS] [FILE]     a pcap file of SMTP traffic; standard output without FILE\n"
    "  -n N   sessions (1000)\n"
    "  -s N   stop beginning sessions after N megabytes instead\n"
    "  -c N   sessions open at a time (100)\n"
    "  -m N   octets of a message (12000)\n"
    "  -f N   of 100 sessions, those with findings: 450, 503, 502 in turn (10)\n"
    "  -o N   of 100 packets, those that are no SMTP (0)\n"
    "  -l N   of 1000 packets, those that the capture lacks (0)\n"
    "  -r N   of 1000 packets, those that change places with the next one (0)\n"
    "  -e N   seed (1)\n";

static bool options_read(struct parameters *parameters, int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "n:s:c:m:f:o:l:r:e:")) != -1) {
        uint64_t value = option == '?' ? 0 : strtoull(optarg, NULL, 10);
        switch (option) {
        case 'n': parameters->sessions = value; break;
        case 's': parameters->octets = value << 20; break;
        case 'c': parameters->concurrency = (unsigned)value; break;
        case 'm': parameters->message = value > 0 ? (size_t)value : 1; break;
        case 'f': parameters->findings = (unsigned)value; break;
        case 'o': parameters->other = value < 100 ? (unsigned)value : 99; break;
        case 'l': parameters->loss = (unsigned)value; break;
        case 'r': parameters->reordering = (unsigned)value; break;
        case 'e': parameters->seed = value; break;
        default: return false;
        }
    }
    return parameters->concurrency > 0;
}

static bool sessions_left(const struct wire *wire, uint64_t begun)
{
    const struct parameters *parameters = wire->parameters;
    return parameters->octets > 0 ? wire->octets < parameters->octets : begun < parameters->sessions;
}

/* Steps through `concurrency` sessions in turn; an ended one makes room for the next. Returns how many there were. */
static uint64_t sessions_run(struct wire *wire, struct session *sessions)
{
    uint64_t begun = 0;
    bool active = true;
    while (active) {
        active = false;
        for (unsigned i = 0; i < wire->parameters->concurrency; i++) {
            struct session *session = &sessions[i];
            if (session->script != NULL)
                session_step(session, wire);
            else if (sessions_left(wire, begun))
                session_begin(session, wire, begun++);
            else
                continue;
            active = true;
        }
    }
    return begun;
}

int main(int argc, char **argv)
{
    struct parameters parameters = {.sessions = 1000, .concurrency = 100, .message = 12000, .findings = 10, .seed = 1};
    struct wire wire;
    if (!options_read(&parameters, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    FILE *file = optind < argc ? fopen(argv[optind], "wb") : stdout;
    struct session *sessions = calloc(parameters.concurrency, sizeof *sessions);
    if (file == NULL || sessions == NULL) {
        perror(optind < argc ? argv[optind] : "mkcapture");
        return 1;
    }
    setvbuf(file, NULL, _IOFBF, FILE_BUFFER);
    wire_begin(&wire, file, &parameters);
    uint64_t begun = sessions_run(&wire, sessions);
    free(sessions);
    if (wire_end(&wire) != 0 || (file != stdout && fclose(file) != 0)) {
        perror("mkcapture");
        return 1;
    }
    fprintf(stderr, "%llu sessions, %llu packets, %llu octets\n", (unsigned long long)begun, (unsigned long long)wire.packets,
            (unsigned long long)wire.octets);
    return 0;
}
