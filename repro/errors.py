"""What a person can act on. `repro.cli` turns each class into one message and one exit code."""


class ReproError(Exception):
    """A mistake or a lack that a person can mend: says what, where, what was expected, and the next command."""

    exit_code = 2


class DataError(ReproError):
    """Data are missing, damaged or not what they claim to be."""

    exit_code = 3


class RunError(ReproError):
    """A training run failed twice: could not measure, which is not the same as measured and failed."""

    exit_code = 4


class Busy(ReproError):
    """Another process works on the same thing: nothing is wrong, and the same command can be run again later."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: a failure that passes by itself
