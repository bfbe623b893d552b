"""What all scripts share: the clock, and the greatest memory of the process. No package but psutil."""

import json
import threading
import time

import psutil


class Peak:
    """The greatest resident memory while it is open, sampled every 5 ms, over what there was before."""

    def __enter__(self):
        self._process = psutil.Process()
        self.before = self._process.memory_info().rss
        self.peak = self.before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._begun, self._spent = time.perf_counter(), time.process_time()
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.005):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self._begun
        self.cpu_seconds = time.process_time() - self._spent
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, self._process.memory_info().rss)

    def figures(self):
        """Seconds and MB."""
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "rss_mb": self.peak / 2**20,
            "added_mb": (self.peak - self.before) / 2**20,
        }


def told(**figures):
    """The last line."""
    print(json.dumps(figures), flush=True)
