#!/bin/sh
# How many lines the files of a folder have: one command a file, over all cores, with a journal. Run
# it again, and nothing is counted twice; add a file, and that one is counted.
#
#   sh docs/examples/count_lines.sh FOLDER RESULTS
set -eu
folder=${1:?the folder with the files is missing}
results=${2:?the folder for the results is missing}

mkdir -p "$results"
find "$folder" -type f -print0 | sort -z |
    troupe map -0 --joblog "$results.log" --resume --output-dir "$results" \
        --timeline "$results.json" wc -l {}
cat "$results"/*.out | awk '{ lines += $1 } END { print lines " lines in " NR " files" }'
