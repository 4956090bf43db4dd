"""What both attacks return."""

from dataclasses import dataclass

from torch import Tensor

from mnist_lab._utils.network import Runner
from mnist_lab.attacks.gradient_ascent import Trajectory, of_target, probabilities, to_uint8


@dataclass(frozen=True, eq=False)
class AttackResult:
    """Generated images, the network's output for them, and the trace of the ascent; all on the CPU.

    Parameters
    ----------
    images
        The generated images in pixel intensities, float (N, 1, 28, 28).
    targets
        The class that each was to be classified as, int64 (N,).
    probabilities, rounded_probabilities
        The network's probabilities for `images` and for :attr:`rounded`, (N, 10) each.
    cost, logit
        The cost and the target's logit by step, (steps + 1, N): row k was measured after k updates. Where beta was
        searched they trace the search, and `images` holds its best point.
    beta
        Weight of the mean squared error, (N,); zeros for :func:`maximize_logit`. Where it was searched, the weight at
        which the image was found; infinite where the target image itself is classified as the target.
    originals
        The target images, float (N, 1, 28, 28); None for :func:`maximize_logit`.
    """

    images: Tensor
    targets: Tensor
    probabilities: Tensor
    rounded_probabilities: Tensor
    cost: Tensor
    logit: Tensor
    beta: Tensor
    originals: Tensor | None = None

    @property
    def predictions(self) -> Tensor:
        """The predicted class of each of `images`, int64 (N,)."""
        return self.probabilities.argmax(dim=1)

    @property
    def rounded(self) -> Tensor:
        """The images as they are stored: clipped to 0..255 and rounded, uint8 (N, 1, 28, 28)."""
        return to_uint8(self.images)

    @property
    def success(self) -> Tensor:
        """Whether the rounded image is classified as its target, booleans (N,)."""
        return self.rounded_probabilities.argmax(dim=1) == self.targets

    @property
    def rounded_target_probability(self) -> Tensor:
        """The target's probability for the rounded images, (N,)."""
        return of_target(self.rounded_probabilities, self.targets)

    @property
    def perturbation(self) -> Tensor:
        """The rounded images minus the target images, in intensities -255..255, (N, 1, 28, 28)."""
        if self.originals is None:
            raise ValueError("originals: expected target images to compare with, got None: these images have none")
        return self.rounded - self.originals

    @property
    def mse(self) -> Tensor:
        """Mean squared error of the rounded images against the target images, in squared intensities, (N,)."""
        return self.perturbation.square().mean(dim=(1, 2, 3))

    @property
    def l2(self) -> Tensor:
        """L2 distortion of the rounded images, in intensities, (N,)."""
        return self.perturbation.square().sum(dim=(1, 2, 3)).sqrt()

    @property
    def linf(self) -> Tensor:
        """Linf distortion of the rounded images: the largest change of a pixel, in intensities, (N,)."""
        return self.perturbation.abs().amax(dim=(1, 2, 3))

    def __repr__(self) -> str:
        count = len(self.targets)
        lines = [
            f"{count} images after {len(self.cost) - 1} steps, {int(self.success.sum())} classified as their target"
        ]
        if count:
            lines.append(f"median probability {float(self.rounded_target_probability.median()):.4f}")
            if self.originals is not None:
                lines[-1] += f", median L2 distortion {float(self.l2.median()):.0f}"
        return "AttackResult(" + ",\n             ".join(lines) + "; rounded to uint8)"


def result_of(runner: Runner, trajectory: Trajectory, targets: Tensor, originals: Tensor | None = None) -> AttackResult:
    """The result of an ascent: the network's output for the final images and for the rounded ones is added."""
    rounded = to_uint8(trajectory.images).to(trajectory.images)
    return AttackResult(
        images=trajectory.images.cpu(),
        targets=targets,
        probabilities=probabilities(runner, trajectory.images).cpu(),
        rounded_probabilities=probabilities(runner, rounded).cpu(),
        cost=trajectory.cost.cpu(),
        logit=trajectory.logit.cpu(),
        beta=trajectory.beta.cpu(),
        originals=None if originals is None else originals.cpu(),
    )
