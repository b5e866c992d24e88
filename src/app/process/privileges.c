/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* getresuid(2) */
#include "app/process/privileges.h"

#include "app/process/sandbox.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Whom root becomes unless it is told. The first that exists. */
static const char *const default_users[] = {"smtpscope", "nobody"};

static const struct passwd *find_user(const char *user)
{
    const struct passwd *found = NULL;

    if (user)
        return getpwnam(user);
    for (size_t i = 0; !found && i < sizeof default_users / sizeof default_users[0]; i++)
        found = getpwnam(default_users[i]);
    return found;
}

bool privileges_lookup(struct privileges *privileges, const char *user)
{
    const struct passwd *found = find_user(user);

    *privileges = (struct privileges){.uid = geteuid(), .gid = getegid()};
    if (!found && (user || !privileges->uid)) {
        warn_user(_("--user %s: there is no such user"), user ? user : default_users[0]);
        return false;
    }
    if (privileges->uid && user && found->pw_uid != privileges->uid) {
        warn_user(_("--user %s: only root can become another user"), user);
        return false;
    }
    if (privileges->uid)
        return true;
    *privileges = (struct privileges){.become = true, .uid = found->pw_uid, .gid = found->pw_gid};
    snprintf(privileges->name, sizeof privileges->name, "%s", found->pw_name);
    return true;
}

/* A container may have taken these from root. */
static bool can_become(void)
{
    return !capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
           capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID);
}

bool privileges_lookup_reader(struct privileges *privileges, const char *user, bool stays)
{
    *privileges = (struct privileges){.uid = geteuid(), .gid = getegid()};
    if (user || (!privileges->uid && !stays && can_become() && find_user(NULL)))
        return privileges_lookup(privileges, user);
    return true;
}

/*
 * The bounding set is emptied where that is allowed: a container or a service manager may have kept CAP_SETPCAP, and then it
 * has bounded us itself. Without capabilities and with no-new-privileges nothing can come out of that set.
 */
static bool drop_capabilities(const struct privileges *privileges)
{
    bool bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    int done;

    capng_clear(CAPNG_SELECT_ALL);
    if (privileges->become)
        done = capng_change_id((int)privileges->uid, (int)privileges->gid,
                               CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_AMBIENT | (bounds ? CAPNG_CLEAR_BOUNDING : CAPNG_NO_FLAG));
    else
        done = capng_apply(bounds ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT);
    if (done) {
        warn_user(_("the user %u with no capability cannot be had: %s"), (unsigned)privileges->uid, strerror(errno));
        return false;
    }
    return true;
}

/* What was dropped, read back: a kernel or a library that does something else must not go unnoticed. */
static bool is_dropped(const struct privileges *privileges)
{
    uid_t real, effective, saved;

    if (getresuid(&real, &effective, &saved) || real != privileges->uid || effective != real || saved != real)
        return false;
    return !capng_get_caps_process() && capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE;
}

bool privileges_drop(const struct privileges *privileges, bool sandbox)
{
    if (capng_get_caps_process() || !drop_capabilities(privileges))
        return false;
    if (!is_dropped(privileges)) {
        warn_user(_("privileges are still there after dropping them"));
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        warn_user(_("no-new-privileges: %s"), strerror(errno));
        return false;
    }
#ifdef SANITIZED
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the leak checker looks at the process from outside */
#endif
    if (sandbox)
        return sandbox_enter();
    warn_user(_("--no-sandbox: system calls are not filtered"));
    return true;
}

void privileges_explain(const struct privileges *privileges)
{
    if (privileges->become)
        warn_user(_("files are opened as the user %s, who has to be allowed to; --user chooses another"), privileges->name);
}
