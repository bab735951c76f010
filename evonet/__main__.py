"""`python -m evonet`: the program without its installed script, of whatever tree Python finds first."""

from evonet.cli import main

if __name__ == "__main__":
    main()
