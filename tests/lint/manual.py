"""Every call of the public headers stands in a manual page of section 3."""

import re

import source

DECLARATION = re.compile(r"^TROUPE_API[^;]*?\b(troupe_\w+)\s*\(", re.MULTILINE)


def lint(root):
    pages = "".join(page.read_text(encoding="utf-8") for page in (root / "docs/man").glob("*.3"))
    for path in source.files(root, "src/include"):
        text = source.code(path)
        for match in DECLARATION.finditer(text):
            if not re.search(rf"\b{match.group(1)}\b", pages):
                line = text.count("\n", 0, match.start()) + 1
                yield (f"{path.relative_to(root)}:{line}: {match.group(1)} is in no page of "
                       "docs/man; add it to one")


source.run(lint)
