// A picture of one digit, as MNIST would have it: the arithmetic of mnist_lab.data.handwriting.as_mnist.

mnistLab.digit = (() => {
    "use strict";

    // Brightness 0..255 of each pixel. What is transparent is white.
    function grey({data, width, height}) {
        return Float64Array.from({length: width * height}, (_, i) => {
            const [red, green, blue, alpha] = data.subarray(4 * i, 4 * i + 4);
            return 255 + (0.299 * red + 0.587 * green + 0.114 * blue - 255) * alpha / 255;
        });
    }

    function quantile(values, share) {
        const sorted = Float64Array.from(values).sort();
        return sorted[Math.floor(share * (sorted.length - 1))];
    }

    // The contrast of each pixel with the paper, 0..255, whichever of the two is darker. A plane through the brightness
    // near the four edges stands for the paper, which is lit unevenly.
    function inkOf(imageData) {
        const {width, height} = imageData, values = grey(imageData);
        const edge = Math.max(1, Math.round(Math.min(width, height) / 20));
        const side = (x0, x1, y0, y1) => {
            const found = [];
            for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) found.push(values[y * width + x]);
            return quantile(found, 0.5);
        };
        const left = side(0, edge, 0, height), right = side(width - edge, width, 0, height);
        const top = side(0, width, 0, edge), bottom = side(0, width, height - edge, height);
        const middle = (left + right + top + bottom) / 4;
        const across = (right - left) / Math.max(1, width - edge), down = (bottom - top) / Math.max(1, height - edge);
        const contrast = values.map((value, i) => value - middle - across * (i % width - (width - 1) / 2)
            - down * (Math.floor(i / width) - (height - 1) / 2));
        const [dark, bright] = [-quantile(contrast, 0.001), quantile(contrast, 0.999)];
        const sign = dark > bright ? -1 : 1, most = Math.max(dark, bright);
        if (most < 8) return new Float64Array(values.length); // no contrast, no ink
        // On a computed picture the paper is exactly even. On a photo, what is fainter than a third of the ink is paper.
        const clean = values.filter(value => Math.abs(value - middle) < 0.5).length > values.length / 2;
        if (clean) return contrast.map(value => Math.max(0, sign * value));
        const ink = contrast.map(value => (sign * value > most / 3 ? Math.min(255, 255 * sign * value / most) : 0));
        return withoutSpecks(ink, width);
    }

    // Remove connected pieces of less than a tenth of the largest piece.
    function withoutSpecks(ink, width) {
        const piece = new Int32Array(ink.length).fill(-1), sizes = [];
        for (let start = 0; start < ink.length; start++) {
            if (!ink[start] || piece[start] >= 0) continue;
            const pending = [start];
            piece[start] = sizes.length;
            let size = 0;
            while (pending.length) {
                const at = pending.pop(), column = at % width;
                size++;
                for (const next of [at - width, at + width, column > 0 ? at - 1 : -1, column < width - 1 ? at + 1 : -1])
                    if (ink[next] > 0 && piece[next] < 0) {
                        piece[next] = sizes.length;
                        pending.push(next);
                    }
            }
            sizes.push(size);
        }
        const least = Math.max(...sizes) / 10;
        return ink.map((value, i) => (value && sizes[piece[i]] >= least ? value : 0));
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
