/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of the library. Begin with smtpscope/follow.h: TCP segments go in, and what went wrong in their SMTP sessions comes out.
 */
#ifndef SMTPSCOPE_H
#define SMTPSCOPE_H

#include "smtpscope/advice.h"
#include "smtpscope/correlate.h"
#include "smtpscope/finding.h"
#include "smtpscope/follow.h"
#include "smtpscope/judge.h"
#include "smtpscope/network.h"
#include "smtpscope/rule.h"
#include "smtpscope/segment.h"
#include "smtpscope/session.h"
#include "smtpscope/stream.h"
#include "smtpscope/tls.h"
#include "smtpscope/types.h"
#include "smtpscope/version.h"

#endif
