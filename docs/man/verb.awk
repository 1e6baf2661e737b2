# troupe-<verb>.1 from `troupe help <verb>`: usage, summary, options, then lines that stay as they
# are written. An option's line is its forms and value, two or more blanks, what it does. What a verb
# has beyond its help stands in troupe-<verb>.more, in roff, and is put in before the end.

# What roff would read as its own.
function plain(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    sub(/^[.\047]/, "\\\\\\&&", text)
    return text
}

function section(name)
{
    if (name != current)
        print ".SH " name
    current = name
}

NR == 1 {
    usage = plain($0)
    next
}

NR == 3 {
    summary = $0
    sub(/\.$/, "", summary)
    print ".TH TROUPE\\-" toupper(verb) " 1 \"\" \"Troupe " version "\" \"Troupe\""
    section("NAME")
    print "troupe\\-" verb " \\- " plain(tolower(substr(summary, 1, 1)) substr(summary, 2))
    section("SYNOPSIS")
    print usage
    next
}

/^ +-/ {
    section("OPTIONS")
    sub(/^ +/, "")
    at = match($0, /  +/)
    print ".TP\n\\fB" plain(substr($0, 1, at - 1)) "\\fR\n" plain(substr($0, at + RLENGTH))
    next
}

NR > 3 && /./ {
    if (current != "NOTES") {
        section("NOTES")
        print ".nf"
    }
    print plain($0)
}

END {
    if (NR == 0)
        exit
    if (current == "NOTES")
        print ".fi"
    while ((getline line < more) > 0)
        print line
    section("SEE ALSO")
    print ".BR troupe (1)"
}
