"""Training: a recipe, and its history by epoch and by batch."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from mnist_lab.augmentation import distort
from mnist_lab.checks import (
    SEED_MAX,
    check_choice,
    check_device,
    check_flag,
    check_integer,
    check_network,
    check_number,
    check_path,
    check_sequence,
    check_text,
    check_type,
    check_value,
    describe,
)
from mnist_lab.data import Dataset, Split
from mnist_lab.evaluation import evaluate
from mnist_lab.memory import keep_freed_memory
from mnist_lab.observation import device_of
from mnist_lab.progress import Bar
from mnist_lab.progress import progress as progress_bar
from mnist_lab.randomness import seeded
from mnist_lab.resumption import ResumeFile, Run, put_back, weights_of

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
    label_smoothing
        Share of a label's weight that is spread evenly over all ten classes, 0..1, so that the network need not be
        certain of what it learns.
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
    Szegedy and others, *Rethinking the Inception architecture for computer vision*, 2016, for smoothed labels.

    Examples
    --------
    >>> Recipe(epochs=2)
    Recipe(epochs=2, batch_size=128, learning_rate=0.003, weight_decay=0.01, warmup=0.15, augment=False,
           label_smoothing=0.0, precision='float32', seed=0)
    >>> Recipe.accurate().augment
    True
    """

    epochs: int = 4
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.15
    augment: bool = False
    label_smoothing: float = 0.0
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
            "label_smoothing": check_number(self.label_smoothing, "label_smoothing", low=0, high=1),
            "precision": check_choice(self.precision, "precision", PRECISIONS),
            "seed": check_integer(self.seed, "seed", low=0, high=SEED_MAX),
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def accurate(cls, seed: int = 0) -> Self:
        """The most accurate recipe: longer, every image distorted anew each time it is seen, labels smoothed."""
        return cls(epochs=20, augment=True, label_smoothing=0.1, seed=seed)


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
        Loss (with the recipe's label smoothing) and misclassified share of every training batch in order, in training
        mode and before the step that the batch led to.
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
    resume: str | os.PathLike[str] | None = None,
    title: str = "training",
    progress: bool = True,
) -> History:
    """Train `model` in place on the dataset's training split.

    The same model, data and recipe give the same weights, bit for bit, on the same machine with the same number of
    threads. The global random state is neither used nor changed.

    Training that ends early, by Ctrl-C or an error, leaves the network as its last whole epoch did; in the first
    epoch, as it was given. With `resume`, the same call made again goes on from there, also in another process and
    after the first was killed, and ends with the same weights, bit for bit, as one that was never stopped.

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
    resume
        A file that keeps where training stands, written whole at the end of every epoch (some 10 MB for
        :class:`DigitCNN`). If it is there when training starts, training goes on from it; if it is of a run that has
        ended, there is nothing left to train. It stays: delete it when the network is saved.
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
    CheckpointError
        If the file `resume` is damaged, or of another recipe, network, data, device or version of torch; nothing has
        been done then.
    OSError
        If the file `resume` cannot be read, or not be made; nothing has been done then. If it cannot be written later,
        training goes on, and says so on standard error.
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
    if resume is not None:
        check_path(resume, "resume")
    check_text(title, "title")
    check_flag(progress, "progress")

    keep_freed_memory()
    home, modes = device_of(model), [(module, module.training) for module in model.modules()]
    try:
        with seeded(recipe.seed, device):
            return _fit(model.to(device).train(), dataset, recipe, device, resume, title, progress)
    finally:
        model.to(home)
        for module, mode in modes:
            module.training = mode


def _fit(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    resume: str | os.PathLike[str] | None,
    title: str,
    progress: bool,
) -> History:
    train = Split(dataset.train.images.to(device), dataset.train.labels.to(device))
    validation = Split(dataset.validation.images.to(device), dataset.validation.labels.to(device))
    # On the CPU, so that the order of the images is the same on every device.
    generator = torch.Generator().manual_seed(recipe.seed)
    sample = torch.randperm(len(train), generator=generator)[: len(validation)].to(device)
    samples = {"train": train[sample], "validation": validation}

    steps = -(-len(train) // recipe.batch_size)
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
    run = Run(model, optimizer, schedule, generator, history={field.name: [] for field in fields(History)})
    file = None
    if resume is not None:
        decides = {f"recipe.{name}": value for name, value in asdict(recipe).items()}
        file = ResumeFile(resume, model, {**decides, "data": dataset.checksum, "device": device.type})
        file.take_up(run)

    with progress_bar(recipe.epochs * steps, title, shown=progress) as bar:
        if run.epochs:
            bar.step(run.epochs * steps)
            bar.line(f"epoch {run.epochs} of {recipe.epochs} had ended, says {resume}; training goes on from there")
        while run.epochs < recipe.epochs:
            with _whole_or_not_at_all(model):
                _train_epoch(run, train, recipe, bar)
                _measure(run, samples, recipe)
                if file is not None:
                    file.write(run)
            bar.line(
                f"epoch {run.epochs} of {recipe.epochs}, training error {run.history['train_error'][-1]:.2%}, "
                f"validation error {run.history['validation_error'][-1]:.2%}, {run.history['seconds'][-1]:.1f} s"
            )
    return History.from_dict(run.history)


@contextmanager
def _whole_or_not_at_all(model: nn.Module) -> Iterator[None]:
    """Put the weights and buffers back as they were, without gradients, unless the block ends well."""
    before = {name: tensor.clone() for name, tensor in weights_of(model).items()}
    try:
        yield
    except BaseException:
        put_back(model, before)
        model.zero_grad()
        raise


def _train_epoch(run: Run, split: Split, recipe: Recipe, bar: Bar) -> None:
    """Show every image once, in an order of the epoch's own."""
    model, device = run.model, split.labels.device
    losses, errors = [], []
    start = time.perf_counter()
    for batch in torch.randperm(len(split), generator=run.generator).to(device).split(recipe.batch_size):
        images, labels = split.images.index_select(0, batch), split.labels[batch]
        pixels = distort(images, run.generator) if recipe.augment else images
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = model(pixels)
            loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        run.schedule.step()
        losses.append(loss.detach())
        errors.append((logits.detach().argmax(dim=1) != labels).float().mean())
        bar.step()
    batch_loss = torch.stack(losses).tolist()  # waits for the device, so the epoch's time is whole
    seconds = time.perf_counter() - start
    for step, value in enumerate(batch_loss):
        _require_finite(value, f"in epoch {run.epochs + 1}, step {step + 1} of {len(batch_loss)}", step, run, recipe)
    run.history["seconds"].append(seconds)
    run.history["batch_loss"] += batch_loss
    run.history["batch_error"] += torch.stack(errors).tolist()


def _measure(run: Run, samples: dict[str, Split], recipe: Recipe) -> None:
    """Measure the network at the end of an epoch, on each of the samples; the epoch has ended then."""
    results = {name: evaluate(run.model, split) for name, split in samples.items()}
    for name, result in results.items():
        # The last step of the epoch may have gone astray, and no batch has seen it.
        where = f"of the {name} images at the end of epoch {run.epochs + 1}"
        _require_finite(result.loss, where, len(run.history["batch_loss"]), run, recipe)
        run.history[f"{name}_loss"].append(result.loss)
        run.history[f"{name}_error"].append(result.error)
    run.history["validation_accuracy"].append(results["validation"].accuracy)


def _require_finite(loss: float, where: str, steps: int, run: Run, recipe: Recipe) -> None:
    if math.isfinite(loss):
        return
    if steps or run.epochs:
        cause = f"a learning rate that is too high for this network: it is {recipe.learning_rate:g} at its peak"
    else:
        cause = "the network itself, its initial weights or its forward pass: no step had been taken"
    raise TrainingError(
        f"the loss became {loss} {where}. The likely cause is {cause}. The network has the weights again that "
        f"{f'epoch {run.epochs} left it with' if run.epochs else 'it was given'}."
    )
