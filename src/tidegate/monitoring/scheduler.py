"""The monitor process's loop: look, advance, group, write, tell, again.

    settings, thresholds of the file --sync--> monitors in force
    profiles, streams, status files --looks--> readings --alarm.step--> alarms --incidents.group--> incidents
                                                     one transaction --> state.db --due--> notify.Dispatcher
                                                     run/monitor.json, run/drift.json <-- what was seen

Everything that a restart needs is in the database: a kill at any moment repeats at most a look, or a notice (an incident
counts as told only when the dispatcher has nothing left to send). What a person did between reading and writing wins: the
write is refused, and the next look starts from theirs. Examples and quality are looked for in threads, so that the page
doesn't wait for them. A notifier that hangs holds up nobody.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from tidegate.errors import Conflict, TidegateError
from tidegate.monitoring import alarm as rules
from tidegate.monitoring import budget, drift, examples, explain, incidents, sync, words
from tidegate.monitoring.incidents import Grouped
from tidegate.monitoring.labelled import LabelStreams
from tidegate.monitoring.looks import Look, Looks
from tidegate.monitoring.options import NotifyOptions
from tidegate.monitoring.settings import Resolve, Settings
from tidegate.monitoring.slow import SlowValues
from tidegate.notify.dispatch import Dispatcher
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import BuiltIn, MonitorReport, load_report, save_report
from tidegate.storage.monitoring import AlarmChange, MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Alarm, Incident, Monitor
from tidegate.types.silences import quiet

PERIOD = 2.0
RESOLVE_EVERY = 5.0
SYNC_EVERY = 10.0
SAVE_EVERY = 15.0
YOUNG = 900.0
"""Seconds for which a new incident's explanation is looked at again: other columns show it a little later."""
EXPLAIN_EVERY = 15.0
TOLD_ANYWAY = 30.0
"""Seconds after which an incident counts as told though a channel still tries."""
ACTOR = "monitor"
BEFORE = 600.0
"""Seconds before an incident's beginning from which examples are taken."""


class Monitoring:
    """One per project. `resolve` gives the settings now; `slow` reads the values that take long, in a thread.

    Errors of `step`: TidegateError.
    """

    def __init__(
        self,
        layout: Layout,
        resolve: Resolve,
        *,
        slow: SlowValues | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._layout = layout
        self._resolve = resolve
        self._steady = steady
        self._store = MonitoringStore(layout)
        self._profiles = ProfileStore(layout)
        self._slow = slow or SlowValues(layout)
        self._labels = LabelStreams(layout, ProfileStore(layout))
        self._looks = Looks(layout, self._profiles, self._slow)
        self._settings: Settings | None = None
        self._resolved = self._synced = -1e18
        self._memory: dict[str, tuple[Alarm | None, Alarm, float]] = {}
        """By monitor: the alarm as it is stored, as it is now, and when it was stored."""
        self._explained: dict[int, float] = {}
        self._telling: dict[int, tuple[str, float]] = {}
        self._dispatcher: Dispatcher | None = None
        self._channels: list[NotifyOptions] = []
        self._examples = ThreadPoolExecutor(1, thread_name_prefix="examples")
        self._searching: dict[int, Future[list[str]]] = {}
        self._sought: dict[int, tuple[int, float]] = {}
        self._errors: list[str] = []
        report = load_report(layout)
        if report is not None:
            self._looks.peaks = dict(report.peaks)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Loop until `stopped()`."""
        while not stopped():
            began = time.monotonic()
            try:
                self.step(time.time())
            except (TidegateError, OSError) as exc:  # a full disk, a locked database: the next look tries again
                sys.stderr.write(f"monitor: {exc}\n")
                self._say_error(str(exc))
            while not stopped() and (left := PERIOD - (time.monotonic() - began)) > 0:
                time.sleep(min(left, 0.1))
        self.close()

    def close(self) -> None:
        """Give back the database and the threads; those that hang end with the process."""
        self._examples.shutdown(wait=False, cancel_futures=True)
        self._slow.close()
        self._labels.close()
        if self._dispatcher is not None:
            self._dispatcher.close(2.0)
            self._note_left(time.time())
        self._store.close()
        self._profiles.close()

    # -- one look -----------------------------------------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Look at everything once. Repeating it after a kill at any point does the same again."""
        began = time.monotonic()
        steady = self._steady()
        self._errors = []
        settings = self._follow(steady)
        self._labels.look(settings)
        monitors = {one.id: one for one in self._store.monitors()}
        newest = self._store.newest_alarms()
        recent = self._store.alarms(limit=10_000, since=now - budget.MONTH)
        looks = self._looks.look(settings, monitors, newest, recent, now, steady)
        self._errors += self._looks.errors
        alarms = self._advance(looks, newest, now, steady)
        self._write(settings, newest, alarms, now, steady)
        drift.tell(self._layout, self._store.incidents(open_only=True, limit=1000), now)
        self._tell(settings, monitors, now, steady)
        self._report(monitors, looks, now, time.monotonic() - began)

    def _follow(self, steady: float) -> Settings:
        """The settings now; the file's thresholds become monitors."""
        if self._settings is None or steady - self._resolved >= RESOLVE_EVERY:
            settings = self._resolve()
            self._resolved = steady
            if settings != self._settings:
                self._settings, self._synced = settings, -1e18
                self._looks.forget()
        assert self._settings is not None
        if self._dispatcher is None or self._settings.options.notify != self._channels:
            if self._dispatcher is not None:
                self._dispatcher.close(0.0)
            self._channels = list(self._settings.options.notify)
            self._dispatcher = Dispatcher(self._channels, status_file=self._layout.run / "notify.json")
        if steady - self._synced >= SYNC_EVERY:
            self._sync(self._settings)
            self._synced = steady
        return self._settings

    def _sync(self, settings: Settings) -> None:
        """Errors of the file's thresholds are told in the report; the rest is watched all the same."""
        endpoints = {name: one.monitoring for name, one in settings.endpoints.items()}
        try:
            columns = {name: self._profiles.columns(name) for name in endpoints}
            columns = {name: found for name, found in columns.items() if found}
            wanted = sync.wanted(settings.options, endpoints, self._profiles.streams(), columns)
            changed = sync.changed(wanted, self._store.monitors())
            if changed:
                self._store.put_monitors(changed, ACTOR)
        except TidegateError as exc:
            self._errors.append(f"monitors: {exc}")

    # -- alarms -------------------------------------------------------------------------------------------------------

    def _advance(
        self, looks: Iterable[Look], newest: Mapping[str, Alarm], now: float, steady: float
    ) -> dict[str, Alarm]:
        """Each monitor's newest alarm as it is now, where it is to be written."""
        out: dict[str, Alarm] = {}
        watched = set()
        for look in looks:
            id = look.monitor.id
            watched.add(id)
            stored = newest.get(id)
            kept = self._memory.get(id)
            present = kept[1] if kept is not None and kept[0] == stored else stored
            after = rules.step(present, look.monitor, look.reading, now, kind=look.kind)
            if after is None:
                continue
            saved = kept[2] if kept is not None and kept[0] == stored else steady
            self._memory[id] = (stored, after, saved)
            if after != stored and _worth_writing(stored, after, steady - saved):
                out[id] = after
        for id, alarm in newest.items() if not self._looks.blind else ():
            if alarm.open and id not in watched:
                out[id] = rules.end(alarm, now, "nobody watches this any more: its monitor was retired or removed")
        return out

    def _write(
        self, settings: Settings, newest: Mapping[str, Alarm], alarms: dict[str, Alarm], now: float, steady: float
    ) -> None:
        """Alarms and their incidents in one transaction."""
        known = self._known(now)
        before = {one.incident.id: one.incident for one in known}
        for one in known:
            one.alarms = [alarms.get(alarm.monitor, alarm) if alarm.open else alarm for alarm in one.alarms]
        numbered = dict[str, Alarm]()
        for number, (id, alarm) in enumerate(alarms.items(), 1):
            numbered[id] = alarm if alarm.id else msgspec.structs.replace(alarm, id=-number)
        fresh = [one for one in numbered.values() if one.state == "firing" and not one.incident]
        touched = {one.incident.id: one for one in incidents.group(fresh, known, now)}
        harm = self._slow.harm(settings, list(before.values()), now)
        changed: list[Incident] = []
        for one in [*touched.values(), *(one for one in known if one.incident.id not in touched)]:
            incident = incidents.state_of(one, now)
            if self._wants_explaining(incident, bool(one.fresh), now, steady):
                incident = self._explain(settings, incident, one.alarms, now)
                self._explained[incident.id] = steady
            incident = self._with_examples(incident, one, now)
            worse = next((alarm for alarm in one.alarms if _of_answers(alarm)), None)
            if worse is not None:
                incident = msgspec.structs.replace(incident, harm="harmful", harm_words=worse.message)
            elif incident.id in harm and incident.state != "resolved":
                told = harm[incident.id]
                incident = msgspec.structs.replace(incident, harm=told.outcome, harm_words=told.words)
            if incident != before.get(incident.id):
                changed.append(incident)
            for alarm in one.fresh:
                numbered[alarm.monitor] = msgspec.structs.replace(alarm, incident=incident.id)
        if not numbered and not changed:
            return
        seen = {newest[id].id: newest[id] for id, alarm in numbered.items() if alarm.id > 0 and id in newest}
        ids = {incident.id for incident in changed}
        try:
            self._store.write(
                AlarmChange(
                    list(numbered.values()), changed, seen, {id: one for id, one in before.items() if id in ids}
                )
            )
        except Conflict:  # somebody acted meanwhile; the next look begins with what they did
            for id in numbered:
                self._memory.pop(id, None)
            return
        for id in numbered:
            self._memory.pop(id, None)

    def _known(self, now: float) -> list[Grouped]:
        """Open incidents, and those that ended a short while ago or whose end nobody was told of, with their alarms."""
        found = {one.id: one for one in self._store.incidents(limit=50)}
        found |= {one.id: one for one in self._store.incidents(open_only=True, limit=1000)}
        chosen = [
            one
            for one in found.values()
            if one.state != "resolved" or now - one.ended < incidents.REOPEN or one.told.startswith("firing")
        ]
        members = {one.id: one for one in self._store.alarms_of({id for one in chosen for id in one.alarms})}
        return [Grouped(one, [members[id] for id in one.alarms if id in members]) for one in chosen]

    # -- explanations -------------------------------------------------------------------------------------------------

    def _wants_explaining(self, incident: Incident, fresh: bool, now: float, steady: float) -> bool:
        if fresh or not incident.cause:
            return True
        young = incident.state == "firing" and 0.0 <= now - incident.opened < YOUNG
        return young and steady - self._explained.get(incident.id, -1e18) >= EXPLAIN_EVERY

    def _explain(self, settings: Settings, incident: Incident, alarms: list[Alarm], now: float) -> Incident:
        """With its cause and findings as they are now."""
        streams = [view for view in self._looks.streams if view.endpoint == incident.endpoint]
        try:
            reference = self._looks.reference(incident.endpoint)
            found = explain.explain(self._profiles, settings, incident.endpoint, alarms, streams, reference, now)
        except TidegateError as exc:
            self._errors.append(f"the explanation of incident {incident.id}: {exc}")
            return incident
        if incident.cause and not found.findings and incident.findings:
            return incident  # evidence fades as the cause ends; what was found stays
        return msgspec.structs.replace(incident, cause=found.cause, findings=found.findings)

    def _with_examples(self, incident: Incident, one: Grouped, now: float) -> Incident:
        """Ask for examples of a new incident, and take them once they are found."""
        search = self._searching.get(incident.id)
        if search is not None and search.done():
            del self._searching[incident.id]
            if search.exception() is not None:
                self._errors.append(f"examples of incident {incident.id}: {search.exception()}")
            elif search.result():
                return msgspec.structs.replace(incident, examples=search.result())
        elif search is None and self._wants_examples(incident, one, now):
            self._sought[incident.id] = (len(one.alarms), self._steady())
            self._search(incident, one.alarms, now)
        return incident

    def _wants_examples(self, incident: Incident, one: Grouped, now: float) -> bool:
        """Once an incident is stored and whenever it has got another alarm; and again while there are none."""
        if (
            incident.id <= 0
            or incident.state != "firing"
            or incident.endpoint not in (self._settings or Settings()).endpoints
        ):
            return False
        alarms, when = self._sought.get(incident.id, (0, -1e18))
        young = not incident.examples and 0.0 <= now - incident.opened < YOUNG
        return alarms < len(one.alarms) or (young and self._steady() - when >= EXPLAIN_EVERY)

    def _search(self, incident: Incident, alarms: list[Alarm], now: float) -> None:
        reference = self._looks.reference(incident.endpoint)
        start = min(incident.opened, now) - BEFORE
        self._searching[incident.id] = self._examples.submit(
            examples.find, self._layout, incident.endpoint, incident.findings, alarms, reference, start
        )

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, settings: Settings, monitors: Mapping[str, Monitor], now: float, steady: float) -> None:
        """Tell what is due; note it once it has left (or a channel has tried for long enough)."""
        assert self._dispatcher is not None
        silences = self._store.silences(now)
        muted = {id for id, one in monitors.items() if not budget.speaks(one, now)}
        busy = any(one.waiting or one.since for one in self._dispatcher.statuses())
        for one in self._known(now):
            incident = one.incident
            kind = incidents.due(incident, quiet(one.alarms, silences, now, muted), now)
            if kind is None:
                self._telling.pop(incident.id, None)
                continue
            told = "resolved" if kind == "resolved" else f"firing:{incident.severity}"
            began = self._telling.get(incident.id)
            if began is None or began[0] != told:
                self._dispatcher.tell(words.notice(settings.project, kind, incident, one.alarms, now, settings.url))
                self._telling[incident.id] = (told, steady)
                busy = any(status.waiting or status.since for status in self._dispatcher.statuses())
                began = self._telling[incident.id]
            if not busy or steady - began[1] >= TOLD_ANYWAY:
                self._note_told(incident, told, now)
                self._telling.pop(incident.id, None)

    def _note_told(self, incident: Incident, told: str, now: float) -> None:
        after = msgspec.structs.replace(incident, told=told, notified=now)
        try:
            self._store.write(AlarmChange(incidents=[after], seen_incidents={incident.id: incident}))
        except Conflict:  # a person acted: the next look sees what is due then
            pass

    def _note_left(self, now: float) -> None:
        """At the end: what left just now is not told again by the next process."""
        if self._dispatcher is None or any(one.waiting or one.since for one in self._dispatcher.statuses()):
            return
        try:
            for id, (told, _) in self._telling.items():
                incident = self._store.incident(id)
                if incident is not None and incident.told != told:
                    self._note_told(incident, told, now)
        except TidegateError as exc:
            sys.stderr.write(f"monitor: {exc}\n")

    # -- saying how it goes -------------------------------------------------------------------------------------------

    def _report(self, monitors: Mapping[str, Monitor], looks: list[Look], now: float, seconds: float) -> None:
        open_ones = self._store.alarms(open_only=True, limit=10_000)
        states: dict[str, int] = {}
        firing: dict[str, int] = {}
        for alarm in open_ones:
            states[alarm.state] = states.get(alarm.state, 0) + 1
            if alarm.state == "firing":
                firing[alarm.severity] = firing.get(alarm.severity, 0) + 1
        spent = self._looks.budget
        save_report(
            self._layout,
            MonitorReport(
                os.getpid(), now, states, firing, len(self._store.incidents(open_only=True, limit=10_000)), len(looks),
                spent.streams, spent.limit, spent.allowed, spent.raised, spent.false, spent.left, seconds,
                "; ".join(self._errors), self._looks.figures, self._looks.peaks, _built_in(looks),
            ),
        )  # fmt: skip

    def _say_error(self, error: str) -> None:
        last = load_report(self._layout) or MonitorReport(os.getpid(), time.time())
        try:
            save_report(self._layout, msgspec.structs.replace(last, pid=os.getpid(), time=time.time(), error=error))
        except OSError:
            pass


def _built_in(looks: Iterable[Look]) -> list[BuiltIn]:
    """Objectives and dead man's switches: they have no rule that a person could edit."""
    return [
        BuiltIn(
            msgspec.structs.replace(one.monitor, rule=None, number=0),
            one.reading.value if one.reading is not None else None,
            one.reading.limit if one.reading is not None else None,
        )
        for one in looks
        if one.kind in ("burn", "dead")
    ]


def _of_answers(alarm: Alarm) -> bool:
    """Whether what was measured are the answers themselves; labels that come otherwise say nothing of those."""
    of_answers = alarm.metric.startswith("quality.") and not alarm.metric.startswith("quality.drift.label")
    return of_answers and alarm.verdict != "false"


def _worth_writing(stored: Alarm | None, now: Alarm, seconds: float) -> bool:
    """Whether more than figures has changed, or it is time to keep those."""
    if stored is None or now.id != stored.id or now.state != stored.state:
        return now.state != "inactive" or stored is not None
    if (now.severity, bool(now.inside), now.incident) != (stored.severity, bool(stored.inside), stored.incident):
        return True
    return seconds >= SAVE_EVERY
