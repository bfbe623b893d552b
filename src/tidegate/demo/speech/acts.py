"""The story: an older recogniser beside a newer one, then two other voice detectors, and what each did to the transcript.

clips + what is said --transcribe--> the gateway, labels --> commands, as a user types them, say how well it was written down

    shadow   asr 1 answers, asr 2 is given copies       canary   every other request      full   all
    vad 2    by its address: the same clips             vad 3    one that listens badly: traced to its stage
"""

from __future__ import annotations

import math
import time

import numpy as np
from rich.console import Console
from rich.text import Text

from tidegate.app import label_options
from tidegate.client import Client
from tidegate.demo.commands import shown, typed
from tidegate.demo.speech.clips import Clip
from tidegate.demo.speech.project import DEAF, ENDPOINT
from tidegate.demo.speech.sound import wav
from tidegate.demo.system import System
from tidegate.errors import NotFound, StateError
from tidegate.views.quality import QualityView, read
from tidegate.views.rollouts import read as read_rollout

ASR = f"{ENDPOINT}.asr"
BY = ("version", "condition")
HEARD = (
    "select version, condition, count(*) as clips, round(avg(audio_snr), 1) as snr, round(avg(audio_loudness), 1) as loudness, "
    "round(avg(confidence), 2) as confidence, round(sum(seconds), 1) as seconds, sum(case when text_empty then 1 else 0 end) as empty "
    f"from {ENDPOINT} where status = 200 group by version, condition order by version, condition"
)
ENOUGH = 72
"""Requests before and after a change: with fewer, `pipeline explain` can't tell it from chance."""
LIMIT = 60.0


class Acts:
    """Plays them, in order; in each all `clips` are sent. `replayed`: requests that are asked again under every mix of versions."""

    def __init__(self, system: System, client: Client, clips: list[Clip], replayed: int, console: Console) -> None:
        self._system, self._client, self._console = system, client, console
        self._clips, self._replayed = clips, replayed
        self._sent = 0

    def run(self) -> None:
        """Errors: StateError when a command fails, or a rollout doesn't move on."""
        self._say(
            "asr 1 is PocketSphinx. Moonshine, asr 2, is given a copy of each request; callers get what asr 1 says"
        )
        self._type("rollout", "start", ASR, "--to", "2", "--yes")
        self._wait(step=1)
        self._send()
        self._type("rollout", "diff", ASR)
        self._say("then every other request is answered by asr 2")
        self._type("rollout", "promote", ASR)
        self._wait(step=3)
        self._send()
        self._type("quality", ENDPOINT, "--by", ",".join(BY), "--no-estimate")
        self._say("so few clips prove nothing of rare failures; a person who has seen the table decides")
        self._type("rollout", "promote", ASR, "--full", "--yes", "--reason", "word errors by condition")
        self._wait(step=-1)
        self._send()
        self._say(
            f"vad 1 is WebRTC's detector; vad 2 is Silero, vad 3 is Silero that wants to be {DEAF:.1%} sure. By their addresses:"
        )
        times = math.ceil(ENOUGH / len(self._clips))
        self._send("vad:2", times)
        took = self._send("vad:3", times)
        self._type("pipeline", "explain", ENDPOINT, "--window", f"{math.ceil(took)}s")
        self._type("quality", ENDPOINT, "--by", ",".join(BY), "--no-estimate")
        if self._replayed:
            self._say(
                "and how much of the change since the beginning is whose: a few requests once more, under every mix of versions"
            )
            mixes = ("--from", "vad:1,asr:1", "--to", "vad:2,asr:2")
            self._type("pipeline", "attribute", ENDPOINT, *mixes, "--limit", str(self._replayed))
        self._say("what callers sent, and how sure the models were, is in the log")
        self._type("log", "query", HEARD)
        self._type("monitors", "list")

    def quality(self) -> QualityView:
        """What `tidegate quality` shows, as data. Errors: StateError where the log lacks a clip or its label."""
        options, _ = label_options(self._system.layout, ENDPOINT)
        view = read(self._system.layout, ENDPOINT, options, start=time.time() - 86400.0, by=BY, estimated=False)
        known = sum(group.labels for group in view.groups if not group.slice)
        if known != self._sent:
            raise StateError(f"{self._sent} recordings were sent, and the log has {known} with their label")
        return view

    def _send(self, version: str = "", times: int = 1) -> float:
        """Every clip, so many times, and what is said in it as its label; the seconds that took."""
        began = time.monotonic()
        with self._console.status("") as status:
            for number, clip in enumerate(self._clips * times, start=1):
                status.update(f"{clip.name}, {clip.condition} ({number} of {times * len(self._clips)})")
                answer = self._client.predict(ENDPOINT, asked(clip), version=version or None)
                self._client.feedback(ENDPOINT, answer.id, label=clip.words)
                self._sent += 1
        return time.monotonic() - began

    def _type(self, *words: str) -> None:
        self._say(f"$ {shown(*words)}")
        self._console.print(Text.from_ansi(typed(self._system.project, *words, width=self._console.width)))

    def _say(self, text: str) -> None:
        self._console.print(text, style="bold" if text.startswith("$") else "", markup=False)

    def _wait(self, step: int) -> None:
        """Until the rollout stands at this step; -1: until it is done."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            try:
                state = read_rollout(self._system.layout, ASR).state
            except NotFound:
                state = None
            if state is not None and (state.step == step if step >= 0 else not state.active):
                return
            time.sleep(0.1)
        raise StateError(f"the rollout of {ASR} didn't move on within {LIMIT:.0f} s")


def asked(clip: Clip) -> dict[str, np.ndarray]:
    """A WAV file, and where it was recorded."""
    sound = np.empty(1, object)
    sound[0] = wav(clip.samples)
    return {"audio": sound, "condition": np.array([clip.condition], object)}
