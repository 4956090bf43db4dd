// The network of this report in plain JavaScript: forward to the logits, and backward to the image.
//
// Arrays are flat and channels-last: channel c of row y and column x is at (y * size + x) * channels + c.
// Batch normalization is part of the convolutions' weights, since at test time it only scales and shifts their outputs.
// The function uses nothing outside of itself, so that a worker can be made from its source text.

function mnistEngine(numbers) {
  "use strict";
  let read = 0;
  const take = count => numbers.subarray(read, (read += count));
  const [mean, std] = take(2);
  const conv1 = {weight: take(9 * 1 * 32), bias: take(32)}; // weight (row, column, from, to)
  const conv2 = {weight: take(9 * 32 * 32), bias: take(32)};
  const fc1 = {weight: take(1568 * 500), bias: take(500)}; // weight (from, to)
  const fc2 = {weight: take(500 * 10), bias: take(10)};

  const newState = () => ({
    image: new Float32Array(784), // standardized
    conv1: new Float32Array(28 * 28 * 32), // before the ReLU, as all layers here
    pool1: new Float32Array(14 * 14 * 32), // after the ReLU
    chosen1: new Int32Array(14 * 14 * 32), // where in conv1 the pool found its maximum
    conv2: new Float32Array(14 * 14 * 32),
    pool2: new Float32Array(7 * 7 * 32),
    chosen2: new Int32Array(7 * 7 * 32),
    fc1: new Float32Array(500),
    logits: new Float32Array(10),
  });
  const state = newState(), occluded = newState();
  const relu = values => values.map(value => Math.max(value, 0));

  // A window is a rectangle of positions, [top, bottom, left, right]; bottom and right are outside of it.
  const whole = size => [0, size, 0, size];
  const grown = ([top, bottom, left, right], size) => [
    Math.max(top - 1, 0), Math.min(bottom + 1, size), Math.max(left - 1, 0), Math.min(right + 1, size)];
  const halved = ([top, bottom, left, right]) => [top >> 1, (bottom + 1) >> 1, left >> 1, (right + 1) >> 1];

  // A 3x3 convolution to 32 channels, with zeros around the input, at the outputs inside a window.
  const sums = new Float64Array(32);
  function convolve(input, size, channels, {weight, bias}, output, [top, bottom, left, right]) {
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) {
      for (let to = 0; to < 32; to++) sums[to] = bias[to];
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, size - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, size - 1); column++) {
          const from = (row * size + column) * channels;
          const tap = (row - y + 1) * 3 + column - x + 1;
          for (let channel = 0; channel < channels; channel++) {
            const value = input[from + channel];
            if (value === 0) continue; // as most values after a ReLU
            const at = (tap * channels + channel) * 32;
            for (let to = 0; to < 32; to++) sums[to] += value * weight[at + to];
          }
        }
      output.set(sums, (y * size + x) * 32);
    }
  }

  // The maximum of each 2x2 block, then the ReLU. Of equal values the first one is chosen.
  function pool(input, size, output, chosen, [top, bottom, left, right]) {
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) for (let channel = 0; channel < 32; channel++) {
      const corner = (2 * y * size + 2 * x) * 32 + channel;
      let best = corner;
      for (let row = 0; row < 2; row++) for (let column = 0; column < 2; column++) {
        const other = corner + (row * size + column) * 32;
        if (input[other] > input[best]) best = other;
      }
      const to = (y * (size >> 1) + x) * 32 + channel;
      chosen[to] = best;
      output[to] = Math.max(input[best], 0);
    }
  }

  // A fully connected layer: what it starts from, usually its bias, plus the weighted inputs.
  function connect(input, weight, start, output) {
    const count = output.length;
    output.set(start);
    for (let from = 0; from < input.length; from++) {
      const value = input[from], at = from * count;
      if (value !== 0) for (let to = 0; to < count; to++) output[to] += value * weight[at + to];
    }
    return output;
  }

  // Only outputs that the pixels inside the window can change are computed.
  function convolutions(state, window) {
    const window1 = grown(window, 28), half = halved(window1), window2 = grown(half, 14);
    convolve(state.image, 28, 1, conv1, state.conv1, window1);
    pool(state.conv1, 28, state.pool1, state.chosen1, half);
    convolve(state.pool1, 14, 32, conv2, state.conv2, window2);
    pool(state.conv2, 14, state.pool2, state.chosen2, halved(window2));
  }

  function forward(pixels) {
    for (let i = 0; i < 784; i++) state.image[i] = (pixels[i] - mean) / std;
    convolutions(state, whole(28));
    connect(state.pool2, fc1.weight, fc1.bias, state.fc1);
    return connect(relu(state.fc1), fc2.weight, fc2.bias, state.logits);
  }

  function softmax(logits) {
    const largest = Math.max(...logits);
    const powers = Array.from(logits, logit => Math.exp(logit - largest));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map(power => power / sum);
  }

  // The way back through a pool and its ReLU: a maximum above 0 passes its gradient on, every other input none.
  function unpool(gradient, output, chosen, size) {
    const before = new Float32Array(size * size * 32);
    for (let i = 0; i < output.length; i++) if (output[i] > 0) before[chosen[i]] = gradient[i];
    return before;
  }

  // The way back through a convolution: each output hands its gradient to the inputs it was computed from.
  function unconvolve(gradient, size, channels, {weight}) {
    const before = new Float32Array(size * size * channels);
    for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) for (let to = 0; to < 32; to++) {
      const value = gradient[(y * size + x) * 32 + to];
      if (value === 0) continue;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, size - 1); row++)
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, size - 1); column++) {
          const from = (row * size + column) * channels;
          const at = ((row - y + 1) * 3 + column - x + 1) * channels;
          for (let channel = 0; channel < channels; channel++)
            before[from + channel] += value * weight[(at + channel) * 32 + to];
        }
    }
    return before;
  }

  // The gradient of a logit, d logit / d pixel, by the chain rule from the last layer to the first.
  function gradient(pixels, target) {
    const logits = Array.from(forward(pixels));
    const dFc1 = state.fc1.map((value, i) => (value > 0 ? fc2.weight[i * 10 + target] : 0));
    const dPool2 = state.pool2.map((value, from) => {
      let sum = 0;
      if (value > 0) for (let to = 0; to < 500; to++) sum += fc1.weight[from * 500 + to] * dFc1[to];
      return sum;
    });
    const dPool1 = unconvolve(unpool(dPool2, state.pool2, state.chosen2, 14), 14, 32, conv2);
    const dImage = unconvolve(unpool(dPool1, state.pool1, state.chosen1, 28), 28, 1, conv1);
    return {logits, gradient: Array.from(dImage, value => value / std)};
  }

  // One row of an occlusion map. A patch changes few values, so each position starts from the image without a patch.
  function occlusionRow(pixels, label, patch, fill, row) {
    forward(pixels);
    const hidden = new Float32Array(500), probabilities = [];
    const [top, bottom] = [Math.max(row - (patch >> 1), 0), Math.min(row - (patch >> 1) + patch, 28)];
    for (let column = 0; column < 28; column++) {
      const [left, right] = [Math.max(column - (patch >> 1), 0), Math.min(column - (patch >> 1) + patch, 28)];
      for (const layer of ["image", "conv1", "pool1", "conv2", "pool2"]) occluded[layer].set(state[layer]);
      for (let y = top; y < bottom; y++) occluded.image.fill((fill - mean) / std, y * 28 + left, y * 28 + right);
      convolutions(occluded, [top, bottom, left, right]);
      // The layer is linear: what changed in its input adds to its output.
      const change = occluded.pool2.map((value, i) => value - state.pool2[i]);
      connect(change, fc1.weight, state.fc1, hidden);
      probabilities.push(softmax(connect(relu(hidden), fc2.weight, fc2.bias, occluded.logits))[label]);
    }
    return probabilities;
  }

  // What a layer passes on, channel by channel as PyTorch orders it: conv1 and fc1 after their ReLU.
  function activations(pixels, layer) {
    forward(pixels);
    if (layer === "fc2") return Array.from(state.logits);
    const values = relu(state[layer]);
    if (layer === "fc1") return Array.from(values);
    const positions = values.length / 32;
    return Array.from(values, (_, i) => values[(i % positions) * 32 + Math.floor(i / positions)]);
  }

  return {
    logits: pixels => Array.from(forward(pixels)),
    probabilities: pixels => softmax(forward(pixels)),
    gradient: (pixels, target) => gradient(pixels, target).gradient,
    logitsAndGradient: gradient, // both from one forward pass
    softmax, activations, occlusionRow, conv1, conv2,
  };
}
