# troupe.1 from troupe.1.in: the list of verbs comes from `troupe help`, in the file `help`.
/^@VERBS@$/ {
    while ((getline line < help) > 0)
        if (line ~ /^  troupe /) {
            split(line, word, " ")
            sub(/^  troupe [^ ]+ +/, "", line)
            printf ".TP\n.BR troupe\\-%s (1)\n%s\n", word[2], line
        }
    next
}
{
    sub(/@VERSION@/, version)
    print
}
