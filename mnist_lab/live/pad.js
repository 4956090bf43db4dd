// The drawing pad: mouse, pen, finger or keyboard, a photo, a test digit, the network's worst mistake. Beside it is the
// 28 x 28 image that the network sees.

mnistLab.pad = (() => {
  "use strict";
  const {element, button, paint, picture, figure} = mnistLab.ui;
  const SIDE = 280, PEN = 24, STEP = 10;
  let first = null; // the pad of this page; later experiments only show its digit

  function pad(frame, subject) {
    const seen = picture("no digit yet", {className: "live-picture live-seen"});
    const show = () => {
      paint(seen, subject.pixels ?? new Array(784).fill(0), 28);
      seen.setAttribute("aria-label", subject.pixels ? `the network sees ${subject.words}, 28 by 28 pixels` : "no digit yet");
    };
    subject.listeners.push(show);
    show();
    if (first?.isConnected) {
      const back = button("Draw another digit", () => {
        first.scrollIntoView({block: "center"});
        first.focus();
      });
      return element("div", {className: "live-pad live-small"}, figure(seen, "what the network sees"), back);
    }

    const paper = element("canvas", {width: SIDE, height: SIDE}); // the ink; the screen shows the pen too
    const ink = paper.getContext("2d", {willReadFrequently: true});
    const screen = element("canvas", {
      className: "live-paper", width: SIDE, height: SIDE, tabIndex: 0, role: "application",
      "aria-roledescription": "drawing pad",
      "aria-label": "Drawing pad. Draw a digit, or move the pen with the arrow keys; space puts it down and lifts it.",
    });
    first = screen;
    const history = []; // strokes, lists of points, and images of 784 intensities
    const pen = {x: SIDE / 2, y: SIDE / 2, down: false, shown: false};
    let stroke = null, pending = 0;

    function repaint() {
      ink.fillStyle = "black";
      ink.fillRect(0, 0, SIDE, SIDE);
      for (const entry of history) {
        if (entry.pixels) {
          const small = document.createElement("canvas");
          paint(small, entry.pixels, 28);
          ink.imageSmoothingEnabled = false;
          ink.drawImage(small, 0, 0, SIDE, SIDE);
        } else {
          Object.assign(ink, {strokeStyle: "white", lineWidth: PEN, lineCap: "round", lineJoin: "round"});
          ink.beginPath();
          ink.moveTo(...entry.points[0]);
          for (const point of entry.points.length > 1 ? entry.points : [entry.points[0]]) ink.lineTo(...point);
          ink.stroke();
        }
      }
      const context = screen.getContext("2d");
      context.drawImage(paper, 0, 0);
      if (!pen.shown) return;
      context.strokeStyle = pen.down ? "#ff9d3b" : "#57b8ff";
      context.lineWidth = 3;
      context.beginPath();
      context.arc(pen.x, pen.y, PEN / 2, 0, 7);
      context.stroke();
    }

    function changed() {
      repaint();
      const last = history.at(-1);
      undo.disabled = clear.disabled = !last;
      frame.tell("");
      if (!last) subject.set(null);
      else if (last.pixels) subject.set(last.pixels, last.words);
      else if (!pending) pending = requestAnimationFrame(() => { // once per frame of the screen, not per event
        pending = 0;
        if (history.length && !history.at(-1).pixels) subject.set(mnistLab.digit(ink.getImageData(0, 0, SIDE, SIDE)));
      });
    }

    function put(pixels, words) {
      history.push({pixels, words});
      changed();
      frame.tell(`On the pad: ${words}.`);
    }

    // Mouse, pen and finger
    const place = event => {
      const box = screen.getBoundingClientRect();
      return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
    };
    screen.addEventListener("pointerdown", event => {
      if (event.button) return;
      screen.setPointerCapture(event.pointerId);
      pen.shown = pen.down = false;
      stroke = {points: [place(event)]};
      history.push(stroke);
      changed();
    });
    screen.addEventListener("pointermove", event => {
      if (!stroke) return;
      stroke.points.push(...(event.getCoalescedEvents?.() ?? [event]).map(place));
      changed();
    });
    for (const end of ["pointerup", "pointercancel"]) screen.addEventListener(end, () => { stroke = null; });

    // Keyboard
    const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    screen.addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const move = arrows[event.key];
      if (event.key === " ") {
        pen.down = !pen.down;
        if (pen.down) history.push({points: [[pen.x, pen.y]]});
        frame.say(pen.down ? "pen down" : "pen up");
      } else if (move) {
        const [x, y] = [pen.x + STEP * move[0], pen.y + STEP * move[1]].map(to => Math.min(SIDE, Math.max(0, to)));
        Object.assign(pen, {x, y});
        if (pen.down) history.at(-1).points.push([x, y]);
      } else if (event.key === "Backspace") {
        pen.down = false;
        history.pop();
      } else return;
      event.preventDefault();
      pen.shown = true;
      if (pen.down || event.key === "Backspace") changed();
      else repaint();
    });
    screen.addEventListener("blur", () => {
      pen.shown = pen.down = false;
      repaint();
    });

    // A photo, by file or drop
    async function photo(file) {
      try {
        const image = await createImageBitmap(file);
        const scale = Math.min(1, 600 / Math.max(image.width, image.height));
        const canvas = element("canvas", {width: Math.ceil(image.width * scale), height: Math.ceil(image.height * scale)});
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(image, 0, 0, canvas.width, canvas.height);
        const pixels = mnistLab.digit(context.getImageData(0, 0, canvas.width, canvas.height));
        if (pixels) put(pixels, "the digit of your picture");
        else frame.tell("There is no ink in this picture.");
      } catch {
        frame.tell("This file is not a picture that the browser can read.");
      }
    }
    const file = element("input", {type: "file", accept: "image/*", className: "live-file", "aria-label": "Photo of a digit"});
    file.addEventListener("change", () => file.files[0] && photo(file.files[0]));
    screen.addEventListener("dragover", event => event.preventDefault());
    screen.addEventListener("drop", event => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) photo(event.dataTransfer.files[0]);
    });

    // Digits that came with the network
    const next = {digits: 0, mistakes: 0};
    async function offer(kind) {
      const network = await frame.network();
      const {images, labels} = network[kind];
      if (!images.length) return frame.tell("The network made no mistake on the test images.");
      const at = next[kind]++ % images.length, pixels = images[at];
      const probabilities = network.probabilities(pixels), said = mnistLab.ui.best(probabilities);
      put(pixels, kind === "digits" ? `a test image of a ${labels[at]}`
        : `a test image labelled ${labels[at]} that ${network.name.replace("_", " ")} classifies as ${said} `
          + `with ${mnistLab.ui.percent(probabilities[said])}`);
    }

    const undo = button("Undo", () => { history.pop(); changed(); });
    const clear = button("Clear", () => { history.length = 0; changed(); });
    undo.disabled = clear.disabled = true;
    repaint();
    return element("div", {className: "live-pad"},
      element("div", {className: "live-sheets"}, figure(screen, "draw a digit here"), figure(seen, "what the network sees")),
      element("div", {className: "live-buttons"}, undo, clear,
        button("Test digit", () => offer("digits")), button("Worst mistake", () => offer("mistakes")),
        element("label", {className: "live-upload"}, "Photo", file)));
  }
  return pad;
})();
