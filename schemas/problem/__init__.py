"""The problem: its model, the checks on it, and its expansion to explicit options."""
