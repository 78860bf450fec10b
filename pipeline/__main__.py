"""`python -m pipeline`: the road on the command line, over the same functions and the same store as the screen."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
