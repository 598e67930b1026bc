# SPDX-License-Identifier: GPL-2.0
"""An error in the lab is one line for the user, and an exit status."""

TIMEOUT = 124
FAILURE = 125


class LabError(Exception):
    def __init__(self, message: object, status: int = FAILURE):
        super().__init__(message)
        self.status = status
