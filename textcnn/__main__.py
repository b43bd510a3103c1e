"""`python -m textcnn` is the `textcnn` command."""

from .cli import main

main()
