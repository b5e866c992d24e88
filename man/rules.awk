# SPDX-License-Identifier: BSD-2-Clause
# The manual page of the catalogue, from the lines of `smtpscope rules`: severity, identifier, summary (reference).
BEGIN {
    print ".\\\" SPDX-License-Identifier: BSD-2-Clause"
    print ".\\\" Generated from the table of rules: do not edit."
    print ".Dd November 21, 2026\n.Dt SMTPSCOPE-RULES 7\n.Os\n.Sh NAME\n.Nm smtpscope-rules\n.Nd the findings of smtpscope\n.Sh DESCRIPTION"
    print "The identifiers of the findings of\n.Xr smtpscope 1 ,\nwhat each means in a line, its default severity and the standard that it rests on."
    print "A finding whose confidence is not certain is never an error, and a violation that the server let pass is a notice."
    print ".Ql smtpscope explain Ar RULE\ntells more."
}
{
    rule = $2
    family = substr(rule, 1, index(rule, ".") - 1)
    summary = $0
    sub(/^[a-z]+ +[^ ]+ +/, "", summary)
    reference = ""
    if (match(summary, / \((RFC|MS-)[^()]*(\([^()]*\)[^()]*)*\)$/)) {
        reference = substr(summary, RSTART + 2, RLENGTH - 3)
        summary = substr(summary, 1, RSTART - 1)
    }
    if (family != last) {
        if (last != "")
            print ".El"
        print ".Ss " family
        print ".Bl -tag -width indent"
        last = family
    }
    print ".It Sy " rule " Pq " $1
    print summary "."
    if (reference != "")
        print reference "."
}
END {
    print ".El\n.Sh SEE ALSO\n.Xr smtpscope 1"
}
