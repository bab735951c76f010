"""What all files have around their stream: a first byte that says what they are, and a CRC-32 at the end."""

import zlib

from evonet.errors import PackageError

CHECK_SIZE = 4
#: The first byte of a network (.evo) is this plus its version, that of named weights (.evw) the other.
NETWORKS, WEIGHTS = 0xE0, 0xD0


def seal(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(CHECK_SIZE, "little")


def opened(data: bytes, family: int, versions: tuple[int, ...]) -> tuple[int, bytes]:
    """Version and stream of a file of `family` whose check is right.

    Raises PackageError: another kind of file, a version that is not known, damaged bytes.
    """
    version = data[0] - family if data else 0
    if version not in versions:
        plural = "s" if len(versions) > 1 else ""
        raise PackageError(
            f"package: {_came(data, family)}; this evonet reads format{plural} {' and '.join(map(str, versions))}"
        )
    body, check = data[:-CHECK_SIZE], data[-CHECK_SIZE:]
    computed = zlib.crc32(body)
    if not body or int.from_bytes(check, "little") != computed:
        raise PackageError(
            f"package: damaged: its last {CHECK_SIZE} bytes are {check.hex()}, expected "
            f"{computed.to_bytes(CHECK_SIZE, 'little').hex()} (CRC-32 of the {len(body)} before): copy the file again"
        )
    return version, body[1:]


def _came(data: bytes, family: int) -> str:
    if not data:
        return "an empty file"
    first = data[0]
    if family < first < family + 16:
        return f"byte 0 is {first:#04x}, format {first - family} of a newer evonet"
    if NETWORKS < first < NETWORKS + 16:
        return f"byte 0 is {first:#04x}, a whole network (.evo): evonet eval, show and refine take it"
    if WEIGHTS < first < WEIGHTS + 16:
        return f"byte 0 is {first:#04x}, weights without a network (.evw): evonet unpack takes it"
    return f"byte 0 is {first:#04x}, which no evonet wrote"
