"""A training run's hyper-parameters, and the history of what was measured in it."""

from dataclasses import dataclass, fields
from typing import Annotated, Self

from mnist_lab._utils.contracts import Above, AtLeast, Count, Seed, Share, checked, describe
from mnist_lab.training.device import Precision, best_precision


@checked
@dataclass(frozen=True)
class Recipe:
    """The hyper-parameters of a training run.

    The optimizer is AdamW. The learning rate follows a one-cycle schedule: it rises linearly from a twenty-fifth of its
    peak to the peak, then falls linearly to almost zero.

    Parameters
    ----------
    epochs
        Number of passes over the training images.
    batch_size
        Images per step.
    learning_rate
        The peak of the schedule.
    weight_decay
        AdamW's decoupled weight decay.
    warmup
        Fraction of the steps in which the learning rate rises, 0..1.
    augment
        Whether every image is distorted at random each time it is seen
        (:func:`mnist_lab.data.augmentation.distort`).
    label_smoothing
        Fraction of a label's weight that is spread evenly over all ten classes, 0..1.
    adversarial_radius
        Largest L2 distance, in intensities, by which every training image is changed against the network
        (:func:`mnist_lab.training.adversarial.perturb`): 255 times the radius on intensities of 0..1. It rises from
        near 0 while the learning rate rises. 0 trains on the images as they are.
    adversarial_steps
        Gradient steps on the image for each training step, where `adversarial_radius` is above 0.
    precision
        ``"float32"``, or ``"bfloat16"`` for mixed precision: convolutions and matrix products are computed in 16 bits,
        weights, loss and optimizer in 32. It pays where the processor has instructions for it.
    seed
        Seed of the order of the images, of their distortions and of the starts of their attacks.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or is out of its range.

    References
    ----------
    Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019. Smith and Topin, *Super-convergence*, 2018.
    Szegedy and others, *Rethinking the Inception architecture for computer vision*, 2016 (label smoothing).
    Madry et al., *Towards deep learning models resistant to adversarial attacks*, 2018 (adversarial training).

    Examples
    --------
    >>> Recipe(epochs=2)
    Recipe(epochs=2, batch_size=128, learning_rate=0.003, weight_decay=0.01, warmup=0.15, augment=False,
           label_smoothing=0.0, adversarial_radius=0.0, adversarial_steps=2, precision='float32', seed=0)
    >>> Recipe.accurate().augment
    True
    >>> Recipe.robust().adversarial_radius / 255
    2.25
    """

    epochs: Count = 4
    batch_size: Count = 128
    learning_rate: Annotated[float, Above(0)] = 3e-3
    weight_decay: Annotated[float, AtLeast(0)] = 0.01
    warmup: Share = 0.15
    augment: bool = False
    label_smoothing: Share = 0.0
    adversarial_radius: Annotated[float, AtLeast(0)] = 0.0
    adversarial_steps: Count = 2
    precision: Precision = "float32"
    seed: Seed = 0

    @checked
    def learning_rate_at(self, step: Annotated[int, AtLeast(0)], steps: Count) -> float:
        """The learning rate of optimizer step `step` out of `steps`, counted from 0.

        >>> recipe = Recipe(learning_rate=1.0, warmup=0.5)
        >>> [round(recipe.learning_rate_at(step, 8), 2) for step in range(8)]
        [0.04, 0.36, 0.68, 1.0, 0.75, 0.5, 0.25, 0.0]
        """
        _require_step(step, steps)
        first = self.learning_rate / 25
        peak, last = self.warmup * steps - 1, steps - 1  # steps at which the rate is highest and lowest
        if step <= peak:
            share = step / peak if peak > 0 else 1.0
            return (self.learning_rate - first) * share + first
        share = (step - peak) / (last - peak)
        return (first / 1e4 - self.learning_rate) * share + self.learning_rate

    @checked
    def adversarial_radius_at(self, step: Annotated[int, AtLeast(0)], steps: Count) -> float:
        """The radius of the attack at optimizer step `step` out of `steps`, counted from 0.

        >>> recipe = Recipe(adversarial_radius=100, warmup=0.5)
        >>> [recipe.adversarial_radius_at(step, 8) for step in range(8)]
        [25.0, 50.0, 75.0, 100.0, 100.0, 100.0, 100.0, 100.0]
        """
        _require_step(step, steps)
        rising = self.warmup * steps  # steps in which it rises
        return self.adversarial_radius * (min((step + 1) / rising, 1.0) if rising else 1.0)

    @classmethod
    @checked
    def standard(cls, seed: Seed = 0) -> Self:
        """The recipe of :func:`mnist_lab.trained`: the default values, in the precision that is fastest here.

        That is ``"bfloat16"`` on a processor with Intel's AMX, where training takes about a third less time and gives
        the same accuracy within noise (:doc:`/benchmarks/accuracy`), and ``"float32"`` elsewhere.
        """
        return cls(precision=best_precision(), seed=seed)

    @classmethod
    @checked
    def accurate(cls, seed: Seed = 0) -> Self:
        """The most accurate recipe: more epochs, data augmentation and label smoothing.

        20 epochs gain 0.03 points (:doc:`/benchmarks/accuracy`), which five seeds do not tell from chance.
        """
        return cls(epochs=10, augment=True, label_smoothing=0.1, precision=best_precision(), seed=seed)

    @classmethod
    @checked
    def robust(cls, seed: Seed = 0) -> Self:
        """Adversarial training within an L2 radius of 2.25 (intensities 0..1), so that small changes do not pay.

        Two gradient steps on the images precede each step on the weights, so an epoch takes about three times as long.
        On the validation images (seed 0) the network reaches 98.7 %, and the smallest targeted changes found are 1.9
        times those of :func:`mnist_lab.best`. A radius of 2.5 gives 98.5 % and 2.0 times. A single step with a radius
        of 4 leaves the network open to attacks of more steps.
        """
        return cls(
            epochs=4,
            learning_rate=5e-3,
            warmup=0.3,
            adversarial_radius=2.25 * 255,
            precision=best_precision(),
            seed=seed,
        )


def _require_step(step: int, steps: int) -> None:
    if step >= steps:
        raise ValueError(f"step: expected an integer in 0..{steps - 1}, got {step}")


@dataclass(frozen=True)
class History:
    """Measurements during training: one value per epoch, or per batch where the name says so.

    Parameters
    ----------
    train_loss, train_error
        Mean cross-entropy (nats) and error rate (0..1) on a fixed random sample of the training images, as large as the
        validation split, undistorted and in evaluation mode at the end of the epoch. So they can be compared directly
        with the validation values.
    validation_loss, validation_error, validation_accuracy
        The same measurements on the whole validation split; accuracy is 1 - error.
    seconds
        Duration of the epoch's training, without the measurements.
    batch_loss, batch_error
        Loss (with the recipe's label smoothing) and error rate of every training batch in order, in training mode,
        before the optimizer step; with adversarial training, of the images as they were changed.
    """

    train_loss: tuple[float, ...]
    train_error: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_error: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    seconds: tuple[float, ...]
    batch_loss: tuple[float, ...]
    batch_error: tuple[float, ...]

    def __len__(self) -> int:
        """Number of epochs."""
        return len(self.seconds)

    def __repr__(self) -> str:
        lines = ["epoch  train loss  train error  validation loss  validation error  seconds"]
        lines += [
            f"{epoch + 1:5d}  {self.train_loss[epoch]:10.4f}  {self.train_error[epoch]:11.2%}  "
            f"{self.validation_loss[epoch]:15.4f}  {self.validation_error[epoch]:16.2%}  {self.seconds[epoch]:7.1f}"
            for epoch in range(len(self))
        ]
        return "\n".join(lines)

    @classmethod
    def from_dict(cls, values: dict[str, list[float]]) -> Self:
        """Rebuild a history from the output of :func:`dataclasses.asdict`, also after a round trip through JSON."""
        names = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or set(values) != set(names):
            raise ValueError(f"values: expected a dictionary with {', '.join(names)}, got {describe(values)}")
        for name, entries in values.items():
            if not isinstance(entries, list | tuple) or not all(type(entry) in (int, float) for entry in entries):
                raise TypeError(f"{name}: expected a list of numbers, got {describe(entries)}")
        return cls(**{name: tuple(values[name]) for name in names})
