# SPDX-License-Identifier: GPL-2.0-only
"""This says how far the benchmark is on a machine, and about how long it still takes."""
import time


def said(seconds):
    """Return SECONDS as people say them; nobody needs them exactly."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Progress:
    """It hears of each part of the benchmark when the part begins.

    USUAL has the seconds that each part takes by itself where it was tried; how much
    slower this machine is, the parts that are done tell.
    """

    def __init__(self, usual, clock=time.monotonic):
        self.usual = usual
        self.clock = clock
        self.start = self.since = None
        self.name = ""
        self.expected = self.took = 0.0

    def begin(self, name):
        """Say what is known when the part NAME begins."""
        now = self.clock()
        if self.since is None:
            self.start = now
        else:
            self.took += now - self.since
            self.expected += self.usual.get(self.name, 0)
        self.since, self.name = now, name
        return self.so_far(now)

    def so_far(self, now):
        left = 2 * sum(self.usual.values()) - self.expected
        if not self.usual or left <= 0:
            return f"{said(now - self.start)} so far"
        slower = self.took / self.expected if self.expected else 1
        return f"{said(now - self.start)} so far, about {said(left * slower)} to go"
