"""The one exception tree.

EvonetError
├── ConfigError      exit 3   a run configuration that cannot be used
├── GenomeError      exit 3   a genome that is malformed, out of range, or too large to expand
├── DataError        exit 3   a data set that is missing or unreadable
├── PackageError     exit 5   `.evo` bytes that are damaged or of an unknown version
├── StoreError       exit 5   a run folder that is not one, is damaged, or is newer than this evonet
│   ├── RunExists    exit 2   the folder is already there; nothing is ever overwritten
│   ├── RunLocked    exit 4   another driver holds the run
│   └── DiskFull     exit 75  no room to write; all that was recorded is safe, and the run is resumable
├── ExportError      exit 1   an export that did not give back the network's own answers
├── RequestError     exit 1   a request that a run cannot take
├── WorkersError     exit 75  the cluster cannot be reached or gave up; the run is resumable
└── Interrupted      exit 75  stopped by the user; the run is resumable

A message says where, what was expected, what came, and what to do. A failed candidate is never an
exception: it is an outcome (`evonet.job`).
"""


class EvonetError(Exception):
    """Root of all errors that evonet raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class ConfigError(EvonetError):
    exit_code = 3


class GenomeError(EvonetError):
    exit_code = 3


class DataError(EvonetError):
    exit_code = 3


class PackageError(EvonetError):
    exit_code = 5


class StoreError(EvonetError):
    exit_code = 5


class RunExists(StoreError):  # noqa: N818 - read aloud: "raise RunExists"
    exit_code = 2


class RunLocked(StoreError):  # noqa: N818
    exit_code = 4


class DiskFull(StoreError):  # noqa: N818
    exit_code = 75


class ExportError(EvonetError):
    exit_code = 1


class RequestError(EvonetError):
    exit_code = 1


class WorkersError(EvonetError):
    exit_code = 75


class Interrupted(EvonetError):  # noqa: N818
    exit_code = 75
