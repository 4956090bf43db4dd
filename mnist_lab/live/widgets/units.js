// 1.5 How many units answer to the digit at all.

mnistLab.experiments.units = {
  title: "How many units are active for your digit?",
  build({element, body, say}) {
    const {percent} = mnistLab.ui;
    const layers = ["conv1", "conv2", "fc1"].map(layer => {
      const bar = element("div", {className: "live-bar"}), value = element("td", {}, "–");
      return {layer, bar, value, row: element("tr", {}, element("th", {scope: "row"}, layer),
        element("td", {className: "live-bars"}, bar), value)};
    });
    body.append(element("table", {className: "live-table live-wide"},
      element("caption", {}, "units above 0 after their ReLU; the ten of fc2 have none"),
      element("tbody", {}, ...layers.map(({row}) => row))));
    return (pixels, network) => {
      let active = 0, total = 0;
      for (const {layer, bar, value} of layers) {
        const values = pixels ? network.activations(pixels, layer) : [];
        const count = values.filter(each => each > 0).length;
        [active, total] = [active + count, total + values.length];
        bar.style.width = pixels ? `${100 * count / values.length}%` : "0";
        value.textContent = pixels
          ? `${count.toLocaleString("en")} of ${values.length.toLocaleString("en")}, ${percent(count / values.length)}` : "–";
      }
      if (pixels) say(`${active.toLocaleString("en")} of ${total.toLocaleString("en")} units are active.`);
    };
  },
};
