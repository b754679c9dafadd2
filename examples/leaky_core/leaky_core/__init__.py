"""A recurrent core of leaky-integrator units for lmlab."""

from leaky_core.core import LeakyCore

__all__ = ["LeakyCore"]
__version__ = "0.1.0"
