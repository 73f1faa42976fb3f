"""The commands of `horarium`, one module each. What they need is imported when they run: `--help` is instant."""
