"""Papers on trial: each measurable sentence of a landmark paper is a claim that is trained, judged and reported."""

__version__ = "0.1.0"
