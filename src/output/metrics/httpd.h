/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libmicrohttpd, loaded when it is first wanted. Linked in the usual way it brings GnuTLS and eight more libraries into each
 * run, three milliseconds and 2.5 MB, for nothing where no metrics are served: reading a small capture takes less than twice
 * that.
 */
#ifndef OUTPUT_METRICS_HTTPD_H
#define OUTPUT_METRICS_HTTPD_H

#include <microhttpd.h>

/* The functions in use, under their names without MHD_. */
struct httpd {
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
    __typeof__(MHD_add_response_header) *add_response_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_destroy_response) *destroy_response;
};

/* NULL, and `*error`, static or dlerror(3)'s, when the library is not there. Stays loaded. */
const struct httpd *httpd_load(const char **error);

#endif
