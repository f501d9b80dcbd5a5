// A volume in the browser: its geometry first, then its voxels, the slice that is looked at before all others.

import { slices, volumeOf } from "./client.js";
import { Grid, planesOf } from "./geometry.js";

/** An answer of voxels is about so long; small enough to come soon, large enough to be few. */
const CHUNK_BYTES = 4 * 2 ** 20;
const AT_A_TIME = 3;

export class Volume {
  constructor(told) {
    Object.assign(this, { unit: told.unit, range: told.range, modality: told.modality, told });
    this.scale = { slope: told.slope, intercept: told.intercept };
    this.grid = new Grid(told);
    this.planes = planesOf(this.grid);
    const [count, rows, columns] = told.shape;
    this.strides = [rows * columns, columns, 1];
    this.voxels = new Int16Array(count * rows * columns).fill(-32768);
    this.isLoaded = new Uint8Array(count);
    this.loaded = 0;
  }

  get isWhole() {
    return this.loaded === this.grid.shape[0];
  }

  /** The slice that a frame is; -1 where it is none of this volume's. */
  sliceOf({ instance, frame }) {
    return (this.told.frames || []).findIndex((one) => one.instance === instance && one.frame === frame);
  }

  /** The value at an index, in the volume's unit; undefined where it has not come yet. */
  valueAt(index) {
    const [k, j, i] = index.map(Math.round);
    if (!this.isLoaded[k]) return undefined;
    const stored = this.voxels[k * this.strides[0] + j * this.strides[1] + i];
    return stored === undefined ? undefined : stored * this.scale.slope + this.scale.intercept;
  }

  /** Paint the plane at index `at` into `pixels`, a Uint32Array of its width × height, through a table of greys. */
  paint(plane, at, greys, pixels) {
    const { across, down, axis } = plane;
    const [width, height] = [this.grid.shape[across.axis], this.grid.shape[down.axis]];
    const stepX = this.strides[across.axis] * (across.flip ? -1 : 1);
    const stepY = this.strides[down.axis] * (down.flip ? -1 : 1);
    let row = at * this.strides[axis];
    if (across.flip) row += (width - 1) * this.strides[across.axis];
    if (down.flip) row += (height - 1) * this.strides[down.axis];
    const { voxels } = this;
    for (let y = 0, to = 0; y < height; y += 1, row += stepY) {
      for (let x = 0, from = row; x < width; x += 1, from += stepX, to += 1) pixels[to] = greys[voxels[from] + 32768];
    }
  }

  take(first, values) {
    this.voxels.set(values, first * this.strides[0]);
    const count = values.length / this.strides[0];
    for (let k = first; k < first + count; k += 1) {
      this.loaded += 1 - this.isLoaded[k];
      this.isLoaded[k] = 1;
    }
  }
}

/**
 * Load a volume. `opened(volume)` is called as soon as the geometry is known and returns the slice to begin with;
 * `came(volume)` after each answer. `signal` ends it.
 */
export async function load({ study, series, number = 0, opened, came, signal }) {
  const volume = new Volume(await volumeOf(study, series, number, signal));
  const [count, rows, columns] = volume.grid.shape;
  const start = Math.min(Math.max(Math.round(opened(volume)), 0), count - 1);
  const fetchSlices = async (first, last) => {
    const values = await slices(study, series, number, first, last, signal);
    volume.take(first, values);
    came(volume);
  };
  await fetchSlices(start, start);
  const most = Math.min(volume.told.slices_per_request, Math.max(1, Math.floor(CHUNK_BYTES / (2 * rows * columns))));
  const chunks = [];
  for (let first = 0; first < count; first += most) chunks.push([first, Math.min(first + most, count) - 1]);
  const away = ([first, last]) => Math.max(first - start, start - last, 0);
  chunks.sort((a, b) => away(a) - away(b));
  const next = async () => {
    for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) await fetchSlices(...chunk);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
  return volume;
}

/** A key picture as a volume of one slice, on its own place in the patient. */
export function volumeOfPicture(told) {
  const { rows, columns, spacing_mm: [down, across] } = told;
  const depth = Math.hypot(...told.affine.slice(0, 3).map((row) => row[0]));
  const volume = new Volume({ ...told, shape: [1, rows, columns], spacing_mm: [depth, down, across] });
  volume.take(0, voxelsOf(told.voxels));
  return volume;
}

export function voxelsOf(base64) {
  const text = window.atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new Int16Array(bytes.buffer);
}
