// mnistLab: loads networks on request and runs them. `await mnistLab.network("best")` is where scripts start.

var mnistLab = (() => {
  "use strict";
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  const scripts = new Map(), networks = new Map(); // promises, by name
  const contents = new Map(); // what scripts of the folder networks/ have handed over, by name

  // Everything comes as scripts, since a page that was opened from a disk may load scripts but not read files.
  function script(path) {
    if (!scripts.has(path)) scripts.set(path, new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = folder + path;
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${path} is not beside this page`));
      document.head.append(element);
    }));
    return scripts.get(path);
  }
  async function load(name) {
    await script(`networks/${name}.js`);
    return contents.get(name);
  }
  const deliver = (name, content) => contents.set(name, content);

  function bytes(text) {
    const characters = atob(text), values = new Uint8Array(characters.length);
    for (let i = 0; i < values.length; i++) values[i] = characters.charCodeAt(i);
    return values;
  }
  const floats = text => new Float32Array(bytes(text).buffer);
  const images = text => { // each 784 intensities
    const values = Array.from(bytes(text));
    return Array.from({length: values.length / 784}, (_, i) => values.slice(784 * i, 784 * (i + 1)));
  };

  // A worker that computes rows of occlusion maps, so that the page never waits. It is made of the engine's own text.
  function mapper(weights) {
    const source = `let engine;
      onmessage = ({data}) => {
        if (data.weights) engine = (${mnistEngine})(data.weights);
        else postMessage(engine.occlusionRow(...data));
      };`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
    worker.postMessage({weights});
    let last = Promise.resolve();
    // One question at a time: a worker answers in order, and a map that is no longer wanted stops after its row.
    return question => (last = last.then(() => new Promise((resolve, reject) => {
      worker.onmessage = ({data}) => resolve(data);
      worker.onerror = reject;
      worker.postMessage(question);
    })));
  }

  async function make(name) {
    await script("engine.js");
    const content = await load(name);
    const weights = floats(content.weights);
    const engine = mnistEngine(weights);
    let rows = null;
    return {
      name,
      about: content.about,
      digits: {images: images(content.digits.images), labels: content.digits.labels},
      mistakes: {images: images(content.mistakes.images), labels: content.mistakes.labels},
      ...engine,
      // 784 probabilities of a label, row by row of the patch's centre. `progress(row, values)` is called after
      // each row; the map stops, and is null, when it returns false.
      async occlusion(pixels, label, patch = 5, fill = 128, progress = () => true) {
        rows ??= mapper(weights);
        const map = [];
        for (let row = 0; row < 28; row++) {
          const values = await rows([Array.from(pixels), label, patch, fill, row]);
          map.push(...values);
          if (progress(row, values) === false) return null;
        }
        return map;
      },
    };
  }

  function network(name = "best") {
    if (!networks.has(name)) networks.set(name, make(name));
    return networks.get(name);
  }

  return {network, load, deliver, bytes, floats, images};
})();
