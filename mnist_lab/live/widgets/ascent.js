// 3.1 Gradient ascent on a logit: from noise to an image of which the network predicts the target.

mnistLab.noise = seed => { // Gaussian, mean 128, standard deviation 40; the same numbers for the same seed
  const uniform = () => { // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return Array.from({length: 784}, () =>
    128 + 40 * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
};

mnistLab.experiments.ascent = {
  title: "From noise to an image that the network is sure of",
  digit: false,
  build({element, body, controls, say, network}) {
    const {ui} = mnistLab;
    const target = ui.choice("target", ui.classes(), "3", () => begin());
    const size = ui.slider("step size", {min: 2, max: 4.3, step: 0.1, value: 3.3,
      words: power => Number((10 ** power).toPrecision(2)).toLocaleString("en")}, () => {});
    const seed = ui.slider("noise seed", {min: 0, max: 20, value: 0}, () => begin());
    const clip = element("input", {type: "checkbox", checked: true});
    controls.append(target.element, size.element, seed.element, element("label", {}, clip, " clip to 0..255"));
    const image = ui.picture("the generated image"), curve = element("div"), words = element("p", {}, "");
    let model = null, pixels, costs, probabilities, gradient;

    function look() {
      const goal = Number(target.value()), found = model.logitsAndGradient(pixels, goal);
      [probabilities, gradient] = [model.softmax(found.logits), found.gradient];
      costs.push(found.logits[goal]);
    }
    function begin() {
      if (!model) return;
      [pixels, costs] = [mnistLab.noise(seed.value()).map(value => Math.min(255, Math.max(0, value))), []];
      look();
      draw();
    }
    function use(chosen) {
      if (chosen === model) return;
      model = chosen;
      begin();
    }
    async function step() {
      use(await network());
      const rate = 10 ** size.value(), bound = clip.checked ? value => Math.min(255, Math.max(0, value)) : value => value;
      pixels = pixels.map((value, i) => bound(value + rate * gradient[i]));
      look();
    }
    function draw() {
      if (!model) return;
      const goal = Number(target.value()), steps = costs.length - 1;
      ui.paint(image, pixels, 28);
      image.dataset.steps = steps;
      image.setAttribute("aria-label", `the generated image after ${steps} steps`);
      curve.replaceChildren(ui.curve(costs, "cost by step", "logit"));
      words.textContent = `After ${steps} steps the logit of ${goal} is ${ui.number(costs.at(-1))}, its probability `
        + `${ui.percent(probabilities[goal])}. The network says ${ui.best(probabilities)}. `
        + `Intensities ${ui.number(Math.min(...pixels))} to ${ui.number(Math.max(...pixels))}.`;
      say(words.textContent);
    }

    const player = ui.player(step, draw);
    body.append(
      element("div", {className: "live-buttons"}, player.play, player.once,
        ui.button("Start again", () => { player.set(false); begin(); })),
      element("div", {className: "live-sheets"}, ui.figure(image, "the image: black is 0, white is 255"),
        ui.figure(curve, "cost: the logit of the target")), words);
    ui.paint(image, mnistLab.noise(0), 28);
    return (_, chosen) => { if (chosen) use(chosen); };
  },
};
