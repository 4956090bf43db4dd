"""Occlusion: the probability of a class as a function of what a patch hides (question 2.4).

Maps, the incremental inference that makes them fast, and tests of what they show. No data, no figures.
"""
