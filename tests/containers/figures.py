"""Figures for who reads the run's output; no test rests on them."""

FIGURES: list[str] = []


def say(text: str) -> None:
    """Have it printed once the run is over."""
    FIGURES.append(text)
