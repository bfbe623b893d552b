"""The demo's tidegate.yaml: an older and a newer model at each of two stages, one endpoint, what is watched by condition."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.demo.project import MARK, PORTS
from tidegate.demo.system import free

ENDPOINT = "transcribe"
DEAF = 0.995
"""The threshold of vad's third version: what isn't very surely speech is lost."""


def text(models: Path, older: Path, *, newer: bool = False) -> str:
    """`models`: the folder of the fetched files. `older`: the requirements of the older models' environment. With `newer`, callers
    are answered by the newer two from the beginning."""
    first = "2" if newer else "1"
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())
    folder, packages = (msgspec.json.encode(str(path)).decode() for path in (models, older))
    return f"""{MARK}project: demo-speech
server: {{{ports}}}
log: {{flushEvery: 2s}}
models:
  detector:
    versions:
      "1": {{path: "tidegate.demo.speech.older:WebRtc", environment: {packages}, warmup: false}}
      "2": {{path: "tidegate.demo.speech.models:Vad", options: {{args: {{folder: {folder}}}}}, warmup: false}}
      "3": {{path: "tidegate.demo.speech.models:Vad", options: {{args: {{folder: {folder}, threshold: {DEAF}}}}}, warmup: false}}
  recogniser:
    versions:
      "1": {{path: "tidegate.demo.speech.older:PocketSphinx", environment: {packages}, warmup: false}}
      "2": {{path: "tidegate.demo.speech.models:Asr", options: {{args: {{folder: {folder}}}}}, warmup: false}}
endpoints:
  {ENDPOINT}:
    timeout: 60s
    monitoring:
      labels: {{task: text, answer: text}}
      profiles: {{segments: [condition]}}
      thresholds:
        output.share.text_empty=true: {{max: 5%, minRows: 5}}
        input.mean.audio_snr: {{min: 10, minRows: 5}}
        input.mean.audio_clipping: {{max: 1%, minRows: 5}}
    pipeline:
    - {{stage: vad, model: detector, split: {{"{first}": 100}}, timeout: 60s}}
    - stage: asr
      model: recogniser
      split: {{"{first}": 100}}
      timeout: 60s
      strategy:
        canary:
          steps:
          - setMirrorRoute: {{percentage: 100}}
          - pause: {{}}
          - setWeight: 50
          - pause: {{}}
          - setWeight: 100
    - stage: transcript
      merge:
        text: join(asr.text)
        confidence: mean(asr.confidence)
        segments: count(asr.text)
        said: list(asr.text)
        sure: list(asr.confidence)
        start: list(vad.start)
        end: list(vad.end)
        seconds: sum(vad.length)
"""
