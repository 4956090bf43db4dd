"""Figures that a single page draws.

They have no contract: arguments are not checked, and names may change.
"""
