"""Sixty film reviews with a label, good or bad, as lines of CSV."""

from __future__ import annotations

GOOD = ("a lovely film", "a great pleasure", "wonderful acting", "I laughed and cried", "the best of the year")
BAD = ("a waste of time", "boring and far too long", "bad acting", "I left early", "the worst of the year")
REVIEWS = [
    f"{start} {opinion} {end},{stars}"
    for stars, opinions in (("good", GOOD), ("bad", BAD))
    for opinion in opinions
    for start in ("This was", "All in all:", "My friends say")
    for end in ("for us.", "in every way.")
]
