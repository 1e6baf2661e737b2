"""No file of the project names a machine: no home folder, and not the place of this checkout."""

import re

import source

TEXT = {".c", ".h", ".cu", ".md", ".cmake", ".txt", ".json", ".py", ".sh", ".bats", ".in",
        ".1", ".3", ".supp", ".bash", ".hosts", ""}
SKIPPED = {".git", "build"}
HOME = r"/(?:home|Users)/[\w.-]+|/root/[\w.-]+"


def text_files(root):
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if inside.parts[0] not in SKIPPED and path.suffix in TEXT and path.is_file():
            yield path


def pattern(root):
    """A checkout at /src or / says nothing; one in a folder of a folder is somebody's own."""
    places = [HOME]
    if len(root.parts) > 2:
        places.append(re.escape(str(root)) + r"(?![\w-])")
    return re.compile(r"(?<![\w.}])(?:" + "|".join(places) + ")")


def lint(root):
    machine = pattern(root)
    for path in text_files(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = machine.search(line)
            if match:
                yield (f"{path.relative_to(root)}:{number}: {match.group()} is a place on one "
                       "machine; write it relative or as a variable")


source.run(lint)
