# SPDX-License-Identifier: BSD-2-Clause
# Completion for bash. The program's own help says which options there are, and what they want.

# The options, a line each: its name, and the word that names its argument, as FILE, or the words to choose from, as text|json.
_smtpscope_options()
{
    "$1" --help 2>/dev/null | awk '/^  -/ {
        sub(/^  /, "")
        sub(/  .*/, "")
        gsub(/,/, "")
        n = split($0, words, " ")
        for (i = 1; i <= n; i++) {
            if (words[i] !~ /^-/)
                continue
            for (j = i + 1; j <= n && words[j] ~ /^-/; j++)
                continue
            print words[i], words[j]
        }
    }'
}

# The identifiers of the rules, one a line.
_smtpscope_rules()
{
    "$1" rules --format json 2>/dev/null | sed -n 's/.*"rule": *"\([^"]*\)".*/\1/p'
}

# The words that stand in the place of options: rules, explain, ...
_smtpscope_commands()
{
    "$1" --help 2>/dev/null | sed -n '2,/^[^ ]/{/^  smtpscope [a-z]/{s/^  smtpscope//;s/  .*//;s/|/\n/g;p}}' | sed -n 's/^ *\([a-z]\{1,\}\)\( .*\)\{0,1\}$/\1/p'
}

_smtpscope()
{
    local program=$1 current=$2 previous=$3 options argument=
    local command=${COMP_WORDS[1]-}

    COMPREPLY=()
    options=$(_smtpscope_options "$program")
    [[ $previous != -* ]] || argument=$(awk -v option="$previous" '$1 == option { print $2 }' <<<"$options")
    case $argument in
        *'|'*) mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$current"); return ;;
        IFACE) mapfile -t COMPREPLY < <(compgen -W "any $(cd /sys/class/net && echo *)" -- "$current"); return ;;
        LEVEL) mapfile -t COMPREPLY < <(compgen -W "error warning notice info" -- "$current"); return ;;
        WHEN) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current"); return ;;
        GLOB) mapfile -t COMPREPLY < <(compgen -W "$([[ $previous != --rule ]] || _smtpscope_rules "$program")" -- "$current"); return ;;
        FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        ?*) return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(awk '/^--/ { print $1 }' <<<"$options")" -- "$current")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_smtpscope_commands "$program")" -- "$current"; compgen -f -- "$current")
    elif [[ $command == explain ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_smtpscope_rules "$program")" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -o filenames -F _smtpscope smtpscope
