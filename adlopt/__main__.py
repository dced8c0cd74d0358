"""`python -m adlopt` is the command `adlopt`."""

from adlopt.cli import main

if __name__ == "__main__":
    main()
