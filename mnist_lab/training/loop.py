"""The training loop."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_lab._utils.contracts import Device, Differentiable, FilePath, checked
from mnist_lab._utils.messages import Bar
from mnist_lab._utils.messages import progress as progress_bar
from mnist_lab._utils.network import check_logits, device_of, dtype_of
from mnist_lab._utils.random_state import seeded
from mnist_lab.data.augmentation import distort
from mnist_lab.data.dataset import Dataset, Split
from mnist_lab.training.adversarial import perturb_batch
from mnist_lab.training.allocator import keep_freed_memory
from mnist_lab.training.device import best_device
from mnist_lab.training.evaluation import evaluate
from mnist_lab.training.recipe import History, Recipe
from mnist_lab.training.resume import ResumeFile, Run, restore_weights, weights_of


class TrainingError(RuntimeError):
    """The loss became NaN or infinite."""


@checked
def fit(
    model: Differentiable,
    dataset: Dataset,
    recipe: Recipe | None = None,
    *,
    device: Device | None = None,
    resume: FilePath | None = None,
    title: str = "training",
    progress: bool = True,
) -> History:
    """Train `model` in place on the dataset's training split.

    The same model, data and recipe give the same weights, bit for bit, on the same machine with the same number of
    threads. The global random state is left as it was. Calls from several threads run one after another.

    If training ends early, by Ctrl-C or an error, the network has the weights of its last whole epoch, or its initial
    weights if that was the first epoch. With `resume`, the same call continues from there, also in another process
    after the first was killed. It gives the same weights, bit for bit, as training that was never stopped.

    Parameters
    ----------
    model
        A network from images (N, 1, 28, 28) in 0..255 to logits (N, 10). Its device and mode are restored.
    dataset
        The network is trained on the training split and evaluated on the validation split after every epoch. The test
        split is not read.
    recipe
        The hyper-parameters; ``Recipe()`` by default.
    device
        Where to train; by default on an accelerator where there is one.
    resume
        A file for the state of training, written at the end of every epoch (about 10 MB for :class:`DigitCNN`). If it
        exists when training starts, training continues from it; if that run has ended, nothing is left to train. Delete
        the file yourself once the network is saved.
    title
        The title of the progress messages.
    progress
        Whether to show progress: a bar on a terminal, one line per epoch elsewhere.

    Returns
    -------
    History
        Losses, errors and seconds per epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; before any work.
    CheckpointError
        If the file `resume` is damaged, or belongs to another recipe, network, data set, device or version of torch;
        before any work.
    OSError
        If the file `resume` cannot be read or created; before any work. If it cannot be written later, training
        continues and a warning is logged.
    TrainingError
        If the loss becomes NaN or infinite.

    Examples
    --------
    >>> from mnist_lab import DigitCNN
    >>> images = torch.randint(256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    >>> split = Split(images, torch.arange(64) % 10)
    >>> history = fit(DigitCNN(), Dataset("noise", split, split, split), Recipe(epochs=2), progress=False)
    >>> len(history.validation_accuracy)
    2
    """
    recipe = Recipe() if recipe is None else recipe
    for name in ("train", "validation"):
        if len(dataset.splits()[name]) == 0:
            raise ValueError(f"dataset: expected at least one {name} image, got none")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model: expected parameters that require a gradient, got a network without any")
    if min(recipe.batch_size, len(dataset.train)) == 1:
        argument = "recipe" if recipe.batch_size == 1 else "dataset"
        for name, layer in model.named_modules():
            if isinstance(layer, nn.BatchNorm1d):
                raise ValueError(f"{argument}: expected batches of at least 2 images for batch norm {name!r}, got 1")
    device = best_device() if device is None else torch.device(device)

    keep_freed_memory()
    with seeded(recipe.seed, device), torch.inference_mode(False), torch.enable_grad():
        home, modes = device_of(model), [(module, module.training) for module in model.modules()]
        try:
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
    resume: FilePath | None,
    title: str,
    progress: bool,
) -> History:
    train = Split(dataset.train.images.to(device), dataset.train.labels.to(device))
    validation = Split(dataset.validation.images.to(device), dataset.validation.labels.to(device))
    # On the CPU, so that the order of the images is the same on every device.
    generator = torch.Generator().manual_seed(recipe.seed)
    sample = torch.randperm(len(train), generator=generator)[: len(validation)].to(device)
    samples = {"train": train[sample], "validation": validation}

    steps = len(_batches(torch.arange(len(train)), recipe.batch_size))
    optimizer = torch.optim.AdamW(
        model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    run = Run(model, optimizer, generator, history={field.name: [] for field in fields(History)})
    file = None
    if resume is not None:
        settings = {f"recipe.{name}": value for name, value in asdict(recipe).items()}
        file = ResumeFile(resume, model, {**settings, "data": dataset.checksum, "device": device.type})
        file.restore(run)

    with progress_bar(recipe.epochs * steps, title, shown=progress) as bar:
        if run.epochs:
            bar.step(run.epochs * steps)
            bar.line(f"continuing after epoch {run.epochs} of {recipe.epochs} from {resume}")
        while run.epochs < recipe.epochs:
            with _restored_on_error(model):
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
def _restored_on_error(model: nn.Module) -> Iterator[None]:
    """Restore the weights and buffers and clear the gradients if the block raises."""
    before = {name: tensor.clone() for name, tensor in weights_of(model).items()}
    try:
        yield
    except BaseException:
        restore_weights(model, before)
        model.zero_grad()
        raise


def _train_epoch(run: Run, split: Split, recipe: Recipe, bar: Bar) -> None:
    """Train on every image once, in a new random order."""
    model, device, dtype = run.model, split.labels.device, dtype_of(run.model)
    losses: list[Tensor] = []
    errors: list[Tensor] = []
    start = time.perf_counter()
    batches = _batches(torch.randperm(len(split), generator=run.generator).to(device), recipe.batch_size)
    for batch in batches:
        step, steps = run.epochs * len(batches) + len(losses), recipe.epochs * len(batches)
        images, labels = split.images.index_select(0, batch), split.labels[batch]
        pixels = distort(images, run.generator) if recipe.augment else images
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            if recipe.adversarial_radius:
                radius = recipe.adversarial_radius_at(step, steps)
                pixels = perturb_batch(model, pixels, labels, radius, recipe.adversarial_steps, run.generator)
            logits = model(pixels.to(dtype))
        if not losses:
            check_logits(logits, len(batch))
        loss = functional.cross_entropy(logits.to(dtype), labels, label_smoothing=recipe.label_smoothing)
        run.optimizer.zero_grad()
        loss.backward()
        for group in run.optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step, steps)
        run.optimizer.step()
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


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Split the order into batches; a last batch of one image joins the one before, since batch norm needs two."""
    batches = list(order.split(size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _measure(run: Run, samples: dict[str, Split], recipe: Recipe) -> None:
    """Evaluate the network on each of the samples, which ends an epoch."""
    results = {name: evaluate(run.model, split) for name, split in samples.items()}
    for name, result in results.items():
        # The last step of the epoch may have diverged, which no batch loss shows.
        where = f"on the {name} images at the end of epoch {run.epochs + 1}"
        _require_finite(result.loss, where, len(run.history["batch_loss"]), run, recipe)
        run.history[f"{name}_loss"].append(result.loss)
        run.history[f"{name}_error"].append(result.error)
    run.history["validation_accuracy"].append(results["validation"].accuracy)


def _require_finite(loss: float, where: str, steps: int, run: Run, recipe: Recipe) -> None:
    if math.isfinite(loss):
        return
    if steps or run.epochs:
        cause = f"a learning rate that is too high for this network; it peaks at {recipe.learning_rate:g}"
    else:
        cause = "the network itself, its initial weights or its forward pass: no step had been taken"
    good = f"at the end of epoch {run.epochs}" if run.epochs else "before training"
    raise TrainingError(
        f"the loss became {loss} {where}. The likely cause is {cause}. The weights are restored to those {good}."
    )
