"""Images that the network is made to see (question 3): gradient ascent on the image, the weights unchanged.

It knows a network and tensors. It knows nothing of data sets, training or figures.
"""
