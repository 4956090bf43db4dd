"""Where images come from: MNIST, synthetic digits and data augmentation.

Nothing here knows a network, a training run or an attack.
"""
