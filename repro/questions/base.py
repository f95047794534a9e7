"""What every question is made of: a measure, a rule, and the claim that has them."""

from __future__ import annotations

from typing import Any

from repro.claim import model
from repro.questions.measure import Measure
from repro.questions.rule import Rule

Claim = model.Claim[Any, Measure, Rule]
