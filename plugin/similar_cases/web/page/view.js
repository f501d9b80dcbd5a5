// One plane of a scene on a canvas: pictures, outlines, prompts, and the hand that works on it.

import { element } from "./dom.js";
import { section } from "./mask.js";
import { hands } from "./hands.js";
import { WORDS, planeName, sliceOf, slicesOf, windowOf } from "./strings.js";

/** Told apart by lightness and width as well as by colour (Okabe and Ito's palette). */
export const INKS = {
  asked: { ink: "#ffb000", width: 1.75 },
  known: { ink: "#56b4e9", width: 1 },
  answer: { ink: "#ffb000", width: 1.75 },
};
const POSITIVE = "#7ddc9a";
const NEGATIVE = "#ff9b8f";
/** Scrolling rests when no slice came for so long. */
const REST_MS = 120;
/** So near to its edge a crosshair counts as out of the picture, pixels. */
const EDGE = 12;
/** The letter on the right stands beside the slider, pixels. */
const BESIDE_SLIDER = 32;

export class View {
  /**
   * `does`: {point(lps, positive), box(lower, upper), undo(), window(step), preset(number), toggle(name), centre(), link(),
   * hover(index)}; what is missing is not done.
   */
  constructor(scene, planeAt, name, does = {}) {
    // a box that hands or keys began: its first corner, and the one that the hand is over now
    Object.assign(this, { scene, planeAt, does, zoom: 0, centre: null, drag: null, boxStart: null, boxEnd: null });
    this.canvas = element("canvas", {
      class: "view-canvas",
      tabindex: "0",
      role: "application",
      "aria-roledescription": WORDS.imageView,
      "aria-label": name,
      "aria-describedby": "keys",
    });
    this.told = element("output", { class: "slice-told", "aria-hidden": "true" });
    this.grey = element("output", { class: "grey-told", "aria-hidden": "true" });
    this.slider = element("input", { type: "range", class: "slices", min: 0, hidden: true, "aria-label": slicesOf(name) });
    this.root = element("div", { class: "view" }, this.canvas, this.told, this.grey, this.slider);
    this.buffer = document.createElement("canvas");
    this.stop = scene.listen((what) => (what === "cursor" && this.isShown ? undefined : this.ask()));
    this.resized = new ResizeObserver(() => this.ask());
    this.resized.observe(this.root);
    hands(this);
  }

  close() {
    this.stop();
    this.resized.disconnect();
    this.root.remove();
  }

  get plane() {
    return this.scene.volume?.planes[this.planeAt];
  }

  get at() {
    return Math.round(this.scene.cursor[this.plane.axis]);
  }

  get size() {
    const { shape } = this.scene.volume.grid;
    return [shape[this.plane.across.axis], shape[this.plane.down.axis]];
  }

  get spacing() {
    const { spacing } = this.scene.volume.grid;
    return [spacing[this.plane.across.axis], spacing[this.plane.down.axis]];
  }

  /** Pixels of the screen a mm. */
  get scale() {
    return this.zoom || this.fitting();
  }

  fitting() {
    const [width, height] = this.size;
    const [x, y] = this.spacing;
    return Math.min(this.canvas.clientWidth / (width * x), this.canvas.clientHeight / (height * y)) || 1;
  }

  fit() {
    this.zoom = 0;
    this.centre = null;
    this.ask();
  }

  /** Look at a place of the plane from near: `lps` in the middle, `field` mm over the smaller side. */
  zoomTo(lps, field) {
    this.zoom = Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / field;
    this.centre = this.pixelOf(this.scene.volume.grid.toIndex(lps));
    this.ask();
  }

  /** Zoom by a factor, so that the place under (x, y) of the canvas stays there. */
  zoomBy(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const before = this.placeAt(x, y);
    this.zoom = Math.min(Math.max(this.scale * factor, this.fitting() / 4), 80);
    const after = this.placeAt(x, y);
    const centre = this.middle();
    this.centre = [centre[0] + before[0] - after[0], centre[1] + before[1] - after[1]];
    this.ask();
  }

  panBy(dx, dy) {
    const centre = this.middle();
    const [x, y] = this.spacing;
    this.centre = [centre[0] - dx / (this.scale * x), centre[1] - dy / (this.scale * y)];
    this.ask();
  }

  /** Move the picture so far that the crosshair is in it. */
  reveal() {
    const place = this.pixelOf(this.scene.cursor);
    const [x, y] = this.screenOf(place);
    const { clientWidth, clientHeight } = this.canvas;
    if (x > EDGE && y > EDGE && x < clientWidth - EDGE && y < clientHeight - EDGE) return;
    this.lookAt(place);
  }

  /** Bring a place of the plane into the middle. */
  lookAt(place) {
    this.zoom = this.scale;
    this.centre = place;
    this.ask();
  }

  middle() {
    return this.centre || [this.size[0] / 2, this.size[1] / 2];
  }

  /** Pixel of the plane under (x, y) of the canvas; whole numbers are corners of pixels. */
  placeAt(x, y) {
    const [cx, cy] = this.middle();
    const [sx, sy] = this.spacing;
    const { clientWidth, clientHeight } = this.canvas;
    return [cx + (x - clientWidth / 2) / (this.scale * sx), cy + (y - clientHeight / 2) / (this.scale * sy)];
  }

  /** Where a corner of a pixel lies on the canvas. */
  screenOf([px, py]) {
    const [cx, cy] = this.middle();
    const [sx, sy] = this.spacing;
    const { clientWidth, clientHeight } = this.canvas;
    return [clientWidth / 2 + (px - cx) * this.scale * sx, clientHeight / 2 + (py - cy) * this.scale * sy];
  }

  /** Index (k, j, i) of a pixel of the plane at the slice that is shown. */
  indexOf([px, py]) {
    const { across, down, axis } = this.plane;
    const { shape } = this.scene.volume.grid;
    const index = [0, 0, 0];
    index[axis] = this.at;
    index[across.axis] = across.flip ? shape[across.axis] - 0.5 - px : px - 0.5;
    index[down.axis] = down.flip ? shape[down.axis] - 0.5 - py : py - 0.5;
    return index;
  }

  /** The pixel of the plane over an index; whole numbers are corners. */
  pixelOf(index) {
    const { across, down } = this.plane;
    const { shape } = this.scene.volume.grid;
    const along = ({ axis, flip }) => (flip ? shape[axis] - 0.5 - index[axis] : index[axis] + 0.5);
    return [along(across), along(down)];
  }

  /** Whether the picture is the same wherever on its slice the cursor is. */
  get isShown() {
    return this.scene.volume && this.shownAt === this.at && !this.scene.showsCrosshair && !this.boxStart;
  }

  ask() {
    if (this.asked) return;
    this.asked = window.requestAnimationFrame(() => {
      this.asked = 0;
      if (this.scene.volume && this.canvas.isConnected) this.draw();
    });
  }

  draw() {
    const { canvas, scene } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    this.paint(pen);
    if (scene.showsRegions) scene.regions.forEach((region) => this.outline(pen, region));
    if (scene.showsCrosshair) this.crosshair(pen);
    this.prompts(pen);
    this.letters(pen);
    this.tellSlice(scene.volume.grid.shape[this.plane.axis]);
    tell(this.grey, this.planeAt ? "" : windowOf(scene.window));
    canvas.dataset.slice = String(this.at);
    this.shownAt = this.at;
  }

  tellSlice(count) {
    const { slider, at } = this;
    const text = sliceOf(planeName(this.plane.name), at + 1, count);
    tell(this.told, text);
    slider.hidden = count < 2;
    if (slider.max !== String(count - 1)) slider.max = count - 1;
    if (slider.value !== String(at)) slider.value = at;
    if (slider.getAttribute("aria-valuetext") !== text) slider.setAttribute("aria-valuetext", text);
  }

  paint(pen) {
    const { scene, buffer } = this;
    const [width, height] = this.size;
    const { isLoaded, loaded } = scene.volume;
    const key = `${this.at} ${scene.version} ${this.plane.axis ? loaded : isLoaded[this.at]}`;
    if (buffer.width !== width || buffer.height !== height) Object.assign(buffer, { width, height });
    if (this.painted !== key) {
      const brush = buffer.getContext("2d");
      this.image = this.image?.width === width && this.image.height === height ? this.image : brush.createImageData(width, height);
      scene.volume.paint(this.plane, this.at, scene.greys, new Uint32Array(this.image.data.buffer));
      brush.putImageData(this.image, 0, 0);
      this.painted = key;
    }
    const [left, top] = this.screenOf([0, 0]);
    const [right, bottom] = this.screenOf([width, height]);
    // fine smoothing takes a PC without a graphics card twice as long: a slice that is passed does without
    const isPassed = this.shownAt !== undefined && this.shownAt !== this.at;
    if (isPassed) this.drawAtRest();
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = isPassed ? "low" : "high";
    pen.drawImage(buffer, left, top, right - left, bottom - top);
  }

  drawAtRest() {
    window.clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.ask(), REST_MS);
  }

  outline(pen, { mask, kind }) {
    const found = section(mask, this.plane, this.at, this.scene.volume.grid.shape);
    if (!found) return;
    stroke(pen, found, INKS[kind], this.screenOf([0, 0]), this.spacing.map((step) => step * this.scale));
  }

  crosshair(pen) {
    const [x, y] = this.screenOf(this.pixelOf(this.scene.cursor)).map((at) => Math.round(at) + 0.5);
    const { clientWidth, clientHeight } = this.canvas;
    const gap = 9;
    pen.beginPath();
    for (const [x1, y1, x2, y2] of [
      [0, y, x - gap, y], [x + gap, y, clientWidth, y], [x, 0, x, y - gap], [x, y + gap, x, clientHeight],
    ]) {
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
    }
    twice(pen, "#6cc4ff", 1);
  }

  prompts(pen) {
    const { grid } = this.scene.volume;
    for (const { lps, positive } of this.scene.points) {
      const index = grid.toIndex(lps);
      const off = Math.abs(index[this.plane.axis] - this.at);
      if (off <= 2) mark(pen, this.screenOf(this.pixelOf(index)), positive, off < 0.75 ? 1 : 0.35);
    }
    const box = this.drag?.box || this.keyBox() || this.shownBox();
    if (!box) return;
    pen.beginPath();
    pen.rect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
    pen.setLineDash([5, 3]);
    twice(pen, POSITIVE, 1.5);
    pen.setLineDash([]);
  }

  keyBox() {
    if (!this.boxStart) return null;
    return [...this.screenOf(this.boxStart), ...this.screenOf(this.boxEnd || this.pixelOf(this.scene.cursor))];
  }

  shownBox() {
    const { box, volume } = this.scene;
    if (!box) return null;
    const [low, high] = [box.lower_lps, box.upper_lps].map((lps) => volume.grid.toIndex(lps));
    const along = [low[this.plane.axis], high[this.plane.axis]];
    if (this.at < Math.min(...along) - 0.5 || this.at > Math.max(...along) + 0.5) return null;
    return [...this.screenOf(this.pixelOf(low)), ...this.screenOf(this.pixelOf(high))];
  }

  letters(pen) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { left, right, top, bottom } = this.plane.letters;
    pen.font = "600 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [letter, x, y] of [[left, 11, height / 2], [right, width - BESIDE_SLIDER, height / 2], [top, width / 2, 12], [bottom, Math.max(width / 2, Math.min(150, width - 30)), height - 12]]) {
      pen.lineWidth = 3;
      pen.strokeStyle = "rgba(0, 0, 0, 0.8)";
      pen.strokeText(letter, x, y);
      pen.fillStyle = "#d5dde2";
      pen.fillText(letter, x, y);
    }
  }
}

/** Change a text where it is another: the page is laid out anew for each change. */
function tell(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** Outline a section, and leave what is inside to be seen; `origin` and `step` take its pixels to the canvas. */
export function stroke(pen, found, { ink, width: thin }, [x, y], [stepX, stepY], width = thin) {
  const edge = new Path2D();
  edge.addPath(found, new DOMMatrix([stepX, 0, 0, stepY, x, y]));
  pen.save();
  pen.lineCap = "square";
  pen.lineWidth = 2 * width;
  pen.strokeStyle = "rgba(0, 0, 0, 0.55)";
  pen.stroke(edge);
  pen.lineWidth = width;
  pen.strokeStyle = ink;
  pen.stroke(edge);
  pen.restore();
}

/** A line with a dark one round it, seen on black and on white. */
function twice(pen, ink, width) {
  pen.lineWidth = width + 2;
  pen.strokeStyle = "rgba(0, 0, 0, 0.55)";
  pen.stroke();
  pen.lineWidth = width;
  pen.strokeStyle = ink;
  pen.stroke();
}

/** A plus in a circle for inside, a minus in a square for outside: shapes as well as colours. */
function mark(pen, [x, y], positive, strength) {
  pen.save();
  pen.globalAlpha = strength;
  pen.beginPath();
  if (positive) pen.arc(x, y, 6, 0, 2 * Math.PI);
  else pen.rect(x - 6, y - 6, 12, 12);
  pen.fillStyle = "rgba(0, 0, 0, 0.45)";
  pen.fill();
  twice(pen, positive ? POSITIVE : NEGATIVE, 1.5);
  pen.beginPath();
  pen.moveTo(x - 3.5, y);
  pen.lineTo(x + 3.5, y);
  if (positive) {
    pen.moveTo(x, y - 3.5);
    pen.lineTo(x, y + 3.5);
  }
  twice(pen, positive ? POSITIVE : NEGATIVE, 1.5);
  pen.restore();
}
