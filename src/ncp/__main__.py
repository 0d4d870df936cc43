"""`python -m ncp`, the same as the command `ncp`."""

from ncp.cli import main

if __name__ == "__main__":
    main()
