"""The demo: five years of real accidents as live traffic, then three versions that want it. Beside it search, speech, a recommender."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Hang this command into the tree."""
    app.add_typer(group, name="demo")


group = typer.Typer()


@group.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End when all is shown.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures to this JSON file.")] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="Rows a second.")] = None,
    rows: Annotated[int | None, typer.Option("--rows", help="Rows of each year; all by default.")] = None,
    workdir: Annotated[Path | None, typer.Option("--workdir", help="Where data, model and state are kept.")] = None,
    rollouts: Annotated[
        bool, typer.Option("--rollouts/--no-rollouts", help="Roll out versions 2, 3 and 4 after the replay.")
    ] = True,
) -> None:
    """Train on the accidents of 2016, serve, and replay the real ones of 2017 to 2021 as live traffic.

    Then three new versions are rolled out: a better one, a mistaken one and one that crashes.

    [dim]Example:[/]  tidegate demo --once --report figures.json
    """
    if context.invoked_subcommand is not None:
        return
    from tidegate.cli.rollout_screen import Screen
    from tidegate.cli.rollout_story import Story
    from tidegate.demo.cli import run

    code = run(
        once=once, report=report, speed=speed, rows=rows, workdir=workdir, rollouts=rollouts, screen=Screen, story=Story
    )
    raise typer.Exit(code)


@group.command()
def search(
    once: Annotated[bool, typer.Option("--once", help="Let made-up searchers use the page, then end.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="With --once: write the figures to this file.")
    ] = None,
    people: Annotated[int, typer.Option("--people", help="With --once: how many searchers.")] = 60,
    port: Annotated[int | None, typer.Option("--port", help="The page's port; 8090 by default, or a free one.")] = None,
    workdir: Annotated[Path | None, typer.Option("--workdir", help="Where data and state are kept.")] = None,
) -> None:
    """Serve a page that searches the accidents' descriptions by a ranking model; clicks, redos and typing instead are feedback.

    What people did with the answers is computed from the prediction log, and shown beside them.

    [dim]Example:[/]  tidegate demo search --once
    """
    from tidegate.demo.search.cli import run

    raise typer.Exit(run(once=once, report=report, people=people, port=port, workdir=workdir))


@group.command()
def speech(
    once: Annotated[bool, typer.Option("--once", help="End when all is shown.")] = False,
    short: Annotated[bool, typer.Option("--short", help="Three clips instead of nine, and no replay.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures to this JSON file.")] = None,
    workdir: Annotated[
        Path | None, typer.Option("--workdir", help="Where models, recordings and state are kept.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Only the page with a microphone, on the newer models.")] = False,
    port: Annotated[int | None, typer.Option("--port", help="The page's port; 8091 by default, or a free one.")] = None,
) -> None:
    """Write down what is said: one endpoint of two learned models, where somebody speaks and what is said.

    Recordings come clear, with car noise, among people and over a telephone line, and an older recogniser makes way for a newer one, by
    shadow and canary; then the voice detector is changed, for better and for worse. At the end a page: speak to it.

    [dim]Example:[/]  tidegate demo speech --once --report figures.json
    """
    from tidegate.demo.speech.cli import run

    raise typer.Exit(run(once=once, report=report, workdir=workdir, short=short, page=page, port=port))


@group.command()
def recommender(
    once: Annotated[bool, typer.Option("--once", help="End when all is shown.")] = False,
    short: Annotated[bool, typer.Option("--short", help="400 visits an act instead of 1,500.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures to this JSON file.")] = None,
    workdir: Annotated[Path | None, typer.Option("--workdir", help="Where models and state are kept.")] = None,
) -> None:
    """Choose what a shop shows: one endpoint of two learned models, who the customer is and what they may like.

    It comes in by a rollout against popularity, judged by clicks. Then the shop's pages change, and the stage that suffers is found.

    [dim]Example:[/]  tidegate demo recommender --once --report figures.json
    """
    from tidegate.cli.pipeline_screen import show
    from tidegate.demo.recommender.cli import run

    raise typer.Exit(run(show, once=once, report=report, workdir=workdir, short=short))


@group.command()
def scratches(
    once: Annotated[bool, typer.Option("--once", help="End when all is shown.")] = False,
    short: Annotated[
        bool, typer.Option("--short", help="48 pictures an act instead of 300, and a target of 6% instead of 3%.")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures to this JSON file.")] = None,
    workdir: Annotated[Path | None, typer.Option("--workdir", help="Where the state is kept.")] = None,
) -> None:
    """Look for scratches on phones: people decide, then a model beside them, by degrees, until the light goes and it steps back.

    Pictures, inspectors and the failing lamp are simulated; the processes, the queue and the evidence are real.

    [dim]Example:[/]  tidegate demo scratches --once --report degrees.json
    """
    from tidegate.demo.scratches.cli import run

    raise typer.Exit(run(once=once, report=report, workdir=workdir, short=short))
