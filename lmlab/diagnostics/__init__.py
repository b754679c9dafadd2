"""The rules that tell whether a run's or a comparison's numbers can be trusted, each once, as data."""

# The rules add themselves, always in this order.
from lmlab.diagnostics import comparison_rules as comparison_rules
from lmlab.diagnostics import curve_rules as curve_rules
from lmlab.diagnostics import run_rules as run_rules
