#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An installation is complete: the program runs from it, and others build on the library by pkg-config and by CMake."""
import os
import shutil
import subprocess
import unittest

import harness
from harness import FAMILIES, ProgramTest, read

CONSUMER = os.path.join(harness.TOP, "tests", "program", "consumer.c")
SAYS = "line 5: sequence.rcpt-before-mail: RCPT with no open transaction"
# The tables are for others too, and C++ takes the headers as they are.
TABLES = """
#include <smtpscope/advice.h>
#include <smtpscope/judge.h>
#include <stdio.h>

enum mine {
#define RULE(id, family, name, severity, reference, summary) MINE_##id,
#include <smtpscope/rules.def>
    MINE_COUNT
};

int main()
{
    printf("%s %d\\n", smtpscope_rule_info(SMTPSCOPE_RULE_SEQUENCE_NESTED_MAIL)->id, MINE_COUNT == (int)SMTPSCOPE_RULES);
    return 0;
}
"""
CMAKE_CONSUMER = """
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C)
find_package(smtpscope CONFIG REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE smtpscope::smtpscope)
"""


def command(*words, **options):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.TIMEOUT_S, **options)
    if done.returncode:
        raise AssertionError("%s: status %d\n%s%s" % (" ".join(words), done.returncode, done.stdout.decode(), done.stderr.decode()))
    return done.stdout.decode().strip()


class Installation(ProgramTest):
    def setUp(self):
        super().setUp()
        self.build = os.path.dirname(os.path.dirname(harness.PROGRAM))
        cache = read(os.path.join(self.build, "CMakeCache.txt"))
        if b"-fsanitize" in cache or b"--coverage" in cache:
            self.skipTest("the flags of an instrumented build would have to be the consumer's too")
        self.prefix = self.path("prefix")
        command("cmake", "--install", self.build, "--prefix", self.prefix)
        self.source = self.path("consumer.c", read(CONSUMER))

    def installed(self, name):
        found = [os.path.join(folder, name) for folder, _, files in os.walk(self.prefix) if name in files]
        self.assertEqual(len(found), 1, "%s: %s" % (name, found))
        return found[0]

    def test_manual_of_rules(self):
        page = read(self.installed("smtpscope-rules.7")).decode()
        rules = [line.split()[1] for line in command(os.path.join(self.prefix, "bin", "smtpscope"), "rules").splitlines()]
        missing = [rule for rule in rules if ".It Sy %s Pq" % rule not in page]
        self.assertEqual(missing, [], "rules that the manual does not list")
        self.assertEqual(page.count(".It Sy "), len(rules))

    def test_program(self):
        out = command(os.path.join(self.prefix, "bin", "smtpscope"), "-r", FAMILIES, "--format", "json")
        self.assertIn("deferral.", out)
        self.installed("smtpscope.schema.json")
        self.installed("smtpscope.json")

    def test_pkg_config(self):
        command("cc", "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", self.source, "-o", self.path("consumer"), *self.flags())
        self.assertEqual(command(self.path("consumer")), SAYS)

    def flags(self):
        folder = os.path.dirname(self.installed("smtpscope.pc"))
        return command("pkg-config", "--cflags", "--libs", "smtpscope", env={**os.environ, "PKG_CONFIG_PATH": folder}).split()

    @unittest.skipUnless(shutil.which("c++"), "no compiler for C++")
    def test_cpp(self):
        source = self.path("tables.cc", TABLES.encode())
        command("c++", "-Wall", "-Wextra", "-Werror", source, "-o", self.path("tables"), *self.flags())
        self.assertEqual(command(self.path("tables")), "sequence.nested-mail 1")

    def test_cmake_package(self):
        self.path("CMakeLists.txt", CMAKE_CONSUMER.encode())
        command("cmake", "-S", self.folder, "-B", self.path("build"), "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + self.prefix)
        command("cmake", "--build", self.path("build"))
        self.assertEqual(command(os.path.join(self.folder, "build", "consumer")), SAYS)


if __name__ == "__main__":
    harness.main()
