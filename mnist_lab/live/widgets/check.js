// The same numbers as PyTorch? The page compares its own results with those that the build has stored.

mnistLab.experiments.check = {
  title: "Does the page compute what PyTorch computes?",
  digit: false,
  build({element, body, say, network}) {
    const {ui} = mnistLab, words = element("p", {}, "");
    const largest = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

    async function compare() {
      const model = await network(), expected = await mnistLab.load(`${model.name}_check`);
      const images = mnistLab.images(expected.images), gradients = mnistLab.floats(expected.gradients);
      const start = performance.now();
      const logits = images.map(image => model.logits(image));
      const each = (performance.now() - start) / images.length;
      const apart = Math.max(...logits.map((row, i) => largest(row, expected.logits[i])));
      const count = gradients.length / 784;
      const turned = Math.max(...images.slice(0, count).map((image, i) => {
        const theirs = gradients.slice(784 * i, 784 * (i + 1));
        return largest(model.gradient(image, (expected.labels[i] + 1) % 10), theirs)
          / Math.max(...theirs.map(Math.abs));
      }));
      words.textContent = `The logits of ${images.length} test digits differ from PyTorch's by at most `
        + `${apart.toExponential(1)}, the gradients of ${count} by at most ${turned.toExponential(1)} of their largest `
        + `value. A forward pass takes ${each.toFixed(1)} ms here.`;
      say(words.textContent);
    }
    body.append(element("div", {className: "live-buttons"}, ui.button("Compare", compare)), words);
  },
};
