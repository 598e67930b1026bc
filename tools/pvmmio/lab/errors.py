# SPDX-License-Identifier: GPL-2.0
"""What can go wrong in the lab, as one line for the user and an exit status."""

TIMEOUT = 124
FAILURE = 125


class LabError(Exception):
    def __init__(self, message, status=FAILURE):
        super().__init__(message)
        self.status = status
