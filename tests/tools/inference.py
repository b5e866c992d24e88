#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""inference.py PROGRAM DIR: how often what is inferred inside TLS is right, on captures that have the truth beside them
(NAME.truth.json). Without keys throughout. The figures of smtpscope(1), and what the probabilities in the source come from."""
import collections
import glob
import json
import os
import subprocess
import sys


def sessions_of(program, capture):
    """(client, port, server, port) -> session objects in order of time."""
    run = subprocess.run([program, "-r", capture, "--format", "json", "--sessions", "--ports", "25,465,587"],
                         capture_output=True, check=False)
    found = collections.defaultdict(list)
    for line in run.stdout.splitlines():
        told = json.loads(line)
        if told["event_type"] == "session":
            found[(told["src_ip"], told["src_port"], told["dest_ip"], told["dest_port"])].append(told)
    return {key: sorted(told, key=lambda one: one["timestamp"]) for key, told in found.items()}


def transactions_inside(connection):
    """The truth of captures that list what was said, but no transactions: how many messages were sent inside TLS."""
    return sum(event["type"] == "data" and not event.get("after_close") for event in connection.get("inside_tls", []))


def count_transactions(counts, connection, session, ids):
    guesses = (session.get("tls") or {}).get("inferred") or []
    truths = connection["transactions"]
    for truth, guess in zip(truths, guesses):
        form = "sent" if guess["sent"] else "none"
        counts["%s %.2f" % (form, guess["probability"])].update([truth["message_transferred"] == guess["sent"]])
        if guess["sent"]:
            counts["octets within 256"].update([abs(truth["octets"] - guess["octets"]) <= 256])
        if guess["outcome"] != "unknown":
            counts["%s %.2f" % (guess["outcome"], guess["outcome_probability"])].update(
                [(truth["outcome"] == "accepted") == (guess["outcome"] == "accepted")])
        if guess["retry"]:
            counts["retry %.2f" % guess["retry_probability"]].update([truth["retry_of"] is not None])
            counts["... of the right session"].update([ids.get(truth["retry_of"]) == guess["retry"]])
            if guess["outcome"] == "accepted":
                counts["tried again and went through"].update([truth["retry_of"] is not None and truth["outcome"] == "accepted"])
        if truth["retry_of"] is not None:
            counts["retries that are told"].update([bool(guess["retry"])])
    counts["as many transactions as there were"].update([len(truths) == len(guesses)])


def main():
    program, folder = sys.argv[1:3]
    counts = collections.defaultdict(collections.Counter)
    for path in sorted(glob.glob(os.path.join(folder, "*.truth.json"))):
        with open(path, encoding="utf-8") as file:
            truth = json.load(file)
        found, used, ids, pairs = sessions_of(program, os.path.join(folder, truth["capture"]["file"])), collections.Counter(), {}, []
        for connection in sorted(truth["connections"], key=lambda one: one["opened_at"] or 0):
            key = (connection["client_ip"], connection["client_port"], connection["server_ip"], connection["server_port"])
            told = found.get(key, [])[used[key]:used[key] + 1]
            used[key] += 1
            if told:
                ids[connection["id"]] = told[0]["session"]
                pairs.append((connection, told[0]))
        for connection, session in pairs:
            if truth.get("kind") == "B2" and connection.get("transactions") is not None:
                count_transactions(counts, connection, session, ids)
            elif truth.get("kind", "A") == "A" and connection.get("inside_tls") and truth["capture"].get("complete") is not False:
                sent, guessed = transactions_inside(connection), sum(
                    guess["sent"] for guess in (session.get("tls") or {}).get("inferred") or [])
                counts["odd clients: no message invented"].update([guessed <= sent])
                counts["odd clients: messages counted right"].update([guessed == sent])
                if guessed > sent and "-v" in sys.argv:
                    print("invented:", truth["name"], connection.get("label"), sent, guessed)
    for what, right in sorted(counts.items()):
        print("%-40s %4d of %4d  %6.2f %%" % (what, right[True], sum(right.values()), 100 * right[True] / sum(right.values())))


main()
