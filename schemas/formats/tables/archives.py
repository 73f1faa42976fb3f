"""Zip archives from strangers: bounded in members, size and ratio before anything is unpacked, and never to disk.

Owns the bounds. Must not know what the members mean.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.problem.findings import Finding, InvalidProblemError

MAX_MEMBERS = 256
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
# Text with much repetition packs to a hundredth; more than this is made to harm.
MAX_RATIO = 300
_RATIO_COUNTS_FROM_BYTES = 4 * 1024 * 1024

_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0"
_WORKBOOK = "xl/workbook.xml"


def is_zip(content: bytes) -> bool:
    return content.startswith(_ZIP)


def is_old_workbook(content: bytes) -> bool:
    """An .xls file, or an .xlsx file with a password."""
    return content.startswith(_OLE)


def is_workbook(content: bytes) -> bool:
    """Whether an archive is an .xlsx file. Raises `InvalidProblemError` for a damaged or dangerous one."""
    with opened(content) as archive:
        return _WORKBOOK in archive.namelist()


def refusal(code: str, message: str, where: str = "") -> InvalidProblemError:
    return InvalidProblemError([Finding(code, where, message)])


@contextmanager
def opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    """The archive, within bounds. What is read of it later and proves damaged is refused, too.

    The sizes that it declares are bounds on what is unpacked: the library stops there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive.infolist())
            yield archive
    # NotImplementedError is the library's word for a way of compressing, or a version, that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, OverflowError) as error:
        raise refusal("malformed_zip", f"The file is damaged or no zip archive ({error}). Save it again.") from error
    except (RuntimeError, ValueError) as error:  # the library's words for a password, and for senseless offsets
        raise refusal("malformed_zip", f"The archive cannot be read ({error}). Save it without a password.") from error


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise refusal("too_large", f"The archive has {len(members):,} files; at most {MAX_MEMBERS} are accepted.")
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise refusal("too_large", f"The archive unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB. Split it.")
    if unpacked > _RATIO_COUNTS_FROM_BYTES and unpacked > MAX_RATIO * max(packed, 1):
        raise refusal("too_large", "The archive unpacks to several hundred times its size. No table does that.")
    if any(member.flag_bits & 0x1 for member in members):
        raise refusal("password", "The archive has a password. Save it without one.")


def refuse_entities(archive: zipfile.ZipFile) -> None:
    """No document type in any XML file: entities can grow without end, and no spreadsheet program writes one."""
    declaration = re.compile(rb"<!(?:DOCTYPE|ENTITY)|<\x00!\x00[DE]|\x00<\x00![\x00][DE]", re.IGNORECASE)
    for member in archive.infolist():
        with archive.open(member) as stream:
            before = b""
            while chunk := stream.read(1024 * 1024):
                if declaration.search(before + chunk):
                    raise refusal("malformed_workbook", "The workbook holds a document type. Save it again as .xlsx.")
                before = chunk[-16:]
