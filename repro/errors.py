"""What a person can act on. `repro.cli` turns each class into one message and one exit code."""

# Every exit code and when it is given: README and `--help` print this table. From 66 on they are those of sysexits.h
# with the nearest meaning; 130 and 141 are what shells report of programs that SIGINT and SIGPIPE ended.
CODES: dict[int, str] = {
    0: "done, whatever the verdict",
    2: "wrong usage, a mistake in a claim, or a damaged file",
    3: "data are missing or damaged",
    4: "a run, a check or a measurement failed; the others are done",
    66: "the folder of runs or pages vanished while the command worked in it",
    70: "a worker process was killed",
    71: "memory ran out",
    73: "a file or folder cannot be written: read-only disk, missing rights, a file in a folder's place",
    74: "the disk is full",
    75: "another command works on the same run; the same command works later",
    130: "interrupted; the same command continues",
    141: "the reader of the output closed it, as `head` does",
}


class ReproError(Exception):
    """A mistake or a lack that a person can mend: says what, where, what was expected, and the next command."""

    exit_code = 2


class DataError(ReproError):
    """Data are missing, damaged or not what they claim to be."""

    exit_code = 3


class RunError(ReproError):
    """A training run failed twice: could not measure, which is not the same as measured and failed."""

    exit_code = 4


class DamagedRun(RunError):
    """A file without which one run cannot go on is damaged: that run fails, and no other."""


class MemoryLack(ReproError):
    """Memory ran out."""

    exit_code = 71


class Busy(ReproError):
    """Another process works on the same thing: nothing is wrong, and the same command can be run again later."""

    exit_code = 75
