"""`python -m inflor_bench`: the command line."""

from inflor_bench.cli.app import main

if __name__ == "__main__":
    main()
