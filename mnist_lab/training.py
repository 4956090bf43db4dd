"""Training and measuring: a recipe, its history by epoch, and what a network is worth on a split."""

import math
import time
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab.augmentation import distort
from mnist_lab.checks import (
    CLASSES,
    FLOATS,
    SEED_MAX,
    check_choice,
    check_device,
    check_flag,
    check_integer,
    check_labels,
    check_logits,
    check_network,
    check_number,
    check_sequence,
    check_tensor,
    check_text,
    check_type,
    check_value,
    describe,
)
from mnist_lab.data import Dataset, Split
from mnist_lab.observation import device_of, observed
from mnist_lab.progress import progress as progress_bar
from mnist_lab.randomness import seeded

PRECISIONS = ("float32", "bfloat16")


class TrainingError(RuntimeError):
    """Training went astray: its loss is no number any more."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run beside the network and the data.

    AdamW under a one-cycle schedule: the learning rate rises from a twenty-fifth of its peak to the peak and falls
    to almost nothing, along a straight line each.

    Parameters
    ----------
    epochs
        How often every training image is seen.
    batch_size
        Images a step.
    learning_rate
        The peak of the schedule.
    weight_decay
        AdamW's decoupled weight decay.
    warmup
        Share of the steps in which the learning rate rises, 0..1.
    augment
        Whether every image is distorted anew each time it is seen (:func:`mnist_lab.augmentation.distort`).
    precision
        ``"float32"``, or ``"bfloat16"`` for mixed precision: faster where the processor has it.
    seed
        Seed of the order of the images and of their distortions.

    Raises
    ------
    TypeError, ValueError
        If a value is not of its kind or out of its range.

    References
    ----------
    Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019. Smith and Topin, *Super-convergence*, 2018.

    Examples
    --------
    >>> Recipe(epochs=2)
    Recipe(epochs=2, batch_size=128, learning_rate=0.003, weight_decay=0.01, warmup=0.15, augment=False,
           precision='float32', seed=0)
    >>> Recipe.accurate().augment
    True
    """

    epochs: int = 4
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    augment: bool = False
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        # Numbers of numpy's become Python's, which can be written as JSON.
        for name, value in {
            "epochs": check_integer(self.epochs, "epochs", low=1),
            "batch_size": check_integer(self.batch_size, "batch_size", low=1),
            "learning_rate": check_number(self.learning_rate, "learning_rate", low=0, above=True),
            "weight_decay": check_number(self.weight_decay, "weight_decay", low=0),
            "warmup": check_number(self.warmup, "warmup", low=0, high=1),
            "augment": check_flag(self.augment, "augment"),
            "precision": check_choice(self.precision, "precision", PRECISIONS),
            "seed": check_integer(self.seed, "seed", low=0, high=SEED_MAX),
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def accurate(cls, seed: int = 0) -> Self:
        """The most accurate recipe: five times as long, every image distorted anew each time it is seen."""
        return cls(epochs=20, augment=True, seed=seed)


@dataclass(frozen=True)
class History:
    """What was measured as training progressed: one value an epoch, and for two fields one a batch.

    Parameters
    ----------
    train_loss, train_error
        Mean cross-entropy (nats) and misclassified share (0..1) of a fixed random sample of the training images, as
        many as there are validation images, undistorted and in evaluation mode at the end of the epoch. So they
        compare with validation like with like.
    validation_loss, validation_error, validation_accuracy
        The same of the whole validation split; accuracy is 1 - error.
    seconds
        What the epoch's training took, measuring not included.
    batch_loss, batch_error
        Loss and misclassified share of every training batch in order, in training mode and before the step that the
        batch led to.
    """

    train_loss: tuple[float, ...]
    train_error: tuple[float, ...]
    validation_loss: tuple[float, ...]
    validation_error: tuple[float, ...]
    validation_accuracy: tuple[float, ...]
    seconds: tuple[float, ...]
    batch_loss: tuple[float, ...]
    batch_error: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in fields(self):
            values = check_type(getattr(self, field.name), field.name, tuple, "a tuple of numbers")
            by_batch = field.name.startswith("batch_")
            check_sequence(values, field.name, check_value, count=None if by_batch else len(self.train_loss))

    def __len__(self) -> int:
        """How many epochs there are."""
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
        """The history that :func:`dataclasses.asdict` and JSON took apart."""
        names = [field.name for field in fields(cls)]
        if not isinstance(values, dict) or set(values) != set(names):
            raise ValueError(f"values: expected a dictionary with {', '.join(names)}, got {describe(values)}")
        for name in names:
            check_sequence(values[name], name, check_value)
        return cls(**{name: tuple(values[name]) for name in names})


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network is worth on a split.

    Parameters
    ----------
    accuracy
        Share of the images that are classified correctly, 0..1.
    loss
        Mean cross-entropy, in nats.
    predictions
        The class with the largest logit, int64 (N,).
    probabilities
        Softmax of the logits, (N, 10).
    labels
        The true classes, int64 (N,).
    """

    accuracy: float
    loss: float
    predictions: Tensor
    probabilities: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_number(self.accuracy, "accuracy", low=0, high=1)
        check_value(self.loss, "loss")  # of a network that diverged it is no finite number
        count = len(check_labels(self.labels))
        check_labels(self.predictions, "predictions", count=count)
        check_tensor(self.probabilities, "probabilities", count, CLASSES, dtypes=FLOATS, finite=False)

    @property
    def error(self) -> float:
        """Share of the images that are misclassified, 0..1."""
        return int((~self.correct).sum()) / len(self.labels)

    @property
    def correct(self) -> Tensor:
        """Which images are classified correctly, booleans (N,)."""
        return self.predictions == self.labels

    def __repr__(self) -> str:
        right = int(self.correct.sum())
        return f"Evaluation({right:,} of {len(self.labels):,} right: {self.accuracy:.2%}, loss {self.loss:.4f})"


def best_device() -> torch.device:
    """The accelerator that torch finds (CUDA, MPS), else the CPU."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return device or torch.device("cpu")


def fit(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe | None = None,
    *,
    device: torch.device | str | None = None,
    title: str = "training",
    progress: bool = True,
) -> History:
    """Train `model` in place on the dataset's training split.

    The same model, data and recipe give the same weights, bit for bit, on the same machine with the same number of
    threads. The global random state is neither used nor changed.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). It comes back on the device and in the
        mode in which it was given.
    dataset
        Its training split is learned; its validation split is measured after every epoch. Its test split is not read.
    recipe
        How to train; ``Recipe()`` by default.
    device
        Where to train; by default on an accelerator where there is one.
    title
        What the progress calls this run.
    progress
        Whether to show progress: a bar on a terminal, a line an epoch elsewhere.

    Returns
    -------
    History
        Losses, errors and seconds by epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be; nothing has been done then.
    TrainingError
        If the loss stops being a finite number.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.randint(256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> split = Split(images, torch.arange(64) % 10)
    >>> history = fit(DigitCNN(), Dataset("noise", split, split, split), Recipe(epochs=2), progress=False)
    >>> len(history.validation_accuracy)
    2
    """
    check_network(model, gradients=True)
    check_type(dataset, "dataset", Dataset, "a Dataset, as load_dataset() returns it")
    recipe = Recipe() if recipe is None else recipe
    check_type(recipe, "recipe", Recipe, "a Recipe")
    for name in ("train", "validation"):
        if len(dataset.splits()[name]) == 0:
            raise ValueError(f"dataset: expected at least one {name} image, got none")
    device = best_device() if device is None else check_device(device, "device")
    check_text(title, "title")
    check_flag(progress, "progress")

    home, modes = device_of(model), [(module, module.training) for module in model.modules()]
    try:
        with seeded(recipe.seed, device):
            return _fit(model.to(device).train(), dataset, recipe, device, title, progress)
    finally:
        model.to(home)
        for module, mode in modes:
            module.training = mode


def _fit(
    model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device, title: str, progress: bool
) -> History:
    images, labels = dataset.train.images.to(device), dataset.train.labels.to(device)
    validation = Split(dataset.validation.images.to(device), dataset.validation.labels.to(device))
    # On the CPU, so that the order of the images is the same on every device.
    generator = torch.Generator().manual_seed(recipe.seed)
    sample = torch.randperm(len(images), generator=generator)[: len(validation)].to(device)
    training_sample = Split(images[sample], labels[sample])

    steps = -(-len(images) // recipe.batch_size)
    optimizer = torch.optim.AdamW(
        model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=recipe.epochs * steps,
        pct_start=recipe.warmup,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    history: dict[str, list[float]] = {field.name: [] for field in fields(History)}
    with progress_bar(recipe.epochs * steps, title, shown=progress) as bar:
        for epoch in range(recipe.epochs):
            start = time.perf_counter()
            losses, errors = [], []
            for batch in torch.randperm(len(images), generator=generator).to(device).split(recipe.batch_size):
                pixels = distort(images[batch], generator) if recipe.augment else images[batch]
                with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                    logits = model(pixels)
                    loss = functional.cross_entropy(logits, labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(loss.detach())
                errors.append((logits.detach().argmax(dim=1) != labels[batch]).float().mean())
                bar.step()
            batch_loss = torch.stack(losses).tolist()  # waits for the device, so the epoch's time is whole
            seconds = time.perf_counter() - start
            _require_finite(batch_loss, epoch, recipe)
            train, valid = evaluate(model, training_sample), evaluate(model, validation)
            for name, value in (
                ("train_loss", train.loss),
                ("train_error", train.error),
                ("validation_loss", valid.loss),
                ("validation_error", valid.error),
                ("validation_accuracy", valid.accuracy),
                ("seconds", seconds),
            ):
                history[name].append(value)
            history["batch_loss"] += batch_loss
            history["batch_error"] += torch.stack(errors).tolist()
            bar.line(
                f"epoch {epoch + 1} of {recipe.epochs}, training error {train.error:.2%}, "
                f"validation error {valid.error:.2%}, {seconds:.1f} s"
            )
    return History.from_dict(history)


def _require_finite(batch_loss: list[float], epoch: int, recipe: Recipe) -> None:
    for step, loss in enumerate(batch_loss):
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss became {loss} in epoch {epoch + 1}, step {step + 1} of {len(batch_loss)}. "
                "The likely cause is a learning rate that is too high for this network: "
                f"it is {recipe.learning_rate:g} at its peak."
            )


def evaluate(model: nn.Module, split: Split, *, batch_size: int = 500) -> Evaluation:
    """Measure `model` on a split, in evaluation mode and without a trace in it.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10); it is run where its weights are.
    split
        Images and labels.
    batch_size
        Images at once.

    Returns
    -------
    Evaluation
        Accuracy, loss, predictions and probabilities, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it has to be, or if the split is empty.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> split = Split(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 1, 2, 3]))
    >>> evaluate(DigitCNN(), split).error
    0.75
    """
    check_network(model)
    check_type(split, "split", Split, "a Split(images, labels)")
    if len(split) == 0:
        raise ValueError("split: expected at least one image, got none")
    batch_size = check_integer(batch_size, "batch_size", low=1)
    device = device_of(model)
    with observed(model), torch.no_grad():
        batches = split.images.split(batch_size)
        logits = torch.cat([check_logits(model(batch.to(device)), len(batch)) for batch in batches]).float().cpu()
    labels = split.labels.cpu()
    predictions = logits.argmax(dim=1)
    return Evaluation(
        accuracy=int((predictions == labels).sum()) / len(labels),
        loss=float(functional.cross_entropy(logits, labels)),
        predictions=predictions,
        probabilities=logits.softmax(dim=1),
        labels=labels,
    )
