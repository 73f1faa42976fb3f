"""Cells that spreadsheets do not run.

Owns which texts a spreadsheet program takes for formulas. Must not know any table.
"""

from __future__ import annotations

# A spreadsheet runs a cell that begins so as a formula, which may fetch addresses or start programs on the reader's
# machine; and names come from uploads. An apostrophe in front makes it text (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_text(cell: str) -> str:
    """The cell for a CSV file: with an apostrophe in front if it would otherwise run; `as_typed` takes it away."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def as_typed(cell: str) -> str:
    """The text that `as_text` was given."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA_STARTS) else cell
