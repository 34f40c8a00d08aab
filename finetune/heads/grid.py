"""What a head's recipe is chosen from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """Every power with every strength is tried on the validation part."""

    powers: tuple[float, ...]  # how far features are standardised: see `Scaler`
    strengths: tuple[float, ...]  # C of classes and tags; the penalty of numbers

    @classmethod
    def around(cls, power: float, strength: float) -> Grid:
        """Return the grid for data that are nearly those for which `power` and `strength` were best."""
        return cls((power,), (strength / 10**0.5, strength, strength * 10**0.5))
