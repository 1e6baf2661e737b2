"""The files that the lints read, and their code without comments and literals.

A lint is run as `NAME.py ROOT`, prints one line for each thing that is wrong,
"path:line: what; what to do", and ends with status 1 when there was one.
"""

import pathlib
import re
import sys

SUFFIXES = (".c", ".h", ".cu")

# A comment, a string or a character: whichever begins first swallows the others.
_OPAQUE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def files(root, *folders):
    """Every C, header and CUDA file below the folders of root, sorted."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path


def code(path):
    """The file's text with comments blanked and literals emptied; lines keep their numbers."""

    def blank(match):
        text = match.group()
        return text[0] + text[0] if text[0] in "\"'" else "\n" * text.count("\n")

    return _OPAQUE.sub(blank, path.read_text(encoding="utf-8"))


def without_comments(path):
    """The same with literals left as they are, for include lines."""

    def blank(match):
        text = match.group()
        return text if text[0] in "\"'" else "\n" * text.count("\n")

    return _OPAQUE.sub(blank, path.read_text(encoding="utf-8"))


def run(lint):
    """Calls lint(root) for its complaints, prints them, exits."""
    if len(sys.argv) != 2:
        sys.exit(f"{sys.argv[0]}: the root of the source tree is missing; give it as argument")
    complaints = list(lint(pathlib.Path(sys.argv[1]).resolve()))
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
