"""Writes letters.jsonl, the sample text of this example: invented sentences, the same for the same seed."""

from __future__ import annotations

import datetime
import json
import random
from pathlib import Path

PLACES = ["garden", "harbour", "market", "library", "bridge", "mill", "orchard", "station", "hill", "river path"]
WEATHER = ["rain", "fog", "sunshine", "a cold wind", "frost", "a warm evening", "snow", "thunder", "a clear morning"]
THINGS = ["bread", "apples", "an old map", "a lamp", "two chairs", "a basket of pears", "letters", "paint", "seeds"]
STATES = ["quiet", "crowded", "almost empty", "closed for repairs", "open until late", "full of children", "wet"]
BIRDS = ["swallows", "sparrows", "a heron", "two crows", "geese", "a robin", "owls", "gulls"]
TIMES = ["At noon", "Before breakfast", "In the evening", "After the post came", "Towards midnight", "All morning"]
SENTENCES = [
    "{time} the {place} was {state}.",
    "There was {weather} over the {place}, and we stayed indoors.",
    "I carried {thing} from the {place} to the {other}.",
    "{time} we heard {bird} near the {place}.",
    "The road to the {place} is {state} because of {weather}.",
    "We bought {thing} and left {second} at the {place}.",
    "{time} somebody had put {thing} beside the door of the {place}.",
    "You asked about the {place}: it is {state}, and {bird} live behind it now.",
    "If there is {weather} again, the {place} will be {state}.",
    "I would rather mend {thing} than walk to the {place} in {weather}.",
]


def letter(draw: random.Random, day: datetime.date) -> dict[str, str]:
    """Returns a record with title, date and a text of some sentences."""
    sentences = []
    for pattern in draw.sample(SENTENCES, draw.randint(3, 6)):
        place, other = draw.sample(PLACES, 2)
        thing, second = draw.sample(THINGS, 2)
        words = {"time": TIMES, "weather": WEATHER, "state": STATES, "bird": BIRDS}
        drawn = {name: draw.choice(choices) for name, choices in words.items()}
        sentences.append(pattern.format(place=place, other=other, thing=thing, second=second, **drawn))
    title = f"From the {draw.choice(PLACES)}"
    return {"title": title, "date": day.isoformat(), "text": " ".join(sentences) + "\n"}


def main() -> None:
    """Writes the file beside this script."""
    draw = random.Random(0)
    days = (datetime.date(2024, 1, 1) + datetime.timedelta(days=3 * i) for i in range(60))
    lines = (json.dumps(letter(draw, day)) + "\n" for day in days)
    Path(__file__).with_name("letters.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
