// Masks: runs from the worker become bits in a box; a section of it becomes a path round it.

/** A mask in a volume: bits in the box from `lower` (k, j, i) on. */
export function maskOf(told) {
  const lower = told.lower_index;
  const size = told.upper_index.map((end, axis) => end - lower[axis]);
  return { lower, size, bits: bitsOf(told.runs, size[0] * size[1] * size[2]), sections: new Map() };
}

/** A mask of one plane of rows and columns. */
export function planeMask(runs, rows, columns) {
  return { lower: [0, 0, 0], size: [1, rows, columns], bits: bitsOf(runs, rows * columns), sections: new Map() };
}

function bitsOf(runs, length) {
  const bits = new Uint8Array(length);
  let at = 0;
  runs.forEach((run, number) => {
    if (number % 2) bits.fill(1, at, at + run);
    at += run;
  });
  return bits;
}

/** The first and last column and row, [[left, top], [right, bottom]], of a plane's mask; right is -1 where it is empty. */
export function extentOf(mask) {
  const [, rows, columns] = mask.size;
  let [left, right, top, bottom] = [columns, -1, rows, -1];
  for (let at = 0; at < mask.bits.length; at += 1) {
    if (!mask.bits[at]) continue;
    const [y, x] = [Math.floor(at / columns), at % columns];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = y;
  }
  return [[left, top], [right, bottom]];
}

/** The voxel inside, in the box's own index, that is nearest to `index`. */
export function voxelNear({ size, bits }, index) {
  let [best, least] = [index, Infinity];
  for (let at = 0; at < bits.length; at += 1) {
    if (!bits[at]) continue;
    const row = Math.floor(at / size[2]);
    const voxel = [Math.floor(row / size[1]), row % size[1], at % size[2]];
    const away = (voxel[0] - index[0]) ** 2 + (voxel[1] - index[1]) ** 2 + (voxel[2] - index[2]) ** 2;
    if (away < least) [best, least] = [voxel, away];
  }
  return best;
}

/** The section of a mask by a plane at index `at`: a path in pixels of the plane, or null where there is none. */
export function section(mask, plane, at, shape) {
  const inBox = at - mask.lower[plane.axis];
  if (inBox < 0 || inBox >= mask.size[plane.axis]) return null;
  const key = `${plane.name} ${at} ${shape}`;
  if (!mask.sections.has(key)) mask.sections.set(key, traced(mask, plane, inBox, shape));
  return mask.sections.get(key);
}

function traced(mask, plane, inBox, shape) {
  const { across, down, axis } = plane;
  const strides = [mask.size[1] * mask.size[2], mask.size[2], 1];
  const [width, height] = [mask.size[across.axis], mask.size[down.axis]];
  const isIn = (x, y) =>
    x >= 0 && y >= 0 && x < width && y < height &&
    mask.bits[inBox * strides[axis] + y * strides[down.axis] + x * strides[across.axis]] === 1;
  // from a place in the box to a pixel's corner in the plane
  const toX = (x) => (across.flip ? shape[across.axis] - mask.lower[across.axis] - x : mask.lower[across.axis] + x);
  const toY = (y) => (down.flip ? shape[down.axis] - mask.lower[down.axis] - y : mask.lower[down.axis] + y);
  const edge = new Path2D();
  let found = false;
  const line = (x1, y1, x2, y2) => {
    edge.moveTo(toX(x1), toY(y1));
    edge.lineTo(toX(x2), toY(y2));
    found = true;
  };
  for (let y = 0; y <= height; y += 1) {
    stretches(width, (x) => isIn(x, y) !== isIn(x, y - 1), (from, to) => line(from, y, to, y));
  }
  for (let x = 0; x <= width; x += 1) {
    stretches(height, (y) => isIn(x, y) !== isIn(x - 1, y), (from, to) => line(x, from, x, to));
  }
  return found ? edge : null;
}

/** Call `found(from, to)` for each stretch of `count` places where `holds`. */
function stretches(count, holds, found) {
  let from = -1;
  for (let at = 0; at <= count; at += 1) {
    const here = at < count && holds(at);
    if (here && from < 0) from = at;
    if (!here && from >= 0) {
      found(from, at);
      from = -1;
    }
  }
}
