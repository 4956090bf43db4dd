"""A network in the reader's browser: its weights as a script, and the JavaScript that runs it on digits drawn there."""

from mnist_lab.live.export import export

__all__ = ["export"]
