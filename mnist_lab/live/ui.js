// What all experiments share: elements, pictures of numbers, the frame with its network, and the page's digit.

mnistLab.ui = (() => {
  "use strict";

  // element("button", {onclick}, "Step") - properties are set as properties, all else as attributes.
  function element(tag, properties = {}, ...content) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...content);
    return made;
  }

  const button = (text, onclick, more = {}) => element("button", {type: "button", onclick, ...more}, text);

  // A slider that says its value in words. It returns its element and `value()`.
  function slider(label, {min, max, step = 1, value, words = String}, onchange) {
    const shown = element("span");
    const input = element("input", {type: "range"});
    Object.assign(input, {min, max, step});
    input.value = value;
    const say = () => {
      shown.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    say();
    input.addEventListener("input", () => { say(); onchange(); });
    return {element: element("label", {}, element("span", {}, label, " ", shown), input), value: () => Number(input.value)};
  }

  // A list to choose from; `options` are pairs of a value and its words.
  function choice(label, options, chosen, onchange) {
    const select = element("select", {onchange}, ...options.map(([value, words]) =>
      element("option", {value, selected: value === chosen}, words)));
    return {element: element("label", {}, element("span", {}, label), select), value: () => select.value, select};
  }
  const classes = () => Array.from({length: 10}, (_, digit) => [String(digit), String(digit)]);

  // Colours, from a share 0..1 to red, green and blue. Those of viridis and of red to blue are interpolated.
  const viridis = ["440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725"];
  const signs = ["67001f", "b2182b", "d6604d", "f4a582", "fddbc7", "f7f7f7", "d1e5f0", "92c5de", "4393c3", "2166ac", "053061"];
  const parts = colours => colours.map(colour => [0, 2, 4].map(at => parseInt(colour.slice(at, at + 2), 16)));
  function between(colours) {
    const known = parts(colours);
    return share => {
      const place = Math.min(1, Math.max(0, share)) * (known.length - 1), below = Math.min(Math.floor(place), known.length - 2);
      return known[below].map((value, i) => value + (known[below + 1][i] - value) * (place - below));
    };
  }
  const colours = {grey: share => Array(3).fill(255 * share), viridis: between(viridis), signs: between(signs)};

  // Paint numbers into a canvas, one pixel each; `low` and `high` are the ends of the colours. NaN is transparent.
  function paint(canvas, values, width, {low = 0, high = 255, colour = "grey"} = {}) {
    const height = Math.ceil(values.length / width);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const span = high - low || 1;
    Array.from(values).forEach((value, i) => {
      if (!Number.isNaN(value)) image.data.set([...colours[colour]((value - low) / span), 255], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }
  const picture = (label, more = {}) =>
    element("canvas", {className: "live-picture", role: "img", "aria-label": label, width: 28, height: 28, ...more});
  const figure = (content, caption) =>
    element("div", {className: "live-figure"}, content, element("span", {className: "live-caption"}, caption));

  // A curve of values by step, drawn as SVG with the ends of its axes named.
  function curve(values, label, unit) {
    const width = 300, height = 110, [low, high] = [Math.min(...values), Math.max(...values)];
    const points = values.map((value, i) => `${(i / Math.max(1, values.length - 1) * width).toFixed(1)},`
      + `${(height - (value - low) / (high - low || 1) * height).toFixed(1)}`).join(" ");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `-2 -2 ${width + 4} ${height + 4}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${label}: from ${number(values[0])} to ${number(values.at(-1))} in ${values.length - 1} steps`);
    svg.innerHTML = `<polyline points="${points}"/>`;
    const axis = text => element("span", {}, text);
    return element("div", {className: "live-curve"}, axis(`${number(high)} ${unit}`), svg,
      element("div", {}, axis(number(low)), axis(`step ${values.length - 1}`)));
  }

  const percent = share => (share < 1 && share > 0.9999 ? "over 99.99%" : `${(100 * share).toFixed(share > 0.99 ? 2 : 1)}%`);
  const number = value => (Math.abs(value) < 10 ? value.toFixed(2) : Math.round(value).toLocaleString("en"));
  const best = values => values.indexOf(Math.max(...values));
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Play, pause and step: 60 steps a second, or as many as the computer can. With reduced motion the picture changes rarely.
  function player(step, draw) {
    let playing = false, turn = 0;
    const play = button("Play", () => set(!playing));
    async function run() {
      const mine = ++turn, begun = performance.now();
      let done = 0, drawn = 0;
      while (playing && mine === turn) {
        await new Promise(requestAnimationFrame);
        const start = performance.now();
        while (playing && done < (start - begun) * 0.06 && performance.now() - start < 30) {
          if ((await step()) === false) set(false);
          done++;
        }
        if (playing && calm() && start - drawn < 1000) continue;
        drawn = start;
        draw();
      }
    }
    function set(on) {
      if (on === playing) return;
      playing = on;
      play.textContent = playing ? "Pause" : "Play";
      if (playing) run();
      else draw();
    }
    return {play, set, once: button("Step", async () => { set(false); await step(); draw(); })};
  }

  // The digit that all experiments of a page look at: 784 intensities, or null, and what is known of it.
  const subject = {
    pixels: null, words: "", listeners: [],
    set(pixels, words = "your digit") {
      Object.assign(this, {pixels, words});
      this.listeners.forEach(listener => listener());
    },
  };

  // The frame of an experiment: its pad, its network, its status line. `build(frame)` fills it and returns what to do
  // when the digit, the network or a control changes.
  function frame(root, name, {title, digit = true, build}) {
    const settings = {...document.body.dataset, ...root.dataset};
    const names = (settings.networks || "best").split(" ").filter(each => each);
    const status = element("p", {className: "live-status", role: "status"});
    const said = element("p", {className: "live-said", role: "status"}); // for screen readers alone
    const network = choice("network", names.map(each => [each, each.replace("_", " ")]), names[0], () => refresh());
    const body = element("div", {className: "live-body"});
    let saying, asked = false, touched = false, update = () => {};

    const self = {
      root, body, name, element,
      controls: element("div", {className: "live-controls"}, ...(names.length > 1 ? [network.element] : [])),
      network: () => mnistLab.network(network.value()),
      // Said to screen readers once the reader stops changing things.
      say(text) {
        clearTimeout(saying);
        saying = setTimeout(() => { if (said.textContent !== text) said.textContent = text; }, 400);
      },
      tell(text) { status.textContent = text; }, // for everybody
      refresh,
    };

    // At most once per frame of the screen, and never two at a time.
    async function refresh() {
      if (asked) return;
      asked = true;
      await new Promise(requestAnimationFrame);
      asked = false;
      if (digit && subject.pixels === null) return update(null, null);
      try {
        update(subject.pixels, await self.network());
      } catch (error) {
        status.textContent = error.message;
      }
    }

    // The weights are several megabytes, so they wait for the first touch.
    function touch(event) {
      if (touched || event.key === "Tab") return;
      touched = true;
      status.textContent = "Loading the network…";
      self.network().then(({about}) => {
        status.textContent = "";
        if (about.dataset !== "mnist") note.textContent = strange(about.dataset);
        refresh();
      }, error => { status.textContent = error.message; });
    }
    for (const kind of ["pointerdown", "keydown", "input", "drop"]) root.addEventListener(kind, touch, {capture: true});
    root.addEventListener("click", touch, {capture: true});
    // Elsewhere on a page of the site, arrow keys turn to the previous and the next page.
    root.addEventListener("keydown", event => { if (event.key.startsWith("Arrow")) event.stopPropagation(); });

    const strange = dataset => `This network never saw MNIST: it was trained on ${dataset} digits.`;
    const note = element("p", {className: "live-note"});
    if ((settings.dataset || "mnist") !== "mnist") note.textContent = strange(settings.dataset);
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", title);
    const parts = element("div", {className: "live-parts"});
    if (digit) {
      subject.listeners.push(refresh);
      parts.append(mnistLab.pad(self, subject));
    }
    parts.append(body);
    root.replaceChildren(element("p", {className: "live-title"}, title), note, parts, status, said);
    update = build(self) ?? update;
    body.prepend(self.controls);
    update(null, null);
    root.classList.add("live-ready");
    return self;
  }

  function start() {
    for (const root of document.querySelectorAll("[data-live]:not(.live-ready)"))
      frame(root, root.dataset.live, mnistLab.experiments[root.dataset.live]);
  }
  document.addEventListener("DOMContentLoaded", start);

  return {element, button, slider, choice, classes, paint, picture, figure, curve, percent, number, best, player, subject, start};
})();

mnistLab.experiments = {}; // by name: what each file in widgets/ adds
