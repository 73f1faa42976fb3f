"""The database's history: one Alembic revision after another, from the tables in `schemas.tables`."""
