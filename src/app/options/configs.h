/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each room has to do, out of what the user wants: here struct options ends. What is returned points into the options, and
 * each room has its own struct, so that a room knows no more than it needs.
 */
#ifndef APP_OPTIONS_CONFIGS_H
#define APP_OPTIONS_CONFIGS_H

#include "app/options/options.h"
#include "app/publish/publication.h"
#include "app/sessions/sessions.h"
#include "capture/filter.h"

/* What of it all is asked for. */
struct selection options_selection(const struct options *options);
/* Without the captures' hash seed, the evidence's stores, and the stream of an analysis. */
struct publication_config options_publication(const struct options *options);
/* Without what differs from run to run: the taker of the reports, counters, the seed, evidence, patience. */
struct sessions_config options_sessions(const struct options *options);
struct decoder_config options_decoder(const struct options *options);
/* Of each interface, without its name, the kernel's filter and the workers' share. */
struct live_config options_live(const struct options *options);
/* What the kernel hands over at all; without the ports of tunnels. */
struct filter_config options_filter(const struct options *options);

#endif
