"""Saliency: which pixels change a logit, and a control network with the same weights in random order."""

from typing import Annotated

import torch
from torch import Tensor, nn

from mnist_lab._utils.contracts import ClassIndices, Count, Differentiable, Images, Network, Per, Seed, checked
from mnist_lab._utils.network import BATCH, running


@checked
def saliency_map(
    model: Differentiable,
    images: Images,
    labels: Annotated[Tensor, ClassIndices(), Per("images")],
    *,
    batch_size: Count = BATCH,
) -> Tensor:
    """The absolute gradient of a class's logit with respect to each pixel, ``|d logit[label] / d pixel|``.

    A large value means that a small change of this pixel changes the logit much. Unlike an occlusion map, it says
    nothing about large changes.

    Parameters
    ----------
    model
        A differentiable network from images (N, 1, 28, 28) in 0..255 to logits (N, 10).
    images
        Images (N, 1, 28, 28), uint8 or float in 0..255.
    labels
        For each image the class whose logit is differentiated, (N,).
    batch_size
        Images per forward pass.

    Returns
    -------
    Tensor
        Logits per unit of intensity, at least 0, (N, 28, 28), on the CPU, in the type in which the network computes.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or no gradient passes through the network.

    References
    ----------
    Simonyan, Vedaldi and Zisserman, *Deep inside convolutional networks: visualising image classification models and
    saliency maps*, 2014.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    >>> saliency_map(DigitCNN(), images, torch.tensor([3, 8])).shape
    torch.Size([2, 28, 28])
    """
    maps = []
    with running(model, gradients=True) as runner:
        for batch, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            pixels = batch.detach().to(runner.device, runner.dtype, copy=True).requires_grad_()
            logits = runner.logits(pixels)
            if not logits.requires_grad:
                raise ValueError(
                    "model: expected a network through which gradients pass, got logits without a gradient"
                )
            # A copy, because autograd takes no tensor that was made in inference mode.
            classes = targets.to(logits.device, copy=True)
            (gradient,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), pixels)
            maps.append(gradient.abs().squeeze(1).cpu())
    return torch.cat(maps)


@checked
def randomize_parameters(model: Network, seed: Seed = 0) -> nn.Module:
    """A copy of a network in which the entries of each parameter tensor are in random order.

    The copy has learned nothing, but every layer keeps the distribution of its weights. An explanation that looks the
    same for both networks does not depend on what was learned.

    Parameters
    ----------
    model
        Any network. It is not changed.
    seed
        Seed of the order.

    Returns
    -------
    Module
        The copy, in evaluation mode. Its parameters do not require gradients.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    References
    ----------
    Adebayo et al., *Sanity checks for saliency maps*, 2018.

    Examples
    --------
    >>> layer = nn.Linear(2, 3)
    >>> torch.equal(randomize_parameters(layer).weight.flatten().sort().values, layer.weight.flatten().sort().values)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    with running(model) as runner:
        for parameter in runner.model.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
        return runner.model
