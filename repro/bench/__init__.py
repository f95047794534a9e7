"""Speed beside what people would use instead: ratios taken in one process, in turn, never a clock alone."""

from repro.bench import lrn, startup, step

BENCHES = {"startup": startup.measure, "step": step.measure, "lrn": lrn.measure}
