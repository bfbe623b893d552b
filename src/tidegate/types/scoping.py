"""What a project is for and what it must hold: the answers to the software questionnaire, in the project file under `scoping:`.

    tidegate init asks --> scoping: --> tidegate ready holds each answer against evidence

Nothing here changes what Tidegate does; it says what people have decided, so that what is there can be compared with it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pydantic import Field, field_validator

from tidegate.types.options import Duration, Options, Size

Case = Literal["new", "automate", "replace"]
Serving = Literal["realtime", "batch", "both"]
Where = Literal["cloud", "premises", "edge", "browser"]
Level = Literal["human", "shadow", "assist", "partial", "full"]

RUBRIC = {
    "data": 7, "model": 7, "infrastructure": 7, "monitoring": 7,
}  # fmt: skip
"""Tests of each section of the ML Test Score (Breck et al. 2017), by number."""


class Compute(Options):
    """What it may use."""

    cpus: int = Field(0, ge=0, description="Cores; 0 where it doesn't matter.")
    gpus: int = Field(0, ge=0, description="GPUs.")
    memory: Size = Field(0, description="Memory of the machine; 0 where it doesn't matter.")


class Speed(Options):
    """How fast it must be."""

    latency: Duration = Field(0.0, ge=0, description="Within which an answer must be there, such as 500ms.")
    quantile: float = Field(0.99, gt=0, lt=1, description="Share of the answers that must be.")
    throughput: float = Field(0.0, ge=0, description="Requests a second at the busiest.")


class Risk(Options):
    """What could go wrong, and the monitor that would show it."""

    risk: str = Field(description="In words.")
    monitor: str = Field("", description="A metric (input.missing.Humidity, quality.auc, ...) that would show it.")


class DataSet(Options):
    """A set that the model was learned or tested on."""

    name: str = Field(description="File or name.")
    use: Literal["train", "test"] = Field("train", description="What for.")
    origin: Literal["", "purchased", "historical", "collected", "generated", "public"] = Field(
        "", description="Where it is from."
    )
    newest: str = Field("", description="Date of its newest rows, such as 2026-10-31.")

    @field_validator("newest", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        from datetime import date

        text = value.isoformat() if hasattr(value, "isoformat") else str(value or "")
        if text:
            try:
                date.fromisoformat(text)
            except ValueError:
                raise ValueError(f"{text!r} is no date; write it as 2026-10-31") from None
        return text


class ScopingOptions(Options):
    """The questionnaire's answers."""

    goal: str = Field("", description="What it is for, in a sentence: what gets better, for whom.")
    metric: str = Field("", description="The metric that says so, such as quality.auc.")
    target: float | None = Field(None, description="The value that is good enough.")
    case: Case | Literal[""] = Field(
        "", description="new: a new product or capability; automate: a task that people do; replace: an earlier system."
    )
    serving: Serving | Literal[""] = Field("", description="realtime, batch, or both.")
    where: Where | Literal[""] = Field("", description="cloud, premises, edge or browser.")
    compute: Compute = Field(default_factory=Compute, description="What it may use.")
    speed: Speed = Field(default_factory=Speed, description="How fast it must be.")
    logging: Literal["", "all", "sample", "none"] = Field("", description="Which payloads are kept.")
    retention: Duration = Field(
        0.0, ge=0, description="How long predictions may be kept, such as 90d; 0 where nobody has said."
    )
    personal: list[str] = Field(
        [], description="Inputs and outputs that are personal data; [none] where there are none."
    )
    exposure: Literal["", "machine", "network", "internet"] = Field("", description="Who can reach it.")
    automation: Level | Literal[""] = Field("", description="The highest degree of automation that is wanted.")
    risks: list[Risk] = Field([], description="What could go wrong.")
    data: list[DataSet] = Field([], description="The sets that the model was learned and tested on.")
    max_age: Duration = Field(0.0, ge=0, description="How old the newest rows of a training set may be, such as 180d.")
    rubric: dict[str, str] = Field(
        {},
        description="Tests of the ML Test Score that people do by hand, by id (data.2), and where that is written down.",
    )

    @field_validator("rubric")
    @classmethod
    def _tests(cls, value: dict[str, str]) -> dict[str, str]:
        for id in value:
            section, _, number = id.partition(".")
            if section not in RUBRIC or not number.isdigit() or not 1 <= int(number) <= RUBRIC[section]:
                raise ValueError(
                    f"{id!r} is no test: {', '.join(f'{name}.1 to {count}' for name, count in RUBRIC.items())}"
                )
        return value


class Question(msgspec.Struct, frozen=True):
    """One question: the key of its answer, what is asked, and what may be answered (empty: any text)."""

    key: str
    text: str
    choices: tuple[str, ...] = ()
    example: str = ""


QUESTIONS = (
    Question(
        "goal",
        "What is it for? What gets better, and for whom?",
        example="send a second crew where an accident is severe",
    ),
    Question("metric", "Which metric says so?", example="quality.auc"),
    Question("target", "Which value of it is good enough?", example="0.8"),
    Question(
        "case",
        "A new product or capability, a task that people do, or an earlier system?",
        ("new", "automate", "replace"),
    ),
    Question("serving", "In real time, or whole tables in batches?", ("realtime", "batch", "both")),
    Question("where", "Where does it run?", ("cloud", "premises", "edge", "browser")),
    Question("compute.cpus", "How many cores may it use?", example="2"),
    Question("compute.gpus", "How many GPUs?", example="0"),
    Question("compute.memory", "How much memory?", example="8GiB"),
    Question("speed.latency", "Within which time must 99 of 100 answers be there?", example="500ms"),
    Question("speed.throughput", "How many requests a second at the busiest?", example="1000"),
    Question("logging", "Which payloads may be kept?", ("all", "sample", "none")),
    Question("retention", "How long may predictions be kept?", example="90d"),
    Question(
        "personal", "Which inputs and outputs are personal data? (none, or names with commas)", example="name,email"
    ),
    Question(
        "exposure", "Who can reach it: this machine, a network, the internet?", ("machine", "network", "internet")
    ),
    Question(
        "automation", "How much may the model decide by itself?", ("human", "shadow", "assist", "partial", "full")
    ),
    Question("risks", "What could go wrong? (one, or several with semicolons)", example="a sensor fails; winter comes"),
    Question(
        "data", "What was it trained on, and up to when? (name up to date)", example="train.parquet up to 2026-10-31"
    ),
    Question("max_age", "How old may its newest training rows get?", example="180d"),
)
"""In the order of the course's questionnaire."""


NUMBERS = ("target", "compute.cpus", "compute.gpus", "speed.throughput")


def _number(text: str) -> Any:
    """As YAML would write it; what is none is for the check to refuse."""
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def answers(given: dict[str, str]) -> dict[str, Any]:
    """What people typed, by question, as `scoping:` has it. What wasn't answered is left out. Errors: pydantic's, naming the key.

    >>> answers({"case": "new", "speed.latency": "500ms", "personal": "none", "risks": "dust; night", "data": "a.csv up to 2026-01-31"})
    {'case': 'new', 'speed': {'latency': '500ms'}, 'personal': ['none'], 'risks': [{'risk': 'dust'}, {'risk': 'night'}], \
'data': [{'name': 'a.csv', 'newest': '2026-01-31'}]}
    """
    made: dict[str, Any] = {}
    for key, text in given.items():
        text = text.strip()
        if not text:
            continue
        outer, _, inner = key.partition(".")
        if inner:
            made.setdefault(outer, {})[inner] = _number(text) if key in NUMBERS else text
        elif key in NUMBERS:
            made[key] = _number(text)
        elif key == "personal":
            made[key] = [name.strip() for name in text.split(",") if name.strip()]
        elif key == "risks":
            made[key] = [{"risk": risk.strip()} for risk in text.split(";") if risk.strip()]
        elif key == "data":
            name, _, newest = text.partition(" up to ")
            made[key] = [{"name": name.strip(), **({"newest": newest.strip()} if newest.strip() else {})}]
        elif key == "max_age":
            made["maxAge"] = text
        else:
            made[key] = text
    ScopingOptions.model_validate(made)
    return made
