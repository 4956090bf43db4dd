"""Digits rendered from strokes, for a machine that cannot get MNIST. The strokes are in ``strokes.json``."""
