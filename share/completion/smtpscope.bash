# SPDX-License-Identifier: BSD-2-Clause
# Completion for bash. The program's own help says which options there are, and what they want.

# The word that names the argument of an option in the help, as FILE, or the words to choose from, as text|json.
_smtpscope_argument()
{
    "$1" --help 2>/dev/null | awk -v option="$2" '/^  -/ {
        for (i = 1; i <= NF && $i ~ /^-/; i++)
            if ($i == option || $i == option ",")
                found = 1
        if (found) {
            print match($0, /--[a-z-]+ [^ ]/) ? $i : "-"
            exit
        }
    }'
}

_smtpscope()
{
    local program=$1 current=$2 previous=$3 argument
    local command=${COMP_WORDS[1]-}

    COMPREPLY=()
    if [[ $previous == -* ]]; then
        argument=$(_smtpscope_argument "$program" "$previous")
        case $argument in
            *'|'*) mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$current"); return ;;
            IFACE) mapfile -t COMPREPLY < <(compgen -W "any $(cd /sys/class/net && echo *)" -- "$current"); return ;;
            LEVEL) mapfile -t COMPREPLY < <(compgen -W "error warning notice info" -- "$current"); return ;;
            WHEN) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$current"); return ;;
            GLOB) mapfile -t COMPREPLY < <(compgen -W "$(_smtpscope_rules "$program")" -- "$current"); return ;;
            NAME) mapfile -t COMPREPLY < <(compgen -u -- "$current"); return ;;
            -) ;;
            ''|FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
            *) return ;;
        esac
    fi
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null | sed -n 's/^  \(-., \|    \)\{0,1\}\(--[a-z-]*\).*/\2/p')" -- "$current")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_smtpscope_commands "$program")" -- "$current"; compgen -f -- "$current")
    elif [[ $command == explain ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_smtpscope_rules "$program")" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

# The identifiers of the rules, one a line.
_smtpscope_rules()
{
    "$1" rules --format json 2>/dev/null | sed -n 's/.*"rule": *"\([^"]*\)".*/\1/p'
}

# The words that stand in the place of options in the usage: rules, explain, ...
_smtpscope_commands()
{
    "$1" --help 2>/dev/null | sed -n '2,/^[^ ]/{/^  smtpscope [a-z]/{s/^  smtpscope//;s/  .*//;s/|/\n/g;p}}' | sed -n 's/^ *\(smtpscope \)\{0,1\}\([a-z]\{1,\}\)\( .*\)\{0,1\}$/\2/p'
}

complete -o filenames -F _smtpscope smtpscope
