"""What a network is and what it does: shapes, counts, filters, activations, occlusion, saliency, probes.

It knows a network and tensors. It knows nothing of data sets or training, and it never changes a network.
"""
