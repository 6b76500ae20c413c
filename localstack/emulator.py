"""Runs MiniStack, and ends with the process that started it.

Standard input is a pipe from that process. When it closes, however the other side died, the whole process group goes:
the emulator and every function that it runs. A byte on it means "detached": from then on the emulator lives by itself.
"""

import os
import signal
import sys
import threading


def end_with_parent():
    if not os.read(sys.stdin.fileno(), 1):
        os.killpg(0, signal.SIGKILL)


threading.Thread(target=end_with_parent, daemon=True).start()

from ministack.app import main  # noqa: E402 - slow to import: the thread comes first.

main()
