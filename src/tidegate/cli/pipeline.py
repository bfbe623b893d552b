"""Pipelines: where a change begins, and whose it is.

explain    views/pipeline: the window beside the one before, stage by stage
attribute  views/replay (log -> requests) --client/replay, once a mix of versions--> views/attribution: shares of the change
oracle     the same requests --client/oracle, the truth in a stage's place--> views/attribution: the most that it can gain
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli import complete
from tidegate.cli.common import JsonOption, KeyOption, Place, ProjectOption
from tidegate.cli.log import moment_of
from tidegate.cli.show import note, out, plain_json, print_json
from tidegate.errors import InvalidRequest, NotFound

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", autocompletion=complete.endpoints)]
Last = Annotated[str, typer.Option("--last", help="Requests of this long, back from now.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, evenly spread over that time.")]
Output = Annotated[
    str,
    typer.Option("--output", help="Without labels: the mean of this output, or OUTPUT=VALUE: how often it is that."),
]
InFlight = Annotated[int, typer.Option("--in-flight", min=1, max=256, help="At most so many at once.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    group = typer.Typer(no_args_is_help=True, help="Several models behind one name: which stage a change comes from.")
    group.command()(explain)
    group.command()(attribute)
    group.command()(oracle)
    app.add_typer(group, name="pipeline")


def explain(
    endpoint: Endpoint,
    window: Annotated[str, typer.Option("--window", "-w", help="How far back from the end.")] = "24h",
    end: Annotated[str | None, typer.Option("--end", help="A UTC time, or a duration back from now.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show which stage a change begins at: what each was given and what it gave, against the window before.

    [dim]Example:[/]  tidegate pipeline explain transcribe --window 24h
    """
    from tidegate.app import label_options, pipeline_stages
    from tidegate.cli.pipeline_screen import show
    from tidegate.cli.project import parse_seconds
    from tidegate.views import pipeline

    layout = Place(project).applied()
    stages, (rules, _) = pipeline_stages(layout, endpoint), label_options(layout, endpoint)
    until = moment_of(end, "--end")
    view = pipeline.explain(
        layout, endpoint, stages, end=until.timestamp() if until else None, window=parse_seconds(window, "--window"),
        rules=rules,
    )  # fmt: skip
    if json:
        print_json(plain_json(view))
    else:
        show(view, out())


def attribute(
    endpoint: Endpoint,
    before: Annotated[str, typer.Option("--from", help="Stages' versions before, such as vad:1,asr:1.")],
    after: Annotated[str, typer.Option("--to", help="The same stages' versions after.")],
    last: Last = "24h",
    limit: Limit = 500,
    output: Output = "",
    in_flight: InFlight = 8,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Share a change of the final metric out among the stages' new versions: logged requests are replayed under every mix of them.

    Callers notice nothing: it gives way when live traffic gets slower, and nothing of it counts. Requests need labels, or --output.

    [dim]Example:[/]  tidegate pipeline attribute transcribe --from vad:1,asr:1 --to vad:2,asr:2 --limit 500
    """
    from tidegate.cli.pipeline_screen import show_shares
    from tidegate.views import attribution

    mixes = attribution.mixes(versions(before, "--from"), versions(after, "--to"))
    replayed = Replayed(Place(project), endpoint, last, limit, output, key, in_flight)
    found = attribution.attribute(replayed.final, mixes, replayed.under(mixes, json), len(replayed.requests))
    if json:
        print_json(plain_json(found))
    else:
        show_shares(found, out())


def oracle(
    endpoint: Endpoint,
    stage: Annotated[str, typer.Option("--stage", help="The stage that is taken to be perfect.")],
    truth: Annotated[
        Path,
        typer.Option(
            "--truth", help="CSV or Parquet: prediction_id, and what the stage should have given; a row an item."
        ),
    ],
    last: Last = "24h",
    limit: Limit = 500,
    output: Output = "",
    in_flight: InFlight = 8,
    key: KeyOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Show what the final metric would be, were a stage perfect: the truth takes its place, and the stages after it are asked again.

    That bounds what a better version of this stage can gain. Nothing of it counts anywhere.

    [dim]Example:[/]  tidegate pipeline oracle transcribe --stage vad --truth segments.parquet
    """
    from tidegate.client.oracle import Oracle
    from tidegate.profiles.reference import read_file
    from tidegate.views.attribution import bound
    from tidegate.views.replay import table

    rows = read_file(truth, {}, most=10_000_000)
    if "prediction_id" not in rows.columns:
        raise InvalidRequest(
            f"--truth: it has no column prediction_id, that of the whole request; it has {', '.join(rows.columns)}"
        )
    ids = rows["prediction_id"].cast(str).to_list()
    replayed = Replayed(Place(project), endpoint, last, limit, output, key, in_flight, among=ids)
    perfect = Oracle(
        replayed.address, table(replayed.layout), endpoint, replayed.known(stage), rows, replayed.stages, key=key, in_flight=in_flight
    )  # fmt: skip
    (now,) = replayed.under([{}], json)
    found = bound(replayed.final, stage, now, list(perfect.answers(replayed.requests)))
    if json:
        print_json(plain_json(found))
    else:
        from rich.markup import escape

        out().print(escape(found.verdict), style="bold")
        left_out = f"; {found.left_out:,} were not answered both ways" if found.left_out else ""
        out().print(f"{found.requests:,} requests{left_out}")


class Replayed:
    """The logged requests of a pipeline that can be judged, and their copies' answers under versions that one names.

    Errors: NotFound for an endpoint without stages or a request; InvalidRequest where nothing can be measured, or sent again.
    """

    def __init__(
        self, place: Place, endpoint: str, last: str, limit: int, output: str, key: str | None, in_flight: int,
        *, among: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        from tidegate.app import label_options, pipeline_stages
        from tidegate.cli.project import parse_seconds
        from tidegate.client import Client
        from tidegate.types.inference import Signature, TensorSpec
        from tidegate.views.attribution import Final
        from tidegate.views.replay import requests

        self.address, self.layout = place.gateway(None), place.running()
        self.endpoint, self.key, self._in_flight = endpoint, key, in_flight
        self.stages = pipeline_stages(self.layout, endpoint)
        if not self.stages:
            raise NotFound(
                f"endpoint {endpoint!r} is no pipeline; `tidegate replay {endpoint} --to VERSION` compares its versions"
            )
        since = datetime.now(UTC) - timedelta(seconds=parse_seconds(last, "--last"))
        self.final = Final(self.layout, endpoint, label_options(self.layout, endpoint)[0], since=since, output=output)
        ids = self.final.ids if among is None else self.final.ids & set(among)
        with Client(self.address, key=key) as client:
            shown = client.metadata(endpoint)
        taken = [
            TensorSpec(
                one["name"], one["datatype"], one["shape"], optional=one.get("parameters", {}).get("optional", False)
            )
            for one in shown["inputs"]
        ]
        chosen = requests(self.layout, endpoint, Signature(taken, []), since=since, limit=limit, among=ids)
        if not chosen.requests:
            raise InvalidRequest(
                f"none of {chosen.found:,} logged requests can be sent again: the log hasn't kept their inputs"
            )
        self.requests = chosen.requests

    def known(self, stage: str) -> str:
        """The name of a stage with a model. Errors: InvalidRequest naming those that there are."""
        if stage not in self.stages:
            raise InvalidRequest(f"{self.endpoint} has no stage {stage!r}. Its stages: {', '.join(self.stages)}")
        return stage

    def under(self, mixes: Sequence[Mapping[str, str]], quiet: bool) -> list[dict[str, str]]:
        """Of each mix of versions by stage: request -> its copy's prediction id. Stages not named keep what most requests get."""
        from rich.progress import Progress

        from tidegate.cli.replay import pressure
        from tidegate.client.replay import replay
        from tidegate.views.replay import candidate

        for stage in {stage for mix in mixes for stage in mix}:
            self.known(stage)
            for version in {mix[stage] for mix in mixes}:
                candidate(self.layout, f"{self.endpoint}.{stage}", version)
        found: list[dict[str, str]] = []
        suffers = pressure(self.layout, self.endpoint)
        with Progress(console=note(), disable=quiet) as progress:
            for mix in mixes:
                address = "+".join(f"{stage}:{version}" for stage, version in {**self.stages, **mix}.items())
                task = progress.add_task(address, total=len(self.requests))
                copies: dict[str, str] = {}
                outcome = replay(
                    self.address, self.endpoint, address, self.requests, key=self.key, in_flight=self._in_flight, pressure=suffers,
                    progress=lambda done, task=task: progress.update(task, completed=done),  # type: ignore[misc]
                    answered=copies.__setitem__,
                )  # fmt: skip
                if not copies:
                    raise InvalidRequest(f"{address} answered none of {outcome.sent:,} requests: {outcome.error}")
                found.append(copies)
        return found


def versions(text: str, option: str) -> dict[str, str]:
    """`vad:1,asr:2` by stage. Errors: typer.BadParameter."""
    found = dict(part.strip().partition(":")[::2] for part in text.split(","))
    if not all(stage and version for stage, version in found.items()):
        raise typer.BadParameter(f"{text!r} is not STAGE:VERSION,..., such as vad:1,asr:1", param_hint=option)
    return found
