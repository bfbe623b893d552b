"""Any Apprise URL: slack://, mailto://, discord://, tgram://, pagerduty:// and a hundred more. Needs the extra `notify`.

Apprise answers True or False and says why only in its log: what it logs while it sends is the reason, with all parts of
the URL taken out.
"""

from __future__ import annotations

import logging
from typing import Any

from tidegate.errors import ConfigError
from tidegate.notify.base import NotifyError
from tidegate.notify.urls import mask, redact
from tidegate.types.monitoring import Notice

_TYPES = {"firing": "failure", "resolved": "success", "test": "info"}


class Apprise:
    """One Apprise URL."""

    def __init__(self, url: str) -> None:
        try:
            import apprise
        except ImportError as exc:
            raise ConfigError(
                f"monitoring.notify: {mask(url)} needs Apprise: pip install 'tidegate[notify]'. Without it there are "
                "webhook+https://, alertmanager+http:// and file://"
            ) from exc
        self._url = url
        self._apprise: Any = apprise.Apprise()
        with _Reasons() as reasons:
            if not self._apprise.add(url):
                why = redact(reasons.text(), url)
                raise ConfigError(
                    f"monitoring.notify: {mask(url)} is no address that Apprise understands{': ' if why else ''}{why}"
                )

    def send(self, notice: Notice) -> None:
        """Errors: NotifyError."""
        with _Reasons() as reasons:
            try:
                sent = self._apprise.notify(title=notice.title, body=_body(notice), notify_type=_TYPES[notice.kind])
            except Exception as exc:  # a plugin of a hundred authors
                raise NotifyError(redact(f"{type(exc).__name__}: {exc}", self._url)) from exc
        if not sent:
            raise NotifyError(redact(reasons.text(), self._url) or "Apprise could not deliver it, and doesn't say why")


def _body(notice: Notice) -> str:
    return f"{notice.body}\n\n{notice.url}" if notice.url else notice.body or notice.title


class _Reasons(logging.Handler):
    """Collects what Apprise warns of in this thread; nothing of it goes further."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        import threading

        if record.thread == threading.get_ident():
            self._lines.append(record.getMessage())

    def text(self) -> str:
        return "; ".join(self._lines[-3:])[:500]

    def __enter__(self) -> _Reasons:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
