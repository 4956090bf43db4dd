// 1.2 What the network takes the digit for, while it is drawn.

mnistLab.experiments.probabilities = {
  title: "How does the network classify your digit?",
  build({element, body, say}) {
    const {percent, best} = mnistLab.ui;
    const rows = Array.from({length: 10}, (_, digit) => {
      const bar = element("div", {className: "live-bar"}), value = element("td", {}, "–");
      return {bar, value, row: element("tr", {}, element("th", {scope: "row"}, String(digit)),
        element("td", {className: "live-bars"}, bar), value)};
    });
    body.append(element("table", {className: "live-table"},
      element("caption", {}, "probability of each class"), element("tbody", {}, ...rows.map(({row}) => row))));
    return (pixels, network) => {
      const probabilities = pixels ? network.probabilities(pixels) : null;
      rows.forEach(({bar, value, row}, digit) => {
        bar.style.width = probabilities ? `${100 * probabilities[digit]}%` : "0";
        value.textContent = probabilities ? percent(probabilities[digit]) : "–";
        row.classList.toggle("live-best", probabilities !== null && digit === best(probabilities));
      });
      if (probabilities) say(`Classified as ${best(probabilities)} with ${percent(Math.max(...probabilities))}.`);
    };
  },
};
