// Where voxels lie: index (k, j, i) to LPS mm and back, and the three planes as a reading room shows them.

const LETTERS = [["R", "L"], ["A", "P"], ["I", "S"]];

export class Grid {
  constructor({ shape, spacing_mm, affine }) {
    this.shape = shape;
    this.spacing = spacing_mm;
    this.affine = affine;
    this.inverse = inverted(affine);
  }

  toLps(index) {
    return [0, 1, 2].map((row) => dot(this.affine[row], index) + this.affine[row][3]);
  }

  toIndex(lps) {
    const moved = [0, 1, 2].map((row) => lps[row] - this.affine[row][3]);
    return [0, 1, 2].map((row) => dot(this.inverse[row], moved));
  }

  middle() {
    return this.shape.map((size) => (size - 1) / 2);
  }

  /** An index as shares of the volume, each from 0 to 1. */
  shareOf(index) {
    return this.held(index).map((value, axis) => (this.shape[axis] > 1 ? value / (this.shape[axis] - 1) : 0.5));
  }

  held(index) {
    return index.map((value, axis) => Math.min(Math.max(value, 0), this.shape[axis] - 1));
  }

  /** The corners, LPS mm, of the box along the patient's axes that holds a box of indices. */
  boxLps(lower, upper) {
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) =>
      this.toLps([0, 1, 2].map((axis) => ((bits >> axis) & 1 ? upper[axis] : lower[axis]))),
    );
    const along = (pick) => [0, 1, 2].map((axis) => pick(...corners.map((corner) => corner[axis])));
    return { lower: along(Math.min), upper: along(Math.max) };
  }
}

const dot = (row, vector) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2];

function inverted(m) {
  const cofactor = (r, c) => {
    const [a, b] = [0, 1, 2].filter((row) => row !== r);
    const [d, e] = [0, 1, 2].filter((column) => column !== c);
    return (m[a][d] * m[b][e] - m[a][e] * m[b][d]) * ((r + c) % 2 ? -1 : 1);
  };
  const determinant = [0, 1, 2].reduce((sum, column) => sum + m[0][column] * cofactor(0, column), 0);
  return [0, 1, 2].map((row) => [0, 1, 2].map((column) => cofactor(column, row) / determinant));
}

/**
 * The planes, the one that was acquired first. Each has a `name`, the `axis` that it stands across, and its axes
 * `across` (to the right of the screen) and `down`, turned so that the patient's right is on the left, anterior or
 * superior on top; and the letters at its four sides.
 */
export function planesOf(grid) {
  const lps = patientAxes(grid);
  return [0, 1, 2].map((axis) => {
    const normal = lps[axis].lps;
    const name = ["sagittal", "coronal", "axial"][normal];
    const acrossLps = normal === 0 ? 1 : 0;
    const downLps = normal === 2 ? 1 : 2;
    const side = (wanted, positive) => {
      const found = lps.findIndex((one) => one.lps === wanted);
      return { axis: found, flip: lps[found].sign !== positive };
    };
    const [left, right] = LETTERS[acrossLps];
    const [low, high] = LETTERS[downLps];
    return {
      name,
      axis,
      across: side(acrossLps, 1),
      down: side(downLps, downLps === 2 ? -1 : 1),
      letters: downLps === 2 ? { left, right, top: high, bottom: low } : { left, right, top: low, bottom: high },
    };
  });
}

/** For each axis of the volume the patient's axis that it is nearest to, each once, and its sign. */
function patientAxes(grid) {
  const free = new Set([0, 1, 2]);
  const found = [null, null, null];
  const pairs = [0, 1, 2].flatMap((axis) =>
    [0, 1, 2].map((lps) => ({ axis, lps, part: grid.affine[lps][axis] / grid.spacing[axis] })),
  );
  for (const { axis, lps, part } of pairs.sort((a, b) => Math.abs(b.part) - Math.abs(a.part))) {
    if (found[axis] || !free.has(lps)) continue;
    free.delete(lps);
    found[axis] = { lps, sign: part < 0 ? -1 : 1 };
  }
  return found;
}
