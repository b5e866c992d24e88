# SPDX-License-Identifier: BSD-2-Clause
# The warning flags, on one INTERFACE target. Whether a warning is an error is the presets' business
# (CMAKE_COMPILE_WARNING_AS_ERROR): a user's newer compiler must not break a build.
add_library(smtpscope-warnings INTERFACE)
target_compile_options(smtpscope-warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2
    # Tables name the fields they set; what they leave out is zero on purpose.
    -Wno-missing-field-initializers
    # gettext's templates reach printf through a table.
    -Wno-format-nonliteral
    $<$<C_COMPILER_ID:GNU>:-Wduplicated-cond>)
