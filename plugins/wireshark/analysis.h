/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library inside Wireshark: segments and decrypted octets -> sessions -> findings -> records. One file at a time. */
#ifndef ANALYSIS_H
#define ANALYSIS_H

#include "records.h"

#include <epan/conversation.h>

/* Once, at registration. `proto` is the protocol under which conversations keep their session. */
void analysis_register(int proto);

/* For each new file, before its first frame. No port is watched yet. */
void analysis_begin(void);

/* Before a frame is fed: packet time has reached `now`. */
void analysis_expire(smtpscope_time now);
/* A TCP port on which servers listen. */
void analysis_watch(uint16_t port);
bool analysis_watches(uint16_t port);

/* A segment of a watched port. `conversation` is Wireshark's, and may be NULL. */
void analysis_segment(const struct smtpscope_segment *segment, conversation_t *conversation);
/*
 * Clear text that Wireshark took out of TLS or another layer. `segment` carries what is known of the packet, with the clear
 * text as its data; the sender is `side` where the session is not known yet. `tls`: it was encrypted.
 */
void analysis_clear(const struct smtpscope_segment *segment, enum smtpscope_side side, conversation_t *conversation, bool tls);

/* A packet of such a session: its FIN or RST ends it, where no stream stands behind it that would. */
void analysis_ended(const struct smtpscope_segment *segment, conversation_t *conversation);

/* The capture is over: whatever is open ends with it, and what shows only at the end is told. Harmless when repeated. */
void analysis_finish(void);

/* The session of a conversation, or NULL. Valid at any time, also after the session. */
const struct session_record *analysis_session(const conversation_t *conversation);

#endif
