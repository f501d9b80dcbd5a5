// What is asked: a known region, a whole series, or points and a box; and the answer to it.

import { regionOf, segment, similar } from "./client.js";
import { maskOf } from "./mask.js";

/** A click farther from the region than this part of its size, and than so many mm, begins a new one. */
const NEAR_PART = 0.5;
const NEAR_MM = 15;

export class Question {
  constructor({ study, series }) {
    Object.assign(this, { study, series, number: 0, kind: "none", found: null, points: [], box: null });
    this.waiting = new AbortController();
  }

  askKnown(found) {
    Object.assign(this, { kind: found.region ? "known" : "series", found, number: found.volume_number, points: [], box: null });
  }

  /** Take a point in; return whether it begins a new region. */
  addPoint(lps, positive, region) {
    const corrects = region && (!positive || isNear(lps, region));
    if (!corrects || this.kind === "none" || this.kind === "series") {
      Object.assign(this, { kind: "prompt", found: null, points: [], box: null });
    } else if (this.kind === "known") {
      // a known region is corrected from its own middle on
      Object.assign(this, { kind: "prompt", points: [{ lps: region.centroid, positive: true }], box: null });
    }
    this.points = [...this.points, { lps, positive }];
    return !corrects;
  }

  setBox(lower, upper) {
    Object.assign(this, { kind: "prompt", found: null, points: [], box: { lower_lps: lower, upper_lps: upper } });
  }

  /** Take back the last point, or the box. */
  undo() {
    if (this.points.length) this.points = this.points.slice(0, -1);
    else this.box = null;
    if (!this.points.some((point) => point.positive) && !this.box) this.points = [];
    if (!this.points.length && !this.box) this.kind = "none";
  }

  get body() {
    const { study, series, number, kind, found, points, box } = this;
    const body = { study, series, volume_number: number };
    if (kind === "known") return { ...body, tracking_uid: found.region.tracking_uid };
    return kind === "prompt" ? { ...body, points, ...(box ? { box } : {}) } : body;
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

  answer(filters, signal, offset = 0) {
    return similar({ ...this.body, filters, limit: 10, offset }, signal);
  }
}

/**
 * A region as views take it: its mask, its middle, the field (mm) of a slice that shows it,
 * and of a view that shows all of it from any side.
 */
export function outlined(told) {
  return {
    told,
    mask: maskOf(told),
    centroid: told.centroid_lps,
    field: fieldOf(told.size_mm.slice(1), 1.8),
    around: fieldOf(told.size_mm, 1.5),
  };
}

/** So many mm show what is of this size, with as much round it as `share` says; in whole centimetres. */
const fieldOf = (sizeMm, share) => Math.min(400, Math.max(50, Math.round((Math.max(...sizeMm) * share) / 10) * 10));

function isNear(lps, { told, centroid }) {
  const reach = Math.max(...told.size_mm) / 2;
  const away = Math.hypot(...lps.map((value, axis) => value - centroid[axis]));
  return away <= reach + Math.max(NEAR_MM, reach * NEAR_PART);
}
