"""A landmark paper on trial: every measurable sentence of AlexNet (2012) as a claim, trained, judged and reported."""

__version__ = "0.1.0"
