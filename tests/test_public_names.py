"""The public names are a contract with other people's code: each is called here as its users call it."""

from pathlib import Path

import torch

import mnist_lab as lab


def test_the_public_names_work_as_they_are_called(bar_dataset: lab.Dataset, tmp_path: Path) -> None:
    dataset = bar_dataset
    assert dataset.name == "bars"
    assert dataset.train.images.shape == (512, 1, 28, 28)
    assert dataset.train.labels.dtype == torch.int64
    assert lab.class_indices(torch.eye(10)[[3, 4]]).tolist() == [3, 4]
    assert lab.one_hot(torch.tensor([3])).argmax() == 3

    model = lab.DigitCNN(batch_norm=False, seed=0)
    assert [name for name, _ in lab.DigitCNN(batch_norm=True).named_children() if name[-1].isdigit()] == [
        *("conv1", "bn1", "pool1", "relu1", "conv2", "bn2", "pool2", "relu2", "fc1", "relu3", "fc2")
    ]
    digits = dataset.test[:3]
    assert model(digits.images).shape == model.probabilities(digits.images).shape == (3, 10)
    history = lab.fit(model, dataset, lab.Recipe(epochs=2, batch_size=64, seed=0), progress=False)
    assert len(history) == 2
    assert (lab.Recipe.accurate().augment, lab.Recipe().augment) == (True, False)
    result = lab.evaluate(model, dataset.test)
    assert result.accuracy == 1 - result.error > 0.9
    assert result.loss > 0
    assert result.predictions.shape == (128,)
    assert result.probabilities.shape == (128, 10)

    recipe = lab.Recipe(epochs=1, batch_size=64)
    for name in ("plain", "batch_norm"):
        network = lab.trained(name, recipe=recipe, dataset=dataset, progress=False)
        assert network.validation_accuracy == network.history.validation_accuracy[-1]
        assert network.recipe == recipe
    lab.save(network, tmp_path / "network.safetensors")
    assert lab.load(tmp_path / "network.safetensors").recipe == recipe

    shapes, parameters, neurons = lab.layer_shapes(model), lab.parameter_counts(model), lab.neuron_counts(model)
    row = shapes["conv2"]
    assert (row.name, row.kind, row.input_shape, row.output_shape) == ("conv2", "Conv2d", (32, 14, 14), (32, 14, 14))
    assert (row.receptive_field, row.multiply_adds) == ((8, 8), 1_806_336)
    assert parameters.total == parameters.convolutional + parameters.fully_connected + parameters.normalization
    assert neurons.total == neurons.convolutional + neurons.fully_connected == sum(neurons.by_layer.values())
    assert all("total" in repr(table) for table in (shapes, parameters, neurons))

    assert lab.filters(model, "conv1").shape == (32, 1, 3, 3)
    assert lab.activations(model, digits.images, "conv2").shape == (3, 32, 14, 14)
    assert lab.occlusion_map(model, digits.images[0], int(digits.labels[0]), patch=3, fill=128).shape == (28, 28)

    found = lab.read_picture(digits.images[0, 0].T.numpy())
    assert found.images.shape == (1, 1, 28, 28)
    assert found.boxes.shape == (1, 4)

    generated = lab.maximize_logit(model, torch.arange(10), seed=0, steps=5)
    targets = (digits.labels + 1) % 10
    for beta in (0.01, torch.full((3,), 0.01), "search"):
        for start in ("noise", "image"):
            attacked = lab.targeted_attack(model, digits.images, targets, beta=beta, start=start, steps=5)
            assert type(attacked) is type(generated)
            assert attacked.images.shape == (3, 1, 28, 28)
            assert attacked.probabilities.shape == (3, 10)
            assert attacked.predictions.shape == (3,)
            assert attacked.cost.shape == attacked.logit.shape == (6, 3)
