"""`python -m horarium`: the command line where its script is not on the path. Must not know any command."""

from horarium.cli import main

main()
