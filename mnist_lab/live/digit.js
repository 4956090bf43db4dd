// A picture of one digit, as MNIST would have it. The arithmetic is that of mnist_lab.read_picture for a
// picture of one digit.

mnistLab.digit = (() => {
  "use strict";

  // Brightness 0..255 of each pixel. What is transparent is white.
  function grey({data, width, height}) {
    const values = new Float64Array(width * height);
    for (let i = 0; i < values.length; i++) {
      const light = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
      values[i] = 255 + (light - 255) * data[4 * i + 3] / 255;
    }
    return values;
  }

  function quantile(values, share) {
    const sorted = Float64Array.from(values).sort(), place = share * (sorted.length - 1), below = Math.floor(place);
    return sorted[below] + (sorted[Math.ceil(place)] - sorted[below]) * (place - below);
  }

  const largest = values => values.reduce((a, b) => Math.max(a, b), -Infinity);

  // A filter along rows and then along columns: `combine(at)` gets a function from an offset to a value; beyond the
  // picture the value at its edge counts.
  function filtered({values, width, height}, combine) {
    const along = (from, length, step, lines, jump) => {
      const to = new Float64Array(from.length);
      for (let line = 0; line < lines; line++) for (let place = 0; place < length; place++)
        to[line * jump + place * step] = combine(offset =>
          from[line * jump + Math.min(length - 1, Math.max(0, place + offset)) * step]);
      return to;
    };
    return {values: along(along(values, width, 1, height, width), height, width, width, 1), width, height};
  }

  function blurred(picture, sigma) {
    const radius = Math.floor(4 * sigma + 0.5), weights = [];
    for (let offset = -radius; offset <= radius; offset++) weights.push(Math.exp(-0.5 * (offset / sigma) ** 2));
    const sum = weights.reduce((a, b) => a + b);
    return filtered(picture, at => weights.reduce((total, weight, i) => total + weight / sum * at(i - radius), 0));
  }

  // What is darker than its surroundings and narrower than a window is filled.
  function closed(picture, window) {
    const extreme = best => at => {
      let found = at(-(window >> 1));
      for (let i = 1; i < window; i++) found = best(found, at(i - (window >> 1)));
      return found;
    };
    return filtered(filtered(picture, extreme(Math.max)), extreme(Math.min));
  }

  // Connected pieces of a mask, each a list of places; diagonal neighbours are connected.
  function piecesOf(mask, width) {
    const seen = new Uint8Array(mask.length), pieces = [];
    mask.forEach((inked, start) => {
      if (!inked || seen[start]) return;
      const piece = [start];
      seen[start] = 1;
      for (const at of piece) // which grows meanwhile
        for (let row = -width; row <= width; row += width)
          for (let column = Math.max(-1, -(at % width)); column <= Math.min(1, width - 1 - at % width); column++) {
            const next = at + row + column;
            if (mask[next] && !seen[next]) seen[next] = piece.push(next) && 1;
          }
      pieces.push(piece);
    });
    return pieces;
  }

  // The typical width of a stroke: twice the distance of its innermost pixel to the nearest one that is no ink.
  function strokeWidth({values, width, height}) {
    const limit = Math.max(0.06, 0.5 * largest(values)), mask = values.map(value => value > limit);
    const outside = (y, x) => y < 0 || x < 0 || y >= height || x >= width || !mask[y * width + x];
    const distance = at => {
      const y = Math.floor(at / width), x = at % width;
      let nearest = Infinity;
      for (let reach = 1; reach * reach < nearest; reach++) for (let i = -reach; i <= reach; i++)
        if (outside(y - reach, x + i) || outside(y + reach, x + i) || outside(y + i, x - reach) || outside(y + i, x + reach))
          nearest = Math.min(nearest, reach * reach + i * i);
      return Math.sqrt(nearest);
    };
    const widths = piecesOf(mask, width).map(piece => 2 * piece.reduce((most, at) => Math.max(most, distance(at)), 0));
    return widths.length ? quantile(widths, 0.5) : 1;
  }

  // Contrast with the paper, 0 to 1, whichever of ink and paper is darker. The paper is what is left when everything
  // as narrow as a stroke is filled, in a picture of a few hundred pixels.
  function contrastOf(imageData) {
    const {width, height} = imageData, factor = Math.ceil(Math.max(width, height) / 256);
    let light = grey(imageData).map(value => Math.round(value) + 1);
    for (const paper of [1, 256]) // the paper of a drawing is exactly even
      if (light.filter(value => value === paper).length > light.length / 2)
        return {values: light.map(value => Math.abs(paper - value) / 256), width, height, even: true};
    const small = {width: Math.floor(width / factor), height: Math.floor(height / factor)};
    small.values = Float64Array.from({length: small.width * small.height}, (_, i) => {
      let sum = 0;
      const y = Math.floor(i / small.width) * factor, x = i % small.width * factor;
      for (let row = y; row < y + factor; row++) for (let column = x; column < x + factor; column++)
        sum += light[row * width + column];
      return sum / factor ** 2;
    });
    const around = blurred(small, Math.max(small.width, small.height) / 12).values;
    if (small.values.reduce((sum, value, i) => sum + (value - around[i]) ** 3, 0) > 0) { // ink is lighter than paper
      light = light.map(value => 257 - value);
      small.values = small.values.map(value => 257 - value);
    }
    let window = Math.floor(Math.max(small.width, small.height) / 3);
    for (let i = 0; i < 2; i++) {
      const paper = closed(small, window).values;
      const stroke = strokeWidth({...small, values: small.values.map((value, at) => 1 - value / paper[at])});
      window = Math.max(3, Math.min(window, Math.round(4 * stroke)));
    }
    const paper = closed(small, window).values;
    const contrast = light.map((value, i) => {
      const place = (at, side, sides) => Math.min(side - 1, Math.max(0, (at + 0.5) * side / sides - 0.5));
      const y = place(Math.floor(i / width), small.height, height), x = place(i % width, small.width, width);
      const [top, left] = [Math.floor(y), Math.floor(x)], under = Math.min(top + 1, small.height - 1) * small.width;
      const right = Math.min(left + 1, small.width - 1), mix = (a, b, share) => a + (b - a) * share;
      return 1 - value / mix(mix(paper[top * small.width + left], paper[top * small.width + right], x - left),
        mix(paper[under + left], paper[under + right], x - left), y - top);
    });
    const limit = largest(contrast) / 2 + 0.06;
    const ground = quantile(contrast.filter(value => value < limit), 0.5);
    return {values: contrast.map(value => value - ground), width, height};
  }

  // The threshold that divides values into two groups as unlike as possible (Otsu 1979).
  function otsu(values) {
    const [low, high] = [quantile(values, 0), quantile(values, 1)], counts = new Array(256).fill(0);
    if (high === low) return low;
    for (const value of values) counts[Math.min(255, Math.floor((value - low) / (high - low) * 256))]++;
    const middle = i => low + (i + 0.5) / 256 * (high - low);
    const all = counts.reduce((sum, count, i) => sum + count * middle(i), 0);
    let [below, sum, best, place] = [0, 0, -1, 0];
    for (let i = 0; i < 255; i++) {
      [below, sum] = [below + counts[i], sum + counts[i] * middle(i)];
      const above = values.length - below;
      const apart = below * above * (sum / Math.max(below, 1) - (all - sum) / Math.max(above, 1)) ** 2;
      if (apart > best) [best, place] = [apart, i + 1];
    }
    return low + place / 256 * (high - low);
  }

  // Where ink is, without the lines of ruled or squared paper: long, straight, thin, across or down.
  function inked(values, ink, width) {
    const height = values.length / width;
    const mask = values.map(value => value > 0.35 * ink), faint = values.map(value => value > 0.15 * ink);
    for (const turned of [false, true]) {
      const [rows, columns] = turned ? [width, height] : [height, width];
      const place = (row, column) => (turned ? column * width + row : row * width + column);
      const length = Math.floor(columns / 4), half = length >> 1, thin = Math.max(3, Math.floor(columns / 100));
      const line = [];
      for (let row = 0; row < rows; row++) {
        const inside = column => Math.min(columns - 1, Math.max(0, column)), dense = [], wide = [];
        for (let column = 0, sum = 0; column < columns; column++) {
          if (!column) for (let i = 0; i < length; i++) sum += faint[place(row, inside(i - half))];
          else sum += faint[place(row, inside(column - half + length - 1))] - faint[place(row, inside(column - half - 1))];
          dense.push(sum > 0.75 * length);
        }
        if (!dense.includes(true)) continue;
        for (let column = 0; column < columns; column++)
          wide.push(dense.slice(Math.max(0, column - half), column - half + length).includes(true));
        for (let column = 0; column < columns; column++) {
          if (!wide[column] || !faint[place(row, column)]) continue;
          let [top, bottom] = [row, row];
          while (top > 0 && faint[place(top - 1, column)]) top--;
          while (bottom < rows - 1 && faint[place(bottom + 1, column)]) bottom++;
          if (bottom - top < thin) line.push([row, column]);
        }
      }
      if (!line.length) continue;
      const typical = quantile(line.map(([row, column]) => values[place(row, column)]), 0.5);
      // A stroke along the line is darker.
      const removed = line.filter(([row, column]) => typical >= 0.75 * ink || values[place(row, column)] < (typical + ink) / 2);
      for (const [row, column] of removed) mask[place(row, column)] = 0;
      // Strokes that cross the line are kept.
      const crossed = removed.filter(([row, column]) => {
        if (row < thin || row >= rows - thin) return false;
        let [above, below] = [1, 1];
        while (above <= 2 * thin && !(row >= above && mask[place(row - above, column)])) above++;
        while (below <= 2 * thin && !(row + below < rows && mask[place(row + below, column)])) below++;
        return above + below - 1 <= 2 * thin;
      });
      for (const [row, column] of crossed) mask[place(row, column)] = 1;
    }
    return mask;
  }

  // Brightness of the ink, 0..255, and 0 for paper, noise and specks.
  function inkOf(imageData) {
    const contrast = contrastOf(imageData), {width} = contrast;
    for (const blur of [0, 0.7, 1.2, 2]) {
      const {values} = blur ? blurred(contrast, blur) : contrast;
      const steps = () => values.map((value, i) => Math.abs(values[i + 8] - value)).filter((_, i) => i % width < width - 8);
      const noise = contrast.even ? 0 : 2.22 * quantile(steps(), 0.25);
      const least = Math.max(0.06, 5 * noise), above = values.filter(value => value > least);
      const threshold = above.length ? otsu(above) : 0;
      const ink = above.length ? quantile(above.filter(value => value >= threshold), 0.5) : 0;
      if (least >= 0.35 * ink) continue;
      const pieces = piecesOf(inked(values, ink, width), width).map(places => {
        const rows = places.map(at => Math.floor(at / width)), columns = places.map(at => at % width);
        const range = numbers => numbers.reduce((a, b) => Math.max(a, b)) - numbers.reduce((a, b) => Math.min(a, b)) + 1;
        return {places, size: Math.max(range(rows), range(columns))};
      });
      const most = Math.max(...pieces.map(({size}) => size)), bright = new Float64Array(values.length);
      for (const {places, size} of pieces) if (size >= 10 && size > 0.25 * most)
        for (const at of places) bright[at] = 255 * Math.min(1, values[at] / ink);
      return bright;
    }
    return new Float64Array(imageData.width * imageData.height);
  }

  // The means of `size` values over `target` equal lengths, along each row of a picture, which is also transposed.
  function averaged(picture, rows, size, target) {
    const result = new Float64Array(target * rows);
    for (let to = 0; to < target; to++) {
      const first = to * size / target, last = (to + 1) * size / target;
      for (let from = Math.floor(first); from < Math.min(Math.ceil(last), size); from++) {
        const share = Math.max(0, Math.min(last, from + 1) - Math.max(first, from)) * target / size;
        for (let row = 0; row < rows; row++) result[to * rows + row] += share * picture[row * size + from];
      }
    }
    return result;
  }

  // Crop to the ink, fit into 20 x 20 by area averaging, scale to 255, and centre by mass in 28 x 28.
  function asMnist(ink, width) {
    let [top, bottom, left, right] = [Infinity, -1, Infinity, -1];
    ink.forEach((value, i) => {
      if (!value) return;
      const row = Math.floor(i / width), column = i % width;
      [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
      [left, right] = [Math.min(left, column), Math.max(right, column)];
    });
    if (bottom < 0) return null;
    const [h, w] = [bottom - top + 1, right - left + 1], longest = Math.max(h, w);
    const [height, width20] = [h, w].map(side => Math.max(1, Math.floor((40 * side + longest) / (2 * longest))));
    const cropped = Float64Array.from({length: h * w}, (_, i) =>
      ink[(top + Math.floor(i / w)) * width + left + i % w]);
    const small = averaged(averaged(cropped, h, w, width20), width20, h, height); // (height, width20)
    const most = Math.max(...small);
    const block = new Array(400).fill(0);
    const [down, across] = [(20 - height) >> 1, (20 - width20) >> 1];
    small.forEach((value, i) => {
      block[(down + Math.floor(i / width20)) * 20 + across + i % width20] = Math.floor(value * (255 / most) + 0.5);
    });
    const mass = block.reduce((a, b) => a + b);
    const start = place => {
      const mean = block.reduce((sum, value, i) => sum + value * (place(i) + 0.5), 0) / mass;
      return Math.min(8, Math.max(0, Math.floor(14 - mean + 0.5)));
    };
    const [y, x] = [start(i => Math.floor(i / 20)), start(i => i % 20)];
    const digit = new Array(784).fill(0);
    block.forEach((value, i) => { digit[(y + Math.floor(i / 20)) * 28 + x + i % 20] = value; });
    return digit;
  }

  // 784 intensities 0..255, row by row, or null where the picture has no ink. `imageData` is a canvas's.
  const digit = imageData => asMnist(inkOf(imageData), imageData.width);
  return Object.assign(digit, {asMnist});
})();
