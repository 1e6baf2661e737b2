"""Whether a file is a whole PNG of that size in RGB; and the colours of some of its points.

png.py FILE WIDTH HEIGHT [X,Y=R,G,B…]
"""

import struct
import sys
import zlib

COLOURS = 3


def chunks(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        (told,) = struct.unpack_from(">I", data, at + 8 + size)
        if zlib.crc32(kind + body) != told:
            sys.exit(f"the checksum of {kind} is wrong")
        yield kind, body
        at += 12 + size


def paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
               (abs(guess - corner), 2, corner))[2]


def lines(raw, width, height):
    """Undoes the filters of PNG, line by line."""
    size, above = width * COLOURS, bytearray(width * COLOURS)
    for row in range(height):
        kind, line = raw[row * (size + 1)], bytearray(raw[row * (size + 1) + 1:][:size])
        for i in range(size):
            left = line[i - COLOURS] if i >= COLOURS else 0
            corner = above[i - COLOURS] if i >= COLOURS else 0
            guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
            line[i] = (line[i] + guess) % 256
        yield line
        above = line


def main():
    path, width, height, *points = sys.argv[1:]
    width, height = int(width), int(height)
    with open(path, "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        sys.exit("it is no PNG")
    found = list(chunks(data))
    if struct.unpack(">IIBB", found[0][1][:10]) != (width, height, 8, 2):
        sys.exit(f"its header is {found[0][1]}")
    raw = zlib.decompress(b"".join(body for kind, body in found if kind == b"IDAT"))
    picture = list(lines(raw, width, height))
    for point in points:
        place, colour = point.split("=")
        x, y = map(int, place.split(","))
        pixel = ",".join(str(part) for part in picture[y][COLOURS * x:COLOURS * x + COLOURS])
        if pixel != colour:
            sys.exit(f"the point {place} is {pixel} in place of {colour}")
    if len({bytes(line) for line in picture}) < height // 4:
        sys.exit("too many lines are alike")


if __name__ == "__main__":
    main()
