"""Load tests of the driver without networks: the real loop, search and store over evaluations that do nothing."""
