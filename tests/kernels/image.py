"""Whether the device code of every kernel lies in the library, for every architecture asked for.

image.py LIBRARY ARCHITECTURE…

Reads the section that NVIDIA's tools read, and asks cuobjdump too where there is one. Ends with
status 1 after a line for whatever is missing.
"""

import shutil
import struct
import subprocess
import sys

MAGIC = struct.pack("<I", 0xBA55ED50)
IMAGE = struct.Struct("<IHHQ")  # magic, version, bytes of this header, bytes that follow
ENTRY = struct.Struct("<HHIQIIHHI")  # kind, flags, header, bytes, …, architecture last
PTX, CUBIN = 1, 2
KERNELS = 3


def section(data, wanted):
    """The bytes of one section of a 64-bit ELF file; none when it has no such section."""
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    for name, _, _, _, offset, length in headers:
        start = headers[names][4] + name
        if data[start:data.index(b"\0", start)] == wanted:
            return data[offset:offset + length]
    return b""


def images(data):
    """The fatbins in the section: lists of (kind, architecture)."""
    at = data.find(MAGIC)
    while at >= 0:
        _, _, header, size = IMAGE.unpack_from(data, at)
        entry, end, found = at + header, at + header + size, []
        if end > len(data):
            sys.exit(f"the image at byte {at} reaches beyond its section")
        while entry < end:
            kind, _, header, size, _, _, _, _, architecture = ENTRY.unpack_from(data, entry)
            found.append((kind, architecture))
            entry += header + size
        yield found
        at = data.find(MAGIC, end)


def listed(library, architectures):
    """What cuobjdump does not list, for each architecture."""
    tool = shutil.which("cuobjdump")
    if tool is None:
        print("cuobjdump is not here: the image is read without it")
        return
    output = subprocess.run([tool, "--list-elf", library], capture_output=True, text=True,
                            check=True).stdout
    for architecture in architectures:
        if output.count(f".sm_{architecture}.") < KERNELS:
            yield f"cuobjdump does not list {KERNELS} cubins of sm_{architecture}"


def main():
    library, *architectures = sys.argv[1:]
    with open(library, "rb") as file:
        found = list(images(section(file.read(), b".nv_fatbin")))
    wrong = list(listed(library, architectures))
    if len(found) != KERNELS:
        wrong.append(f"{len(found)} images in place of {KERNELS}")
    for number, entries in enumerate(found):
        for architecture in architectures:
            if (CUBIN, int(architecture)) not in entries:
                wrong.append(f"image {number} has no cubin of sm_{architecture}")
        if (PTX, int(architectures[-1])) not in entries:
            wrong.append(f"image {number} has no PTX of compute_{architectures[-1]}")
    for line in wrong:
        print(line)
    print(f"{len(found)} images, architectures {' '.join(architectures)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
