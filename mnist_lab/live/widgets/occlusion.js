// 2.4 A patch under the pointer, the probability behind it at once, and the map of all positions as it fills.

mnistLab.experiments.occlusion = {
  title: "What does a patch on your digit cost?",
  build({element, body, controls, say, refresh}) {
    const {paint, picture, figure, slider, choice, classes, percent, best} = mnistLab.ui;
    const patch = slider("patch", {min: 1, max: 5, value: 5, words: value => `${value}×${value}`}, refresh);
    const fill = slider("intensity", {min: 0, max: 255, value: 128}, refresh);
    const label = choice("class of interest", [["", "the predicted one"], ...classes()], "", refresh);
    const scale = choice("map of", [["probability", "probability"], ["odds", "log-odds"]], "probability", () => paintMap());
    controls.append(label.element, patch.element, fill.element, scale.element);
    const image = picture("", {
      className: "live-picture live-probe", role: "application", tabIndex: 0, "aria-roledescription": "patch",
      "aria-label": "The digit with the patch. Move the patch with the arrow keys."});
    const map = picture("map of the probability by the patch's position"), legend = element("span");
    const words = element("p", {}, "");
    body.append(element("div", {className: "live-sheets"}, figure(image, "move the patch over the digit"),
      figure(map, legend)), words);
    const at = {row: 14, column: 14};
    let now = null, wanted = 0, mapped = "", values = [];

    // Log-odds show differences between probabilities that all look like 1.
    function paintMap() {
      const odds = scale.value() === "odds";
      legend.textContent = odds ? "log-odds by the patch's position: -20 nats red, 0 white, 20 nats blue"
        : "probability by the patch's position: 0 dark, 1 yellow";
      if (odds) paint(map, values.map(p => Math.log(p / (1 - p + 1e-16))), 28, {low: -20, high: 20, colour: "signs"});
      else paint(map, values, 28, {high: 1, colour: "viridis"});
    }

    function probe() {
      if (!now) return paint(image, new Array(784).fill(0), 28);
      const [pixels, network, target] = now, side = patch.value();
      const [top, left] = [at.row - (side >> 1), at.column - (side >> 1)];
      const hidden = Array.from(pixels, (value, i) => {
        const [y, x] = [Math.floor(i / 28) - top, i % 28 - left];
        return y >= 0 && y < side && x >= 0 && x < side ? fill.value() : value;
      });
      paint(image, hidden, 28);
      const probabilities = network.probabilities(hidden), clean = network.probabilities(pixels);
      words.textContent = `With the patch at row ${at.row}, column ${at.column}, the probability of ${target} is `
        + `${percent(probabilities[target])}; without it ${percent(clean[target])}. `
        + `The network says ${best(probabilities)}.`;
      say(words.textContent);
    }

    async function fillMap() {
      const mine = ++wanted, [pixels, network, target] = now;
      values = new Array(784).fill(NaN);
      await new Promise(resolve => setTimeout(resolve, 150)); // until drawing pauses
      if (mine !== wanted) return;
      await network.occlusion(pixels, target, patch.value(), fill.value(), (row, found) => {
        if (mine !== wanted) return false;
        values.splice(28 * row, 28, ...found);
        map.dataset.rows = row + 1;
        paintMap();
        return true;
      });
      if (mine !== wanted) return;
      const lowest = Math.min(...values), place = values.indexOf(lowest);
      map.setAttribute("aria-label", `map of the probability of ${target}: lowest, ${percent(lowest)}, with the patch at `
        + `row ${Math.floor(place / 28)}, column ${place % 28}; highest ${percent(Math.max(...values))}`);
    }

    const move = (row, column) => {
      Object.assign(at, {row: Math.min(27, Math.max(0, row)), column: Math.min(27, Math.max(0, column))});
      probe();
    };
    image.addEventListener("pointermove", event => {
      const box = image.getBoundingClientRect();
      move(Math.floor((event.clientY - box.top) / box.height * 28), Math.floor((event.clientX - box.left) / box.width * 28));
    });
    image.addEventListener("keydown", event => {
      const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
      if (!step) return;
      event.preventDefault();
      move(at.row + step[0], at.column + step[1]);
    });

    return (pixels, network) => {
      if (!pixels) {
        [now, mapped] = [null, ""];
        wanted++;
        values = new Array(784).fill(NaN);
        paintMap();
        words.textContent = "";
        return probe();
      }
      const target = label.value() === "" ? best(network.probabilities(pixels)) : Number(label.value());
      now = [pixels, network, target];
      probe();
      const question = JSON.stringify([pixels, network.name, target, patch.value(), fill.value()]);
      if (question !== mapped) fillMap();
      mapped = question;
    };
  },
};
