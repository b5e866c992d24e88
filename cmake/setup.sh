# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# What ./run.sh and ./test.sh share: packages, configuring, building. Sourced from the top of
# the checkout by a script that has set `script` to its name; sets no options.

say() {
    printf '%s: %s\n' "${script:?}" "$*" >&2
}

die() {
    say "$*"
    exit 2
}

# The packages of the given kinds that dpkg does not know as installed, one a line.
packages_missing() {
    wanted=$(awk -v kinds=" $* " '!/^#/ && NF && index(kinds, " " $1 " ") { print $2 }' cmake/debian-packages)
    # shellcheck disable=SC2086 # one word a package
    installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $wanted 2>/dev/null | sed -n 's/^.i[^ ]* *//p')
    for package in $wanted; do
        case "
$installed
" in
        *"
$package
"*) ;;
        *) printf '%s\n' "$package" ;;
        esac
    done
}

# Installs what is missing of the given kinds of packages. Asks apt only for what is absent.
packages_install() {
    if ! command -v apt-get >/dev/null 2>&1; then
        command -v cmake >/dev/null 2>&1 || die "this is no Debian: install the equivalents of cmake/debian-packages first"
        return 0
    fi
    missing=$(packages_missing "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || die "these packages are missing, and installing them needs root: $missing"
        as_root="sudo"
    fi
    say "installing from Debian: $missing"
    mkdir -p build
    # The tests have configurations of their own; a mail server for this machine is not wanted.
    case " $missing" in
    *" postfix "*)
        printf 'postfix postfix/main_mailer_type select No configuration\n' | $as_root debconf-set-selections ;;
    esac
    # shellcheck disable=SC2086 # one word a package
    if ! { $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; } \
        </dev/null >build/apt.log 2>&1; then
        tail -n 15 build/apt.log >&2
        die "apt could not install them; build/apt.log has it all"
    fi
}

# quietly LOG COMMAND...: runs it with its output in LOG, and shows the end of that when it fails.
quietly() {
    log=$1
    shift
    "$@" </dev/null >"$log" 2>&1 && return 0
    tail -n 40 "$log" >&2
    say "failed: $* ($log has it all)"
    return 1
}

# Configures the preset where that is due. Ninja sees to CMakeLists.txt by itself, but not to the presets.
configure_preset() {
    folder=build/$1
    cache=$folder/CMakeCache.txt
    mkdir -p "$folder"
    if [ -e "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
        rm -rf "$folder" # the checkout has moved: nothing in there is right
        mkdir -p "$folder"
    fi
    if [ ! -e "$folder/build.ninja" ] || [ -n "$(find CMakePresets.json -newer "$folder/build.ninja")" ]; then
        # A newer compiler's warnings stop whoever works on smtpscope, and CI; not those who want to see the tests pass.
        quietly "$folder/configure.log" cmake --preset "$1" \
            -DCMAKE_COMPILE_WARNING_AS_ERROR="${SMTPSCOPE_WARNINGS_ARE_ERRORS:-OFF}" \
            ${SMTPSCOPE_PROFILE:+-DSMTPSCOPE_PROFILE="$SMTPSCOPE_PROFILE"} || return 1
        touch "$folder/build.ninja"
    fi
}

# build_preset PRESET [TARGET...]
build_preset() {
    preset=$1
    shift
    configure_preset "$preset" || return 1
    [ $# -eq 0 ] && set -- all
    quietly "build/$preset/build.log" cmake --build "build/$preset" --target "$@"
}
