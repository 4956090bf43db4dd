// 2.1 and 2.3 The maps of every layer for this digit. A chosen map shows its filter, and where it answers most.

mnistLab.experiments.maps = {
  title: "What does each layer make of your digit?",
  build({element, body, controls, say, refresh}) {
    const {paint, picture, figure, choice, number} = mnistLab.ui;
    // Where the value at row y and column x of a map comes from in the image: first pixel and number of pixels.
    const fields = {
      conv1: {size: 28, field: at => [at - 1, 3]}, pool1: {size: 14, field: at => [2 * at - 1, 4]},
      conv2: {size: 14, field: at => [2 * at - 3, 8]}, pool2: {size: 7, field: at => [4 * at - 3, 10]},
    };
    const layer = choice("layer", [...Object.keys(fields), "fc1"].map(each => [each, each]), "conv1", () => {
      chosen = null;
      refresh();
    });
    controls.append(layer.element);
    let chosen = null, values = null, now = null;
    const canvases = Array.from({length: 32}, (_, channel) => picture("", {
      role: "presentation", className: "live-map"}));
    const maps = canvases.map((canvas, channel) => element("button", {
      type: "button", className: "live-tile", tabIndex: channel ? -1 : 0, "aria-pressed": "false",
      "aria-label": `map ${channel + 1}`, onclick: () => choose(channel)}, canvas));
    const grid = element("div", {className: "live-grid", role: "group", "aria-label": "maps"}, ...maps);
    const row = picture("the 500 units of fc1", {className: "live-picture live-row"});
    const digit = picture("the digit, and what the chosen map answers to"), filter = picture("the chosen filter", {className: "live-picture live-filter"});
    const words = element("p", {}, "");
    const details = element("div", {className: "live-sheets live-details"}, figure(digit, "where it answers most"),
      figure(filter, "its weights: red below 0, blue above"), words);
    body.append(grid, row, details);

    grid.addEventListener("keydown", event => {
      const move = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -8, ArrowDown: 8}[event.key];
      const to = maps.indexOf(document.activeElement) + move;
      if (!move || !maps[to]) return;
      event.preventDefault();
      maps[to].focus();
    });
    grid.addEventListener("focusin", ({target}) => maps.forEach(map => { map.tabIndex = map === target ? 0 : -1; }));

    function choose(channel) {
      chosen = channel;
      if (now) draw(...now);
    }

    function explain(pixels, network) {
      const {size, field} = fields[layer.value()];
      const map = values.slice(chosen * size * size, (chosen + 1) * size * size);
      const most = Math.max(...map), at = map.indexOf(most);
      const [[top, height], [left, width]] = [field(Math.floor(at / size)), field(at % size)];
      paint(digit, pixels, 28);
      const context = digit.getContext("2d");
      context.strokeStyle = "#ff9d3b";
      if (most > 0) context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
      // Filters of conv1 have one kernel, those of conv2 one for each map of pool1.
      const first = layer.value().endsWith("1"), inputs = first ? 1 : 32;
      const {weight} = first ? network.conv1 : network.conv2;
      const across = first ? 1 : 8, wide = first ? 3 : across * 4 - 1, tall = first ? 3 : inputs / across * 4 - 1;
      const shown = new Array(wide * tall).fill(NaN);
      for (let tap = 0; tap < 9; tap++) for (let from = 0; from < inputs; from++) {
        const y = Math.floor(from / across) * 4 + Math.floor(tap / 3), x = from % across * 4 + tap % 3;
        shown[y * wide + x] = weight[(tap * inputs + from) * 32 + chosen];
      }
      const limit = Math.max(...shown.filter(value => !Number.isNaN(value)).map(Math.abs));
      paint(filter, shown, wide, {low: -limit, high: limit, colour: "signs"});
      words.textContent = most > 0
        ? `Map ${chosen + 1} of ${layer.value()} answers most, with ${number(most)}, at row ${Math.floor(at / size)} and `
          + `column ${at % size}. The frame marks the ${height}×${width} pixels that it sees there.`
        : `Map ${chosen + 1} of ${layer.value()} does not answer to this digit.`;
      say(words.textContent);
    }

    function draw(pixels, network) {
      now = pixels ? [pixels, network] : null;
      const place = fields[layer.value()];
      grid.hidden = !place;
      row.hidden = Boolean(place);
      details.hidden = !pixels || !place || chosen === null;
      values = pixels ? network.activations(pixels, layer.value()) : null;
      const high = values ? Math.max(...values, 1e-9) : 1;
      if (!place) return paint(row, values ?? new Array(500).fill(0), 50, {high, colour: "viridis"});
      const {size} = place;
      canvases.forEach((canvas, channel) => {
        const map = values?.slice(channel * size * size, (channel + 1) * size * size) ?? new Array(size * size).fill(0);
        paint(canvas, map, size, {high, colour: "viridis"});
        maps[channel].setAttribute("aria-pressed", String(channel === chosen));
      });
      if (pixels && chosen !== null) explain(pixels, network);
    }
    return draw;
  },
};
