"""Functions that the project does without, and the few places that need one all the same.

Exceptions are data: a line "path function reason" in banned.allow. An exception that nothing uses
any more is a complaint too.
"""

import pathlib
import re

import source

ANYWHERE = {
    "strcpy": "snprintf or memcpy with the size known",
    "strcat": "text_append",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "strtok": "strtok_r or strcspn",
    "atoi": "text_to_long",
    "atol": "text_to_long",
    "atof": "strtod with a check",
    "system": "posix_spawn or fork and exec: nothing passes through a shell",
    "popen": "posix_spawn or fork and exec: nothing passes through a shell",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
}
IN_THE_LIBRARY = {
    "abort": "return an error: the library never ends its caller",
    "exit": "return an error: the library never ends its caller",
    "_exit": "return an error: the library never ends its caller",
    "quick_exit": "return an error: the library never ends its caller",
    "sleep": "wait for what you wait for: futex, poll, pidfd",
    "usleep": "wait for what you wait for: futex, poll, pidfd",
    "nanosleep": "wait for what you wait for: futex, poll, pidfd",
}
LIBRARY = ("src", "kernels")
ALLOW = pathlib.Path(__file__).with_name("banned.allow")


def exceptions():
    """The pairs (path, function) of banned.allow."""
    for line in ALLOW.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            path, function, _reason = line.split(maxsplit=2)
            yield path, function


def calls(path, names):
    """(function, line) of each call of one of the names; members of structs are not calls."""
    text = source.code(path)
    for match in re.finditer(r"(?<![\w.])(?<!->)(" + "|".join(names) + r")\s*\(", text):
        yield match.group(1), text.count("\n", 0, match.start()) + 1


def lint(root):
    allowed = set(exceptions())
    used = set()
    for path in source.files(root, "src", "kernels", "launch"):
        where = path.relative_to(root)
        banned = ANYWHERE | (IN_THE_LIBRARY if where.parts[0] in LIBRARY else {})
        for function, line in calls(path, banned):
            if (str(where), function) in allowed:
                used.add((str(where), function))
            else:
                yield f"{where}:{line}: {function}() is banned; use {banned[function]}"
    for path, function in sorted(allowed - used):
        yield f"{ALLOW.name}: {path} no longer calls {function}(); remove the line"


source.run(lint)
