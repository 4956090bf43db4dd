"""What serves every room and concerns no reader: contracts, running a network, the cache, files, messages.

Nothing here knows what a digit, an attack or a training run is, and nothing here is public.
"""
