"""Of the files in a shared temporary directory, only those that are surely left over from our uploads go."""

from __future__ import annotations

import os
import time
from pathlib import Path

from services.api.retention import leftover_uploads

TWO_DAYS_AGO = time.time() - 2 * 86_400


def a_file(folder: Path, name: str, *, changed: float = TWO_DAYS_AGO) -> Path:
    path = folder / name
    path.write_bytes(b"half a problem")
    os.utime(path, (changed, changed))
    return path


def test_only_old_files_of_our_name_go(tmp_path: Path) -> None:
    left = [a_file(tmp_path, "horarium-upload-1"), a_file(tmp_path, "horarium-upload-2")]
    kept = [
        a_file(tmp_path, "horarium-upload-being-written", changed=time.time() - 3600),
        a_file(tmp_path, "somebody-elses"),
    ]
    folder = tmp_path / "horarium-upload-folder"
    folder.mkdir()
    kept += [folder, a_file(folder, "horarium-upload-below")]
    os.utime(folder, (TWO_DAYS_AGO, TWO_DAYS_AGO))
    assert leftover_uploads(tmp_path)() == 2
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    assert leftover_uploads(tmp_path)() == 0


def test_a_link_that_somebody_laid_out_is_not_followed(tmp_path: Path) -> None:
    precious = a_file(tmp_path, "precious")
    link = tmp_path / "horarium-upload-link"
    link.symlink_to(precious)
    os.utime(link, (TWO_DAYS_AGO, TWO_DAYS_AGO), follow_symlinks=False)
    assert leftover_uploads(tmp_path)() == 0
    assert precious.exists()
    assert link.is_symlink()


def test_a_directory_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    assert leftover_uploads(tmp_path / "gone")() == 0
