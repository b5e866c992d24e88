#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""smtp_server.py ADDRESS PORT: aiosmtpd with a will of its own: what it says depends on the recipient. Ends with its input."""
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

REPLIES = {
    "busy": "450 4.2.0 mailbox busy, try again later",
    "grey": "451 4.7.1 Greylisted, please try again in 300 seconds",
    "unknown": "550 5.1.1 no such user here",
    "full": "452 4.2.2 mailbox full",
}


class Server(SMTP):
    async def smtp_VRFY(self, arg):
        await self.push("502 5.5.1 VRFY is disabled")


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        reply = REPLIES.get(address.split("@")[0])
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        if b"virus" in envelope.content:
            return "554 5.7.1 message content rejected"
        return "250 2.0.0 Ok: queued"


class Listener(Controller):
    def factory(self):
        return Server(self.handler, hostname="mx.example")


def main():
    listener = Listener(Handler(), hostname=sys.argv[1], port=int(sys.argv[2]))
    listener.start()
    print("ready", flush=True)
    sys.stdin.read()
    listener.stop()


if __name__ == "__main__":
    main()
