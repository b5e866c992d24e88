/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/metrics/httpd.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define FUNCTION(name)                                                                                                         \
    {                                                                                                                          \
        "MHD_" #name, offsetof(struct httpd, name)                                                                             \
    }
    FUNCTION(start_daemon),        FUNCTION(stop_daemon),    FUNCTION(create_response_from_buffer),
    FUNCTION(add_response_header), FUNCTION(queue_response), FUNCTION(destroy_response),
};

const struct httpd *httpd_load(const char **error)
{
    static struct httpd loaded;
    void *library = dlopen(SMTPSCOPE_MICROHTTPD, RTLD_NOW | RTLD_LOCAL);

    for (size_t i = 0; library && i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(library, functions[i].name);

        if (!function) {
            *error = dlerror();
            dlclose(library);
            return NULL;
        }
        /* ISO C has no conversion from a pointer to an object; POSIX says that it is one. */
        memcpy((char *)&loaded + functions[i].offset, &function, sizeof function);
    }
    if (!library)
        *error = dlerror();
    return library ? &loaded : NULL;
}
