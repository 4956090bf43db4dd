"""How a network comes to be: recipes, the training loop, evaluation, resuming, and the zoo of trained networks.

What a network is made of and what it sees belong to ``introspection``; how it is fooled belongs to ``attacks``.
"""
