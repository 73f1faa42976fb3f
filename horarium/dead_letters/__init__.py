"""Dead letters for operators: which there are, what is in one, sending it again, laying it aside.

`letters` says what a record of a dead-letter topic means, `replay` what is sent for one, `topics` reads and writes the
broker, `view` makes hostile bytes fit for a terminal. Must not print: `horarium.commands.dlq` does.
"""
