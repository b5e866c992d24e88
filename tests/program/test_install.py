#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An installation is complete: the program runs from it, and others build on the library by pkg-config and by CMake."""
import glob
import os
import re
import shutil
import subprocess
import unittest

import harness
from harness import FAMILIES, ProgramTest, read

CONSUMER = os.path.join(harness.TOP, "tests", "program", "consumer.c")
SAYS = "packet 7: sequence.rcpt-before-mail: RCPT with no open transaction"
# The tables are for others too, and C++ takes the headers as they are.
TABLES = """
#include <smtpscope.h>
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
add_executable(consumer-static consumer.c)
target_link_libraries(consumer-static PRIVATE smtpscope::smtpscope-static)
"""
# What a header declares: the name before the parenthesis, in a line that begins a declaration.
DECLARED = re.compile(r"^(?!static|#|typedef)[\w* ]*\b(smtpscope_\w+)\(", re.M)


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

    def compile(self, *words, compiler="cc"):
        """What the consumer says."""
        command(compiler, "-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", self.source, "-o", self.path("consumer"), *words)
        return command(self.path("consumer"), env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(self.installed("libsmtpscope.so"))})

    def test_pkg_config(self):
        self.assertEqual(self.compile(*self.flags()), SAYS)

    def test_small_caller(self):
        """It needs one header, and fits on a page."""
        text = read(CONSUMER).decode()
        self.assertEqual(re.findall(r"#include <(smtpscope.*)>", text), ["smtpscope.h"])
        self.assertLess(len(text.splitlines()), 60)

    def test_archive_links_with_any_compiler(self):
        flags = [word for word in self.flags("--static") if not word.startswith(("-L", "-lsmtpscope"))]
        for compiler in filter(shutil.which, ("cc", "gcc", "clang")):
            self.assertEqual(self.compile(self.installed("libsmtpscope.a"), *flags, compiler=compiler), SAYS, compiler)

    def test_names(self):
        """Both libraries show what the headers declare, and no other name; one header has them all."""
        include = os.path.dirname(self.installed("smtpscope.h"))
        headers = glob.glob(os.path.join(include, "smtpscope", "*.h"))
        declared = set(name for path in headers for name in DECLARED.findall(read(path).decode()))
        self.assertGreater(len(declared), 50)
        for library, options in (("libsmtpscope.so", ["-D"]), ("libsmtpscope.a", ["-g"])):
            out = command("nm", "--defined-only", "--format=posix", *options, self.installed(library))
            shown = set(line.split()[0] for line in out.splitlines() if len(line.split()) > 1)
            self.assertEqual(sorted(name for name in shown if not name.startswith("smtpscope_")), [], library)
            self.assertEqual(sorted(declared ^ shown), [], library)
        included = re.findall(r'#include "(smtpscope/.*)"', read(os.path.join(include, "smtpscope.h")).decode())
        self.assertEqual(sorted(included), sorted(os.path.relpath(path, include) for path in headers))

    def test_version(self):
        """The header, the library's file and its name as the loader knows it, the package and the program agree."""
        version = re.findall(r'VERSION_(?:MAJOR|MINOR|PATCH) (\d+)', read(self.installed("version.h")).decode())
        name = ".".join(version[:2] if version[0] == "0" else version[:1])
        self.assertIn("SONAME               libsmtpscope.so.%s\n" % name, command("objdump", "-p", self.installed("libsmtpscope.so")))
        self.installed("libsmtpscope.so." + ".".join(version))
        self.assertIn("smtpscope " + ".".join(version), command(os.path.join(self.prefix, "bin", "smtpscope"), "--version"))
        package = os.path.dirname(self.installed("smtpscope.pc"))
        self.assertEqual(command("pkg-config", "--modversion", os.path.join(package, "smtpscope.pc")), ".".join(version))

    def flags(self, *options):
        folder = os.path.dirname(self.installed("smtpscope.pc"))
        path = os.pathsep.join([folder, os.environ.get("PKG_CONFIG_PATH", "")])
        return command("pkg-config", "--cflags", "--libs", *options, "smtpscope", env={**os.environ, "PKG_CONFIG_PATH": path}).split()

    @unittest.skipUnless(shutil.which("c++"), "no compiler for C++")
    def test_cpp(self):
        source = self.path("tables.cc", TABLES.encode())
        command("c++", "-Wall", "-Wextra", "-Werror", source, "-o", self.path("tables"), *self.flags())
        self.assertEqual(command(self.path("tables"), env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(self.installed("libsmtpscope.so"))}),
                         "sequence.nested-mail 1")

    def test_cmake_package(self):
        self.path("CMakeLists.txt", CMAKE_CONSUMER.encode())
        command("cmake", "-S", self.folder, "-B", self.path("build"), "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + self.prefix)
        command("cmake", "--build", self.path("build"))
        for name in ("consumer", "consumer-static"):
            self.assertEqual(command(os.path.join(self.folder, "build", name)), SAYS)


if __name__ == "__main__":
    harness.main()
