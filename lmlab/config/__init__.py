"""Everything that knows Hydra: composition, types, checks and one-line errors. Only commands import it."""
