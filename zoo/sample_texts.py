"""The zoo's own sentences, the same on every machine: they stand in where a user's texts must not be kept."""

from __future__ import annotations

from typing import Final

SAMPLE_SENTENCES: Final = (
    "The quick brown fox jumps over the lazy dog.",
    "Shares of the company fell by 12.5 percent after the quarterly report.",
    "Wo ist der Bahnhof, bitte? Er ist gleich um die Ecke.",
    "The film was long, loud and a great pleasure.",
    "El tren sale a las siete y media de la mañana.",
    "Mix two cups of flour with a pinch of salt, then add the eggs one by one.",
    "The committee postponed its decision until next Thursday.",
    "Le café était fermé, mais la boulangerie restait ouverte.",
    "She could not log in: the server answered with error 503.",
    "Protons and neutrons make up the nucleus of an atom.",
    "Two goals in the last minute turned the match around.",
    "My order arrived broken and nobody answers my e-mails!",
    "Rain is expected in the north, with winds of up to 80 km/h.",
    "The treaty was signed in 1648 and ended thirty years of war.",
    "Please find attached the invoice for our services in March.",
    "日本語の短い文です。",
)
