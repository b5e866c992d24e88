# SPDX-License-Identifier: BSD-2-Clause
# libmicrohttpd is loaded when metrics are wanted (src/output/metrics/httpd.h): its header, and the name that the loader knows it by.
pkg_check_modules(MICROHTTPD REQUIRED libmicrohttpd)
find_library(MICROHTTPD_LIBRARY microhttpd HINTS ${MICROHTTPD_LIBRARY_DIRS} REQUIRED)
file(REAL_PATH "${MICROHTTPD_LIBRARY}" microhttpd_file)
cmake_path(GET microhttpd_file FILENAME microhttpd_file)
# libmicrohttpd.so.12.61.0 -> libmicrohttpd.so.12, the part of the name that stands for the binary interface
string(REGEX MATCH "^.*\\.so\\.[0-9]+|^.*\\.dylib" microhttpd_name "${microhttpd_file}")
if(NOT microhttpd_name)
    message(FATAL_ERROR "${MICROHTTPD_LIBRARY}: not a shared library")
endif()
