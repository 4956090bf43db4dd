// 3.2 The reader's digit, changed until the network takes it for another one.

mnistLab.experiments.targeted = {
  title: "Your digit, classified as what you choose",
  build({element, body, controls, say}) {
    const {ui} = mnistLab;
    const target = ui.choice("target", ui.classes(), "5", () => begin());
    const beta = ui.slider("β", {min: -5, max: 0, step: 0.1, value: -2,
      words: power => `${Number((10 ** power).toPrecision(2))}`}, () => begin());
    controls.append(target.element, beta.element);
    const image = ui.picture("the changed digit"), difference = ui.picture("the difference");
    const words = element("p", {}, "");
    let original = null, model = null, pixels = null, steps = 0;
    const STEPS = 200;

    // C = logits[target] - beta * MSE. Steps of twice the distance to the balance of its two parts would diverge.
    function step() {
      if (!pixels || steps >= STEPS) return false;
      const gradient = model.gradient(pixels, Number(target.value())), weight = 10 ** beta.value();
      const size = Math.min(2000, 784 / (4 * weight));
      pixels = pixels.map((value, i) =>
        Math.min(255, Math.max(0, value + size * (gradient[i] - weight * 2 / 784 * (value - original[i])))));
      return ++steps < STEPS;
    }
    function draw() {
      const empty = new Array(784).fill(0);
      ui.paint(image, pixels ?? empty, 28);
      const change = pixels ? pixels.map((value, i) => value - original[i]) : empty;
      ui.paint(difference, change, 28, {low: -255, high: 255, colour: "signs"});
      if (!pixels) return;
      const goal = Number(target.value()), probabilities = model.probabilities(pixels.map(Math.round));
      const distance = Math.sqrt(change.reduce((sum, value) => sum + value * value, 0));
      words.textContent = `After ${steps} steps the network says ${ui.best(probabilities)}; the probability of ${goal} is `
        + `${ui.percent(probabilities[goal])}. The pixels changed by ${ui.number(distance / 28)} on average `
        + `(root mean square).`;
      say(words.textContent);
    }
    function begin() {
      if (!original) return;
      [pixels, steps] = [Array.from(original), 0];
      player.set(true);
    }

    const player = ui.player(step, draw);
    body.append(
      element("div", {className: "live-buttons"}, player.play, player.once,
        ui.button("Start again", () => { player.set(false); begin(); })),
      element("div", {className: "live-sheets"}, ui.figure(image, "the changed digit"),
        ui.figure(difference, "the difference: red darker, blue brighter, ±255")), words);
    draw();
    return (digit, chosen) => {
      if (digit === original && chosen === model) return;
      [original, model, pixels] = [digit, chosen, null];
      if (digit) return begin();
      player.set(false);
      words.textContent = "";
      draw();
    };
  },
};
