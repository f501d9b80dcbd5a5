// What is asked: a known region, a whole series, or points and a box; and the answer to it.

import { regionOf, segment, similar } from "./client.js";
import { Grid } from "./geometry.js";
import { extentOf, maskOf, planeMask, voxelNear } from "./mask.js";

/** A click farther from the region than this part of its size, and than so many mm, begins a new one. */
const NEAR_PART = 0.5;
const NEAR_MM = 15;
/** mm that a key picture shows where no region gives a scale */
export const NO_REGION = 120;
const NOTHING = { points: [], box: null, mask: null };

export class Question {
  constructor({ study, series }) {
    Object.assign(this, { study, series, number: 0 });
    this.forget();
    this.waiting = new AbortController();
  }

  forget() {
    // each step holds all hints, and the mask that the last of them corrects
    Object.assign(this, { kind: "none", found: null, steps: [] });
  }

  askKnown(found) {
    Object.assign(this, { kind: found.region ? "known" : "series", found, number: found.volume_number, steps: [] });
  }

  askSeries() {
    Object.assign(this, { kind: "series", found: null, steps: [] });
  }

  /** Begin a region by hints. */
  askHints(points, box = null) {
    Object.assign(this, { kind: "prompt", found: null, steps: [{ points, box, mask: null }] });
  }

  get points() {
    return this.hints.points;
  }

  get box() {
    return this.hints.box;
  }

  get hints() {
    return this.steps.at(-1) || NOTHING;
  }

  /** Take a point in; return whether it begins a new region. */
  addPoint(lps, positive, region) {
    const point = { lps, positive };
    if (!region || (positive && !isNear(lps, region))) {
      this.askHints([point]);
      return true;
    }
    // what is corrected stays as it is elsewhere; a region that somebody drew is held by a point of its own
    const before = this.kind === "prompt" ? this.hints : { ...NOTHING, points: [{ lps: region.inside(), positive: true }] };
    const { told: { affine, shape, runs } } = region;
    const box = before.box && (!positive || isIn(lps, before.box)) ? before.box : null;
    this.steps = [...this.steps, { points: [...before.points, point], box, mask: { affine, shape, runs } }];
    this.kind = "prompt";
    return false;
  }

  /** Take the last step back: to the region before it, to the known region that it corrected, or to nothing. */
  undo() {
    this.steps = this.steps.slice(0, -1);
    if (!this.steps.length) this.kind = this.found ? "known" : "none";
  }

  get body() {
    const { study, series, number, kind, found } = this;
    const body = { study, series, volume_number: number };
    if (kind === "known") return { ...body, tracking_uid: found.region.tracking_uid };
    if (kind !== "prompt") return body;
    const { points, box, mask } = this.hints;
    return { ...body, points, ...(box ? { box } : {}), ...(mask ? { mask } : {}) };
  }

  /** Forget what was asked before; what still comes of it is not shown. */
  begin() {
    this.waiting.abort();
    this.waiting = new AbortController();
    return this.waiting.signal;
  }

  /** The region that is asked about, with its mask; null for a whole series. */
  async region(signal) {
    if (this.kind === "known") return outlined(await regionOf(this.study, this.series, this.found.region.tracking_uid));
    return this.kind === "prompt" ? outlined(await segment(this.body, signal)) : null;
  }

  /** `more`: filters, and further ways to ask, which may be the whole question. */
  answer(more, signal, offset = 0) {
    const subject = this.kind === "none" && !more.at?.lps ? {} : this.body;
    return similar({ ...subject, ...more, limit: 10, offset }, signal);
  }
}

/**
 * A region as views take it: its mask, its middle, the field (mm) of a slice that shows it,
 * and of a view that shows all of it from any side.
 */
export function outlined(told) {
  const mask = maskOf(told);
  const grid = new Grid(told);
  return {
    told,
    mask,
    centroid: told.centroid_lps,
    /** A place inside of it, as near to its middle as there is one, LPS mm. */
    inside: () => grid.toLps(voxelNear(mask, grid.toIndex(told.centroid_lps))),
    field: fieldOf(told.size_mm.slice(1), 1.8),
    around: fieldOf(told.size_mm, 1.5),
  };
}

/** The field of a key picture's region. */
export function fieldOfPicture({ runs, rows, columns, spacing_mm: spacing }) {
  if (!runs) return NO_REGION;
  const [[left, top], [right, bottom]] = extentOf(planeMask(runs, rows, columns));
  return fieldOf([(bottom - top + 1) * spacing[0], (right - left + 1) * spacing[1]], 1.8);
}

/** So many mm show what is of this size, with as much round it as `share` says; in whole centimetres. */
const fieldOf = (sizeMm, share) => Math.min(400, Math.max(50, Math.round((Math.max(...sizeMm) * share) / 10) * 10));

const isIn = (lps, box) => lps.every((value, axis) => value >= box.lower_lps[axis] && value <= box.upper_lps[axis]);

function isNear(lps, { told, centroid }) {
  const reach = Math.max(...told.size_mm) / 2;
  const away = Math.hypot(...lps.map((value, axis) => value - centroid[axis]));
  return away <= reach + Math.max(NEAR_MM, reach * NEAR_PART);
}
